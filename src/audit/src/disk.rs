//! The file system that a trail writes to, so that tests can be without space or have it fail.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Records name secrets: only the node's user may read them.
const FILE_MODE: u32 = 0o600;

/// What a trail asks of a file system. Errors are those of the operating system.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for writing; creates it empty if it is missing, and makes its name durable.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// How many bytes of the file system that holds `dir` are free.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Removes a file; one that is gone is fine.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Sets the space of the first `bytes` bytes aside; the length stays. A file system that cannot
    /// is no error: then only the floor of free space warns.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file off; what was set aside behind may be given back.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Makes what was written durable, its length included.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(Box::new(SystemFile(file)))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

struct SystemFile(File);

impl DiskFile for SystemFile {
    #[cfg(target_os = "linux")]
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        match fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                tracing::warn!("the file system cannot set space aside for audit records");
                Ok(())
            }
            reserved => Ok(reserved?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
