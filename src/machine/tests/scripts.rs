//! Golden scripts: a scenario in each file of `scripts/`, with what every entry answers and
//! changes. Each machine version has a directory, with all scripts whose output it changed. Journal
//! rows, feed states and the clock change with every entry and are left out.

mod net;
mod runner;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use runner::Runner;
use strongroom_machine::MachineVersion;
use support::Failure;

#[test]
fn scripts_answer_and_change_what_they_say() -> Result<(), Failure> {
    let paths = scripts()?;
    assert!(!paths.is_empty(), "no scripts");
    for path in paths {
        goldenscript::run(&mut Runner::new(machine_version(&path)?), &path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

#[test]
fn every_rejection_is_in_a_script() -> Result<(), Failure> {
    let mut told = BTreeSet::new();
    for path in scripts()? {
        let script = fs::read_to_string(path)?;
        let names = script
            .lines()
            .filter_map(|line| said(line).strip_prefix("rejected "));
        told.extend(
            names
                .filter_map(|line| line.split(',').next())
                .map(str::to_owned),
        );
    }
    // Half a million secrets take too long for a script, and so does a full feed: tests beside the
    // code hold these.
    told.extend(["SecretLimit", "FeedLimit"].map(str::to_owned));
    let rejections = variants(include_str!("../src/rejection.rs"), "Rejection");
    let missing: Vec<String> = rejections.filter(|name| !told.contains(name)).collect();
    assert!(missing.is_empty(), "rejections in no script: {missing:?}");
    Ok(())
}

#[test]
fn every_flaw_of_a_stream_is_in_a_script() -> Result<(), Failure> {
    let source = include_str!("../src/rejection.rs");
    let words = source.lines().filter_map(|line| {
        let (flaw, words) = line.trim().split_once(" => \"")?;
        flaw.starts_with("Flaw::")
            .then(|| words.trim_end_matches("\","))
    });
    let words: Vec<&str> = words.collect();
    assert_eq!(words.len(), variants(source, "Flaw").count());
    let scripts = all_scripts()?;
    for words in words {
        assert!(
            scripts.contains(words),
            "no stream of a script has the flaw: {words}"
        );
    }
    Ok(())
}

#[test]
fn every_reason_not_to_serve_a_feed_is_in_a_script() -> Result<(), Failure> {
    let scripts = all_scripts()?;
    for name in variants(include_str!("../src/serve.rs"), "NotServed") {
        assert!(scripts.contains(&format!("not served {name}:")), "{name}");
    }
    Ok(())
}

fn all_scripts() -> Result<String, Failure> {
    let mut all = String::new();
    for path in scripts()? {
        all.push_str(&fs::read_to_string(path)?);
    }
    Ok(all)
}

/// Takes the region off a line of output.
fn said(line: &str) -> &str {
    match line.split_once(": ") {
        Some((region, said)) if region.len() == 1 => said,
        _ => line,
    }
}

fn scripts() -> Result<Vec<PathBuf>, Failure> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
    let mut paths = Vec::new();
    for version in fs::read_dir(directory)? {
        for script in fs::read_dir(version?.path())? {
            paths.push(script?.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The rules a script begins with: its directory says so.
fn machine_version(path: &Path) -> Result<MachineVersion, Failure> {
    let directory = path.parent().and_then(Path::file_name);
    let number = directory.and_then(|name| name.to_str()?.strip_prefix('v'));
    Ok(MachineVersion(number.ok_or("no machine version")?.parse()?))
}

/// Reads the variants of a type from its source: a list kept by hand would be forgotten.
fn variants(source: &'static str, name: &str) -> impl Iterator<Item = String> {
    let start = format!("pub enum {name} {{");
    let variants = source.split(&start).nth(1).unwrap_or_default();
    let variants = variants.split("\n}").next().unwrap_or_default();
    let lines = variants
        .lines()
        .filter_map(|line| line.strip_prefix("    "));
    let names = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    names.map(|line| {
        line.chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect()
    })
}
