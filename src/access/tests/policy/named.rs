//! The named cases, in files of one idea each: both the specification and the engine must answer
//! as AWS documents it.

use std::path::Path;

use crate::case::{Case, Outcome};
use crate::{engine, spec};

/// Cases of all files, each with the name of its file before its own.
pub fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases can be listed")
        .map(|entry| entry.expect("its entries can be read").path())
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a file of cases can be read");
        let file = path
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy();
        let read: Vec<Case> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{file}.json holds no cases: {error}"));
        let named = |case: Case| (format!("{file}: {}", case.name), case);
        cases.extend(read.into_iter().map(named));
    }
    cases
}

#[test]
fn the_specification_answers_the_named_cases_as_documented() {
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let outcome = spec::outcome(&case);
        if outcome != case.expect {
            let refusal = spec::refusal(&case).unwrap_or_default();
            wrong.push(format!(
                "{name}: {outcome:?}, not {:?} {refusal}",
                case.expect
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}\n",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_engine_answers_the_named_cases_as_documented() {
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let answer = engine::answer(&case);
        let layer = case.layer.as_ref();
        if answer.outcome != case.expect || layer.is_some_and(|layer| *layer != answer.layer) {
            wrong.push(format!(
                "{name}: {answer:?}, not {:?} by {layer:?}",
                case.expect
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}\n",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_named_case_says_once_what_it_proves_and_where_that_is_documented() {
    let cases = cases();
    let mut names: Vec<&str> = cases.iter().map(|(_, case)| case.name.as_str()).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "a name is there twice: {twice:?}");
    for (name, case) in &cases {
        let documented = case.source.starts_with("https://docs.aws.amazon.com/")
            || case.source.starts_with("AWS.md §");
        assert!(documented, "{name}: its source is {:?}", case.source);
        assert!(!case.name.is_empty(), "{name}: says nothing");
    }
    let outcomes = [
        Outcome::Allow,
        Outcome::ExplicitDeny,
        Outcome::ImplicitDeny,
        Outcome::Invalid,
    ];
    for outcome in outcomes {
        let count = cases
            .iter()
            .filter(|(_, case)| case.expect == outcome)
            .count();
        println!("{outcome:?}: {count} of {}", cases.len());
        assert!(count >= 20, "{outcome:?} is expected by {count} cases only");
    }
}
