//! UpdateSecret.

use machine::{Command, KeyId, UpdateSecret, ValueKind, VersionId};
use wire::secrets::v1::update_secret_request::Value;
use wire::secrets::v1::{UpdateSecretRequest, UpdateSecretResponse};
use zeroize::Zeroizing;

use super::ask::{Answer, Ask};
use super::parse::Plain;
use super::permit::{Granted, Write};
use super::{About, Secrets, not_yet, parse, regions};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::keys;
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::vault::Address;

impl Secrets {
    pub(super) async fn update(
        &self,
        ask: Ask<UpdateSecretRequest>,
    ) -> Result<Answer<UpdateSecretResponse>, Refusal> {
        let Ask {
            call,
            reading,
            mut message,
        } = ask;
        // Held here from the start: whatever is refused below, the value is wiped.
        let mut value = Zeroizing::new(message.value.take());
        not_yet::update(&message)?;
        let value = match value.take().map(plain) {
            None => None,
            Some(plain) => Some((
                parse::client_request_token(&message.client_request_token)?,
                plain?,
            )),
        };
        let id = parse::secret_id(&message.secret_id)?;
        let description = message.description.take();
        if let Some(text) = &description {
            parse::at_most("description", text, DESCRIPTION_CHARS_MAX)?;
        }
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = asked(description.as_deref(), message.kms_key_id.as_deref());
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let named = message.kms_key_id.as_deref();
        let kms_key = named.map(|key| keys::resolve(&view, Some(key)));
        let kms_key: Option<Option<KeyId>> = kms_key.transpose()?;
        let key = kms_key.map_or_else(|| regions::sealing_key(&view, secret), Ok)?;
        let new = value.as_ref().map(|(version, plain)| {
            let at = Address { uid: &uid, version };
            self.vault
                .seal(&view, key.as_ref(), at, plain.kind, &plain.bytes)
        });
        let new = new.transpose()?;
        let region = view.into_region();
        let command = Command::UpdateSecret(UpdateSecret {
            uid,
            description,
            kms_key,
            // Only the default key exists in this release: no version moves to another.
            rewrapped: Vec::new(),
            new,
            young_protection_ms: self.young_protection_ms,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = match &value {
            None => self.change(&call, &reading, write).await?,
            Some((_, plain)) => self.change_value(&call, &reading, write, plain).await?,
        };
        let message = UpdateSecretResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            version_id: value
                .as_ref()
                .map(|(version, _)| VersionId::to_string(version)),
        };
        Ok(changed.answer(message))
    }
}

/// What the request says of itself.
fn asked(description: Option<&str>, key: Option<&str>) -> Asked {
    let mut asked = Asked::of("secretsmanager:UpdateSecret");
    if let Some(text) = description {
        asked = asked.with("secretsmanager:Description", text);
    }
    if let Some(key) = key {
        asked = asked.with("secretsmanager:KmsKeyId", key);
    }
    asked
}

fn plain(value: Value) -> Result<Plain, Refusal> {
    match value {
        Value::SecretString(text) => parse::plain(ValueKind::String, text.into_bytes()),
        Value::SecretBinary(bytes) => parse::plain(ValueKind::Binary, bytes),
    }
}
