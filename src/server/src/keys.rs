//! Which key a caller names.

use machine::{KeyId, State};

use crate::errors::{Reason, Refusal};
use crate::limits::KMS_KEY_ID_CHARS_MAX;
use crate::vault::DEFAULT_KEY_ALIAS;

/// The key for a `KmsKeyId`: none stands for the default key, which has the name of none.
///
/// # Errors
/// `ResourceNotFoundException` for any other key: this release has the default key only.
pub fn resolve(state: &State, asked: Option<&str>) -> Result<Option<KeyId>, Refusal> {
    match asked {
        None | Some("" | DEFAULT_KEY_ALIAS) => Ok(None),
        Some(text) if text.len() <= KMS_KEY_ID_CHARS_MAX && names_default(state, text) => Ok(None),
        Some(_) => Err(Refusal::new(
            Reason::ResourceNotFound,
            "Secrets Manager can't find the specified KMS key: this release has the default key \
             alias/aws/secretsmanager only.",
        )),
    }
}

fn names_default(state: &State, text: &str) -> bool {
    let (Some(region), Some(account), Some(key)) =
        (state.region(), state.account(), state.default_key())
    else {
        return false;
    };
    let prefix = format!("arn:aws:kms:{region}:{account}:");
    let name = text.strip_prefix(&prefix).unwrap_or(text);
    let id = name.strip_prefix("key/").unwrap_or(name);
    let id: String = id.chars().filter(|char| *char != '-').collect();
    name == DEFAULT_KEY_ALIAS || id.eq_ignore_ascii_case(&key.id.to_string())
}
