//! When and where a session is good for something: every rule of R20 about time, region, staleness
//! and revocation.

use std::time::Duration;

use thiserror::Error;

use super::{Origin, Session, SessionId};
use crate::limits::SESSION_LEEWAY_MS;

/// Who checks, and what it knows.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    /// The region that checks.
    pub here: &'a str,
    /// The region whose signature the token's frame bears.
    pub signed_by: &'a str,
    /// How old the root feed is here; nothing in the region that is its primary. Unknown is
    /// [`Duration::MAX`].
    pub root_feed_age: Duration,
    /// How old it may be for sessions of other regions to be taken.
    pub identity_staleness_max: Duration,
    /// Sessions of the holder that were issued before this are void.
    pub revoked_before_ms: Option<i64>,
}

/// What can be revoked by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocable<'a> {
    /// A session, and every one made from it.
    Session(&'a SessionId),
    /// A certificate, by the SHA-256 of its public key, and every session it was issued.
    Certificate(&'a [u8; 32]),
}

/// The session is not accepted. Displays nothing of the reason, which is not for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the session token is not accepted")]
pub struct Denied {
    why: Why,
}

/// Why a session is not accepted: for the audit and for administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Why {
    /// A region signed it that is not the one it says.
    #[error("the session was signed by another region than the one that it says issued it")]
    Signer,
    /// It has ended.
    #[error("the session has expired")]
    Expired,
    /// It was issued more than a minute from now.
    #[error("the session is not valid yet: do the clocks of the regions agree?")]
    NotYet,
    /// It is not for this region.
    #[error("the session is not for this region")]
    Region,
    /// It was issued elsewhere, and this region may not know what has become of its holder.
    #[error("the session was issued elsewhere, and this region follows the root feed too late")]
    Stale,
    /// All sessions of the holder that were issued by then are revoked.
    #[error("the sessions of the holder were revoked after this one was issued")]
    RevokedBefore,
    /// It is revoked, or one that it was made from.
    #[error("the session is revoked, or one that it was made from")]
    RevokedSession,
    /// The certificate it was issued for is revoked.
    #[error("the certificate that the session was issued for is revoked")]
    RevokedCertificate,
}

impl Denied {
    /// Says why: for the audit and for administrators, not for the caller.
    pub fn why(&self) -> Why {
        self.why
    }
}

impl From<Why> for Denied {
    fn from(why: Why) -> Denied {
        Denied { why }
    }
}

impl Session {
    /// Says whether a session is good at a time, for a verifier. The frame's seal and signature are
    /// already found right. `is_revoked` is asked at most ten times.
    pub fn check(
        &self,
        now_ms: i64,
        verifier: &Verifier<'_>,
        is_revoked: impl Fn(Revocable<'_>) -> bool,
    ) -> Result<(), Denied> {
        self.refuse_elsewhere(verifier)?;
        self.refuse_untimely(now_ms)?;
        // A revocation is a row of the root feed, so that staleness bounds how late it is known.
        let is_void = |before: i64| self.issued_ms < before;
        if verifier.revoked_before_ms.is_some_and(is_void) {
            return Err(Why::RevokedBefore.into());
        }
        let mut sessions = self.chain.iter().chain([&self.id]);
        if sessions.any(|id| is_revoked(Revocable::Session(id))) {
            return Err(Why::RevokedSession.into());
        }
        match &self.origin {
            Origin::Certificate { key_hash, .. }
                if is_revoked(Revocable::Certificate(key_hash)) =>
            {
                Err(Why::RevokedCertificate.into())
            }
            _ => Ok(()),
        }
    }

    fn refuse_elsewhere(&self, verifier: &Verifier<'_>) -> Result<(), Why> {
        // Otherwise one region could issue sessions in the name of another, where they would be
        // taken however late that one follows.
        if verifier.signed_by != self.region {
            return Err(Why::Signer);
        }
        if !self.regions.is_empty() && !self.regions.iter().any(|name| name == verifier.here) {
            return Err(Why::Region);
        }
        let is_stale = verifier.root_feed_age > verifier.identity_staleness_max;
        match is_stale && self.region != verifier.here {
            true => Err(Why::Stale),
            false => Ok(()),
        }
    }

    fn refuse_untimely(&self, now_ms: i64) -> Result<(), Why> {
        if self.expires_ms <= now_ms {
            return Err(Why::Expired);
        }
        match self.issued_ms > now_ms.saturating_add(SESSION_LEEWAY_MS) {
            true => Err(Why::NotYet),
            false => Ok(()),
        }
    }
}
