//! One file of a disk that loses power.

use std::collections::HashMap;
use std::ops::Range;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::disk::any_prefix;

/// A file: what is durable of it, and the changes since.
pub struct File {
    durable: Vec<u8>,
    /// Changes not yet durable, oldest first.
    pending: Vec<Change>,
    /// How many changes are durable.
    synced: usize,
}

enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
    /// The file is at least that long.
    Grow(usize),
}

impl File {
    /// A file that durably holds `content`.
    pub fn durable(content: Vec<u8>) -> File {
        File {
            durable: content,
            pending: Vec::new(),
            synced: 0,
        }
    }

    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.pending
            .push(Change::Write(offset as usize, bytes.to_vec()));
    }

    pub fn truncate(&mut self, length: u64) {
        self.pending.push(Change::Truncate(length as usize));
    }

    pub fn grow(&mut self, end: u64) {
        self.pending.push(Change::Grow(end as usize));
    }

    /// How many changes there were; a sync that begins now makes that many durable.
    pub fn reached(&self) -> usize {
        self.synced + self.pending.len()
    }

    /// Makes the first `reached` changes durable.
    pub fn sync(&mut self, reached: usize) {
        for change in self.pending.drain(..reached.saturating_sub(self.synced)) {
            change.apply(&mut self.durable);
            self.synced += 1;
        }
    }

    pub fn is_synced(&self) -> bool {
        self.pending.is_empty()
    }

    /// What the process reads.
    pub fn content(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        self.pending
            .iter()
            .for_each(|change| change.apply(&mut content));
        content
    }

    /// One content that may be left when power is lost.
    pub fn lose_power(&self, random: &mut StdRng) -> Vec<u8> {
        let mut content = self.durable.clone();
        let sector = if random.random() { 512 } else { 4096 };
        let pending = &self.pending[..self.reached_by_truncations(random)];
        let kept = kept_sectors(pending, sector, random);
        for (at, change) in pending.iter().enumerate() {
            let Change::Write(offset, bytes) = change else {
                change.apply(&mut content);
                continue;
            };
            if random.random() {
                content.resize(content.len().max(offset + bytes.len()), 0);
            }
            for piece in sectors(*offset, bytes.len(), sector) {
                // A sector holds all that was written to it before the last write it kept.
                if kept
                    .get(&(piece.start / sector))
                    .is_some_and(|last| at <= *last)
                {
                    put(
                        &mut content,
                        piece.start,
                        &bytes[piece.start - offset..piece.end - offset],
                    );
                }
            }
        }
        content
    }

    /// How many changes come before the first truncation that is lost: nothing behind it is kept.
    fn reached_by_truncations(&self, random: &mut StdRng) -> usize {
        let lost = self.pending.iter().position(|change| match change {
            Change::Truncate(_) => random.random(),
            Change::Write(..) | Change::Grow(_) => false,
        });
        lost.unwrap_or(self.pending.len())
    }
}

/// Chooses for each written sector the last write that reached it; a sector not listed has none.
fn kept_sectors(changes: &[Change], sector: usize, random: &mut StdRng) -> HashMap<usize, usize> {
    let prefix = any_prefix(random, changes.len());
    let in_order: bool = random.random();
    let mut kept = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        let Change::Write(offset, bytes) = change else {
            continue;
        };
        let whole: bool = random.random();
        let torn: bool = random.random();
        for piece in sectors(*offset, bytes.len(), sector) {
            let reached = match (in_order, torn) {
                (true, _) => at < prefix,
                (false, true) => random.random(),
                (false, false) => whole,
            };
            if reached {
                kept.insert(piece.start / sector, at);
            }
        }
    }
    kept
}

/// Splits a write where sectors meet.
fn sectors(offset: usize, length: usize, sector: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = offset;
    std::iter::from_fn(move || {
        let start = at;
        at = (start + sector - start % sector).min(offset + length);
        (start < offset + length).then_some(start..at)
    })
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write(offset, bytes) => put(content, *offset, bytes),
            Change::Truncate(length) => content.resize(*length, 0),
            Change::Grow(end) => content.resize(content.len().max(*end), 0),
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    content.resize(content.len().max(offset + bytes.len()), 0);
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}
