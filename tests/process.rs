//! A process that this test started, and ends.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::shell::until;

/// A running process; killed when dropped.
pub struct Process {
    child: Child,
    errors: PathBuf,
}

impl Process {
    /// Starts a command, its standard output and error in files beside each other.
    pub fn start(command: &mut Command, output: &Path, errors: &Path) -> Self {
        let append = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        command
            .stdin(Stdio::null())
            .stdout(append(output))
            .stderr(append(errors));
        let child = command.spawn().unwrap();
        Self {
            child,
            errors: errors.to_owned(),
        }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The processor time it has used, its own and the kernel's on its behalf.
    pub fn processor_time(&self) -> Duration {
        processor_time(self.child.id())
    }

    /// Kills it as the kernel would, and waits for its end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Gives all of its threads this niceness. Needs root to take it back.
    pub fn renice(&self, niceness: u8) {
        // One that is begun meanwhile has its parent's niceness, whichever that was then.
        let mut reniced = BTreeSet::new();
        loop {
            let threads = self.threads();
            if threads.is_subset(&reniced) {
                return;
            }
            self.renice_threads(&threads, niceness);
            reniced.extend(threads);
        }
    }

    fn threads(&self) -> BTreeSet<OsString> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.map(|thread| thread.unwrap().file_name()).collect()
    }

    fn renice_threads(&self, threads: &BTreeSet<OsString>, niceness: u8) {
        let mut renice = Command::new("renice");
        renice
            .args(["-n", &niceness.to_string(), "-p"])
            .args(threads);
        let output = renice.stdout(Stdio::null()).output().unwrap();
        // Some may have ended meanwhile.
        let errors = String::from_utf8_lossy(&output.stderr);
        let mut others = errors
            .lines()
            .filter(|line| !line.contains("No such process"));
        assert_eq!(others.next(), None);
    }

    /// Sends a signal by its name, such as TERM.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Tells it to end, and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        until("the end of a process", || self.child.try_wait().unwrap())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it wrote to standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process has used, in the kernel's steps of 10 ms.
pub fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name before the fields, in brackets, may hold anything.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}
