//! CreateSecret.

use machine::{ArnSuffix, Command, CreateSecret, FeedId, NewVersion, Uid, ValueKind, VersionId};
use wire::secrets::v1::create_secret_request::Value;
use wire::secrets::v1::{CreateSecretRequest, CreateSecretResponse};
use zeroize::Zeroizing;

use super::ask::{Answer, Ask};
use super::parse::Plain;
use super::permit::Write;
use super::{About, Secrets, not_yet, parse, regions, replicate};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::keys;
use crate::limits::DESCRIPTION_CHARS_MAX;
use crate::vault::Address;

impl Secrets {
    pub(super) async fn create(
        &self,
        ask: Ask<CreateSecretRequest>,
    ) -> Result<Answer<CreateSecretResponse>, Refusal> {
        let Ask {
            call,
            reading,
            mut message,
        } = ask;
        // Held here from the start: whatever is refused below, the value is wiped.
        let mut value = Zeroizing::new(message.value.take());
        not_yet::create(&message)?;
        let token = parse::client_request_token(&message.client_request_token)?;
        let name = parse::secret_name(&message.name)?;
        parse::at_most("description", &message.description, DESCRIPTION_CHARS_MAX)?;
        let plain = value.take().map(plain).transpose()?;
        let tags = parse::tags(std::mem::take(&mut message.tags))?;
        let force = message.force_overwrite_replica_secret;
        let replicas = replicate::replicas(&message.add_replica_regions, force)?;
        let view = self.view(&call, &reading, About::Change).await?;
        regions::can_create(&view, &view.region)?;
        let suffix = arn_suffix()?;
        let mut asked = Asked::of("secretsmanager:CreateSecret")
            .with("secretsmanager:Name", name.as_str())
            .with_tags(&tags);
        if !message.description.is_empty() {
            asked = asked.with("secretsmanager:Description", message.description.as_str());
        }
        if let Some(key) = &message.kms_key_id {
            asked = asked.with("secretsmanager:KmsKeyId", key.as_str());
        }
        let asked = replicate::with_replicas(asked, &replicas, force);
        let grant = view.may_make(asked, &name, &suffix)?;
        let account = view.who.account().clone();
        let key = keys::resolve(&view, message.kms_key_id.as_deref())?;
        let uid = FeedId::Home(view.region.clone()).uid_of(random()?);
        let new = self.sealed(&view, &uid, &token, plain.as_ref())?;
        let region = view.into_region();
        let command = Command::CreateSecret(CreateSecret {
            uid,
            account,
            name,
            arn_suffix: suffix,
            description: std::mem::take(&mut message.description),
            kms_key: key,
            tags,
            new,
            region: Some(region.clone()),
            replicas,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = match &plain {
            None => self.change(&call, &reading, write).await?,
            Some(plain) => self.change_value(&call, &reading, write, plain).await?,
        };
        let message = CreateSecretResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            version_id: changed.version_id(),
            replication_status: self.replication(&call, &changed).await?,
        };
        Ok(changed.answer(message))
    }

    fn sealed(
        &self,
        view: &consensus::View,
        uid: &Uid,
        version: &VersionId,
        plain: Option<&Plain>,
    ) -> Result<Option<NewVersion>, Refusal> {
        let Some(plain) = plain else { return Ok(None) };
        let at = Address { uid, version };
        self.vault
            .seal(view, None, at, plain.kind, &plain.bytes)
            .map(Some)
    }
}

fn plain(value: Value) -> Result<Plain, Refusal> {
    match value {
        Value::SecretString(text) => parse::plain(ValueKind::String, text.into_bytes()),
        Value::SecretBinary(bytes) => parse::plain(ValueKind::Binary, bytes),
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::internal())?;
    Ok(bytes)
}

/// Six random letters and digits; draws that would favour some are thrown away.
pub(super) fn arn_suffix() -> Result<ArnSuffix, Refusal> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const FAIR: u8 = 62 * 4;
    let mut suffix = String::with_capacity(6);
    while suffix.len() < 6 {
        let draws = random::<16>()?.into_iter().filter(|draw| *draw < FAIR);
        let letters = draws.filter_map(|draw| ALPHABET.get(usize::from(draw % 62)));
        suffix.extend(letters.take(6 - suffix.len()).copied().map(char::from));
    }
    ArnSuffix::new(&suffix).map_err(|_| Refusal::internal())
}
