//! Whom a command talks to, and as whom, when the options do not say all of it.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The exit code and standard error of a command in a directory, with these variables and none
/// else of ours.
fn run(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRONGROOM_") {
            command.env_remove(name);
        }
    }
    let run = command
        .args(arguments)
        .current_dir(directory)
        .env_remove("XDG_STATE_HOME")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn who_calls_without_whom_is_bad_usage_and_never_another_identity() {
    let directory = tempfile::tempdir().unwrap();
    let list = ["secret", "list"];
    for option in ["--ca", "--cert", "--key", "--server-name"] {
        let arguments = [&list[..], &[option, "nope"]].concat();
        let (code, said) = run(directory.path(), &[], &arguments);
        assert_eq!(code, Some(64), "{said}");
        assert!(
            said.contains(option) && said.contains("--endpoint"),
            "{said}"
        );
    }
    for variable in ["STRONGROOM_CA", "STRONGROOM_CERT", "STRONGROOM_KEY"] {
        let (code, said) = run(directory.path(), &[(variable, "nope")], &list);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains(variable), "{said}");
    }
    let (code, said) = run(directory.path(), &[], &list);
    assert_eq!(code, Some(78), "nothing is said at all: {said}");
}

#[test]
fn a_development_region_in_a_directory_of_others_is_not_used() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("strongroom-dev");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("control.sock"), "").unwrap();
    for (mode, code, word) in [(0o777, 77, "others"), (0o700, 78, "no node to talk to")] {
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
        let (found, said) = run(parent.path(), &[], &["secret", "list"]);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains(word), "{said}");
    }
}
