//! GetSecretValue, and the reading of one value that BatchGetSecretValue shares.

use machine::{Label, Secret, SecretId, ValueKind, Version};
use wire::secrets::v1::get_secret_value_response::Value;
use wire::secrets::v1::{GetSecretValueRequest, GetSecretValueResponse};
use zeroize::Zeroizing;

use super::ask::{Answer, Ask};
use super::basis::Views;
use super::{About, Basis, Secrets, parse, value};
use crate::authz::Asked;
use crate::clock;
use crate::errors::{Reason, Refusal};
use crate::times::timestamp;
use crate::vault::Address;

impl Secrets {
    pub(super) async fn get(
        &self,
        ask: Ask<GetSecretValueRequest>,
    ) -> Result<Answer<GetSecretValueResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let chosen = Choice::parse(&message)?;
        let about = About::Secrets(std::slice::from_ref(&id));
        let mut views = Views::default();
        loop {
            let view = self.view(&call, &reading, about).await?;
            let read = self.read_value(&view, &id, &chosen).await;
            if !views.again(&read) {
                return view.close(read.and_then(|read| response(&view, read)));
            }
        }
    }

    /// Opens one version of a secret and notes the access.
    pub(super) async fn read_value<'a>(
        &self,
        view: &'a Basis,
        id: &SecretId,
        chosen: &Choice,
    ) -> Result<Read<'a>, Refusal> {
        let secret = view.find_live(&chosen.asked(), id)?;
        self.open_version(view, secret, chosen).await
    }

    pub(super) async fn open_version<'a>(
        &self,
        view: &'a Basis,
        secret: &'a Secret,
        chosen: &Choice,
    ) -> Result<Read<'a>, Refusal> {
        let version = chosen.of(secret)?;
        let version = stand_in(view, secret, chosen, version);
        let stage = chosen.label().unwrap_or_default();
        view.around.notes.version(version.id.as_str(), stage);
        let sealed = value(view, &secret.uid, &version.id).await?;
        let sealed = sealed.ok_or_else(|| chosen.missing())?;
        let at = Address {
            uid: &secret.uid,
            version: &version.id,
        };
        let plain = self.vault.open(view, at, &sealed)?;
        self.accesses
            .touch(view, &secret.uid, version, clock::day(clock::now()));
        Ok(Read {
            secret,
            version,
            plain,
        })
    }
}

/// The version a read by label is answered with: where a copy has failed and the one that has the
/// label could not be taken in, the last one that had it here, also once this region has taken
/// over.
fn stand_in<'a>(
    view: &'a Basis,
    secret: &Secret,
    chosen: &Choice,
    version: &'a Version,
) -> &'a Version {
    let uid = &secret.uid;
    let is_missing = !view.has_value(uid, version.ordinal);
    let label = chosen.label().filter(|_| is_missing);
    let last = label.and_then(|label| view.last_labelled(uid, label));
    last.unwrap_or(version)
}

/// One opened version.
pub(super) struct Read<'a> {
    pub(super) secret: &'a Secret,
    pub(super) version: &'a Version,
    pub(super) plain: Zeroizing<Vec<u8>>,
}

/// Which version a caller asks for.
pub(super) enum Choice {
    Current,
    Label(String),
    Version(String),
    Both { version: String, label: String },
}

impl Choice {
    fn parse(message: &GetSecretValueRequest) -> Result<Self, Refusal> {
        if let Some(version) = &message.version_id {
            parse::version_id("versionId", version)?;
        }
        if let Some(label) = &message.version_stage {
            parse::label(label)?;
        }
        Ok(
            match (message.version_id.clone(), message.version_stage.clone()) {
                (None, None) => Self::Current,
                (None, Some(label)) => Self::Label(label),
                (Some(version), None) => Self::Version(version),
                (Some(version), Some(label)) => Self::Both { version, label },
            },
        )
    }

    fn of<'a>(&self, secret: &'a Secret) -> Result<&'a Version, Refusal> {
        let by_id = |id: &str| {
            secret
                .versions
                .iter()
                .find(|version| version.id.as_str() == id)
        };
        let found = match self {
            Self::Current => secret.current(),
            Self::Label(label) => secret.labelled(label),
            Self::Version(version) => by_id(version),
            Self::Both { version, label } => {
                let found = by_id(version).ok_or_else(|| self.missing())?;
                if !found.holds(label) {
                    return Err(Refusal::request(
                        "You provided a VersionStage that is not associated to the provided \
                         VersionId.",
                    ));
                }
                Some(found)
            }
        };
        found.ok_or_else(|| self.missing())
    }

    /// What is asked for of a secret.
    pub(super) fn asked(&self) -> Asked {
        let asked = Asked::of("secretsmanager:GetSecretValue");
        let (version, label) = match self {
            Self::Current => (None, Label::CURRENT),
            Self::Label(label) => (None, label.as_str()),
            Self::Version(version) => (Some(version), Label::CURRENT),
            Self::Both { version, label } => (Some(version), label.as_str()),
        };
        let asked = asked.with("secretsmanager:VersionStage", label);
        match version {
            Some(version) => asked.with("secretsmanager:VersionId", version.as_str()),
            None => asked,
        }
    }

    /// The label that alone says which version is meant.
    fn label(&self) -> Option<&str> {
        match self {
            Self::Current => Some(Label::CURRENT),
            Self::Label(label) => Some(label),
            Self::Version(_) | Self::Both { .. } => None,
        }
    }

    fn missing(&self) -> Refusal {
        let asked = match self {
            Self::Current => format!("staging label: {}", Label::CURRENT),
            Self::Label(label) => format!("staging label: {label}"),
            Self::Version(version) | Self::Both { version, .. } => format!("VersionId: {version}"),
        };
        let message = format!("Secrets Manager can't find the specified secret value for {asked}");
        Refusal::new(Reason::ResourceNotFound, message)
    }
}

fn response(view: &Basis, read: Read<'_>) -> Result<GetSecretValueResponse, Refusal> {
    Ok(GetSecretValueResponse {
        arn: view.arn(read.secret),
        name: read.secret.name.to_string(),
        version_id: read.version.id.to_string(),
        value: Some(wire_value(read.version.kind, read.plain)?),
        version_stages: read.version.labels.iter().map(Label::to_string).collect(),
        created_date: Some(timestamp(read.version.created)),
    })
}

fn wire_value(kind: ValueKind, plain: Zeroizing<Vec<u8>>) -> Result<Value, Refusal> {
    match kind {
        ValueKind::Binary => Ok(Value::SecretBinary(unwrapped(plain))),
        ValueKind::String => text(plain).map(Value::SecretString),
    }
}

/// The bytes without their wiping wrapper: the reply they go into is encoded and dropped by tonic.
pub(super) fn unwrapped(mut plain: Zeroizing<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *plain)
}

/// The text of a value stored as text.
pub(super) fn text(plain: Zeroizing<Vec<u8>>) -> Result<String, Refusal> {
    String::from_utf8(unwrapped(plain)).map_err(|_| {
        tracing::error!("a value stored as text is not utf-8");
        Refusal::internal()
    })
}
