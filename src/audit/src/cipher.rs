//! The seam to the cipher, and the line that a record becomes by it.
//!
//! Records name secrets, so they are not on disk in clear. A line is
//! `{"seq":…,"sealed":"…","prev":"…","hash":"…"}`: the record as a JSON object, sealed, in Base64.
//! The chain runs over that, so it is checked without a key. Lines of text and not frames of
//! bytes: after damage the next newline is the next record, so damage costs what it touches and no
//! more, the last record is found from the end of a file, and `wc`, `tail` and `sha256sum` work.
//!
//! A record is bound to the node that wrote it and to its place, so it opens nowhere else.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Owner;
use crate::limits::{COUNTER_MAX, REGION_BYTES_MAX, SEAL_BYTES_MAX};
use crate::link::{self, Hash, LINK_BYTES, Linked};
use crate::record::Entry;
use crate::text::shown;

const SEQ: &str = "{\"seq\":";
const SEALED: &str = ",\"sealed\":\"";

/// The most digits of a number.
const DIGITS_MAX: usize = 20;

/// Seals records before they reach a disk and opens them on the way back.
pub trait Cipher: Send + Sync + 'static {
    /// Seals `plain` for `place`, and makes it at most [`SEAL_BYTES_MAX`] bytes longer; fails only
    /// if no randomness or key is to be had.
    fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault>;

    /// Opens a record sealed for exactly `place`; fails if it was sealed elsewhere or changed, or
    /// if its key is gone.
    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherFault>;
}

/// A record that could not be sealed or opened; opening tells no detail on purpose.
#[derive(Debug, thiserror::Error)]
pub enum CipherFault {
    /// No key or no randomness to seal with.
    #[error("the record could not be sealed")]
    Seal(#[source] Box<dyn Error + Send + Sync>),
    /// The seal is longer than a line has room for.
    #[error("the seal of a record has more than {SEAL_BYTES_MAX} bytes")]
    Long,
    /// The record did not authenticate: wrong key, wrong place, or changed bytes.
    #[error("the sealed record did not authenticate")]
    Open,
}

/// A cipher, and whose records it seals.
#[derive(Clone)]
pub(crate) struct Sealing {
    cipher: Arc<dyn Cipher>,
    /// What a place begins with.
    owner: Vec<u8>,
}

/// The line of a record, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedRecord<'a> {
    /// Counts the records of the node from one.
    pub(crate) seq: u64,
    sealed: &'a str,
    prev: Hash,
    hash: Hash,
}

impl Sealing {
    /// Seals the records of `owner`.
    pub(crate) fn new(cipher: Arc<dyn Cipher>, owner: &Owner) -> Sealing {
        let region = shown(&owner.region, REGION_BYTES_MAX);
        // The region's length is what is left: all else has a fixed one.
        let owner = [&owner.cluster, region.as_bytes(), &owner.node.to_be_bytes()].concat();
        Sealing { cipher, owner }
    }

    /// Seals a record into its line, which follows `prev`.
    pub(crate) fn line(
        &self,
        plain: &str,
        file: u64,
        seq: u64,
        prev: Hash,
    ) -> Result<(String, Hash), CipherFault> {
        let sealed = self.cipher.seal(&self.place(file, seq), plain.as_bytes())?;
        if sealed.len() > plain.len() + SEAL_BYTES_MAX {
            return Err(CipherFault::Long);
        }
        let mut line = String::with_capacity(line_bytes_max(plain.len()));
        // Writing to a string cannot fail.
        let _ = write!(line, "{SEQ}{seq}{SEALED}");
        STANDARD.encode_string(&sealed, &mut line);
        line.push('"');
        let hash = link::put(&mut line, prev);
        Ok((line, hash))
    }

    /// Opens a record that was read from `file`; `None` if it was not sealed for that place, or
    /// with a key that is gone.
    pub(crate) fn open(&self, file: u64, record: &SealedRecord<'_>) -> Option<Entry> {
        let sealed = STANDARD.decode(record.sealed).ok()?;
        let place = self.place(file, record.seq);
        let plain = self.cipher.open(&place, &sealed).ok()?;
        Entry::read(&plain, record.seq, record.hash)
    }

    fn place(&self, file: u64, seq: u64) -> Vec<u8> {
        [&self.owner, &file.to_be_bytes()[..], &seq.to_be_bytes()].concat()
    }
}

impl<'a> SealedRecord<'a> {
    /// Reads the line of a record, without its newline, that matches its checksum.
    pub(crate) fn read(line: &'a [u8], linked: Linked) -> Option<SealedRecord<'a>> {
        let record: SealedRecord<'a> = serde_json::from_slice(line).ok()?;
        let is_linked = record.prev == linked.prev && record.hash == linked.hash;
        (is_linked && record.seq <= COUNTER_MAX).then_some(record)
    }
}

/// The most bytes that the line of a record has.
pub(crate) fn line_bytes_max(plain: usize) -> usize {
    let text = (plain + SEAL_BYTES_MAX).div_ceil(3) * 4;
    SEQ.len() + DIGITS_MAX + SEALED.len() + text + 1 + LINK_BYTES
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Only shuffles bits about, and remembers the place.
    pub(crate) struct Turning;

    impl Cipher for Turning {
        fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
            let sum = place
                .iter()
                .fold(7u8, |sum, byte| sum.rotate_left(3) ^ byte);
            let turned = plain.iter().map(|byte| !byte);
            Ok(turned.chain([sum]).collect())
        }

        fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
            let (sum, turned) = sealed.split_last().ok_or(CipherFault::Open)?;
            let wanted = self.seal(place, &[])?;
            match wanted == [*sum] {
                true => Ok(turned.iter().map(|byte| !byte).collect()),
                false => Err(CipherFault::Open),
            }
        }
    }

    /// Seals too much.
    struct Long;

    impl Cipher for Long {
        fn seal(&self, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
            Ok(vec![0; plain.len() + SEAL_BYTES_MAX + 1])
        }

        fn open(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, CipherFault> {
            Err(CipherFault::Open)
        }
    }

    pub(crate) fn sealing(node: u64) -> Sealing {
        let owner = Owner {
            cluster: [7; 16],
            region: "eu-west-1".into(),
            node,
        };
        Sealing::new(Arc::new(Turning), &owner)
    }

    #[test]
    fn a_seal_that_is_too_long_for_a_line_is_a_fault() {
        let sealing = Sealing {
            cipher: Arc::new(Long),
            ..sealing(3)
        };
        let sealed = sealing.line("{}", 1, 1, link::NOTHING);
        assert!(matches!(sealed, Err(CipherFault::Long)));
    }

    proptest! {
        #[test]
        fn a_line_has_the_bytes_that_room_is_made_for(plain in ".{0,400}", seq in any::<u64>()) {
            let (line, _) = sealing(3).line(&plain, 9, seq, link::NOTHING).unwrap();
            prop_assert!(line.len() <= line_bytes_max(plain.len()));
            let line = line.trim_end().as_bytes();
            let read = SealedRecord::read(line, link::check(line).unwrap());
            prop_assert_eq!(read.is_some(), seq <= COUNTER_MAX);
        }

        #[test]
        fn no_line_makes_reading_panic(sealed in "[A-Za-z0-9+/=]{0,200}", seq in any::<u64>()) {
            let mut line = format!("{{\"seq\":{seq},\"sealed\":\"{sealed}\"");
            link::put(&mut line, Hash([1; 32]));
            let line = line.trim_end().as_bytes();
            if let Some(record) = SealedRecord::read(line, link::check(line).unwrap()) {
                let _ = sealing(3).open(1, &record);
            }
        }
    }
}
