//! Follows lines, one after the other, and says where one does not follow.

use crate::cipher::SealedRecord;
use crate::header::{FormatError, Header, Why, is_header};
use crate::link::{self, Hash};

/// Where a chain stands. After a break it goes on from the next line that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The hash of the last line that could be read; `None` before the first one.
    pub(crate) hash: Option<Hash>,
    /// The sequence number of the last record.
    pub(crate) seq: u64,
    /// The last line could not be read: what follows it cannot be expected to fit.
    is_lost: bool,
}

/// What a line is.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// What it says, if it can be read.
    pub(crate) line: Option<Line<'a>>,
    /// Why it is a new break.
    pub(crate) broken: Option<Why>,
}

/// A line that matches its checksum.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    Header(Box<Header>),
    Record(SealedRecord<'a>),
}

impl Chain {
    /// A chain whose beginning is taken as it is found.
    pub(crate) fn unknown() -> Chain {
        Chain {
            hash: None,
            seq: 0,
            is_lost: false,
        }
    }

    /// The sequence number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.seq + 1
    }

    /// Takes the next line, without its newline; `is_first` in its file.
    pub(crate) fn step<'a>(
        &mut self,
        line: &'a [u8],
        is_first: bool,
    ) -> Result<Step<'a>, FormatError> {
        let Some(linked) = link::check(line) else {
            return Ok(self.lose());
        };
        let read = match is_header(line) {
            true => Header::read(line, linked)?.map(|header| Line::Header(Box::new(header))),
            false => SealedRecord::read(line, linked).map(Line::Record),
        };
        let Some(line) = read else {
            return Ok(self.lose());
        };
        let (is_header, seq) = match &line {
            Line::Header(header) => (true, header.first.saturating_sub(1)),
            Line::Record(record) => (false, record.seq),
        };
        let expected = if is_header { self.seq } else { self.next() };
        let follows = match self.hash {
            Some(hash) => hash == linked.prev && seq == expected,
            None => true,
        };
        let is_sound = is_header == is_first && (follows || self.is_lost);
        self.hash = Some(linked.hash);
        self.seq = seq;
        self.is_lost = false;
        Ok(Step {
            line: Some(line),
            broken: (!is_sound).then_some(Why::Unchained),
        })
    }

    /// Takes bytes that are no line; a break unless the bytes before were none either.
    pub(crate) fn lose<'a>(&mut self) -> Step<'a> {
        let broken = (!self.is_lost).then_some(Why::Unreadable);
        self.is_lost = true;
        Step { line: None, broken }
    }
}
