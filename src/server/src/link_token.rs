//! The token with which a region is linked: random bytes that stand for the right, and the key of
//! the authority that the new region is to trust for one call.
//!
//! ```text
//! srl1. base64url( 32 random bytes ‖ SHA-256 of the issuer's SubjectPublicKeyInfo )
//! ```
//!
//! Only a digest of the random part is kept by the region that made it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use machine::Hash;
use sha2::{Digest, Sha256};
use wire::PublicKeyHash;
use zeroize::Zeroizing;

const PREFIX: &str = "srl1.";
const PART_BYTES: usize = 32;
/// Characters of the two parts in base64url.
const CHARS: usize = (2 * PART_BYTES * 8).div_ceil(6);

/// A link token.
pub struct LinkToken {
    random: Zeroizing<[u8; PART_BYTES]>,
    /// The key of an issuer of the region that made the token.
    pub issuer_key: PublicKeyHash,
}

impl LinkToken {
    /// A new token.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate(issuer_key: PublicKeyHash) -> Result<Self, getrandom::Error> {
        let mut random = Zeroizing::new([0; PART_BYTES]);
        getrandom::fill(&mut *random)?;
        Ok(Self { random, issuer_key })
    }

    /// Reads a token; none if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX)?;
        if text.len() != CHARS {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        let (random, issuer_key) = bytes.split_first_chunk::<PART_BYTES>()?;
        Some(Self {
            random: Zeroizing::new(*random),
            issuer_key: PublicKeyHash(issuer_key.try_into().ok()?),
        })
    }

    /// The text that is shown once.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 2 * PART_BYTES]);
        let (random, issuer_key) = bytes.split_at_mut(PART_BYTES);
        random.copy_from_slice(self.random.as_slice());
        issuer_key.copy_from_slice(&self.issuer_key.0);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + CHARS));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update(b"strongroom link token 1");
        hash.update(self.random.as_slice());
        Hash(hash.finalize().into())
    }
}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("LinkToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use wire::PublicKeyHash;

    use super::LinkToken;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        let made = LinkToken::generate(PublicKeyHash([7; 32])).unwrap();
        let text = made.text();
        let read = LinkToken::parse(&text).unwrap();
        assert_eq!(read.digest(), made.digest());
        assert_eq!(read.issuer_key, made.issuer_key);
        assert!(text.starts_with("srl1.") && text.len() == 5 + 86, "{}", text.len());
        let bare = text.trim_start_matches("srl1.");
        for bad in [
            "",
            "srl1.",
            bare,
            &format!("srl2.{bare}"),
            &format!("{}A", text.as_str()),
            &text[..text.len() - 1],
            &text.replace(|char: char| char.is_ascii_digit(), "!"),
        ] {
            assert!(bad == text.as_str() || LinkToken::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{made:?}"), "LinkToken(redacted)");
    }

    #[test]
    fn two_tokens_differ() {
        let make = || LinkToken::generate(PublicKeyHash([7; 32])).unwrap();
        assert_ne!(make().digest(), make().digest());
    }
}
