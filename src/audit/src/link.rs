//! The end of a line, which chains it: `,"prev":"…","hash":"…"}`.
//!
//! `prev` is the hash of the line before. `hash` is SHA-256 over the 32 bytes of `prev` and the
//! line's own bytes before `,"hash"`. So a line can be checked alone, and the chain by comparing.

use std::fmt::{self, Debug, Display, Formatter};

use serde::de::{Deserialize, Deserializer, Error};
use sha2::{Digest, Sha256};

const PREV: &str = ",\"prev\":\"";
const HASH: &str = "\",\"hash\":\"";
const END: &str = "\"}";
const HEX: usize = 64;

/// What `put` adds to a line.
pub(crate) const LINK_BYTES: usize = PREV.len() + HEX + HASH.len() + HEX + END.len() + 1;

/// The SHA-256 of a line and of all lines before it; written in lower hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// What the first line of the first file follows.
pub(crate) const NOTHING: Hash = Hash([0; 32]);

/// The end of a line that matches its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Linked {
    pub(crate) prev: Hash,
    pub(crate) hash: Hash,
}

/// Ends `line`, an object without its closing brace, chained to `prev`; answers its hash.
pub(crate) fn put(line: &mut String, prev: Hash) -> Hash {
    line.push_str(PREV);
    put_hex(line, &prev.0);
    // The quote belongs to `prev`.
    line.push('"');
    let hash = digest(prev, line.as_bytes());
    line.push_str(HASH.get(1..).unwrap_or_default());
    put_hex(line, &hash.0);
    line.push_str(END);
    line.push('\n');
    hash
}

/// Checks a line, without its newline, against its checksum.
pub(crate) fn check(line: &[u8]) -> Option<Linked> {
    let line = line.strip_suffix(END.as_bytes())?;
    let (line, hash) = line.split_at_checked(line.len().checked_sub(HEX)?)?;
    let unhashed = line.strip_suffix(HASH.as_bytes())?;
    let (rest, prev) = unhashed.split_at_checked(unhashed.len().checked_sub(HEX)?)?;
    rest.strip_suffix(PREV.as_bytes())?;
    let (prev, hash) = (Hash::read(prev)?, Hash::read(hash)?);
    let body = line.get(..unhashed.len() + 1)?;
    (digest(prev, body) == hash).then_some(Linked { prev, hash })
}

fn digest(prev: Hash, body: &[u8]) -> Hash {
    let mut digest = Sha256::new();
    digest.update(prev.0);
    digest.update(body);
    Hash(digest.finalize().into())
}

impl Hash {
    fn read(text: &[u8]) -> Option<Hash> {
        read_hex(text).map(Hash)
    }
}

/// Writes bytes as lower hexadecimal.
pub(crate) fn put_hex<const N: usize>(line: &mut String, bytes: &[u8; N]) {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    };
    let pairs = bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    line.push_str(str::from_utf8(pairs.as_flattened()).unwrap_or_default());
}

/// Reads `N` bytes of lower hexadecimal; other spellings are none, so that each has one.
pub(crate) fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

impl Display for Hash {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for Hash {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        Hash::read(text.as_bytes()).ok_or_else(|| D::Error::custom("not a hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_line_is_a_json_object_that_checks_alone() {
        let mut line = String::from("{\"seq\":1");
        let hash = put(&mut line, Hash([0xab; 32]));
        assert_eq!(line.len(), "{\"seq\":1".len() + LINK_BYTES);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["hash"], hash.to_string());
        let linked = check(line.trim_end().as_bytes()).unwrap();
        assert_eq!((linked.prev, linked.hash), (Hash([0xab; 32]), hash));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut line = String::from("{\"seq\":1");
        put(&mut line, NOTHING);
        let line = line.trim_end().as_bytes();
        for bit in 0..line.len() * 8 {
            let mut line = line.to_vec();
            line[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&line), None, "bit {bit}");
        }
        (0..line.len()).for_each(|end| assert_eq!(check(&line[..end]), None, "cut at {end}"));
    }
}
