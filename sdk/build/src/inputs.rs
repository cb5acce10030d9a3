//! What a build depends on, as one number: equal inputs need no second build.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;

/// A hash over the names and the contents of all files below these folders, and some words more. Folders of build output
/// are left out.
///
/// # Errors
/// A folder or a file that cannot be read.
pub fn fingerprint<'a>(
    folders: impl IntoIterator<Item = &'a Path>,
    words: impl IntoIterator<Item = String>,
) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for word in words {
        part(&mut hash, word.as_bytes());
    }
    for folder in folders {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        for file in files {
            let text = std::fs::read(&file).map_err(|source| Error::Read { path: file.clone(), source })?;
            let name = file.strip_prefix(folder).unwrap_or(&file);
            part(&mut hash, name.to_string_lossy().as_bytes());
            part(&mut hash, &text);
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// The length goes first, so that the end of one part cannot be taken for the beginning of the next.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let read = |source| Error::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path();
        let name = entry.file_name();
        if !path.is_dir() {
            files.push(path);
        } else if !matches!(name.to_str(), Some("target" | "node_modules" | ".git")) {
            collect(&path, files)?;
        }
    }
    Ok(())
}
