//! Runs the binary as a user does, and waits for conditions.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::binary;

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The environment of a caller: names and values.
pub type Environment = Vec<(String, String)>;

/// What a command left.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Finished {
    /// The output as JSON.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself, if it exited with 0.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// Runs the binary with arguments, in an environment without ours.
#[track_caller]
pub fn strongroom(environment: &Environment, arguments: &[&str]) -> Finished {
    run(&mut command(binary(), environment, arguments), None)
}

/// Runs the binary with a value on its standard input.
#[track_caller]
pub fn strongroom_with(environment: &Environment, arguments: &[&str], input: &str) -> Finished {
    run(&mut command(binary(), environment, arguments), Some(input))
}

/// Runs a line of shell in an environment.
#[track_caller]
pub fn shell(environment: &Environment, directory: &Path, line: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(directory);
    run(within(&mut command, environment), None)
}

/// The binary with arguments, in an environment without ours.
pub fn command(binary: &Path, environment: &Environment, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments);
    within(&mut command, environment);
    command
}

fn within<'a>(command: &'a mut Command, environment: &Environment) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRONGROOM_") {
            command.env_remove(name);
        }
    }
    // Whoever runs the tests may have a session, which is not theirs.
    command.env(
        "HOME",
        std::env::temp_dir().join("strongroom-tests-no-home"),
    );
    command.envs(environment.iter().cloned())
}

/// Runs a command to its end, with this on its standard input.
#[track_caller]
pub fn run(command: &mut Command, input: Option<&str>) -> Finished {
    use std::io::Write;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Finished {
        code: status.code(),
        output: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

/// Asks again and again until there is an answer; fails when patience runs out.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask)
}

/// As `until`, with a patience of one's own.
#[track_caller]
pub fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in {patience:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
