//! Recordings on the disk: a thread of its own writes what the engine hands on, both sides of a call as stereo WAV, the
//! caller on the left. A slow or full disk costs the recording, never the call.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use hound::{SampleFormat, WavSpec, WavWriter};
use ringtrip_media::engine::RecordingOutput;
use ringtrip_model::ids::CallId;

/// Frames that may wait for the disk: a minute of ten calls.
const QUEUE: usize = 32_768;
/// A recording is not begun, and ends, where less than so much of the disk is free: records and configuration need it.
const RESERVE: u64 = 64 << 20;
/// The header is brought up to date, and the disk looked at, this often: every 2 s of sound.
const ROUND: u32 = 100;

/// Says to the operator that a recording was lost, and why.
pub type Complain = Box<dyn Fn(String) + Send>;

/// A handle on the writing thread. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(SyncSender<RecordingOutput>);

impl Recorder {
    /// Starts the thread. Files go into this folder, which is made when the first one is.
    pub fn start(folder: PathBuf, complain: Complain) -> std::io::Result<Recorder> {
        let (frames, waiting) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || write(&folder, &waiting, &complain))?;
        Ok(Recorder(frames))
    }

    /// Hands this on to the thread. A disk that does not keep up loses sound; a media worker does not wait for it.
    pub fn write(&self, recording: RecordingOutput) {
        match self.0.try_send(recording) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => crate::logging::warn_counted("record", || {
                "the disk is too slow: a recording has a gap".to_owned()
            }),
            Err(TrySendError::Disconnected(_)) => tracing::error!("the recorder is gone"),
        }
    }
}

struct Sink {
    writer: WavWriter<BufWriter<File>>,
    path: PathBuf,
    round: u32,
}

/// The writing thread.
fn write(folder: &Path, waiting: &Receiver<RecordingOutput>, complain: &Complain) {
    let mut sinks: HashMap<CallId, Sink> = HashMap::new();
    for recording in waiting {
        match recording {
            RecordingOutput::Begin { call, file } => match Sink::open(folder, &file) {
                Ok(sink) => drop(sinks.insert(call, sink)),
                Err(why) => complain(format!("call {call} is not recorded: {why}")),
            },
            RecordingOutput::Frame { call, samples } => {
                let Some(sink) = sinks.get_mut(&call) else { continue };
                if let Err(why) = sink.write(&samples[..]) {
                    sinks.remove(&call);
                    complain(format!("the recording of call {call} was cut off: {why}"));
                }
            }
            RecordingOutput::End { call } => {
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
    use std::time::{Duration, Instant};

    use super::*;

    const CALL: CallId = CallId(7);

    fn begin() -> RecordingOutput {
        RecordingOutput::Begin { call: CALL, file: "seven.wav".to_owned() }
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // Waits for a thread that writes a file.
    fn both_sides_are_in_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorder = Recorder::start(folder.path().join("recordings"), Box::new(|why| panic!("{why}")))
            .expect("a thread");
        recorder.write(begin());
        for _ in 0..50 {
            let mut samples = Box::new([1000; 320]);
            samples.iter_mut().skip(1).step_by(2).for_each(|s| *s = -2000);
            recorder.write(RecordingOutput::Frame { call: CALL, samples });
        }
        recorder.write(RecordingOutput::End { call: CALL });
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
        let recorder = Recorder::start(file, complain).expect("a thread");
        recorder.write(begin());
        recorder.write(RecordingOutput::End { call: CALL });
        let why = heard.recv_timeout(Duration::from_secs(20)).expect("a complaint");
        assert!(why.contains("is not recorded"), "{why}");
    }
}
