//! Announcements: those that ship with the exchange, and WAV files in the prompts folder, which take the place of ours
//! where they have the same name. All are read before anybody wants to hear them: the media thread reads no file.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use ringtrip_exchange::prompt;
use ringtrip_media::wav::Wav;

use crate::control_thread::takes_time;

/// All announcements, by name. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Prompts(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    sounds: RwLock<Sounds>,
}

type Sounds = HashMap<String, Arc<[i16]>>;

/// The longest announcement, seconds: the exchange waits no longer for its end.
const LONGEST: usize = 90;
/// The most files that are read.
const MOST: usize = 500;

/// Our own, as they lie in `core/media/prompts`.
const OURS: [(&str, &[u8]); 9] = [
    (prompt::ENTER_PIN, include_bytes!("../../../media/prompts/enter-pin.wav")),
    (prompt::WRONG_PIN, include_bytes!("../../../media/prompts/wrong-pin.wav")),
    (prompt::ENTER_NUMBER, include_bytes!("../../../media/prompts/enter-number.wav")),
    (prompt::NOT_ALLOWED, include_bytes!("../../../media/prompts/not-allowed.wav")),
    (prompt::TOO_EXPENSIVE, include_bytes!("../../../media/prompts/too-expensive.wav")),
    (prompt::LIMIT_NEAR, include_bytes!("../../../media/prompts/limit-near.wav")),
    (prompt::CLOSED, include_bytes!("../../../media/prompts/closed.wav")),
    (prompt::CANNOT_COMPLETE, include_bytes!("../../../media/prompts/cannot-complete.wav")),
    (prompt::CONGESTION, include_bytes!("../../../media/prompts/congestion.wav")),
];

impl Prompts {
    /// Ours and those of this folder, which is made if it is not there. Files that are none are named with what is wrong.
    pub fn open(folder: &Path) -> (Prompts, Vec<String>) {
        let prompts =
            Prompts(Arc::new(Inner { folder: folder.to_owned(), sounds: RwLock::new(Sounds::new()) }));
        let faults = prompts.reload();
        (prompts, faults)
    }

    /// Reads the folder again.
    pub fn reload(&self) -> Vec<String> {
        takes_time("announcements are read");
        let mut faults = Vec::new();
        let mut sounds = Sounds::new();
        for (name, bytes) in OURS {
            match sound(bytes) {
                Ok(sound) => drop(sounds.insert(name.to_owned(), sound)),
                Err(why) => faults.push(format!("{name}: {why}")),
            }
        }
        if let Err(e) = fs::create_dir_all(&self.0.folder) {
            faults.push(format!("{}: {e}", self.0.folder.display()));
        }
        let entries = fs::read_dir(&self.0.folder).map(|d| d.flatten().collect::<Vec<_>>());
        for entry in entries.unwrap_or_default().into_iter().take(MOST) {
            let path = entry.path();
            let is_wav = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"));
            let Some(name) = path.file_stem().and_then(|n| n.to_str()).filter(|_| is_wav) else { continue };
            let read = fs::read(&path).map_err(|e| e.to_string()).and_then(|bytes| sound(&bytes));
            match read {
                Ok(sound) => drop(sounds.insert(name.to_owned(), sound)),
                Err(why) => faults.push(format!("{}: {why}", path.display())),
            }
        }
        *self.0.sounds.write().unwrap_or_else(|e| e.into_inner()) = sounds;
        faults
    }

    /// The announcement of this name, with or without `.wav`, at 8 kHz.
    pub fn find(&self, name: &str) -> Option<Arc<[i16]>> {
        let name = name.strip_suffix(".wav").unwrap_or(name);
        self.0.sounds.read().unwrap_or_else(|e| e.into_inner()).get(name).cloned()
    }
}

fn sound(bytes: &[u8]) -> Result<Arc<[i16]>, String> {
    let wav = Wav::parse(bytes).map_err(|e| e.to_string())?;
    let seconds = wav.samples.len() / wav.rate.max(1) as usize;
    if seconds > LONGEST {
        return Err(format!("it lasts {seconds} s; {LONGEST} s is the most that is played"));
    }
    Ok(wav.at_8k().into())
}

#[cfg(test)]
mod tests {
    use ringtrip_media::level;

    use super::*;

    #[test]
    fn ours_are_there_and_speak() {
        let folder = tempfile::tempdir().expect("a folder");
        let (prompts, faults) = Prompts::open(&folder.path().join("prompts"));
        assert_eq!(faults, Vec::<String>::new());
        for name in prompt::ALL {
            let sound = prompts.find(name).unwrap_or_else(|| panic!("{name}"));
            let seconds = sound.len() / 8000;
            assert!((1..8).contains(&seconds), "{name} lasts {seconds} s");
            assert!(level::of(&sound) > -30.0, "{name}: {} dBm0", level::of(&sound));
        }
    }

    #[test]
    fn a_file_takes_the_place_of_ours_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let (prompts, _) = Prompts::open(folder.path());
        assert!(prompts.find("hello").is_none());
        let wav = ringtrip_media::wav::write(&[1000; 16_000], 16_000);
        fs::write(folder.path().join("hello.wav"), &wav).expect("written");
        fs::write(folder.path().join("closed.wav"), &wav).expect("written");
        fs::write(folder.path().join("congestion.wav"), b"not a sound").expect("written");
        fs::write(folder.path().join("notes.txt"), b"no sound either").expect("written");
        let faults = prompts.reload();
        assert!(faults.len() == 1 && faults[0].contains("congestion.wav: not a WAV file"), "{faults:?}");
        assert_eq!(prompts.find("hello").map(|s| s.len()), Some(8000), "8 kHz, whatever it was");
        assert_eq!(prompts.find("closed").map(|s| s.len()), Some(8000));
        assert!(prompts.find("congestion").is_some(), "ours stands in");
    }
}
