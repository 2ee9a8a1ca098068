//! Frees the blocks of removed files little by little.
//!
//! A file system that tells its disk which blocks are free (`discard`) does so with the next commit
//! of its journal, for all blocks freed since. Many disks do nothing else meanwhile: a log whose
//! beginning goes, or rows that are replaced, would keep every sync waiting. So a file loses its
//! name at once, and its blocks from the end on, a step and a rest at a time.

use std::any::Any;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{LazyLock, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crate::limits::{DISPOSAL_FILES_MAX, DISPOSAL_REST, DISPOSAL_STEP_BYTES, DISPOSAL_STEPS_MAX};
use crate::{Fault, files, work_ended};

/// Who still reads a file; it is whole for as long as there is one of them.
type Users = Weak<dyn Any + Send + Sync>;

/// The thread of the whole process that frees blocks; without it they go at once.
static THREAD: LazyLock<Option<SyncSender<Doomed>>> = LazyLock::new(|| {
    let (sender, queue) = mpsc::sync_channel(DISPOSAL_FILES_MAX);
    let thread = Builder::new().name("store-dispose".into());
    thread.spawn(move || run(&queue)).ok().map(|_| sender)
});

/// A file without a name.
struct Doomed {
    file: File,
    dir: PathBuf,
    users: Users,
    /// How much of it is left, and how much goes at once; once its name is durably gone.
    left: Option<(u64, u64)>,
    begun: Instant,
}

/// Removes a file, or a directory with all it holds: by name now, its blocks once it has no users.
/// What is gone already is fine.
pub(crate) fn remove<U: Any + Send + Sync>(path: &Path, users: &Weak<U>) -> Result<(), Fault> {
    let users: Users = users.clone();
    if !path.is_dir() {
        return remove_file(path, &users);
    }
    for name in files::names(path)? {
        let path = path.join(name);
        if path.is_file() {
            remove_file(&path, &users)?;
        }
    }
    files::remove(path)
}

fn remove_file(path: &Path, users: &Users) -> Result<(), Fault> {
    // Without the right to write it is removed as a whole, if at all.
    let file = File::options().write(true).open(path);
    files::remove(path)?;
    if let (Ok(file), Some(dir), Some(thread)) = (file, path.parent(), &*THREAD) {
        // With too many before it, it is closed here.
        let _ = thread.try_send(Doomed {
            file,
            dir: dir.to_path_buf(),
            users: users.clone(),
            left: None,
            begun: Instant::now(),
        });
    }
    Ok(())
}

fn run(queue: &Receiver<Doomed>) {
    let mut waiting: Vec<Doomed> = Vec::new();
    loop {
        let rest = match waiting.len() {
            0 => Duration::MAX,
            // The more wait, the faster they go.
            files => DISPOSAL_REST / u32::try_from(files).unwrap_or(u32::MAX),
        };
        match queue.recv_timeout(rest) {
            Ok(_) if waiting.len() >= DISPOSAL_FILES_MAX => {}
            Ok(doomed) => waiting.push(doomed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let is_free = |doomed: &Doomed| doomed.users.strong_count() == 0;
        let Some(at) = waiting.iter().position(is_free) else {
            continue;
        };
        let goes_on = waiting.get_mut(at).map(Doomed::step);
        if let Some(Err(error)) = &goes_on {
            // Its blocks go when it is closed.
            tracing::debug!(%error, "could not shrink a removed file");
        }
        if !matches!(goes_on, Some(Ok(true))) {
            work_ended("disposal", waiting.remove(at).begun);
        }
    }
}

impl Doomed {
    /// Frees some of its blocks; `false` once there are no more.
    fn step(&mut self) -> io::Result<bool> {
        let (left, step) = match self.left {
            Some(left) => left,
            None => {
                self.sync_name()?;
                self.begun = Instant::now();
                let len = self.file.metadata()?.len();
                (
                    len,
                    DISPOSAL_STEP_BYTES.max(len.div_ceil(DISPOSAL_STEPS_MAX)),
                )
            }
        };
        let left = left.saturating_sub(step);
        self.left = Some((left, step));
        self.file.set_len(left)?;
        self.file.sync_data()?;
        Ok(left > 0)
    }

    /// A power cut must not bring the name back for what is left of the file.
    fn sync_name(&self) -> io::Result<()> {
        match File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            // The directory was removed as well; the one above it holds the name of both.
            Err(error) if error.kind() == ErrorKind::NotFound => self.sync_above(),
            synced => synced,
        }
    }

    fn sync_above(&self) -> io::Result<()> {
        let above = self.dir.parent().unwrap_or(Path::new("/"));
        File::open(above)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tempfile::tempdir;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

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
        }
        seen
    }

    #[test]
    fn a_removed_file_goes_step_by_step() {
        let temp = tempdir().unwrap();
        let path = temp.path().join("log");
        let file = create(&path, 20);
        remove(&path, &Weak::<()>::new()).unwrap();
        assert!(!path.exists());
        let seen = gone(&file);
        assert!(seen.len() > 2, "{seen:?}");
        remove(&path, &Weak::<()>::new()).unwrap();
    }

    #[test]
    fn a_removed_file_is_whole_until_it_has_no_users() {
        let temp = tempdir().unwrap();
        let [used, next] = ["used", "next"].map(|name| temp.path().join(name));
        let (file, user) = (create(&used, 3), Arc::new(()));
        let behind_it = create(&next, 1);
        remove(&used, &Arc::downgrade(&user)).unwrap();
        remove(&next, &Weak::<()>::new()).unwrap();
        gone(&behind_it);
        assert_eq!(file.metadata().unwrap().len(), 3 * DISPOSAL_STEP_BYTES);
        drop(user);
        gone(&file);
    }

    #[test]
    fn a_directory_is_removed_with_all_it_holds() {
        let temp = tempdir().unwrap();
        let dir = temp.path().join("rows");
        std::fs::create_dir_all(dir.join("blobs")).unwrap();
        let file = create(&dir.join("base"), 2);
        create(&dir.join("blobs/1"), 1);
        remove(&dir, &Weak::<()>::new()).unwrap();
        assert!(!dir.exists());
        gone(&file);
        remove(&dir, &Weak::<()>::new()).unwrap();
    }
}
