//! One process has a trail: the file `LOCK` in its directory is locked while it does.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::fault::Fault;
use crate::limits::{LOCK_PATIENCE, LOCK_PAUSE};
use crate::recover::OpenError;

const NAME: &str = "LOCK";
const FILE_MODE: u32 = 0o600;

/// Locks the directory, until the file that is answered is closed. The kernel lets go of it when
/// the process ends, however it does.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(NAME);
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(&path);
    let file = opened.map_err(|error| Fault::io("open", &path, error))?;
    // Whoever had it may be about to end.
    let began = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if began.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(Errno::WOULDBLOCK) => {
                let path = dir.to_path_buf();
                return Err(OpenError::Locked { path });
            }
            Err(errno) => return Err(Fault::io("lock", &path, errno.into()).into()),
        }
    }
}
