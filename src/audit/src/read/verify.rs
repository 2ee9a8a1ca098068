//! Walks a whole trail and says where its chain does not hold.

use std::path::Path;

use crate::chain::{Chain, Line};
use crate::file::Piece;
use crate::header::{Break, FormatError, Header, Why};
use crate::link::Hash;

use super::{Files, ReadError};

/// What a walk through a whole trail found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records that match their checksum.
    pub records: u64,
    /// The sequence number of the first of them; older ones were deleted when their time was over.
    pub first: Option<u64>,
    /// The sequence number of the last of them.
    pub last: Option<u64>,
    /// The hash of the last line that matches its checksum: whoever keeps it can tell later whether
    /// the trail up to here is still the same.
    pub hash: Option<Hash>,
    /// How often the chain does not hold.
    pub breaks: u64,
    /// The first such place.
    pub broken: Option<Break>,
    /// How many breaks the node itself has noted, when it was started; with what was deleted since.
    pub breaks_noted: u64,
    /// The last of those.
    pub noted: Option<Break>,
    /// Bytes of a line at the very end that is not whole: it is being written, or a crash left it.
    pub torn_bytes: u64,
}

/// A walk under way.
struct Walk {
    verified: Verified,
    chain: Chain,
    /// The first header: all others must be of the same node.
    owner: Option<Header>,
}

/// Reads everything that is kept of the trail in `dir`, and checks every line and every link. It
/// opens no record, and needs no key. Memory is bounded, time grows with the bytes that are kept. A
/// node may go on recording meanwhile.
pub fn verify(dir: &Path) -> Result<Verified, ReadError> {
    Files::new(dir).verify()
}

impl Files {
    fn verify(&self) -> Result<Verified, ReadError> {
        let mut walk = Walk {
            verified: Verified::default(),
            chain: Chain::unknown(),
            owner: None,
        };
        let filled = self.filled()?;
        let (Some((oldest, _)), Some((last, _))) = (filled.first(), filled.last()) else {
            return Ok(walk.verified);
        };
        let mut start = self.start(&filled)?;
        let mut number = start.map_or(*oldest, |start| start.min(*last));
        while number <= *last {
            if self.verify_file(&mut walk, number, number == *last)? {
                number += 1;
                continue;
            }
            // Gone: deleted meanwhile, because it was too old, or taken away.
            let now = self.start(&self.filled()?)?;
            match now.filter(|now| *now > number && now > &start.unwrap_or(0)) {
                Some(now) => {
                    (start, number) = (Some(now), now);
                    walk.chain = Chain::unknown();
                }
                None => {
                    // All that are missing together are one break.
                    walk.note(number, 0, Some(Why::Missing));
                    walk.chain.lose();
                    let there = filled.iter().find(|(there, _)| *there > number);
                    number = there.map_or(*last + 1, |(there, _)| *there);
                }
            }
        }
        Ok(walk.verified)
    }

    /// The oldest file that must be there, by the newest header.
    fn start(&self, filled: &[(u64, u64)]) -> Result<Option<u64>, ReadError> {
        for (number, _) in filled.iter().rev() {
            if let Some(header) = self.header(*number)? {
                return Ok(Some(header.start));
            }
        }
        Ok(None)
    }

    /// Reads one file; `false` if it is not there, or empty.
    fn verify_file(&self, walk: &mut Walk, number: u64, is_last: bool) -> Result<bool, ReadError> {
        let Some(file) = self.open(number)? else {
            return Ok(false);
        };
        let mut at = 0;
        loop {
            match self.read_after(&file, number, at)? {
                Piece::Lines(block) => {
                    for (start, _, line) in block.lines() {
                        let taken = walk.take(number, start, line);
                        taken.map_err(|source| ReadError::Format {
                            path: self.path(number),
                            source,
                        })?;
                    }
                    at = block.end();
                }
                Piece::Noise { start, end } => {
                    walk.lose(number, start);
                    at = end;
                }
                Piece::End { torn } => {
                    if at + torn == 0 {
                        return Ok(false);
                    }
                    match is_last {
                        true => walk.verified.torn_bytes = torn,
                        false if torn > 0 => walk.lose(number, at),
                        false => {}
                    }
                    walk.verified.files += 1;
                    walk.verified.bytes += at + torn;
                    return Ok(true);
                }
            }
        }
    }
}

impl Walk {
    fn take(&mut self, file: u64, offset: u64, line: &[u8]) -> Result<(), FormatError> {
        let seq = self.chain.next();
        let step = self.chain.step(line, offset == 0)?;
        let mut why = step.broken;
        match step.line {
            Some(Line::Header(header)) => {
                why = why.or(self.header(file, *header));
            }
            Some(Line::Record(record)) => {
                self.verified.records += 1;
                self.verified.first.get_or_insert(record.seq);
                self.verified.last = Some(record.seq);
            }
            None => {}
        }
        self.verified.hash = self.chain.hash;
        self.note_at(file, offset, seq, why);
        Ok(())
    }

    /// Takes a header; says whether it is in the wrong place.
    fn header(&mut self, file: u64, header: Header) -> Option<Why> {
        let is_misplaced = header.file != file;
        let is_foreign = self
            .owner
            .as_ref()
            .is_some_and(|owner| !owner.is_of(&header));
        self.verified.breaks_noted = header.breaks;
        self.verified.noted = header.broken;
        self.owner.get_or_insert(header);
        (is_misplaced || is_foreign).then_some(Why::Unchained)
    }

    /// Takes bytes that are no line.
    fn lose(&mut self, file: u64, offset: u64) {
        let why = self.chain.lose().broken;
        self.note(file, offset, why);
    }

    fn note(&mut self, file: u64, offset: u64, why: Option<Why>) {
        let seq = self.chain.next();
        self.note_at(file, offset, seq, why);
    }

    fn note_at(&mut self, file: u64, offset: u64, seq: u64, why: Option<Why>) {
        let Some(why) = why else {
            return;
        };
        self.verified.breaks += 1;
        self.verified.broken.get_or_insert(Break {
            file,
            offset,
            seq,
            why,
        });
    }
}
