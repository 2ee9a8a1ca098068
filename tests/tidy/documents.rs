//! Rules for scripts and documents: they work on any machine, and name only what exists.

use std::path::{Component, Path, PathBuf};

use crate::{Source, breach};

/// Scripts that cannot be run, or would go on after a failure.
pub fn scripts(root: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;

    let folders = ["scripts", ".ci"];
    let mut breaches = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = entry.expect("the folder can be listed").path();
            let name = format!(
                "{folder}/{}",
                path.file_name().unwrap_or_default().display()
            );
            let text = std::fs::read_to_string(&path).expect("a script is text");
            let mode = path
                .metadata()
                .expect("a script has a mode")
                .permissions()
                .mode();
            if mode & 0o111 == 0 {
                breaches.push(breach(&name, 1, "not executable"));
            }
            if !text.starts_with("#!/usr/bin/env bash\n") || !text.contains("set -euo pipefail\n") {
                breaches.push(breach(&name, 1, "not a bash script with set -euo pipefail"));
            }
        }
    }
    breaches
}

/// Links in documents to files that are not there, and tests (`path.rs::name`) that no one wrote.
pub fn references(root: &Path, sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".md")) {
        let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
        for (at, line) in source.text.lines().enumerate() {
            for link in links(line) {
                let file = link.split('#').next().unwrap_or_default();
                if !file.is_empty() && !root.join(plain(&folder.join(file))).exists() {
                    breaches.push(breach(&source.path, at + 1, format!("{file} is not there")));
                }
            }
            for (path, name) in tests(line) {
                let wanted = format!("fn {name}(");
                let found = sources
                    .iter()
                    .any(|s| s.path == path && s.text.contains(&wanted));
                if !found {
                    let sentence = format!("{path} has no test {name}");
                    breaches.push(breach(&source.path, at + 1, sentence));
                }
            }
        }
    }
    breaches
}

/// Paths that exist only on the machine of the one who wrote them.
pub fn machine_paths(sources: &[Source]) -> Vec<String> {
    let machines = ["/ro\u{6f}t/", "/ho\u{6d}e/", "/Us\u{65}rs/", "/wo\u{72}k/"];
    let mut breaches = Vec::new();
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            let found = machines.iter().any(|machine| {
                let begins = |before: &str| before.chars().next_back().is_none_or(is_outside);
                line.match_indices(machine)
                    .any(|(start, _)| begins(&line[..start]))
            });
            if found {
                breaches.push(breach(&source.path, at + 1, "a path of one machine"));
            }
        }
    }
    breaches
}

/// Whether a path may begin after this character.
fn is_outside(before: char) -> bool {
    !before.is_alphanumeric() && !"/.-_}".contains(before)
}

/// The targets of links that are not addresses.
fn links(line: &str) -> Vec<&str> {
    let after = line.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// The tests named on a line, as path and function.
fn tests(line: &str) -> Vec<(&str, &str)> {
    let quoted = line.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(".rs::").map(|(path, _)| (text, path)));
    named
        .map(|(text, path)| (&text[..path.len() + 3], &text[path.len() + 5..]))
        .collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn a_test_is_found_in_prose() {
    let line = "| holds | `tests/power.rs::nothing_is_lost` and `plain` |";
    assert_eq!(tests(line), [("tests/power.rs", "nothing_is_lost")]);
    assert_eq!(links("see [a](b.md#c) and [d](https://e)"), ["b.md#c"]);
}
