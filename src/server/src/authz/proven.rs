//! What a caller has proved, before anything is known of who that is here.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use access::session::{Holder, Session};
use machine::RegionName;
use zeroize::Zeroizing;

/// What a caller has proved.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Proven {
    /// To hold the key of a certificate.
    Certificate(Certificate),
    /// To carry the token of a session.
    Session(Arc<Bearer>),
}

/// A certificate of a client, whose key the caller holds.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Certificate {
    /// The name of the client in it.
    pub client: Arc<str>,
    /// SHA-256 of its public key.
    pub public_key: [u8; 32],
}

/// A session's token, whose seal and signature were found right. Whether the session is good for
/// anything is judged for each call, from the view that the call is answered from.
#[derive(Eq, PartialEq)]
pub struct Bearer {
    /// What the token says.
    pub session: Session,
    /// The region whose signature it bears.
    pub signed_by: RegionName,
}

/// The text of a token, to be handed on with a call that another region makes.
#[derive(Clone)]
pub struct TokenText(pub Arc<Zeroizing<String>>);

impl Bearer {
    /// The caller, as audit fields show it: by the id of the session, and the account and the names
    /// of whoever has it, without paths, which may be longer than such a field.
    pub fn caller(&self) -> Arc<str> {
        let id = self.session.id;
        match &self.session.holder {
            Holder::Role { arn, name, .. } => {
                let (account, role) = (arn.account(), arn.name());
                format!("session/{id}/{account}/role/{role}/{name}").into()
            }
            Holder::User { account, arn, .. } => {
                let (_, name) = arn.rsplit_once('/').unwrap_or_default();
                format!("session/{id}/{account}/user/{name}").into()
            }
        }
    }
}

impl Hash for Bearer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.session.id.hash(state);
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("session", &self.session.id)
            .field("signed_by", &self.signed_by)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(redacted)")
    }
}
