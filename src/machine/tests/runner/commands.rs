//! The commands of a script.

use strongroom_machine::{
    AccountId, AdmitNode, ArnSuffix, Checkpoint, Command, CreateSecret, DeleteSecret, Hash,
    IssueJoinToken, Issuer, IssuerCertificate, KeyState, Label, MachineVersion, NodeId,
    PurgeSecret, PutIssuer, PutSecretValue, RecordAccess, RemoveNode, RestoreSecret, RetireIssuers,
    Revision, SecretName, SetMachineVersion, Stamp, Tag, TagResource, TrimFeed, Uid, UntagResource,
    UpdateSecret, UpdateSecretVersionStage,
};

use crate::runner::{Arguments, DAY_MS};
use crate::support::{
    ACCOUNT, DEFAULT_KEY, Failure, default_key, found, new, node, region, uid_named, version, wrap,
};

pub fn command(name: &str, of: &Arguments<'_>, now_ms: u64) -> Result<Command, Failure> {
    Ok(match name {
        "found" => founded(of)?,
        "create" => create(of)?,
        "put" => put(of)?,
        "update" => update(of)?,
        "stage" => Command::UpdateSecretVersionStage(UpdateSecretVersionStage {
            uid: of.uid()?,
            label: Label::new(of.word(1)?)?,
            remove_from: of.keyed("from").map(version).transpose()?,
            move_to: of.keyed("to").map(version).transpose()?,
            seen: of.seen()?,
        }),
        "delete" => {
            let window_days = of.keyed_number("days")?.map(u32::try_from).transpose()?;
            let (uid, seen) = (of.uid()?, of.seen()?);
            Command::DeleteSecret(DeleteSecret {
                uid,
                window_days,
                seen,
            })
        }
        "restore" => Command::RestoreSecret(RestoreSecret {
            uid: of.uid()?,
            seen: of.seen()?,
        }),
        "purge" => {
            let deletion_date = Stamp(of.number(1)?.saturating_mul(DAY_MS));
            Command::PurgeSecret(PurgeSecret {
                uid: of.uid()?,
                deletion_date,
            })
        }
        "tag" => {
            let (uid, tags, seen) = (of.uid()?, of.tags(&["seen"]), of.seen()?);
            Command::TagResource(TagResource { uid, tags, seen })
        }
        "tags" => many_tags(of)?,
        "untag" => {
            let keys = of.words.iter().skip(1).cloned().collect();
            Command::UntagResource(UntagResource {
                uid: of.uid()?,
                keys,
                seen: of.seen()?,
            })
        }
        other => return region_command(other, of, now_ms),
    })
}

/// Commands about no secret in particular.
fn region_command(name: &str, of: &Arguments<'_>, now_ms: u64) -> Result<Command, Failure> {
    Ok(match name {
        "access" => {
            let day = u32::try_from(of.number(0)?)?;
            let touched = of
                .keyed
                .iter()
                .map(|(uid, id)| Ok((touched(uid)?, version(id)?)));
            let touched = touched.collect::<Result<_, Failure>>()?;
            Command::RecordAccess(RecordAccess { day, touched })
        }
        "token" => {
            let days = of.keyed_number("days")?.unwrap_or(1);
            let expires = Stamp(now_ms.saturating_add(days.saturating_mul(DAY_MS)));
            Command::IssueJoinToken(IssueJoinToken {
                digest: digest(of.number(0)?),
                expires,
            })
        }
        "admit" => {
            let id = of.number(0)?;
            let key = of.keyed_number("key")?.unwrap_or(id);
            let token_digest = digest(of.keyed_number("token")?.unwrap_or(id));
            let node = node(id, u8::try_from(key)?);
            Command::AdmitNode(AdmitNode { token_digest, node })
        }
        "remove" => Command::RemoveNode(RemoveNode {
            node: NodeId(of.number(0)?),
        }),
        "put-issuer" => {
            let key = of.number(0)?;
            let replaces = of.keyed_number("replaces")?;
            Command::PutIssuer(PutIssuer {
                issuer: issuer(key, of.keyed_number("bytes")?.unwrap_or(100))?,
                replaces: replaces.map(digest),
            })
        }
        "retire-issuers" => Command::RetireIssuers(RetireIssuers {
            active: digest(of.number(0)?),
        }),
        "machine-version" => {
            let version = MachineVersion(u32::try_from(of.number(0)?)?);
            Command::SetMachineVersion(SetMachineVersion { version })
        }
        "checkpoint" => Command::Checkpoint(Checkpoint { feed: of.feed(0)? }),
        "trim" => {
            let upto = Revision(of.number(1)?);
            Command::TrimFeed(TrimFeed {
                feed: of.feed(0)?,
                upto,
            })
        }
        other => return Err(format!("unknown command {other}").into()),
    })
}

/// An issuer with this key, and a certificate of as many bytes.
fn issuer(key: u64, bytes: u64) -> Result<Issuer, Failure> {
    let sealed = new("v1", 40)?.sealed;
    Ok(Issuer {
        certificate: IssuerCertificate {
            der: vec![u8::try_from(key)?; usize::try_from(bytes)?].into(),
            public_key: digest(key),
        },
        key: sealed,
        wrap: wrap(DEFAULT_KEY, 1),
    })
}

fn founded(of: &Arguments<'_>) -> Result<Command, Failure> {
    let mut found = found()?;
    if of.has("disabled-key") {
        found.default_key.state = KeyState::Disabled;
    }
    if of.has("empty-key") {
        found.default_key.versions.clear();
    }
    if let Some(version) = of.keyed_number("machine-version")? {
        found.machine_version = MachineVersion(u32::try_from(version)?);
    }
    Ok(Command::Found(found))
}

fn create(of: &Arguments<'_>) -> Result<Command, Failure> {
    let known = [
        "version",
        "bytes",
        "description",
        "kms",
        "account",
        "suffix",
        "seen",
        "long",
        "in",
        "region",
    ];
    let replicas = of.keyed("in").map(|list| of.replicas(list)).transpose()?;
    Ok(Command::CreateSecret(CreateSecret {
        uid: of.uid()?,
        account: AccountId::new(of.keyed("account").unwrap_or(ACCOUNT))?,
        name: SecretName::new(of.word(1)?)?,
        arn_suffix: ArnSuffix::new(of.keyed("suffix").unwrap_or("AbC123"))?,
        description: described(of)?.unwrap_or_default(),
        kms_key: of.key("kms")?,
        tags: of.tags(&known),
        new: of.new_version()?,
        region: of.keyed("region").map(region).transpose()?,
        replicas: replicas.unwrap_or_default(),
        seen: of.seen()?,
    }))
}

fn put(of: &Arguments<'_>) -> Result<Command, Failure> {
    let bytes = usize::try_from(of.keyed_number("bytes")?.unwrap_or(32))?;
    let mut new = new(of.word(1)?, bytes)?;
    new.wrap.key_id = of.key("wrap")?.unwrap_or(default_key(&of.at));
    let labels = of
        .keyed("labels")
        .map(|labels| labels.split('/'))
        .into_iter()
        .flatten();
    let labels = labels.map(Label::new).collect::<Result<_, _>>()?;
    let (uid, young_protection_ms, seen) = (of.uid()?, of.young_ms()?, of.seen()?);
    Ok(Command::PutSecretValue(PutSecretValue {
        uid,
        new,
        labels,
        young_protection_ms,
        seen,
    }))
}

fn update(of: &Arguments<'_>) -> Result<Command, Failure> {
    let kms_key = match of.keyed("kms") {
        Some("default") => Some(None),
        _ => of.key("kms")?.map(Some),
    };
    let rewrapped = of
        .keyed("rewrap")
        .map(|names| names.split('/'))
        .into_iter()
        .flatten();
    let rewrapped = rewrapped.map(|name| Ok((version(name)?, wrap(default_key(&of.at), 1))));
    Ok(Command::UpdateSecret(UpdateSecret {
        uid: of.uid()?,
        description: described(of)?,
        kms_key,
        rewrapped: rewrapped.collect::<Result<_, Failure>>()?,
        new: of.new_version()?,
        young_protection_ms: of.young_ms()?,
        seen: of.seen()?,
    }))
}

/// `description=text`, or `long=2049` for that many characters.
fn described(of: &Arguments<'_>) -> Result<Option<String>, Failure> {
    let long = of.keyed_number("long")?.map(usize::try_from).transpose()?;
    Ok(long
        .map(|long| "é".repeat(long))
        .or(of.keyed("description").map(str::to_owned)))
}

/// `tags 1 50`: so many numbered tags; `tags 1 1 key=129`: one with a key of that length.
fn many_tags(of: &Arguments<'_>) -> Result<Command, Failure> {
    let width = usize::try_from(of.keyed_number("key")?.unwrap_or(1))?;
    let tag = |n: u64| Tag {
        key: format!("{n:0width$}"),
        value: String::new(),
    };
    let tags = (1..=of.number(1)?).map(tag).collect();
    Ok(Command::TagResource(TagResource {
        uid: of.uid()?,
        tags,
        seen: of.seen()?,
    }))
}

fn touched(text: &str) -> Result<Uid, Failure> {
    uid_named(text)
}

pub fn digest(n: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    Hash(bytes)
}
