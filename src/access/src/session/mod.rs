//! Sessions: who somebody is for some hours, in a token that they carry (R20).
//!
//! A token is made and read in three layers, each of which is defined once, here:
//!
//! ```text
//! Session   what it says: who, until when, where, confined by which policies
//! bytes     its encoding (Session::encode, decode); others seal it with the cluster's session key
//! Frame     what is carried: key id, nonce, sealed bytes, issuing region, its signature; as text
//! ```
//!
//! [`Session::check`] is every rule about when and where a session is good for something. Times are
//! in milliseconds since 1970, as the stamps of the machine are.

mod check;
mod codec;
mod frame;
mod role;
mod tags;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use check::{Denied, Revocable, Verifier, Why};
pub use frame::{Frame, FrameError};
pub use role::{
    DurationError, RoleArn, RoleArnError, duration_seconds, is_session_name, is_source_identity,
};
pub use tags::{Tag, TagError, Tags};

use crate::context::Context;
use crate::limits::{
    SESSION_BYTES_MAX, SESSION_CHAIN_MAX, SESSION_CHAINED_MS_MAX, SESSION_MS_MAX,
    SESSION_POLICY_ARNS_MAX, SESSION_POLICY_CHARS_MAX, SESSION_REGIONS_MAX, SESSION_TIME_MS_MAX,
};
use crate::principal::Principal;

/// Identifies a session for ever: random, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

/// What a session token says. It holds no secret. No session has been authenticated with a second
/// factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose session it is.
    pub holder: Holder,
    /// What was proved when the first session of the chain was issued.
    pub origin: Origin,
    /// The sessions it was made from, the first one first: at most [`SESSION_CHAIN_MAX`]. If there
    /// is one, this session lasts an hour at most.
    pub chain: Vec<SessionId>,
    /// When it was issued. Not before 1970.
    pub issued_ms: i64,
    /// When it ends, at most twelve hours after it was issued.
    pub expires_ms: i64,
    /// The region that issued it.
    pub region: String,
    /// Where it is good for something: at most [`SESSION_REGIONS_MAX`] regions, the issuing one
    /// among them. Empty: everywhere.
    pub regions: Vec<String>,
    /// The policy it is confined by, if it was issued with one: a document of at most
    /// [`SESSION_POLICY_CHARS_MAX`] characters.
    pub policy: Option<String>,
    /// The managed policies it is confined by, besides: at most [`SESSION_POLICY_ARNS_MAX`] ARNs.
    pub policy_arns: Vec<String>,
    /// Its tags.
    pub tags: Tags,
    /// Who is behind it, as the first session of the chain was told.
    pub source_identity: Option<String>,
}

/// Whose session it is. ARNs are full and have at most 2,048 bytes. Unique ids are never reused, so
/// that a new role of an old name is not taken for the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Somebody who assumed a role.
    Role {
        /// `arn:aws:iam::ACCOUNT:role/path/name`.
        arn: RoleArn,
        /// The role's unique id, `AROA…`.
        id: String,
        /// The name of the session.
        name: String,
    },
    /// A user, with temporary credentials of its own.
    User {
        /// The account.
        account: String,
        /// `arn:aws:iam::ACCOUNT:user/path/name`.
        arn: String,
        /// The user's unique id, `AIDA…`.
        id: String,
    },
}

/// What was proved when a session was issued to somebody who had none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An access key of a user, by its id.
    AccessKey {
        /// The id, `AKIA…`.
        id: String,
    },
    /// A client certificate.
    Certificate {
        /// The unique id of what binds it to its holder: what was bound anew is another.
        credential: String,
        /// The SHA-256 of its public key.
        key_hash: [u8; 32],
    },
    /// A token of an OpenID Connect issuer.
    Provider {
        /// The unique id of the provider: an issuer that is trusted anew is another.
        id: String,
        /// The issuer.
        issuer: String,
        /// The subject of the token.
        subject: String,
    },
}

/// Why something is no session, or cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The bytes end too early, or go on.
    #[error("the bytes are no session: they end too early, or go on behind its end")]
    Length,
    /// The version is not ours.
    #[error("version {0} of sessions is unknown here: it needs a newer release")]
    Version(u8),
    /// The bytes have a value where none is, or a text that is no UTF-8.
    #[error("the bytes are no session: {0} has a value that stands for nothing")]
    Value(&'static str),
    /// A field is out of its bounds, or not of its form.
    #[error("{0} of a session is out of its bounds, or not of its form")]
    Field(&'static str),
    /// It would last too long, or end before it begins.
    #[error("a session lasts up to twelve hours, one that was made from another up to one")]
    Lifetime,
    /// Its tags are none that a session may have.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// All of it together is too long for a token.
    #[error(
        "policies and tags of a session are too long together: {bytes} bytes, \
         {SESSION_BYTES_MAX} are the limit"
    )]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
}

impl Session {
    /// Encodes a session in at most [`SESSION_BYTES_MAX`] bytes. One that is out of bounds is
    /// refused.
    pub fn encode(&self) -> Result<Vec<u8>, SessionError> {
        self.validate()?;
        let bytes = codec::encode(self);
        match bytes.len() > SESSION_BYTES_MAX {
            true => Err(SessionError::TooLong { bytes: bytes.len() }),
            false => Ok(bytes),
        }
    }

    /// Decodes a session. Only what [`Session::encode`] gives is taken; an unknown version is
    /// refused by name.
    pub fn decode(bytes: &[u8]) -> Result<Session, SessionError> {
        if bytes.len() > SESSION_BYTES_MAX {
            return Err(SessionError::TooLong { bytes: bytes.len() });
        }
        let session = codec::decode(bytes)?;
        session.validate()?;
        Ok(session)
    }

    /// The caller that a session stands for.
    pub fn principal(&self) -> Principal {
        match &self.holder {
            Holder::Role { arn, id, name } => Principal::Session {
                account: arn.account().to_owned(),
                role: arn.to_string(),
                arn: arn.session_arn(name),
                id: format!("{id}:{name}"),
            },
            Holder::User { account, arn, id } => Principal::User {
                account: account.clone(),
                arn: arn.clone(),
                id: id.clone(),
            },
        }
    }

    /// Sets the keys that a session adds to those of its [`Session::principal`]:
    /// `aws:PrincipalTag/…`, `aws:SourceIdentity`, `aws:TokenIssueTime`,
    /// `aws:MultiFactorAuthPresent`, and `aws:FederatedProvider` of the first session of a chain.
    pub fn describe(&self, context: &mut Context) {
        self.tags.describe_principal(context);
        if let Some(identity) = &self.source_identity {
            context.set("aws:SourceIdentity", identity.as_str());
        }
        // Validated sessions are issued in years that have four digits.
        if let Ok(issued) = jiff::Timestamp::from_second(self.issued_ms.div_euclid(1000)) {
            context.set("aws:TokenIssueTime", issued.to_string());
        }
        context.set("aws:MultiFactorAuthPresent", "false");
        if let Origin::Provider { issuer, .. } = &self.origin
            && self.chain.is_empty()
        {
            context.set("aws:FederatedProvider", issuer.as_str());
        }
    }

    fn validate(&self) -> Result<(), SessionError> {
        self.holder.validate()?;
        self.origin.validate()?;
        self.validate_times()?;
        self.validate_regions()?;
        if self.chain.len() > SESSION_CHAIN_MAX || self.chain.contains(&self.id) {
            return Err(SessionError::Field("the chain"));
        }
        let is_policy = |text: &String| {
            let is_bounded = text.len() <= SESSION_POLICY_CHARS_MAX * 4;
            !text.is_empty() && is_bounded && text.chars().count() <= SESSION_POLICY_CHARS_MAX
        };
        if !self.policy.iter().all(is_policy) {
            return Err(SessionError::Field("the policy"));
        }
        let is_arn = |arn: &String| role::is_policy_arn(arn);
        if self.policy_arns.len() > SESSION_POLICY_ARNS_MAX || !self.policy_arns.iter().all(is_arn)
        {
            return Err(SessionError::Field("the ARNs of the policies"));
        }
        match &self.source_identity {
            Some(identity) if !is_source_identity(identity) => {
                Err(SessionError::Field("the source identity"))
            }
            _ => Ok(()),
        }
    }

    fn validate_times(&self) -> Result<(), SessionError> {
        if !(0..=SESSION_TIME_MS_MAX).contains(&self.issued_ms) {
            return Err(SessionError::Field("the time of issue"));
        }
        let max_ms = match self.chain.is_empty() {
            true => SESSION_MS_MAX,
            false => SESSION_CHAINED_MS_MAX,
        };
        match self.expires_ms.checked_sub(self.issued_ms) {
            Some(ms) if (1..=max_ms).contains(&ms) => Ok(()),
            _ => Err(SessionError::Lifetime),
        }
    }

    fn validate_regions(&self) -> Result<(), SessionError> {
        let regions = &self.regions;
        let are_names = regions.iter().all(|name| role::is_region(name));
        let is_among = regions.is_empty() || regions.contains(&self.region);
        let is_good = role::is_region(&self.region) && are_names && is_among;
        match is_good && regions.len() <= SESSION_REGIONS_MAX {
            true => Ok(()),
            false => Err(SessionError::Field("the regions")),
        }
    }
}

impl Holder {
    fn validate(&self) -> Result<(), SessionError> {
        let is_good = match self {
            Holder::Role { id, name, .. } => role::is_unique_id(id) && is_session_name(name),
            Holder::User { account, arn, id } => {
                role::is_user_arn(arn, account) && role::is_unique_id(id)
            }
        };
        match is_good {
            true => Ok(()),
            false => Err(SessionError::Field("the holder")),
        }
    }
}

impl Origin {
    fn validate(&self) -> Result<(), SessionError> {
        let is_good = match self {
            Origin::AccessKey { id } => role::is_unique_id(id),
            Origin::Certificate { credential, .. } => role::is_unique_id(credential),
            Origin::Provider {
                id,
                issuer,
                subject,
            } => {
                let is_within = |text: &str, max| !text.is_empty() && text.len() <= max;
                role::is_unique_id(id)
                    && is_within(issuer, crate::limits::JWT_ISSUER_BYTES_MAX)
                    && is_within(subject, crate::limits::JWT_SUBJECT_BYTES_MAX)
            }
        };
        match is_good {
            true => Ok(()),
            false => Err(SessionError::Field("the origin")),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}
