//! Recordings: both sides of a call as stereo WAV, the caller on the left. The media thread gathers the sound in frames
//! of 20 ms and hands it to a thread of its own that writes; a slow or full disk costs the recording, never the call.
//!
//! Both sides are on one clock. Where a telephone or landline takes part it is the board's: what the line said stands
//! beside what it heard at that moment, sample by sample. Between two RTP ends it is ours, and each packet stands where its
//! timestamp says (`record/track.rs`).

mod track;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};
use ringtrip_exchange::post::End;
use ringtrip_media::g711::Law;
use ringtrip_media::plc::Concealer;
use ringtrip_media::rtp::Header;
use ringtrip_model::ids::CallId;

use self::track::Track;

/// Samples in 20 ms.
const FRAME: usize = 160;
/// Samples of the longest packet: 120 ms.
const LONGEST: usize = 960;
/// So much later than it came the sound of RTP ends is written: packets that wander find their place until then.
const BEHIND: Duration = Duration::from_millis(400);
/// Frames that may wait for the disk: a minute of ten calls.
const QUEUE: usize = 32_768;
/// A recording is not begun, and ends, where less than so much of the disk is free: records and configuration need it.
const RESERVE: u64 = 64 << 20;
/// The header is brought up to date, and the disk looked at, this often: every 2 s of sound.
const ROUND: u32 = 100;

/// Says to the operator that a recording was lost, and why.
pub type Complain = Box<dyn Fn(String) + Send>;

/// What the writing thread is told.
enum Word {
    Begin { call: CallId, file: String },
    Frame { call: CallId, frame: Box<[i16; 2 * FRAME]> },
    End { call: CallId },
}

/// A handle on the writing thread.
pub struct Recorder {
    words: SyncSender<Word>,
    open: HashMap<CallId, Recording>,
}

/// A call that is being recorded, on the media thread.
struct Recording {
    ends: [End; 2],
    clock: Clock,
}

/// Whose clock it is.
enum Clock {
    /// That of a board: of which side, and what has come of both.
    Board { side: usize, waiting: [VecDeque<i16>; 2], plc: Box<Concealer> },
    /// Ours: when it began, and how many frames were written.
    Ours { tracks: Box<[Track; 2]>, began: Instant, frames: u64 },
}

impl Recorder {
    /// Starts the thread. Files go into this folder, which is made when the first one is.
    pub fn start(folder: PathBuf, complain: Complain) -> std::io::Result<Recorder> {
        let (words, heard) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || write(&folder, &heard, &complain))?;
        Ok(Recorder { words, open: HashMap::new() })
    }

    /// Begins with a call.
    pub fn begin(&mut self, now: Instant, call: CallId, ends: [End; 2], file: String) {
        let side = ends.iter().position(|end| matches!(end, End::Port(_)));
        let clock = match side {
            Some(side) => Clock::Board { side, waiting: Default::default(), plc: Box::default() },
            None => Clock::Ours { tracks: Default::default(), began: now, frames: 0 },
        };
        self.open.insert(call, Recording { ends, clock });
        self.say(Word::Begin { call, file });
    }

    /// Is nothing being recorded? Then sound need not be looked at.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Is this call being recorded?
    pub fn records(&self, call: CallId) -> bool {
        self.open.contains_key(&call)
    }

    /// How many calls are being recorded.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// A packet of G.711 came to an end.
    pub fn packet(
        &mut self,
        now: Instant,
        call: CallId,
        end: &End,
        law: Law,
        header: &Header,
        payload: &[u8],
    ) {
        let Some(Recording { ends, clock }) = self.open.get_mut(&call) else { return };
        if let (Clock::Ours { tracks, began, .. }, Some(side)) = (clock, ends.iter().position(|e| e == end)) {
            let mut samples = [0; LONGEST];
            let n = law.decode(&payload[..payload.len().min(LONGEST)], &mut samples);
            tracks[side].packet(samples_of(now.saturating_duration_since(*began)), header, &samples[..n]);
        }
    }

    /// A telephone or landline was heard.
    pub fn heard(&mut self, call: CallId, end: &End, samples: &[i16]) {
        self.board(call, end, |side, waiting, _| waiting[side].extend(samples));
    }

    /// It heard this of the other side, in a frame that follows the one that was heard of it.
    pub fn spoken(&mut self, call: CallId, end: &End, samples: &[i16]) {
        let mut samples = samples.to_vec();
        self.board(call, end, |side, waiting, plc| {
            plc.good(&mut samples);
            waiting[1 - side].extend(&samples);
        });
    }

    /// It was heard, but was given no frame: one less waits on its way there.
    pub fn missed(&mut self, call: CallId, end: &End, samples: usize) {
        let mut samples = vec![0; samples];
        self.board(call, end, |side, waiting, plc| {
            plc.conceal(&mut samples);
            waiting[1 - side].extend(&samples);
        });
    }

    fn board(
        &mut self,
        call: CallId,
        end: &End,
        add: impl FnOnce(usize, &mut [VecDeque<i16>; 2], &mut Concealer),
    ) {
        let Some(Recording { ends, clock }) = self.open.get_mut(&call) else { return };
        let Clock::Board { side, waiting, plc } = clock else { return };
        if ends.get(*side) != Some(end) {
            return;
        }
        add(*side, waiting, plc);
        let mut frames = Vec::new();
        while waiting.iter().all(|w| w.len() >= FRAME) {
            let mut frame = Box::new([0; 2 * FRAME]);
            for (n, w) in waiting.iter_mut().enumerate() {
                for (pair, sample) in frame.chunks_exact_mut(2).zip(w.drain(..FRAME)) {
                    pair[n] = sample;
                }
            }
            frames.push(Word::Frame { call, frame });
        }
        frames.into_iter().for_each(|word| self.say(word));
    }

    /// Hands on what has come in by now.
    pub fn tick(&mut self, now: Instant) {
        let mut words = Vec::new();
        for (call, recording) in &mut self.open {
            recording.hand_on(*call, now.checked_sub(BEHIND).unwrap_or(now), &mut words);
        }
        words.into_iter().for_each(|word| self.say(word));
    }

    /// The call is over.
    pub fn end(&mut self, now: Instant, call: CallId) {
        if let Some(mut recording) = self.open.remove(&call) {
            let mut words = Vec::new();
            recording.hand_on(call, now, &mut words);
            words.into_iter().for_each(|word| self.say(word));
            self.say(Word::End { call });
        }
    }

    /// A disk that does not keep up loses sound; the media thread does not wait for it.
    fn say(&self, word: Word) {
        match self.words.try_send(word) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => crate::logging::warn_counted("record", || {
                "the disk is too slow: a recording has a gap".to_owned()
            }),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the recorder is gone"),
        }
    }
}

impl Recording {
    /// What both sides said until then, by our clock.
    fn hand_on(&mut self, call: CallId, until: Instant, words: &mut Vec<Word>) {
        let Clock::Ours { tracks, began, frames } = &mut self.clock else { return };
        let due = samples_of(until.saturating_duration_since(*began)) / FRAME as i64;
        while (*frames as i64) < due {
            *frames += 1;
            let mut frame = Box::new([0; 2 * FRAME]);
            for (side, track) in tracks.iter_mut().enumerate() {
                let mut sound = [0; FRAME];
                track.take(&mut sound);
                for (pair, sample) in frame.chunks_exact_mut(2).zip(sound) {
                    pair[side] = sample;
                }
            }
            words.push(Word::Frame { call, frame });
        }
    }
}

fn samples_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros() / 125).unwrap_or(i64::MAX)
}

struct Sink {
    writer: WavWriter<BufWriter<File>>,
    path: PathBuf,
    round: u32,
}

/// The writing thread.
fn write(folder: &Path, words: &Receiver<Word>, complain: &Complain) {
    let mut sinks: HashMap<CallId, Sink> = HashMap::new();
    for word in words {
        match word {
            Word::Begin { call, file } => match Sink::open(folder, &file) {
                Ok(sink) => drop(sinks.insert(call, sink)),
                Err(why) => complain(format!("call {call} is not recorded: {why}")),
            },
            Word::Frame { call, frame } => {
                let Some(sink) = sinks.get_mut(&call) else { continue };
                if let Err(why) = sink.write(&frame[..]) {
                    sinks.remove(&call);
                    complain(format!("the recording of call {call} was cut off: {why}"));
                }
            }
            Word::End { call } => {
                if let Some(sink) = sinks.remove(&call)
                    && let Err(e) = sink.writer.finalize()
                {
                    complain(format!("the recording of call {call} may be cut off: {e}"));
                }
            }
        }
    }
}

impl Sink {
    fn open(folder: &Path, file: &str) -> Result<Sink, String> {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        enough_room(folder)?;
        let path = folder.join(file);
        let spec =
            WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let writer = WavWriter::create(&path, spec).map_err(|e| format!("{}: {e}", path.display()))?;
        // Who may hear it: the owner of the data folder.
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Sink { writer, path, round: 0 })
    }

    fn write(&mut self, samples: &[i16]) -> Result<(), String> {
        let named = |e: hound::Error, path: &Path| format!("{}: {e}", path.display());
        for sample in samples {
            self.writer.write_sample(*sample).map_err(|e| named(e, &self.path))?;
        }
        self.round += 1;
        if self.round >= ROUND {
            self.round = 0;
            // From time to time the header says the true length, so that a power cut leaves a file that plays.
            self.writer.flush().map_err(|e| named(e, &self.path))?;
            enough_room(&self.path)?;
        }
        Ok(())
    }
}

#[allow(clippy::useless_conversion)] // Counts of a disk have 32 bits on small machines.
fn enough_room(path: &Path) -> Result<(), String> {
    let Ok(disk) = nix::sys::statvfs::statvfs(path) else { return Ok(()) };
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    if free < RESERVE {
        return Err(format!("the disk has {} MB left, and {} MB stay free", free >> 20, RESERVE >> 20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use ringtrip_model::ids::{BoardId, PortRef};

    use super::*;

    fn port(n: u16) -> End {
        let board: BoardId = "virtual".parse().expect("a name");
        End::Port(PortRef { board, port: n })
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Waits for a thread that writes a file.
    fn both_sides_are_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut recorder = Recorder::start(folder.path().join("recordings"), Box::new(|why| panic!("{why}")))
            .expect("a thread");
        let (call, began) = (CallId(7), Instant::now());
        recorder.begin(began, call, [port(0), port(1)], "seven.wav".to_owned());
        for n in 1..=50u64 {
            for port in [port(0), port(1)] {
                // What the called side says is what the caller's board is given.
                recorder.heard(call, &port, &[1000; FRAME]);
                recorder.spoken(call, &port, &[-2000; FRAME]);
            }
            recorder.tick(began + Duration::from_millis(20 * n));
        }
        recorder.end(began, call);
        assert!(recorder.is_idle());
        let path = folder.path().join("recordings/seven.wav");
        let until = Instant::now() + Duration::from_secs(20);
        let read = loop {
            let read = hound::WavReader::open(&path).ok().filter(|wav| wav.duration() == 8000);
            if let Some(read) = read {
                break read;
            }
            assert!(Instant::now() < until, "one second of sound is written");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(read.spec().channels, 2);
        let samples: Vec<i16> = read.into_samples().collect::<Result<_, _>>().expect("samples");
        assert!(samples.chunks_exact(2).all(|pair| pair == [1000, -2000]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_the_recording_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("recordings");
        std::fs::write(&file, b"a file stands where the folder should").expect("written");
        let (said, heard) = mpsc::channel();
        let complain = Box::new(move |why| said.send(why).expect("somebody hears"));
        let mut recorder = Recorder::start(file, complain).expect("a thread");
        let (call, now) = (CallId(7), Instant::now());
        recorder.begin(now, call, [port(0), port(1)], "seven.wav".to_owned());
        recorder.tick(now + Duration::from_secs(1));
        recorder.end(now, call);
        let why = heard.recv_timeout(Duration::from_secs(20)).expect("a complaint");
        assert!(why.contains("is not recorded"), "{why}");
    }
}
