//! The anchor: the small file with what must outlive every segment.
//!
//! It is replaced as a whole (write, sync, rename, sync of the directory), so that a power cut
//! leaves the old one or the new one, and a checksum that does not match is always damage: a lost
//! vote could elect two leaders in one term. The space for the next one is set aside before it is
//! needed: a vote, and a purge that makes room, must not wait for space.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::bytes::{Reader, put_bytes};
use crate::format::{self, FormatError, Stamped};
use crate::limits::COUNTER_MAX;
use crate::{Fault, Mark, files};

use super::error::LogError;

const NAME: &str = "anchor";

/// What the anchor holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) vote: Option<Vec<u8>>,
    pub(crate) purged: Option<Mark>,
    pub(crate) committed: Option<Mark>,
    /// The oldest segment still needed; older ones may be deleted at any time.
    pub(crate) oldest: u64,
}

impl Anchor {
    /// Reads the anchor of `dir`; `None` if there is none yet.
    pub(crate) fn read(dir: &Path, stamped: &Stamped) -> Result<Option<Anchor>, LogError> {
        let path = path(dir);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| Fault::io("read", &path, error))?,
        };
        let format = |source| LogError::Format {
            path: path.clone(),
            source,
        };
        let header = format::decode(format::ANCHOR, &bytes).map_err(format)?;
        stamped.check_node(&header.stamped).map_err(format)?;
        let anchor = decode(&header.extra).filter(|_| header.len == bytes.len());
        anchor.map(Some).ok_or_else(|| format(FormatError::Damaged))
    }

    /// Replaces the anchor of `dir`; durable on return.
    pub(crate) fn write(&self, dir: &Path, stamped: &Stamped) -> Result<(), Fault> {
        files::replace_reserved(
            &path(dir),
            &format::encode(format::ANCHOR, stamped, &self.encode()),
        )?;
        reserve(dir)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.oldest.to_le_bytes().to_vec();
        out.push(u8::from(self.vote.is_some()));
        put_bytes(&mut out, self.vote.as_deref().unwrap_or_default());
        for mark in [&self.purged, &self.committed] {
            out.push(u8::from(mark.is_some()));
            out.extend_from_slice(&mark.as_ref().map_or(0, |mark| mark.index).to_le_bytes());
            put_bytes(
                &mut out,
                mark.as_ref().map(|mark| &mark.id[..]).unwrap_or_default(),
            );
        }
        out
    }
}

fn decode(bytes: &[u8]) -> Option<Anchor> {
    let mut reader = Reader::new(bytes);
    let oldest = reader.u64()?;
    let voted = reader.u8()? == 1;
    let vote = reader.bytes()?.to_vec();
    let purged = decode_mark(&mut reader)?;
    let committed = decode_mark(&mut reader)?;
    let is_sound = reader.is_empty() && oldest <= COUNTER_MAX;
    is_sound.then_some(Anchor {
        vote: voted.then_some(vote),
        purged,
        committed,
        oldest,
    })
}

fn decode_mark(reader: &mut Reader<'_>) -> Option<Option<Mark>> {
    let some = reader.u8()? == 1;
    let index = reader.u64()?;
    let id = reader.bytes()?.to_vec();
    (index <= COUNTER_MAX).then_some(some.then_some(Mark { index, id }))
}

/// Sets space aside for the next anchor. On a full disk there is none: that one then waits for it.
pub(crate) fn reserve(dir: &Path) -> Result<(), Fault> {
    match files::reserve(&path(dir)) {
        Err(Fault::NoSpace { .. }) => Ok(()),
        reserved => reserved,
    }
}

/// The path of the anchor.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::{Anchor, COUNTER_MAX, Mark, decode};

    #[test]
    fn an_anchor_with_a_number_that_nothing_could_count_on_from_is_refused() {
        let is_read = |oldest: u64, index: u64| {
            let mark = |index| Some(Mark { index, id: vec![1] });
            let (purged, committed) = (mark(index), mark(1));
            let vote = None;
            let anchor = Anchor {
                vote,
                purged,
                committed,
                oldest,
            };
            decode(&anchor.encode()).is_some_and(|read| read == anchor)
        };
        assert!(is_read(1, 1) && is_read(COUNTER_MAX, COUNTER_MAX));
        assert!(!is_read(u64::MAX, 1) && !is_read(COUNTER_MAX + 1, 1));
        assert!(!is_read(1, u64::MAX) && !is_read(1, COUNTER_MAX + 1));
    }
}
