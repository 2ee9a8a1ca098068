//! Words that callers choose. Each type holds only what its rule allows: parsed once, then trusted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::limits::{
    LABEL_CHARS_MAX, NAME_CHARS_MAX, REGION_CHARS_MAX, VERSION_ID_CHARS_MAX, VERSION_ID_CHARS_MIN,
};
use crate::text::Text;

/// Why text is not one of these words. Displays what AWS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// A secret's name, or a `SecretId` that is no ARN.
    #[error(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
         following: -/_+=.@!"
    )]
    Secret,
    /// A version id or client request token.
    #[error(
        "1 validation error detected: Value at 'clientRequestToken' failed to satisfy \
         constraint: Member must have length between 32 and 64"
    )]
    Version,
    /// A staging label.
    #[error(
        "1 validation error detected: Value at 'versionStage' failed to satisfy constraint: \
         Member must have length between 1 and 256"
    )]
    Label,
    /// A region's name.
    #[error(
        "1 validation error detected: Value at 'region' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: ^([a-z]+-)+\\d+$"
    )]
    Region,
    /// An account id.
    #[error(
        "1 validation error detected: Value at 'account' failed to satisfy constraint: Member \
         must satisfy regular expression pattern: ^\\d{{12}}$"
    )]
    Account,
    /// The six characters that end an ARN.
    #[error("an ARN ends in a hyphen and six letters or digits")]
    ArnSuffix,
    /// The name of a user, a group, a role or a policy.
    #[error(
        "The specified value for name is invalid. It must contain only alphanumeric characters \
         and/or the following: +=,.@_-"
    )]
    Entity,
    /// The path of an identity or a policy.
    #[error(
        "The specified value for path is invalid. It must begin and end with / and contain only \
         alphanumeric characters and/or / characters."
    )]
    Path,
    /// The id of an access key.
    #[error("The specified value for accessKeyId is invalid.")]
    AccessKey,
    /// The URL of an issuer.
    #[error(
        "The specified value for url is invalid. It must be an https URL of at most 255 \
         characters without a query."
    )]
    Issuer,
}

impl NameError {
    /// Names the AWS error.
    pub fn aws_name(&self) -> &'static str {
        "ValidationException"
    }
}

/// A region's name: `^([a-z]+-)+\d+$`, at most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionName(Arc<str>);

/// An account: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

/// A secret's name: 1 to 512 of `[A-Za-z0-9/_+=.@-]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(Arc<str>);

/// A version's id, which is its ClientRequestToken: 32 to 64 characters, case kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(Text);

/// A staging label: 1 to 256 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Arc<str>);

/// The six random letters or digits that end an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArnSuffix([u8; 6]);

impl RegionName {
    /// Parses a region's name.
    pub fn new(text: &str) -> Result<RegionName, NameError> {
        let (words, number) = text.rsplit_once('-').ok_or(NameError::Region)?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if text.len() > REGION_CHARS_MAX || !is_number || !words.split('-').all(is_word) {
            return Err(NameError::Region);
        }
        Ok(RegionName(text.into()))
    }

    /// Shows the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccountId {
    /// Parses an account id.
    pub fn new(text: &str) -> Result<AccountId, NameError> {
        if text.len() != 12 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NameError::Account);
        }
        Ok(AccountId(text.into()))
    }

    /// Shows the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretName {
    /// Parses a name a caller chose.
    pub fn new(text: &str) -> Result<SecretName, NameError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(is_allowed) {
            return Err(NameError::Secret);
        }
        Ok(SecretName(text.into()))
    }

    /// Shows the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VersionId {
    /// Parses a version id.
    pub fn new(text: &str) -> Result<VersionId, NameError> {
        let chars = text.chars().count();
        if !(VERSION_ID_CHARS_MIN..=VERSION_ID_CHARS_MAX).contains(&chars) {
            return Err(NameError::Version);
        }
        Ok(VersionId(Text::new(text)))
    }

    /// Gives the version as which the private key of a region's issuer is sealed, under the uid of
    /// [`crate::State::issuer_uid`].
    pub fn of_issuer() -> VersionId {
        VersionId(Text::new("certificate-issuer-0000000000001"))
    }

    /// Gives the version as which the secret of an access key is sealed: the one of a secret that
    /// has the uid of the credential. No secret has a credential's uid.
    pub fn of_access_key() -> VersionId {
        VersionId(Text::new("secret-access-key-00000000000001"))
    }

    /// Gives the version as which a session key is sealed, in the same way.
    pub fn of_session_key() -> VersionId {
        VersionId(Text::new("session-sealing-key-000000000001"))
    }

    /// Gives the version as which the key is sealed by which a region signs sessions: the one of a
    /// secret that has the uid of its home feed.
    pub fn of_signing_key() -> VersionId {
        VersionId(Text::new("session-signing-key-000000000001"))
    }

    /// Shows the id.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Label {
    /// The label of the version that is read by default.
    pub const CURRENT: &'static str = "AWSCURRENT";
    /// The label of the version that was current before.
    pub const PREVIOUS: &'static str = "AWSPREVIOUS";

    /// Parses a label.
    pub fn new(text: &str) -> Result<Label, NameError> {
        if !(1..=LABEL_CHARS_MAX).contains(&text.chars().count()) {
            return Err(NameError::Label);
        }
        Ok(Label(text.into()))
    }

    /// Gives AWSCURRENT.
    pub fn current() -> Label {
        Label(Label::CURRENT.into())
    }

    /// Gives AWSPREVIOUS.
    pub fn previous() -> Label {
        Label(Label::PREVIOUS.into())
    }

    /// Says whether this is AWSCURRENT.
    pub fn is_current(&self) -> bool {
        self.as_str() == Label::CURRENT
    }

    /// Shows the label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ArnSuffix {
    /// Parses a suffix.
    pub fn new(text: &str) -> Result<ArnSuffix, NameError> {
        let bytes: [u8; 6] = text
            .as_bytes()
            .try_into()
            .map_err(|_| NameError::ArnSuffix)?;
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(NameError::ArnSuffix);
        }
        Ok(ArnSuffix(bytes))
    }

    /// Shows the suffix.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretName(redacted)")
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for ArnSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RegionName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<RegionName, NameError> {
        RegionName::new(text)
    }
}

impl FromStr for AccountId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<AccountId, NameError> {
        AccountId::new(text)
    }
}

impl FromStr for SecretName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<SecretName, NameError> {
        SecretName::new(text)
    }
}

impl FromStr for VersionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<VersionId, NameError> {
        VersionId::new(text)
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Label, NameError> {
        Label::new(text)
    }
}

impl FromStr for ArnSuffix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ArnSuffix, NameError> {
        ArnSuffix::new(text)
    }
}
