//! ARNs, and the three ways a caller may name a secret.

use std::fmt;
use std::str::FromStr;

use crate::limits::SECRET_ID_CHARS_MAX;
use crate::names::{AccountId, ArnSuffix, NameError, RegionName, SecretName};

/// A secret's full ARN.
#[derive(Clone, PartialEq, Eq)]
pub struct Arn {
    /// The region the secret was created in.
    pub region: RegionName,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name.
    pub name: SecretName,
    /// What tells it from other secrets that had its name.
    pub suffix: ArnSuffix,
}

/// What a caller may put where a secret is asked for.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretId {
    /// The name, in the caller's own account.
    Name(SecretName),
    /// An ARN, full or without its suffix: only the state can tell which.
    Arn(SecretArn),
}

/// An ARN as given: its last part is a name, or a name, a hyphen and a suffix.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretArn {
    /// The region.
    pub region: RegionName,
    /// The account.
    pub account: AccountId,
    resource: String,
}

impl Arn {
    /// The only partition there is.
    pub const PARTITION: &'static str = "aws";
}

impl SecretArn {
    /// Splits the resource as if it ended in a suffix.
    pub fn split(&self) -> Option<(SecretName, ArnSuffix)> {
        let (name, suffix) = self.resource.rsplit_once('-')?;
        Some((SecretName::new(name).ok()?, ArnSuffix::new(suffix).ok()?))
    }

    /// Takes the resource as a name without a suffix.
    pub fn whole(&self) -> Option<SecretName> {
        SecretName::new(&self.resource).ok()
    }
}

impl fmt::Display for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SecretArn {
            region,
            account,
            resource,
        } = self;
        let partition = Arn::PARTITION;
        write!(
            f,
            "arn:{partition}:secretsmanager:{region}:{account}:secret:{resource}"
        )
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn {
            region,
            account,
            name,
            suffix,
        } = self;
        let partition = Arn::PARTITION;
        write!(
            f,
            "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{suffix}"
        )
    }
}

impl fmt::Debug for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arn(redacted)")
    }
}

impl fmt::Debug for SecretArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretArn(redacted)")
    }
}

impl fmt::Debug for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretId(redacted)")
    }
}

impl FromStr for SecretId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<SecretId, NameError> {
        if text.len() > SECRET_ID_CHARS_MAX {
            return Err(NameError::Secret);
        }
        if !text.starts_with("arn:") {
            return SecretName::new(text).map(SecretId::Name);
        }
        let mut parts = text.splitn(7, ':');
        let mut next = || parts.next().ok_or(NameError::Secret);
        let (_, partition, service) = (next()?, next()?, next()?);
        let (region, account, kind, resource) = (next()?, next()?, next()?, next()?);
        if partition.is_empty() || service != "secretsmanager" || kind != "secret" {
            return Err(NameError::Secret);
        }
        let arn = SecretArn {
            region: RegionName::new(region).map_err(|_| NameError::Secret)?,
            account: AccountId::new(account).map_err(|_| NameError::Secret)?,
            resource: resource.to_owned(),
        };
        if arn.split().is_none() && arn.whole().is_none() {
            return Err(NameError::Secret);
        }
        Ok(SecretId::Arn(arn))
    }
}
