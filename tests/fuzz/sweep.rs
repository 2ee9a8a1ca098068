//! The short form of fuzzing: every target takes its committed corpus, and seeded mutations of it,
//! without a sanitizer and without guidance. `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::checks::{ALL, Check, requests};
use crate::{join, parts};

/// Mutations for each target, unless told.
const COUNT: u64 = 500;
/// How many times slower than the others a target is that calls a whole node.
const CALLS: u64 = 10;
/// The longest input a mutation makes.
const INPUT_BYTES_MAX: usize = 32 * 1024;

#[test]
fn every_input_near_the_corpus_is_taken_or_refused() {
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_128);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("seed {seed}, {count} mutations; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let swept: Vec<Swept> = std::thread::scope(|scope| {
        let sweeps = ALL.iter().map(|(name, check)| {
            let count = if *name == "requests" {
                count / CALLS
            } else {
                count
            };
            scope.spawn(move || {
                let swept = sweep(name, *check, &corpus(name), seed, count);
                requests::stop();
                swept
            })
        });
        let sweeps: Vec<_> = sweeps.collect();
        sweeps
            .into_iter()
            .map(|sweep| sweep.join().unwrap())
            .collect()
    });
    for Swept {
        name,
        inputs,
        slowest,
        ..
    } in &swept
    {
        println!(
            "{name}: {inputs} inputs, the slowest took {} ms",
            slowest.as_millis()
        );
    }
    let found: Vec<&Found> = swept.iter().flat_map(|swept| &swept.found).collect();
    let inputs: u64 = swept.iter().map(|swept| swept.inputs).sum();
    println!(
        "soak: {inputs} inputs to {} targets, {} findings",
        swept.len(),
        found.len()
    );
    assert!(found.is_empty(), "seed {seed}: {found:#?}");
}

#[test]
fn an_input_that_breaks_a_check_is_found_and_kept() {
    let breaks = |input: &[u8]| assert!(!input.starts_with(b"prod/dc"), "a planted fault");
    let swept = sweep("planted", breaks, &[b"prod/db".to_vec()], 1, 20_000);
    let found = swept.found.as_ref().unwrap();
    assert!(found.said.contains("a planted fault"), "{found:?}");
    let kept = std::fs::read(&found.input).unwrap();
    assert!(kept.starts_with(b"prod/dc"), "{kept:?}");
    let clean = sweep("planted", |_| (), &[b"prod/db".to_vec()], 1, 20);
    assert!(clean.found.is_none() && clean.inputs == 21);
}

#[test]
fn every_target_has_a_corpus_and_a_binary() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let entries = std::fs::read_dir(here.join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let all: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("targets"), all);
    assert_eq!(names("corpus"), all);
}

#[test]
fn an_input_is_cut_into_the_parts_it_was_joined_of() {
    let whole = join([&b"one"[..], b"", b"three"]);
    let cut: Vec<&[u8]> = parts(&whole).collect();
    assert_eq!(cut, [&b"one"[..], b"", b"three"]);
    // What is cut off in the middle of a part ends with that part.
    let cut: Vec<&[u8]> = parts(&whole[..whole.len() - 2]).collect();
    assert_eq!(cut, [&b"one"[..], b"", b"thr"]);
}

/// What came of one target.
struct Swept {
    name: &'static str,
    inputs: u64,
    slowest: Duration,
    found: Option<Found>,
}

/// An input that broke its check, and where it is kept.
#[derive(Debug)]
#[allow(dead_code, reason = "printed")]
struct Found {
    target: &'static str,
    input: PathBuf,
    said: String,
}

/// Gives a target its corpus and mutations of it, until one breaks it.
fn sweep(name: &'static str, check: Check, corpus: &[Vec<u8>], seed: u64, count: u64) -> Swept {
    let mut random = StdRng::seed_from_u64(seed);
    let mutated = (0..count).map(|_| mutation(corpus, &mut random));
    let mut swept = Swept {
        name,
        inputs: 0,
        slowest: Duration::ZERO,
        found: None,
    };
    for input in corpus.iter().cloned().chain(mutated) {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| check(&input)));
        swept.inputs += 1;
        swept.slowest = swept.slowest.max(began.elapsed());
        if let Err(panic) = done {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            swept.found = Some(Found {
                target: name,
                input: keep(name, seed, swept.inputs, &input),
                said: said.unwrap_or_default(),
            });
            break;
        }
    }
    swept
}

/// One of the corpus with a few changes.
fn mutation(corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=input.len());
        let end = random.random_range(at..=input.len().min(at + 16));
        match random.random_range(0..7) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = input[at].wrapping_add(1),
            2 if at < input.len() => {
                input[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)]
            }
            3 => drop(input.drain(at..end)),
            4 => input.insert(at, random.random()),
            5 => {
                let again = input[at..end].to_vec();
                drop(input.splice(at..at, again));
            }
            _ => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Keeps an input where `cargo fuzz run` can be given it.
fn keep(name: &str, seed: u64, number: u64, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{seed}-{number}"));
    std::fs::write(&path, input).unwrap();
    path
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}
