//! Roles and those who assume them: the forms of names and ARNs, and for how long.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::limits::{
    SESSION_ARN_BYTES_MAX, SESSION_CHAINED_MS_MAX, SESSION_MS_MAX, SESSION_NAME_CHARS_MAX,
    SESSION_NAME_CHARS_MIN, SESSION_REGION_CHARS_MAX, SESSION_SECONDS_DEFAULT, SESSION_SECONDS_MIN,
    SESSION_UNIQUE_ID_CHARS_MAX,
};

/// The ARN of a role: `arn:aws:iam::ACCOUNT:role/path/name`, where the path may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    account: String,
    /// `path/name`, or `name`.
    resource: String,
}

/// Why text is not the ARN of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the ARN of a role is arn:aws:iam::ACCOUNT:role/path/name, and 12 digits are an account")]
pub struct RoleArnError;

/// Why a session cannot last as long as is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Too short.
    #[error("a session lasts {SESSION_SECONDS_MIN} seconds or more")]
    TooShort,
    /// Longer than the role allows.
    #[error("the role allows sessions of {max} seconds at most")]
    TooLong {
        /// What it allows.
        max: u32,
    },
    /// Longer than an hour, and made from another session.
    #[error("a session that is made from another one lasts an hour at most")]
    Chained,
}

impl RoleArn {
    /// The account of the role: 12 digits.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name of the role, without its path.
    pub fn name(&self) -> &str {
        let name = self.resource.rsplit_once('/').map(|(_, name)| name);
        name.unwrap_or(&self.resource)
    }

    /// The ARN of a session of this role: `arn:aws:sts::ACCOUNT:assumed-role/role/session`. The
    /// path of the role is not in it. The session's name is one by [`is_session_name`].
    pub fn session_arn(&self, session: &str) -> String {
        format!(
            "arn:aws:sts::{}:assumed-role/{}/{session}",
            self.account,
            self.name()
        )
    }
}

impl FromStr for RoleArn {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<RoleArn, RoleArnError> {
        let (account, resource) = iam(text, "role/").ok_or(RoleArnError)?;
        Ok(RoleArn {
            account: account.to_owned(),
            resource: resource.to_owned(),
        })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:aws:iam::{}:role/{}", self.account, self.resource)
    }
}

/// Says whether a text may name a session: 2 to 64 ASCII letters, digits and `_+=,.@-`.
pub fn is_session_name(text: &str) -> bool {
    let chars = SESSION_NAME_CHARS_MIN..=SESSION_NAME_CHARS_MAX;
    chars.contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// Says whether a text may be a source identity: as the name of a session.
pub fn is_source_identity(text: &str) -> bool {
    is_session_name(text)
}

/// Says how many seconds a session of a role lasts: what is asked for, or an hour; at most what the
/// role allows. `chained`: whoever asks has a session already, and the new one lasts an hour at
/// most, whatever the role allows.
pub fn duration_seconds(
    requested: Option<u32>,
    role_max: u32,
    chained: bool,
) -> Result<u32, DurationError> {
    // Both are far below 2^32 seconds.
    let chained_max = (SESSION_CHAINED_MS_MAX / 1000) as u32;
    let role_max = role_max.min((SESSION_MS_MAX / 1000) as u32);
    let most = if chained {
        role_max.min(chained_max)
    } else {
        role_max
    };
    match requested {
        None => Ok(SESSION_SECONDS_DEFAULT.min(most)),
        Some(seconds) if seconds < SESSION_SECONDS_MIN => Err(DurationError::TooShort),
        Some(seconds) if seconds > role_max => Err(DurationError::TooLong { max: role_max }),
        Some(seconds) if seconds > most => Err(DurationError::Chained),
        Some(seconds) => Ok(seconds),
    }
}

/// A region's name, as the machine has it: `^([a-z]+-)+\d+$`.
pub(super) fn is_region(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let parts = text.rsplit_once('-');
    text.len() <= SESSION_REGION_CHARS_MAX
        && parts.is_some_and(|(words, last)| words.split('-').all(is_word) && is_number(last))
}

/// The unique id of a user, a role or an access key.
pub(super) fn is_unique_id(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=SESSION_UNIQUE_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_word)
}

pub(super) fn is_user_arn(text: &str, account: &str) -> bool {
    iam(text, "user/").is_some_and(|(found, _)| found == account)
}

/// A managed policy, of an account or of the system (`aws`).
pub(super) fn is_policy_arn(text: &str) -> bool {
    let system = text
        .strip_prefix("arn:aws:iam::aws:policy/")
        .filter(|resource| is_resource(text, resource));
    system.is_some() || iam(text, "policy/").is_some()
}

/// Splits `arn:aws:iam::ACCOUNT:KINDpath/name` into account, and path with name.
fn iam<'a>(text: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let (account, resource) = text.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let resource = resource.strip_prefix(kind)?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (is_account && is_resource(text, resource)).then_some((account, resource))
}

/// A path of visible ASCII characters and a name, in an ARN that is not too long.
fn is_resource(arn: &str, resource: &str) -> bool {
    let (path, name) = resource.rsplit_once('/').unwrap_or(("", resource));
    arn.len() <= SESSION_ARN_BYTES_MAX
        && path.bytes().all(|b| b.is_ascii_graphic())
        && !name.is_empty()
        && name.bytes().all(is_name_byte)
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)
}
