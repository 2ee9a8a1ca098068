//! What a question about policies says of the request that nobody makes.

use machine::{AccountId, Arn, Secret, SecretId};
use wire::access::v1 as api;

use super::basis::Basis;
use crate::authz::{Asked, Surroundings, Target};
use crate::errors::Refusal;
use crate::limits::{ASKED_BYTES_MAX, ASKED_KEYS_MAX};
use crate::secrets::parse;

/// What is asked on, as it was found.
pub(super) enum Thing<'a> {
    /// A secret, with the ARN it has here.
    Secret(&'a Secret, String),
    /// Something else, by its ARN, in an account.
    Other(String, AccountId),
    /// All there is.
    All,
}

impl Thing<'_> {
    /// What a policy sees of it.
    pub(super) fn target(&self) -> Target<'_> {
        match self {
            Self::Secret(secret, arn) => Target::Secret(secret, arn),
            Self::Other(arn, account) => Target::Named(arn, account),
            Self::All => Target::All,
        }
    }
}

/// The action of a request, and the keys it would have.
pub(super) fn asked(action: &str, context: &[api::ContextEntry]) -> Result<Asked, Refusal> {
    bounded("action", action)?;
    let has_service = action
        .split_once(':')
        .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
    if !has_service {
        let constraint = "be an action such as secretsmanager:GetSecretValue";
        return Err(Refusal::constraint("action", constraint));
    }
    many("context", context.len())?;
    let mut asked = Asked::of(action.to_owned());
    for entry in context {
        bounded("context.key", &entry.key)?;
        many("context.values", entry.values.len())?;
        for value in &entry.values {
            bounded("context.values", value)?;
        }
        asked = match entry.values.as_slice() {
            [value] => asked.with(&entry.key, value.as_str()),
            values => asked.with_all(&entry.key, values.iter().cloned()),
        };
    }
    Ok(asked)
}

/// A text of a question that is not too long.
pub(super) fn bounded(place: &str, text: &str) -> Result<(), Refusal> {
    match text.len() > ASKED_BYTES_MAX {
        false => Ok(()),
        true => {
            let constraint = format!("have length less than or equal to {ASKED_BYTES_MAX}");
            Err(Refusal::constraint(place, &constraint))
        }
    }
}

fn many(place: &str, count: usize) -> Result<(), Refusal> {
    match count > ASKED_KEYS_MAX {
        false => Ok(()),
        true => {
            let constraint = format!("have length less than or equal to {ASKED_KEYS_MAX}");
            Err(Refusal::constraint(place, &constraint))
        }
    }
}

impl Basis {
    /// What is around a request that nobody makes: it comes from nowhere.
    pub(super) fn nowhere(&self) -> Surroundings {
        Surroundings {
            source: None,
            ..self.around.clone()
        }
    }

    /// What a text means to an account: an ARN, the name of a secret, or all.
    pub(super) fn thing(&self, account: &AccountId, text: &str) -> Result<Thing<'_>, Refusal> {
        let is_of_secrets = text.starts_with("arn:aws:secretsmanager:");
        if text == "*" {
            return Ok(Thing::All);
        }
        if text.starts_with("arn:") && !is_of_secrets {
            let named = text
                .split(':')
                .nth(4)
                .and_then(|named| AccountId::new(named).ok());
            let account = named.unwrap_or_else(|| account.clone());
            return Ok(Thing::Other(text.to_owned(), account));
        }
        let is_pattern = is_of_secrets && text.contains(['*', '?']);
        let id = match is_pattern {
            true => None,
            false => Some(parse::secret_id(text)?),
        };
        if let Some(secret) = id.as_ref().and_then(|id| self.view.resolve(account, id)) {
            let shown = self.view.arn_of(secret, &self.around.region).to_string();
            return Ok(Thing::Secret(secret, shown));
        }
        Ok(match id {
            Some(SecretId::Name(name)) => {
                let (region, partition) = (&self.around.region, Arn::PARTITION);
                let arn = format!(
                    "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????"
                );
                Thing::Other(arn, account.clone())
            }
            Some(SecretId::Arn(arn)) => Thing::Other(text.to_owned(), arn.account),
            None => Thing::Other(text.to_owned(), account.clone()),
        })
    }
}
