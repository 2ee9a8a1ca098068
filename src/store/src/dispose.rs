//! Frees the blocks of removed files little by little.
//!
//! A file system that tells its disk which blocks are free (`discard`) does so with the next commit
//! of its journal, for all blocks freed since. Many disks do nothing else meanwhile: a log whose
//! beginning goes, or rows that are replaced, would keep every sync waiting. So a file loses its
//! name at once, and its blocks from the end on, a step and a rest at a time.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::limits::{DISPOSAL_FILES_MAX, DISPOSAL_REST, DISPOSAL_STEP_BYTES, DISPOSAL_STEPS_MAX};
use crate::{Fault, files, work_ended};

/// Time between two looks whether files that are still in use are so.
const USERS_POLL: Duration = Duration::from_millis(100);

/// Who still reads a file; it is whole for as long as there is one of them.
type Users = Weak<dyn Any + Send + Sync>;

/// A thread that frees blocks, started with the first file. Without it, with too many files, and at
/// its end, they go at once.
#[derive(Debug, Default)]
pub(crate) struct Disposal {
    shared: Arc<Shared>,
    thread: OnceLock<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// What the first name failed of that could not be made durable; held while one is.
    failed: Mutex<Option<Fault>>,
}

#[derive(Debug, Default)]
struct Waiting {
    files: Vec<Doomed>,
    is_over: bool,
}

/// A file without a name.
#[derive(Debug)]
struct Doomed {
    file: File,
    dir: PathBuf,
    users: Users,
    /// How much of it is left, and how much goes at once; once its name is durably gone.
    left: Option<(u64, u64)>,
    begun: Instant,
}

impl Disposal {
    /// Removes a file, or a directory with all it holds: by name now, its blocks once it has no
    /// users. What is gone already is fine.
    pub(crate) fn remove<U>(&self, path: &Path, users: &Weak<U>) -> Result<(), Fault>
    where
        U: Any + Send + Sync,
    {
        let users: Users = users.clone();
        // What is only linked to from here is somebody else's.
        if fs::symlink_metadata(path).is_ok_and(|about| about.is_dir()) {
            for name in files::names(path)? {
                self.remove_file(&path.join(name), &users)?;
            }
        }
        self.remove_file(path, &users)
    }

    /// Does `write`, which names a file durably. The system tells one sync of a directory of an
    /// error of the disk: no two go on at once, and after one that failed no name counts.
    pub(crate) fn naming<T>(&self, write: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let mut failed = self.shared.failed();
        if let Some(fault) = &*failed {
            return Err(fault.clone());
        }
        write().inspect_err(|fault| {
            // A full disk has synced nothing, and may have room for the next try.
            if !fault.is_no_space() {
                *failed = Some(fault.clone());
            }
        })
    }

    fn remove_file(&self, path: &Path, users: &Users) -> Result<(), Fault> {
        let about = fs::symlink_metadata(path);
        if about.as_ref().is_ok_and(|about| about.is_dir()) {
            return files::remove(path);
        }
        let is_file = about.is_ok_and(|about| about.is_file());
        // Without the right to write it is removed as a whole, if at all.
        let file = is_file.then(|| File::options().write(true).open(path));
        files::remove(path)?;
        if let (Some(Ok(file)), Some(dir)) = (file, path.parent()) {
            self.dispose(Doomed {
                file,
                dir: dir.to_path_buf(),
                users: users.clone(),
                left: None,
                begun: Instant::now(),
            });
        }
        Ok(())
    }

    fn dispose(&self, doomed: Doomed) {
        let start = || {
            let shared = Arc::clone(&self.shared);
            let thread = Builder::new().name("store-dispose".into());
            let started = thread.spawn(move || shared.run());
            started
                .inspect_err(|error| tracing::warn!(%error, "removed files are freed at once"))
                .ok()
        };
        if self.thread.get_or_init(start).is_none() {
            return;
        }
        let mut waiting = self.shared.lock();
        if waiting.files.len() < DISPOSAL_FILES_MAX {
            waiting.files.push(doomed);
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Disposal {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.is_over = true;
        let left = std::mem::take(&mut waiting.files);
        drop(waiting);
        drop(left);
        self.shared.changed.notify_one();
        if let Some(Some(thread)) = self.thread.take() {
            // It does not panic; what it had in hand is closed either way.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<Fault>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A power cut must not bring a name back for what is left of its file.
    fn sync_name(&self, dir: &Path) -> Result<(), Fault> {
        let mut failed = self.failed();
        let opened = match File::open(dir) {
            // The directory was removed as well; the one above it holds the name of both.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                File::open(dir.parent().unwrap_or(Path::new("/")))
            }
            opened => opened,
        };
        let opened = opened.map_err(|error| Fault::io("open", dir, error))?;
        opened.sync_all().map_err(|error| {
            let fault = Fault::sync("sync the directory", dir, error);
            failed.get_or_insert(fault).clone()
        })
    }

    fn run(&self) {
        let is_free = |doomed: &Doomed| doomed.users.strong_count() == 0;
        loop {
            let mut waiting = self.lock();
            if waiting.is_over {
                return;
            }
            let Some(at) = waiting.files.iter().position(is_free) else {
                let patience = match waiting.files.is_empty() {
                    true => Duration::MAX,
                    false => USERS_POLL,
                };
                drop(self.changed.wait_timeout(waiting, patience));
                continue;
            };
            let free = waiting
                .files
                .iter()
                .filter(|doomed| is_free(doomed))
                .count();
            let mut doomed = waiting.files.remove(at);
            drop(waiting);
            let goes_on = match doomed.left {
                Some(_) => doomed.step(),
                None => self.sync_name(&doomed.dir).and_then(|()| doomed.begin()),
            };
            let goes_on = goes_on.unwrap_or_else(|fault| {
                // Its blocks go when it is closed.
                tracing::warn!(%fault, "a removed file is freed at once");
                false
            });
            let mut waiting = self.lock();
            match goes_on {
                true => waiting.files.insert(0, doomed),
                false => work_ended("disposal", doomed.begun),
            }
            // The more wait, the faster they go.
            let rest = DISPOSAL_REST / u32::try_from(free).unwrap_or(u32::MAX);
            let is_resting = |waiting: &mut Waiting| !waiting.is_over;
            drop(self.changed.wait_timeout_while(waiting, rest, is_resting));
        }
    }
}

impl Doomed {
    /// Says how much there is to free; `false` if it is not to be freed.
    fn begin(&mut self) -> Result<bool, Fault> {
        self.begun = Instant::now();
        let about = self.file.metadata().map_err(|error| self.fault(error))?;
        let step = about.len().div_ceil(DISPOSAL_STEPS_MAX);
        self.left = Some((about.len(), DISPOSAL_STEP_BYTES.max(step)));
        // Somebody may have given it another name.
        Ok(about.nlink() == 0)
    }

    /// Frees some of its blocks; `false` once there are no more.
    fn step(&mut self) -> Result<bool, Fault> {
        let (left, step) = self.left.unwrap_or_default();
        let left = left.saturating_sub(step);
        self.left = Some((left, step));
        let shrunk = self.file.set_len(left).and_then(|()| self.file.sync_data());
        shrunk.map_err(|error| self.fault(error))?;
        Ok(left > 0)
    }

    fn fault(&self, error: io::Error) -> Fault {
        Fault::io("shrink a removed file of", &self.dir, error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tempfile::tempdir;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);
    const NOBODY: Weak<()> = Weak::new();

    fn create(path: &Path, steps: u64) -> File {
        let file = File::create_new(path).unwrap();
        file.set_len(steps * DISPOSAL_STEP_BYTES).unwrap();
        file
    }

    /// Waits until nothing is left of a file, and answers the lengths that were seen.
    fn gone(file: &File) -> BTreeSet<u64> {
        let begun = Instant::now();
        let mut seen = BTreeSet::new();
        while !seen.contains(&0) {
            assert!(begun.elapsed() < DEADLINE, "{seen:?}");
            seen.insert(file.metadata().unwrap().len());
            std::thread::sleep(Duration::from_millis(1));
        }
        seen
    }

    #[test]
    fn a_removed_file_goes_step_by_step() {
        let (temp, disposal) = (tempdir().unwrap(), Disposal::default());
        let path = temp.path().join("log");
        let file = create(&path, 20);
        disposal.remove(&path, &NOBODY).unwrap();
        assert!(!path.exists());
        let seen = gone(&file);
        assert!(seen.len() > 2, "{seen:?}");
        disposal.remove(&path, &NOBODY).unwrap();
    }

    #[test]
    fn a_removed_file_is_whole_until_it_has_no_users() {
        let (temp, disposal) = (tempdir().unwrap(), Disposal::default());
        let [used, next] = ["used", "next"].map(|name| temp.path().join(name));
        let (file, user) = (create(&used, 3), Arc::new(()));
        let behind_it = create(&next, 1);
        disposal.remove(&used, &Arc::downgrade(&user)).unwrap();
        disposal.remove(&next, &NOBODY).unwrap();
        gone(&behind_it);
        assert_eq!(file.metadata().unwrap().len(), 3 * DISPOSAL_STEP_BYTES);
        drop(user);
        gone(&file);
    }

    #[test]
    fn a_removed_file_with_another_name_stays_whole_under_it() {
        let (temp, disposal) = (tempdir().unwrap(), Disposal::default());
        let [path, link, kept, next] =
            ["path", "link", "kept", "next"].map(|name| temp.path().join(name));
        let file = create(&path, 3);
        std::fs::hard_link(&path, &kept).unwrap();
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        let behind_it = create(&next, 1);
        for removed in [&path, &link, &next] {
            disposal.remove(removed, &NOBODY).unwrap();
        }
        gone(&behind_it);
        assert_eq!(file.metadata().unwrap().len(), 3 * DISPOSAL_STEP_BYTES);
    }

    #[test]
    fn no_name_counts_after_a_sync_of_a_directory_that_failed() {
        let (temp, disposal) = (tempdir().unwrap(), Disposal::default());
        let is_failed = |dir: &Path| disposal.shared.sync_name(dir).is_err();
        assert!(!is_failed(temp.path()));
        assert!(is_failed(&temp.path().join("gone/gone")));
        disposal.naming(|| Ok(())).unwrap();
        // Nothing there can be synced.
        assert!(is_failed(Path::new("/proc")));
        assert!(!is_failed(temp.path()));
        let named = disposal.naming(|| Ok(()));
        assert!(matches!(named, Err(Fault::Io { .. })));
    }

    #[test]
    fn no_name_counts_after_one_that_could_not_be_made_durable() {
        let disposal = Disposal::default();
        let fail = |kind: ErrorKind| {
            disposal.naming(|| Err::<(), _>(Fault::io("name", Path::new("x"), kind.into())))
        };
        assert!(fail(ErrorKind::StorageFull).is_err());
        disposal.naming(|| Ok(())).unwrap();
        assert!(fail(ErrorKind::Other).is_err());
        assert!(disposal.naming(|| Ok(())).is_err());
    }

    #[test]
    fn a_directory_is_removed_with_all_it_holds() {
        let (temp, disposal) = (tempdir().unwrap(), Disposal::default());
        let dir = temp.path().join("rows");
        std::fs::create_dir_all(dir.join("blobs")).unwrap();
        let file = create(&dir.join("base"), 2);
        create(&dir.join("blobs/1"), 1);
        disposal.remove(&dir, &NOBODY).unwrap();
        assert!(!dir.exists());
        gone(&file);
        disposal.remove(&dir, &NOBODY).unwrap();
    }
}
