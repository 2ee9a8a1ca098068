//! Rules that hold for text of any language.

use crate::{Source, breach};

/// Columns a line of code may have.
const LINE_COLUMNS_MAX: usize = 100;
/// Lines a file may have.
const FILE_LINES_MAX: usize = 600;
/// Names that would invite everything.
const EMPTY_NAMES: &[&str] = &[
    "common", "util", "utils", "helper", "helpers", "manager", "data", "info", "misc",
];

/// Lines and files of code over their limit.
pub fn too_long(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| is_code(&source.path)) {
        let lines = source.text.lines().count();
        // A proto holds one whole service with its contract in comments.
        if lines > FILE_LINES_MAX && !source.path.ends_with(".proto") {
            let sentence = format!("{lines} lines, {FILE_LINES_MAX} are the limit");
            breaches.push(breach(&source.path, lines, sentence));
        }
        for (at, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            // An address cannot be broken.
            if columns > LINE_COLUMNS_MAX && !line.contains("https://") {
                let sentence = format!("{columns} columns, {LINE_COLUMNS_MAX} are the limit");
                breaches.push(breach(&source.path, at + 1, sentence));
            }
        }
    }
    breaches
}

/// Tabs, spaces at the end, carriage returns, a missing last newline, and debts left in comments.
pub fn unclean(sources: &[Source]) -> Vec<String> {
    let debts = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
    ];
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| is_code(&source.path) || is_prose(&source.path))
    {
        if !source.text.is_empty() && !source.text.ends_with('\n') {
            breaches.push(breach(&source.path, 1, "no newline at the end"));
        }
        for (at, line) in source.text.split('\n').enumerate() {
            let mut note = |sentence: &str| {
                breaches.push(breach(&source.path, at + 1, sentence));
            };
            if line.ends_with(' ') || line.ends_with('\r') || line.contains('\t') {
                note("a tab, or a space or carriage return at the end of the line");
            }
            if debts.iter().any(|debt| line.contains(debt)) {
                note("a debt: do it, or say in the documents that it is not done");
            }
        }
    }
    breaches
}

/// Files and folders of code with a name that says nothing.
pub fn empty_names(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let path = source.path.trim_end_matches(".rs");
        for part in path
            .split(['/', '_'])
            .filter(|part| EMPTY_NAMES.contains(part))
        {
            breaches.push(breach(&source.path, 1, format!("{part:?} says nothing")));
        }
    }
    breaches
}

fn is_code(path: &str) -> bool {
    let by_ending = [".rs", ".proto", ".py", ".sh", ".toml"];
    let by_place = path.starts_with("scripts/") || path == ".ci/run";
    let is_manifest = path.ends_with("Cargo.toml");
    !is_manifest && (by_place || by_ending.iter().any(|ending| path.ends_with(ending)))
}

fn is_prose(path: &str) -> bool {
    path.ends_with(".md") || path.ends_with("Cargo.toml")
}
