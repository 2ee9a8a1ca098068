//! Identifiers and numbers, one type each, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::limits::STAMP_MS_MAX;

/// Why text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an identifier of {bytes} bytes is written as {} lower-case hexadecimal digits", bytes * 2)]
pub struct IdError {
    /// The identifier's length.
    pub bytes: usize,
}

/// Identifies a cluster: all regions that work together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// Identifies a secret for ever; never reused, not derived from its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

/// Identifies a KMS key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// Identifies one request of a caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub [u8; 16]);

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// Identifies a node within its region; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Numbers the entries of a region's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u64);

/// Numbers the changes of a feed; the first is 1, and 0 is before all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// Numbers the versions of a secret, or the rows of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ordinal(pub u64);

/// A time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp(pub u64);

/// Numbers the rules of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineVersion(pub u32);

impl Stamp {
    /// Adds milliseconds, staying below [`STAMP_MS_MAX`].
    pub fn plus_ms(self, ms: u64) -> Stamp {
        Stamp(self.0.saturating_add(ms).min(STAMP_MS_MAX))
    }

    /// Counts the milliseconds since an earlier stamp; 0 if that one is not earlier.
    pub fn since_ms(self, earlier: Stamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Hash {
    /// The hash of nothing: the start of a chain, the commitment to a deleted row.
    pub const ZERO: Hash = Hash([0; 32]);
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for ClusterId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<ClusterId, IdError> {
        parse_hex(text).map(ClusterId)
    }
}

impl FromStr for Uid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Uid, IdError> {
        parse_hex(text).map(Uid)
    }
}

impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<KeyId, IdError> {
        parse_hex(text).map(KeyId)
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<RequestId, IdError> {
        parse_hex(text).map(RequestId)
    }
}

impl FromStr for Hash {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Hash, IdError> {
        parse_hex(text).map(Hash)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MachineVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let error = IdError { bytes: N };
    if text.len() != N * 2 {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = *pair else {
            return Err(error);
        };
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(error);
        };
        *byte = (high << 4) | low;
    }
    Ok(bytes)
}

/// Lower case only: an identifier has one spelling.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterId, Hash, Uid};

    #[test]
    fn an_identifier_has_one_spelling() {
        let text = "00112233445566778899aabbccddeeff";
        assert_eq!(text.parse::<Uid>().unwrap().to_string(), text);
        for other in [
            &text.to_uppercase(),
            &text[1..],
            "",
            &text.replace('9', "g"),
            &text.replace("99", "é"),
        ] {
            assert!(other.parse::<Uid>().is_err(), "{other}");
            assert!(other.parse::<ClusterId>().is_err(), "{other}");
        }
        assert!("AB".repeat(32).parse::<Hash>().is_err());
    }
}
