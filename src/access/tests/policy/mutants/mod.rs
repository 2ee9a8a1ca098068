//! Mutants: each is the engine with one mistake that somebody could make. The cases must tell every
//! one of them from the specification, and the engine as it is from nothing.

mod table;
mod workshop;

use crate::case::Case;
use crate::generate::{self, Report};
use crate::{named, seed, spec};
use table::mutants;
use workshop::Workshop;

/// Generated cases that each mutant is held against, beside the named ones.
const GENERATED: u64 = 12_000;

/// One mistake.
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// The file, from the engine's `src`.
    pub file: &'static str,
    /// What is there, exactly once.
    pub text: &'static str,
    /// What the mistake has instead.
    pub replacement: &'static str,
}

#[test]
fn every_mutant_finds_its_place_in_the_engine() {
    let lost: Vec<String> = mutants()
        .map(|mutant| (mutant, workshop::occurrences(mutant)))
        .filter(|(_, occurrences)| *occurrences != 1)
        .map(|(mutant, occurrences)| format!("{}: {occurrences} places", mutant.name))
        .collect();
    assert!(lost.is_empty(), "write these anew:\n{}\n", lost.join("\n"));
    let count = mutants().count();
    assert!(count >= 30, "{count} mutants");
}

#[test]
#[ignore = "builds the engine thirty times"]
fn every_mutant_of_the_engine_is_caught_and_the_engine_is_not() {
    let first = seed();
    println!("STRONGROOM_SEED={first}");
    let mut report = Report::new();
    let named = named::cases().into_iter();
    let mut cases: Vec<(String, Case)> = named.collect();
    for seed in (0..GENERATED).map(|at| first.wrapping_add(at)) {
        let case = generate::case(seed, &mut report);
        cases.push((format!("generated, STRONGROOM_SEED={seed}"), case));
    }
    let wanted: Vec<String> = cases
        .iter()
        .map(|(_, case)| format!("{:?}", spec::outcome(case)))
        .collect();
    let line = |(_, case): &(String, Case)| serde_json::to_string(case).expect("a case is JSON");
    let lines: Vec<String> = cases.iter().map(line).collect();
    let lines = lines.join("\n");
    let workshop = Workshop::new();
    // What the engine itself answers; it has to be what the specification does, as is asked below.
    let sound = workshop
        .judge(&lines)
        .expect("the engine judges every case");
    let mut alive = Vec::new();
    for mutant in mutants() {
        workshop.change(mutant);
        let found = workshop.judge(&lines);
        workshop.restore(mutant);
        let differing = found.map(|found| differing(&sound, &found));
        let caught = match &differing {
            None => "it ended early".to_string(),
            Some(differing) => match differing.first() {
                Some(at) => format!("{} cases, first {}", differing.len(), cases[*at].0),
                None => {
                    alive.push(mutant.name);
                    "ALIVE".to_string()
                }
            },
        };
        println!("{:<60} {caught}", mutant.name);
    }
    assert!(alive.is_empty(), "not caught:\n{}\n", alive.join("\n"));
    let own: Vec<&str> = differing(&wanted, &sound)
        .into_iter()
        .map(|at| cases[at].0.as_str())
        .collect();
    assert!(
        own.is_empty(),
        "the engine itself differs:\n{}\n",
        own.join("\n")
    );
    println!(
        "soak: {} mutants caught with {} cases",
        mutants().count(),
        cases.len()
    );
}

/// Where two lists of outcomes differ.
fn differing(some: &[String], others: &[String]) -> Vec<usize> {
    let differs = |at: &usize| some.get(*at) != others.get(*at);
    (0..some.len()).filter(differs).collect()
}
