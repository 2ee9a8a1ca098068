//! Paging tokens: where the next page begins, bound to the list it belongs to.
//!
//! A token carries a digest over the cluster, the query and itself. It keeps a caller from using it
//! with another list or altering it by mistake; it is no proof of a right, and needs none: every
//! page is authorised on its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::errors::{Reason, Refusal};
use crate::limits::NEXT_TOKEN_CHARS_MAX;

const FORMAT: u8 = 1;
const DIGEST_BYTES: usize = 16;

/// What a token is bound to: the cluster, the operation and everything in the query but the page.
#[derive(Clone, Debug)]
pub struct ListQuery(Sha256);

impl ListQuery {
    /// A query of this operation in this cluster.
    #[must_use]
    pub fn new(cluster: &[u8], operation: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"strongroom page 1");
        Self(hash).with(cluster).with(operation.as_bytes())
    }

    /// Binds one more part of the query.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    /// The token for a page that begins after this place.
    #[must_use]
    pub fn token(&self, place: &[u8]) -> String {
        let mut bytes = Vec::with_capacity(1 + DIGEST_BYTES + place.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.digest(place));
        bytes.extend_from_slice(place);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place a token stands for.
    ///
    /// # Errors
    /// `InvalidNextTokenException` when the token was not made for this query.
    pub fn place(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        self.place_if_ours(token).ok_or_else(invalid)
    }

    fn place_if_ours(&self, token: &str) -> Option<Vec<u8>> {
        if token.len() > NEXT_TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (format, rest) = bytes.split_first()?;
        let (digest, place) = rest.split_at_checked(DIGEST_BYTES)?;
        (*format == FORMAT && digest == self.digest(place)).then(|| place.to_vec())
    }

    fn digest(&self, place: &[u8]) -> [u8; DIGEST_BYTES] {
        let whole: [u8; 32] = self.clone().with(place).0.finalize().into();
        let mut digest = [0; DIGEST_BYTES];
        digest
            .iter_mut()
            .zip(whole)
            .for_each(|(byte, from)| *byte = from);
        digest
    }
}

/// `InvalidNextTokenException`.
pub fn invalid() -> Refusal {
    Refusal::new(
        Reason::InvalidNextToken,
        "You provided an invalid NextToken value: use the one of the last page, with the same \
         query.",
    )
}

#[cfg(test)]
mod tests {
    use super::ListQuery;

    #[test]
    fn a_token_gives_its_place_back_to_its_own_query_only() {
        let query = ListQuery::new(b"cluster", "ListSecrets").with(b"asc");
        let token = query.token(b"place");
        assert_eq!(query.place(&token).unwrap(), b"place");
        for other in [
            ListQuery::new(b"cluster", "ListSecrets").with(b"desc"),
            ListQuery::new(b"cluster", "ListSecret").with(b"sasc"),
            ListQuery::new(b"another", "ListSecrets").with(b"asc"),
        ] {
            assert!(other.place(&token).is_err());
        }
    }

    #[test]
    fn an_altered_token_is_refused() {
        let query = ListQuery::new(b"cluster", "ListSecrets");
        let token = query.token(b"place");
        for index in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(query.place(&altered).is_err(), "{index}");
        }
        for text in ["", "A", "not base64 !", &"A".repeat(5000), &token[1..]] {
            assert!(query.place(text).is_err(), "{text}");
        }
    }
}
