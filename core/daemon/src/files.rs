//! Files that are there whole, or as they were before: also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
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
