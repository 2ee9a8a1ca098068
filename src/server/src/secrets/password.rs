//! GetRandomPassword.

use machine::Token;
use wire::secrets::v1::{GetRandomPasswordRequest, GetRandomPasswordResponse};

use super::Secrets;
use super::ask::{Answer, Ask};
use crate::errors::Refusal;
use crate::random_password::{PasswordError, PasswordRules};

impl Secrets {
    pub(super) fn random_password(
        ask: &Ask<GetRandomPasswordRequest>,
    ) -> Result<Answer<GetRandomPasswordResponse>, Refusal> {
        let message = &ask.message;
        let rules = PasswordRules {
            chars: message.password_length,
            exclude_characters: &message.exclude_characters,
            exclude_numbers: message.exclude_numbers,
            exclude_punctuation: message.exclude_punctuation,
            exclude_uppercase: message.exclude_uppercase,
            exclude_lowercase: message.exclude_lowercase,
            include_space: message.include_space,
            require_each_included_type: message.require_each_included_type.unwrap_or(true),
        };
        let mut password = rules.generate().map_err(|error| match error {
            PasswordError::NoEntropy => Refusal::internal(),
            refused => Refusal::parameter(refused.to_string()),
        })?;
        let message = GetRandomPasswordResponse {
            random_password: std::mem::take(&mut *password),
        };
        Ok(Answer {
            message,
            position: Token::default(),
            age: None,
            staleness: None,
        })
    }
}
