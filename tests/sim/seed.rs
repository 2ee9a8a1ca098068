//! Runs one seed in a process of its own, whose randomness and clock come from the seed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::broken::Broken;

/// What became of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub seed: u64,
    /// The invariant that was broken, and how; `None` when all held.
    pub violation: Option<String>,
    /// The hash of everything that happened.
    pub trace: String,
    pub summary: String,
}

/// Runs a seed and answers what it told.
pub fn run(seed: u64, broken: Option<Broken>) -> Outcome {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args([
        crate::PROCESS,
        "--exact",
        "--nocapture",
        "--include-ignored",
    ]);
    command.env("LD_PRELOAD", library());
    command.env("SIM_SEED", seed.to_string());
    // Made here: names that are taken would cost the simulation some of its randomness.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let dir = dir.expect("a directory");
    command.env("SIM_DIR", dir.path());
    command.env("SIM_BROKEN", broken.map_or("", Broken::name));
    let output = command.output().expect("a process");
    let told = String::from_utf8_lossy(&output.stdout);
    let line = |name: &str| {
        let found = told.lines().find_map(|line| line.split_once(name));
        found.map(|(_, rest)| rest.trim().to_owned())
    };
    let is_told = |name: &&str| std::env::var_os(name).is_some();
    if ["SIM_TRACE", "SIM_LOG"].iter().any(is_told) {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let Some(trace) = line("sim trace:") else {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Outcome {
            seed,
            violation: Some(format!(
                "the process ended: {} {told}{errors}",
                output.status
            )),
            trace: String::new(),
            summary: String::new(),
        };
    };
    Outcome {
        seed,
        violation: line("sim violation:"),
        trace,
        summary: line("sim summary:").unwrap_or_default(),
    }
}

/// The preloaded library, built once; a C compiler is there wherever Rust links.
fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<(PathBuf, tempfile::TempDir)> = OnceLock::new();
    let (path, _) = LIBRARY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fixed.so");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sim/fixed.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]);
        let built = compiler.arg(&path).arg(source).status();
        assert!(built.expect("cc").success(), "the library does not compile");
        (path, dir)
    });
    path
}
