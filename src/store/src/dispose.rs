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

use crate::limits::{DISPOSAL_FILES_MAX, DISPOSAL_REST, DISPOSAL_STEP_BYTES};
use crate::{Fault, files, work_ended};

/// Time between two looks whether files are still in use.
const USERS_POLL: Duration = Duration::from_millis(50);

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
        });
    }
    Ok(())
}

fn run(queue: &Receiver<Doomed>) {
    let mut waiting: Vec<Doomed> = Vec::new();
    loop {
        let patience = if waiting.is_empty() {
            Duration::MAX
        } else {
            USERS_POLL
        };
        match queue.recv_timeout(patience) {
            Ok(doomed) => waiting.push(doomed),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        for doomed in waiting.extract_if(.., |doomed| doomed.users.strong_count() == 0) {
            let begun = Instant::now();
            let shrunk = doomed.shrink();
            work_ended("disposal", begun);
            if let Err(error) = shrunk {
                // Its blocks go when it is closed.
                tracing::debug!(%error, dir = %doomed.dir.display(), "could not shrink a removed file");
            }
        }
        waiting.truncate(DISPOSAL_FILES_MAX);
    }
}

impl Doomed {
    fn shrink(&self) -> io::Result<()> {
        // A power cut must not bring the name back for what is left of the file.
        match File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            // The directory was removed as well; the one above it holds the name of both.
            Err(error) if error.kind() == ErrorKind::NotFound => self.sync_above()?,
            synced => synced?,
        }
        let mut left = self.file.metadata()?.len();
        while left > 0 {
            left = left.saturating_sub(DISPOSAL_STEP_BYTES);
            self.file.set_len(left)?;
            self.file.sync_data()?;
            std::thread::sleep(DISPOSAL_REST);
        }
        Ok(())
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
