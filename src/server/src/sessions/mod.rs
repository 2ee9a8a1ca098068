//! Session tokens: sealed with a session key of the cluster, signed by the region that issues them
//! (R20). What a token says and what is sealed and signed of it is defined in crate `access`.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::session::{Frame, FrameError, Session, SessionError};
use envelope::SealedSession;
use machine::{Ordinal, Region, RegionName, Stamp, State};
use zeroize::Zeroizing;

use crate::errors::{Reason, Refusal};
use crate::vault::Vault;

/// Seals and opens session tokens with the keys that a state has.
#[derive(Clone)]
pub struct Sessions {
    vault: Arc<Vault>,
}

/// A session whose seal and signature are right; nothing else about it is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// What the token says.
    pub session: Session,
    /// The region whose signature it bears: it is linked.
    pub issued_in: RegionName,
}

/// Why a text is no session token of this cluster: for logs and audit, a caller is told one thing
/// whatever it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It has not the form of one.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No region of that number is linked, or its key is not known here.
    #[error("no region of that number is linked, or it has no signing key")]
    Region,
    /// The signature is not that region's.
    #[error("the token does not bear the signature of the region that it names")]
    Signature,
    /// The key it was sealed with is not here: it is too old, or never was.
    #[error("the session key that the token was sealed with is not here")]
    Key,
    /// It does not open.
    #[error("the token does not open with the session key that it names")]
    Seal,
    /// What it seals is no session.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Sessions {
    /// Tokens by the keys that this vault opens.
    #[must_use]
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    /// Seals and signs a session that this region issues: the text of a token (`srs1.…`).
    ///
    /// # Errors
    /// `ServiceUnavailable` while this region has no session key, or no signing key that the
    /// directory tells of; `InvalidParameterException` for a session that is out of its bounds, or
    /// too long for a token.
    pub fn issue(&self, state: &State, session: &Session) -> Result<Zeroizing<String>, Refusal> {
        let plain = session.encode().map_err(|error| {
            let message = format!("The session cannot be issued: {error}.");
            Refusal::parameter(message)
        })?;
        let region = state.region().ok_or_else(Refusal::not_founded)?;
        if region.as_str() != session.region {
            tracing::error!("a session of another region is to be issued here");
            return Err(Refusal::internal());
        }
        let (number, signing) = self.vault.signer(state).ok_or_else(no_keys)?;
        // An encoded session was not issued before 1970.
        let at = Stamp(u64::try_from(session.issued_ms).unwrap_or_default());
        let (key_id, key) = self.vault.sealing_key(state, at).ok_or_else(no_keys)?;
        let cluster = self.vault.cluster();
        let aad = Frame::aad(&cluster, &key_id, number);
        let sealed = key.seal(&aad, &plain).map_err(|error| {
            tracing::error!(%error, "a session could not be sealed");
            Refusal::internal()
        })?;
        let mut frame = Frame {
            key_id,
            nonce: sealed.nonce,
            sealed: sealed.ciphertext,
            region: number,
            signature: [0; 64],
        };
        frame.signature = signing.sign(&frame.signed_bytes(&cluster));
        frame.to_text().map_err(|error| {
            tracing::error!(%error, "a session token could not be written");
            Refusal::internal()
        })
    }

    /// Opens a token, and checks its seal and signature only: whether the session is good for
    /// something here and now is [`Session::check`]'s to say. Takes time linear in the token, and
    /// one verification of a signature at most.
    ///
    /// # Errors
    /// Why it is no token of this cluster.
    pub fn open(&self, state: &State, token: &str) -> Result<Opened, Unknown> {
        let frame = Frame::parse(token)?;
        let region = linked(state, frame.region).ok_or(Unknown::Region)?;
        let signing = region.signing_key.ok_or(Unknown::Region)?;
        let cluster = self.vault.cluster();
        // Nothing is opened that no region has signed.
        if !envelope::is_signed(&signing.0, &frame.signed_bytes(&cluster), &frame.signature) {
            return Err(Unknown::Signature);
        }
        let key = self
            .vault
            .session_key(state, &frame.key_id)
            .ok_or(Unknown::Key)?;
        let aad = Frame::aad(&cluster, &frame.key_id, frame.region);
        let sealed = SealedSession {
            nonce: frame.nonce,
            ciphertext: frame.sealed,
        };
        let plain = key.open(&aad, &sealed).map_err(|_| Unknown::Seal)?;
        let session = Session::decode(&plain)?;
        let issued_in = region.name.clone();
        Ok(Opened { session, issued_in })
    }
}

/// The linked region of a number in the directory.
fn linked(state: &State, number: u32) -> Option<&Region> {
    let number = Ordinal(u64::from(number));
    let mut directory = state.directory();
    let (_, region) = directory.find(|(held, _)| *held == number)?;
    region.is_linked().then_some(region.as_ref())
}

fn no_keys() -> Refusal {
    Refusal::new(
        Reason::ServiceUnavailable,
        "This region has no keys for sessions yet.",
    )
}
