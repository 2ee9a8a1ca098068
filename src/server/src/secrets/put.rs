//! PutSecretValue.

use machine::{Command, Label, PutSecretValue, ValueKind};
use wire::secrets::v1::put_secret_value_request::Value;
use wire::secrets::v1::{PutSecretValueRequest, PutSecretValueResponse};
use zeroize::Zeroizing;

use super::ask::{Answer, Ask};
use super::parse::Plain;
use super::permit::{Granted, Write};
use super::{About, Secrets, not_yet, parse, regions};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::LABELS_MAX;
use crate::vault::Address;

impl Secrets {
    pub(super) async fn put(
        &self,
        ask: Ask<PutSecretValueRequest>,
    ) -> Result<Answer<PutSecretValueResponse>, Refusal> {
        let Ask {
            call,
            reading,
            mut message,
        } = ask;
        // Held here from the start: whatever is refused below, the value is wiped.
        let mut value = Zeroizing::new(message.value.take());
        not_yet::put(&message)?;
        let token = parse::client_request_token(&message.client_request_token)?;
        let id = parse::secret_id(&message.secret_id)?;
        let labels = labels(&message.version_stages)?;
        let plain = plain(value.take())?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:PutSecretValue");
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let at = Address {
            uid: &uid,
            version: &token,
        };
        let key = regions::sealing_key(&view, secret)?;
        let new = self
            .vault
            .seal(&view, key.as_ref(), at, plain.kind, &plain.bytes)?;
        let region = view.into_region();
        let command = Command::PutSecretValue(PutSecretValue {
            uid,
            new,
            labels,
            young_protection_ms: self.young_protection_ms,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change_value(&call, &reading, write, &plain).await?;
        let message = PutSecretValueResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            version_id: token.to_string(),
            version_stages: match changed.secret.version(&token) {
                Some(version) => version.labels.iter().map(Label::to_string).collect(),
                None => Vec::new(),
            },
        };
        Ok(changed.answer(message))
    }
}

fn labels(texts: &[String]) -> Result<Vec<Label>, Refusal> {
    if texts.len() > LABELS_MAX {
        let constraint = format!("have length less than or equal to {LABELS_MAX}");
        return Err(Refusal::constraint("versionStages", &constraint));
    }
    texts.iter().map(|text| parse::label(text)).collect()
}

fn plain(value: Option<Value>) -> Result<Plain, Refusal> {
    match value {
        None => Err(Refusal::bad_request(
            "You must provide either SecretString or SecretBinary.",
        )),
        Some(Value::SecretString(text)) => parse::plain(ValueKind::String, text.into_bytes()),
        Some(Value::SecretBinary(bytes)) => parse::plain(ValueKind::Binary, bytes),
    }
}
