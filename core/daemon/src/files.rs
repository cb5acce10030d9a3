//! Files that are there whole, or as they were before, also after a power cut; and that nobody else reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file, to the disk.
pub(crate) fn write_synced(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// Writes a file beside, to the disk, then in its place.
pub(crate) fn replace(beside: &Path, path: &Path, octets: &[u8]) -> io::Result<()> {
    write_synced(beside, octets)?;
    fs::rename(beside, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Closes a folder to everybody but its owner: what is in it, and what this process writes from now on. A folder from
/// before, or one that was copied, may be open. What cannot be changed is said and left.
pub(crate) fn keep_private(folder: &Path) {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    if let Err(error) = close(folder) {
        tracing::warn!(%error, folder = %folder.display(), "other users of this machine may be able to read the data");
    }
}

fn close(path: &Path) -> io::Result<()> {
    // Links are not followed: they may lead anywhere.
    let meta = fs::symlink_metadata(path)?;
    if !(meta.is_dir() || meta.is_file()) {
        return Ok(());
    }
    let mode = meta.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            match close(&entry?.path()) {
                // It went away meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Ok(())
}
