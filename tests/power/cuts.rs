//! Where to cut the power, and what a cut there interrupts.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::mark::{Mark, Step};
use crate::recording::Recording;
use crate::trace::Event;

/// Work that a cut can fall into; one cut may fall into several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The store is being opened.
    Open,
    /// Records are written and not synced.
    Append,
    /// A new segment is being made, or its name is not durable.
    SegmentRoll,
    /// Vote or purge mark are being replaced.
    Anchor,
    /// Rows are being made durable.
    Checkpoint,
    /// A snapshot has its name, and the name is not durable.
    SnapshotRename,
    /// All rows are being replaced.
    Replace,
    /// The rows are being built anew and swapped in.
    Renew,
}

/// Every moment, as it is printed.
pub const MOMENTS: [(Moment, &str); 8] = [
    (Moment::Open, "in the opening of the store"),
    (Moment::Append, "between append and fsync"),
    (Moment::SegmentRoll, "in a segment roll"),
    (Moment::Anchor, "in a change of vote or purge mark"),
    (Moment::Checkpoint, "in a checkpoint"),
    (Moment::SnapshotRename, "in a snapshot rename"),
    (Moment::Replace, "in a replacement of all rows"),
    (Moment::Renew, "in a renewal of the rows"),
];

/// For each moment, behind how many events a cut falls into it.
pub struct Places {
    moments: Vec<Vec<Moment>>,
    by_moment: BTreeMap<Moment, Vec<usize>>,
}

impl Places {
    /// Walks a recording.
    pub fn of(recording: &Recording) -> Places {
        let mut disk = recording.disk();
        let mut ledger = Ledger::new();
        let mut moments = vec![Vec::new()];
        let mut marked = false;
        let mut by_moment: BTreeMap<Moment, Vec<usize>> = BTreeMap::new();
        for (at, event) in recording.events.iter().enumerate() {
            disk.take(event);
            if let Event::Mark { line } = event {
                ledger.take(Mark::from_line(line));
                marked = true;
            }
            let mut now = moments_of(&disk, &ledger);
            now.extend((!marked).then_some(Moment::Open));
            for moment in &now {
                by_moment.entry(*moment).or_default().push(at + 1);
            }
            moments.push(now);
        }
        Places { moments, by_moment }
    }

    /// What a cut after `events` events interrupts.
    pub fn moments(&self, events: usize) -> &[Moment] {
        &self.moments[events]
    }

    /// Chooses a cut: every second one anywhere, the others into each moment in turn.
    pub fn choose(&self, number: usize, random: &mut StdRng) -> usize {
        let (moment, _) = MOMENTS[number / 2 % MOMENTS.len()];
        match self.by_moment.get(&moment) {
            Some(places) if number % 2 == 1 => places[random.random_range(0..places.len())],
            _ => random.random_range(0..self.moments.len()),
        }
    }
}

fn moments_of(disk: &Disk, ledger: &Ledger) -> Vec<Moment> {
    let ends = |names: Vec<&str>, end: &str| names.iter().any(|name| name.ends_with(end));
    let anchor = |names: &[&str]| names.iter().any(|name| name.starts_with("anchor"));
    let (renames, files) = (disk.unsynced_renames("log"), disk.unsynced_files("log"));
    let is_anchor = anchor(&renames) || anchor(&files);
    let segment = |names: Vec<&'_ str>, end| {
        names
            .iter()
            .any(|name| !name.starts_with("anchor") && name.ends_with(end))
    };
    let within = |is: fn(&Step) -> bool| ledger.under_way().iter().any(is);
    let found = [
        (Moment::Anchor, is_anchor),
        (
            Moment::SegmentRoll,
            segment(renames, ".wal") || segment(files.clone(), ".new"),
        ),
        (Moment::Append, segment(files, ".wal")),
        (
            Moment::SnapshotRename,
            ends(disk.unsynced_renames("snapshots"), ".snap"),
        ),
        (
            Moment::Checkpoint,
            within(|step| matches!(step, Step::Checkpoint { .. })),
        ),
        (
            Moment::Replace,
            within(|step| matches!(step, Step::Replace { .. })),
        ),
        (Moment::Renew, within(|step| *step == Step::Renew)),
    ];
    found
        .into_iter()
        .filter(|(_, now)| *now)
        .map(|(moment, _)| moment)
        .collect()
}
