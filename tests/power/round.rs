//! Rounds of one recording and many cuts; a later round goes on from what a cut left.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cuts::{Moment, Places};
use crate::ledger::Ledger;
use crate::mark::Mark;
use crate::recording::{Broken, Orders, Recording, build_recorder};
use crate::trace::Event;
use crate::{node, recording, verify};

/// Cuts of one recording before the next one is made.
const CUTS_PER_ROUND: usize = 18;
const STEPS: usize = 120;

/// A run with its seed, and the directory it works in.
pub struct Session {
    pub(crate) seed: u64,
    pub(crate) workshop: tempfile::TempDir,
}

/// What came of the cuts.
#[derive(Debug, Default)]
pub struct Tally {
    pub cuts: usize,
    pub moments: BTreeMap<Moment, usize>,
    pub torn: usize,
    /// One line each.
    pub failures: Vec<String>,
}

/// What a round begins with.
pub(crate) struct Start {
    directory: Option<PathBuf>,
    ledger: Ledger,
}

impl Session {
    pub fn new(seed: u64) -> Session {
        println!("seed {seed}");
        let workshop = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        build_recorder(workshop.path());
        node::write_keyring(&workshop.path().join("keyring"));
        Session { seed, workshop }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Cuts the power `cuts` times.
    ///
    /// After a failure everything stays on disk: the trace, and what each failed cut left.
    pub fn cut(&mut self, cuts: usize, broken: Option<Broken>) -> Tally {
        let mut tally = Tally::default();
        let mut start = Start::empty();
        for round in 0..cuts.div_ceil(CUTS_PER_ROUND) {
            // Every fourth round begins on an empty disk; the others where a cut left one. What a
            // broken build leaves need not even open.
            if round % 4 == 0 || broken.is_some() {
                start = Start::empty();
            }
            let recording = self.record(round, &start, broken);
            let count = CUTS_PER_ROUND.min(cuts - tally.cuts);
            start = self.round(round, count, &recording, &start.ledger, &mut tally);
            if tally.failures.is_empty() {
                recording.discard();
            }
        }
        self.workshop
            .disable_cleanup(broken.is_none() && !tally.failures.is_empty());
        tally
    }

    /// Fails unless the model of the disk ends with what is really there.
    pub fn compare_with_reality(&self) {
        let recording = self.record(0, &Start::empty(), None);
        let mut disk = recording.disk();
        recording.events.iter().for_each(|event| disk.take(event));
        let model = self.workshop.path().join("model");
        disk.write_out(&model);
        let files = |directory: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
            let entries = walkdir::WalkDir::new(directory)
                .into_iter()
                .map(Result::unwrap);
            let files = entries.filter(|entry| entry.file_type().is_file());
            let content = |entry: walkdir::DirEntry| {
                let name = entry.path().strip_prefix(directory).unwrap().to_path_buf();
                (name, std::fs::read(entry.path()).unwrap())
            };
            files.map(content).collect()
        };
        let (model, real) = (files(&model), files(recording.root()));
        assert!(
            model.keys().eq(real.keys()),
            "{:?}\n{:?}",
            model.keys(),
            real.keys()
        );
        for (name, content) in &real {
            assert!(
                model[name] == *content,
                "{} was changed unseen",
                name.display()
            );
        }
    }

    pub(crate) fn record(&self, round: usize, start: &Start, broken: Option<Broken>) -> Recording {
        let orders = Orders {
            workshop: self.workshop.path(),
            name: format!("round-{round}"),
            from: start.directory.as_deref(),
            seed: self.seed.wrapping_add(round as u64),
            steps: STEPS,
            broken,
        };
        orders.record()
    }

    /// Cuts one recording `count` times; answers what the last good cut left.
    fn round(
        &self,
        round: usize,
        count: usize,
        recording: &Recording,
        before: &Ledger,
        tally: &mut Tally,
    ) -> Start {
        let mut random = StdRng::seed_from_u64(self.seed ^ round as u64);
        let places = Places::of(recording);
        let chosen: BTreeSet<(usize, u64)> = (0..count)
            .map(|number| (places.choose(number, &mut random), random.random()))
            .collect();
        let mut disk = recording.disk();
        let mut ledger = before.clone();
        let mut taken = 0;
        let mut next = Start::empty();
        for (events, chance) in chosen {
            for event in &recording.events[taken..events] {
                disk.take(event);
                if let Event::Mark { line } = event {
                    ledger.take(Mark::from_line(line));
                }
            }
            taken = events;
            tally.cuts += 1;
            for moment in places.moments(events) {
                *tally.moments.entry(*moment).or_default() += 1;
            }
            let left = self
                .workshop
                .path()
                .join(format!("left-{round}-{events}-{chance}"));
            disk.lose_power(&left, &mut StdRng::seed_from_u64(chance));
            match self.judge(&left, &ledger) {
                Ok(found) => {
                    tally.torn += usize::from(found.torn);
                    next.ledger = found.ledger;
                    if let Some(older) = next.directory.replace(left) {
                        std::fs::remove_dir_all(older).unwrap();
                    }
                }
                Err(failure) => {
                    let moments = places.moments(events);
                    let place = format!("cut after {events} calls {moments:?}");
                    tally
                        .failures
                        .push(format!("{}: {place}: {failure}", left.display()));
                }
            }
        }
        next
    }

    /// Verifies a copy, so that `left` stays as the cut left it.
    pub(crate) fn judge(&self, left: &Path, ledger: &Ledger) -> Result<verify::Found, String> {
        let opened = self.workshop.path().join("opened");
        recording::copy(left, &opened);
        let keyring = self.workshop.path().join("keyring");
        let verified = catch_unwind(AssertUnwindSafe(|| {
            verify::verify(&opened, &keyring, ledger)
        }));
        std::fs::remove_dir_all(&opened).unwrap();
        verified.unwrap_or_else(|_| Err("a panic".into()))
    }
}

impl Start {
    pub(crate) fn empty() -> Start {
        Start {
            directory: None,
            ledger: Ledger::new(),
        }
    }
}
