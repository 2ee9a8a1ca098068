//! Power cuts soon after a kill. What a killed process had written is there for the next one, and
//! part of it in the page cache only; the next one tells others what it has found, who count on it.

use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::cuts::Places;
use crate::ledger::Ledger;
use crate::mark::Mark;
use crate::recording::{Orders, Recording};
use crate::round::{Session, Start};
use crate::trace::Event;

/// Kills of one recording before the next one is made.
const KILLS_PER_ROUND: usize = 12;

impl Session {
    /// Kills the process, lets the next one open the store, and cuts the power; so many times.
    /// Answers one line for each time that something is lost which that one had found.
    pub fn kill(&self, times: usize) -> Vec<String> {
        let mut failures = Vec::new();
        for round in 0..times.div_ceil(KILLS_PER_ROUND) {
            let recording = self.record(round, &Start::empty(), None);
            let places = Places::of(&recording);
            let mut random = StdRng::seed_from_u64(self.seed ^ round as u64);
            for number in 0..KILLS_PER_ROUND.min(times - round * KILLS_PER_ROUND) {
                // Every second one between the beginning of some work and its sync.
                let events = places.choose(number, &mut random);
                let place = format!("killed after {events} calls {:?}", places.moments(events));
                if let Err(failure) = self.kill_once(&recording, events, &mut random) {
                    failures.push(format!("round {round}, {place}: {failure}"));
                }
            }
            recording.discard();
        }
        failures
    }

    fn kill_once(
        &self,
        recording: &Recording,
        events: usize,
        random: &mut StdRng,
    ) -> Result<(), String> {
        let mut disk = recording.disk();
        let mut ledger = Ledger::new();
        for event in &recording.events[..events] {
            disk.take(event);
            if let Event::Mark { line } = event {
                ledger.take(Mark::from_line(line));
            }
        }
        disk.process_ends();
        let root = recording.root();
        std::fs::remove_dir_all(root).unwrap();
        disk.write_out(root);
        let found = self.judge(root, &ledger)?.ledger;
        for event in self.reopen(root) {
            if matches!(event, Event::Mark { .. }) {
                break;
            }
            disk.take(&event);
        }
        let left = self.workshop.path().join("left");
        disk.lose_power(&left, &mut StdRng::seed_from_u64(random.random()));
        let kept = self.judge(&left, &found);
        std::fs::remove_dir_all(&left).unwrap();
        kept.map(drop)
    }

    /// What the next process does until its store is open.
    fn reopen(&self, root: &Path) -> Vec<Event> {
        let orders = Orders {
            workshop: self.workshop.path(),
            name: "reopened".to_owned(),
            from: None,
            seed: 0,
            steps: 0,
            broken: None,
        };
        orders.run(root)
    }
}
