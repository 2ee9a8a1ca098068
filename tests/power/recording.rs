//! Runs the workload under the recorder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::Disk;
use crate::trace::{self, Event};

/// A sync that pretends to work, so that the test can be seen to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    DataSync,
    DirectorySync,
}

/// What one process did to a directory.
pub struct Recording {
    /// Where the process knew the directory.
    root: PathBuf,
    /// What was there before.
    before: PathBuf,
    trace: PathBuf,
    pub events: Vec<Event>,
}

/// How to run the workload.
pub struct Orders<'a> {
    /// Where recorder, keyring and recordings lie.
    pub workshop: &'a Path,
    /// Tells recordings in one workshop apart.
    pub name: String,
    /// A directory to go on from.
    pub from: Option<&'a Path>,
    pub seed: u64,
    pub steps: usize,
    pub broken: Option<Broken>,
}

/// Builds the library that records; a C compiler is there wherever Rust links.
pub fn build_recorder(workshop: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power/recorder.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
    let built = compiler
        .arg(library(workshop))
        .arg(source)
        .arg("-lpthread")
        .status();
    assert!(built.unwrap().success(), "the recorder does not compile");
}

impl Orders<'_> {
    /// Runs the workload to its end and reads the trace.
    pub fn record(&self) -> Recording {
        let before = self.path("before");
        let root = self.path("root");
        std::fs::create_dir(&before).unwrap();
        std::fs::create_dir(&root).unwrap();
        if let Some(from) = self.from {
            copy(from, &before);
            copy(from, &root);
        }
        Recording {
            events: self.run(&root),
            trace: self.path("trace"),
            root,
            before,
        }
    }

    /// Runs the workload on a directory and reads the trace.
    pub fn run(&self, root: &Path) -> Vec<Event> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["the_recorded_process", "--exact", "--nocapture"]);
        command.env("LD_PRELOAD", library(self.workshop));
        command
            .env("POWER_ROOT", root)
            .env("POWER_TRACE", self.path("trace"));
        command.env("POWER_MARKS", self.path("marks"));
        command.env("POWER_KEYRING", self.workshop.join("keyring"));
        command.env("POWER_SEED", self.seed.to_string());
        command.env("POWER_STEPS", self.steps.to_string());
        if let Some(broken) = self.broken {
            command.env("POWER_IGNORE", broken.name());
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "the workload failed: {told}{text}");
        let events = trace::read(&self.path("trace"));
        assert!(!events.is_empty(), "nothing was recorded: {told}{text}");
        events
    }

    fn path(&self, what: &str) -> PathBuf {
        self.workshop.join(format!("{}-{what}", self.name))
    }
}

impl Recording {
    /// The disk before the first call.
    pub fn disk(&self) -> Disk {
        Disk::load(&self.before, &self.root)
    }

    /// Removes what the recording needed on disk.
    pub fn discard(self) {
        std::fs::remove_dir_all(&self.before).unwrap();
        std::fs::remove_dir_all(&self.root).unwrap();
        std::fs::remove_file(&self.trace).unwrap();
    }

    /// What the process left behind, with nothing lost.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Broken {
    fn name(self) -> &'static str {
        match self {
            Broken::DataSync => "fdatasync",
            Broken::DirectorySync => "directory-fsync",
        }
    }
}

/// Copies a directory with all it holds.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn library(workshop: &Path) -> PathBuf {
    workshop.join("recorder.so")
}
