//! The help texts and manual pages, compared with golden files: a change of the command line shows
//! in review. `scripts/golden` writes them anew.

#![allow(clippy::unwrap_used, reason = "what a test takes for granted")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_strongroom");

#[test]
fn the_help_of_every_command_is_the_golden_one() {
    let mut text = String::new();
    collect_help(&[], &mut text);
    compare("help.txt", &text);
}

#[test]
fn the_manual_pages_are_the_golden_ones() {
    let directory = tempfile::tempdir().unwrap();
    let run = Command::new(BINARY)
        .arg("man")
        .arg("--dir")
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(run.success());
    let mut pages: Vec<PathBuf> = directory
        .path()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    let mut text = String::new();
    for page in pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        text.push_str(&format!(
            "==== {name}\n{}\n",
            std::fs::read_to_string(&page).unwrap()
        ));
    }
    compare("man.txt", &text);
}

#[test]
fn every_shell_has_a_completion_script_that_knows_the_nouns() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = Command::new(BINARY)
            .args(["completion", shell])
            .output()
            .unwrap();
        assert!(run.status.success(), "{shell}");
        let script = String::from_utf8(run.stdout).unwrap();
        for noun in [
            "secret",
            "user",
            "policy",
            "node",
            "audit",
            "certs",
            "random-password",
        ] {
            assert!(script.contains(noun), "{shell}: {noun}");
        }
    }
}

#[test]
fn wrong_arguments_exit_with_64_and_help_with_0() {
    let code = |arguments: &[&str]| {
        Command::new(BINARY)
            .args(arguments)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(code(&["--help"]), Some(0));
    assert_eq!(code(&["version"]), Some(0));
    assert_eq!(code(&["secret", "get"]), Some(64));
    assert_eq!(code(&["no-such-noun"]), Some(64));
    assert_eq!(
        code(&["secret", "put", "a", "--prompt", "--value-file", "b"]),
        Some(64)
    );
    assert_eq!(
        code(&["secret", "create", "a", "--value", "on-the-command-line"]),
        Some(64)
    );
    // What two options would say differently, and what none says.
    let boundary = ["user", "boundary", "alice"];
    assert_eq!(code(&boundary), Some(64));
    assert_eq!(
        code(&[&boundary[..], &["arn", "--none"]].concat()),
        Some(64)
    );
    let regions = ["user", "regions", "alice"];
    assert_eq!(code(&regions), Some(64));
    assert_eq!(
        code(&[&regions[..], &["eu-west-1", "--all"]].concat()),
        Some(64)
    );
    assert_eq!(code(&["credential", "bind", "user/alice"]), Some(64));
    assert_eq!(
        code(&["credential", "bind", "alice", "--subject", "a"]),
        Some(64)
    );
    assert_eq!(code(&["provider", "update", "arn"]), Some(64));
    assert_eq!(code(&["role", "session-max", "deploy", "13h"]), Some(64));
}

#[test]
fn a_document_is_read_and_a_question_asked_before_any_node_is() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &str| {
        let mut command = Command::new(BINARY);
        let run = command.args(arguments).current_dir(directory.path());
        let run = run.args([
            "--endpoint",
            "127.0.0.1:1",
            "--ca",
            "none",
            "--cert",
            "none",
        ]);
        let run = run.args(["--key", "none"]).stdin(Stdio::piped());
        let mut run = run
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who refuses for another reason has not read it.
        let _ = run.stdin.take().unwrap().write_all(input.as_bytes());
        let run = run.wait_with_output().unwrap();
        (run.status.code(), String::from_utf8(run.stderr).unwrap())
    };
    for arguments in [
        &[
            "user",
            "put-policy",
            "alice",
            "own",
            "--file",
            "missing.json",
        ][..],
        &["role", "create", "deploy", "--trust-file", "missing.json"],
        &["policy", "create", "p", "--file", "missing.json"],
        &["policy", "validate", "--file", "missing.json"],
        &["secret", "policy", "put", "a", "--file", "missing.json"],
        &[
            "provider",
            "create",
            "https://a",
            "--audience",
            "b",
            "--keys-file",
            "missing.json",
        ],
    ] {
        let (code, said) = run(arguments, "");
        assert_eq!(code, Some(66), "{said}");
        assert!(said.contains("missing.json"), "{said}");
    }
    let (code, said) = run(&["policy", "create", "p", "--file", "-"], "");
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("standard input is empty"), "{said}");
    for arguments in [
        &["user", "delete", "alice"][..],
        &["user", "delete-policy", "alice", "own"],
        &["role", "revoke-sessions", "deploy"],
        &["policy", "delete", "arn"],
        &["access-key", "delete", "AKIA"],
        &["credential", "unbind", "5f0c"],
        &["provider", "delete", "arn"],
        &["revoke", "session", "5f0c"],
        &["secret", "policy", "delete", "a"],
    ] {
        let (code, said) = run(arguments, "");
        assert_eq!(code, Some(64), "{arguments:?}: {said}");
        assert!(said.contains("--yes"), "{said}");
    }
}

#[test]
fn variables_that_say_whom_to_call_do_not_appear_among_what_is_needed() {
    let refused = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STRONGROOM_") {
                command.env_remove(name);
            }
        }
        let run = command.args(arguments).envs(variables.iter().copied());
        let run = run.output().unwrap();
        assert_eq!(run.status.code(), Some(64));
        String::from_utf8(run.stderr).unwrap()
    };
    let variables = [
        ("STRONGROOM_ENDPOINTS", "a:1,b:1"),
        ("STRONGROOM_CA", "ca"),
        ("STRONGROOM_CERT", "cert"),
        ("STRONGROOM_KEY", "key"),
    ];
    for arguments in [&["secret", "get"][..], &["node", "token", "create", "x"]] {
        let said = refused(arguments, &variables);
        assert_eq!(said, refused(arguments, &[]));
        assert!(!said.contains("--cert"), "{said}");
    }
}

/// Prints a command's help, then that of each command below it.
fn collect_help(path: &[String], text: &mut String) {
    let run = Command::new(BINARY)
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    assert!(run.status.success(), "{path:?}");
    let help = String::from_utf8(run.stdout).unwrap();
    text.push_str(&format!("==== strongroom {}\n{help}\n", path.join(" ")));
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        // A command's name stands in column three; a line further in goes on with its text.
        if line.starts_with("  ") && !line.starts_with("   ") {
            let name = line.split_whitespace().next().unwrap();
            collect_help(&[path, &[name.to_owned()]].concat(), text);
        }
    }
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/cli")
        .join(name);
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{name} differs; run scripts/golden and review the diff"
    );
}
