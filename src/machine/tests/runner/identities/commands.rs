//! The commands about identities. A name that is left out is the uid's own.

use std::sync::Arc;

use bytes::Bytes;
use strongroom_machine::{
    AccessKeyId, AccountId, Command, CreateAccount, CreateCredential, CreateIdentity, CreatePolicy,
    CreateProvider, CredentialChange, DeleteCredential, DeleteIdentity, DeletePolicy,
    DeleteProvider, DeleteResourcePolicy, Document, EntityName, EntityPath, ForgetRevocations,
    IdentityChange, InlinePolicy, IssuerUrl, KeepSigningKey, KeyId, Nature, Ordinal, Proof,
    PutResourcePolicy, RegionName, Revision, Revoke, Revoked, RewrapRoot, RotateSessionKey, RowKey,
    SealedValue, Seen, SeenAs, SeenRow, SigningKey, Stamp, Uid, UpdateCredential, UpdateIdentity,
    UpdatePolicy, UpdateProvider, VerifyingKey, limits,
};

use crate::runner::commands::digest;
use crate::runner::{Arguments, DAY_MS};
use crate::support::{ACCOUNT, Failure, default_key, region, uid_name, uid_named, wrap};

/// Finds what a line asks for; none if it is nothing about identities.
pub fn command(name: &str, of: &Arguments<'_>, now_ms: u64) -> Result<Option<Command>, Failure> {
    Ok(Some(match name {
        "account" => Command::CreateAccount(CreateAccount {
            id: AccountId::new(of.word(0)?)?,
            name: text(of, 1)?,
            seen: saw(of)?,
        }),
        "user" | "group" | "role" => Command::CreateIdentity(create(name, of)?),
        "change" => Command::UpdateIdentity(UpdateIdentity {
            uid: of.uid()?,
            change: change(of)?,
            seen: saw(of)?,
        }),
        "delete-identity" => Command::DeleteIdentity(DeleteIdentity {
            uid: of.uid()?,
            seen: saw(of)?,
        }),
        "policy" => Command::CreatePolicy(CreatePolicy {
            uid: of.uid()?,
            account: owner(of)?,
            path: path(of)?,
            name: entity_name(of)?,
            document: Document::new(&text(of, 2)?),
            description: of.keyed("description").unwrap_or_default().to_owned(),
            seen: saw(of)?,
        }),
        "update-policy" => Command::UpdatePolicy(UpdatePolicy {
            uid: of.uid()?,
            document: of.keyed("document").map(Document::new),
            description: of.keyed("description").map(str::to_owned),
            seen: saw(of)?,
        }),
        "delete-policy" => Command::DeletePolicy(DeletePolicy {
            uid: of.uid()?,
            seen: saw(of)?,
        }),
        "put-policy" => Command::PutResourcePolicy(PutResourcePolicy {
            uid: of.uid()?,
            document: Document::new(&text(of, 1)?),
            seen: saw(of)?,
        }),
        "drop-policy" => Command::DeleteResourcePolicy(DeleteResourcePolicy {
            uid: of.uid()?,
            seen: saw(of)?,
        }),
        other => return proving(other, of, now_ms),
    }))
}

fn proving(name: &str, of: &Arguments<'_>, now_ms: u64) -> Result<Option<Command>, Failure> {
    Ok(Some(match name {
        "access-key" | "bind" => Command::CreateCredential(CreateCredential {
            uid: of.uid()?,
            identity: uid_named(of.keyed("of").unwrap_or("r1"))?,
            proof: proof(of)?,
            regions: regions(of.keyed("regions"))?,
            wrap: wrapped(name, of)?,
            seen: saw(of)?,
        }),
        "change-credential" => Command::UpdateCredential(UpdateCredential {
            uid: of.uid()?,
            change: match of.word(1)? {
                "active" => CredentialChange::Active(true),
                "inactive" => CredentialChange::Active(false),
                list => CredentialChange::Regions(regions(Some(list))?),
            },
            seen: saw(of)?,
        }),
        "delete-credential" => Command::DeleteCredential(DeleteCredential {
            uid: of.uid()?,
            seen: saw(of)?,
        }),
        "rewrap-root" => Command::RewrapRoot(RewrapRoot {
            uid: of.uid()?,
            wrap: wrap(key(of)?, 1),
        }),
        "session-key" => Command::RotateSessionKey(RotateSessionKey {
            uid: of.uid()?,
            sealed: sealed(of)?,
            wrap: wrap(key(of)?, 1),
            age_min_ms: of.keyed_number("age")?.unwrap_or_default(),
        }),
        "signing-key" => Command::KeepSigningKey(KeepSigningKey {
            key: SigningKey {
                public_key: VerifyingKey([u8::try_from(of.number(0)?)?; 32]),
                sealed: sealed(of)?,
                wrap: wrap(key(of)?, 1),
                created: Stamp(0),
            },
        }),
        "revoke" => Command::Revoke(Revoke {
            uid: of.uid()?,
            what: revoked(of)?,
            reason: text(of, 1)?,
            until: Stamp(now_ms + of.keyed_number("days")?.unwrap_or(1) * DAY_MS),
            seen: saw(of)?,
        }),
        "forget-revocations" => Command::ForgetRevocations(ForgetRevocations),
        _ => return providing(name, of),
    }))
}

fn providing(name: &str, of: &Arguments<'_>) -> Result<Option<Command>, Failure> {
    Ok(Some(match name {
        "provider" => Command::CreateProvider(CreateProvider {
            uid: of.uid()?,
            account: owner(of)?,
            issuer: IssuerUrl::new(of.word(1)?)?,
            audiences: audiences(of)?.unwrap_or(vec!["strongroom".to_owned()]),
            keys: Document::new(&keys(of)?.unwrap_or_default()),
            authority: Document::new(""),
            seen: saw(of)?,
        }),
        "update-provider" => Command::UpdateProvider(UpdateProvider {
            uid: of.uid()?,
            audiences: audiences(of)?.unwrap_or_default(),
            keys: keys(of)?.as_deref().map(Document::new),
            fetched: of.keyed("fetched").map(Document::new),
            authority: None,
            seen: saw(of)?,
        }),
        "delete-provider" => Command::DeleteProvider(DeleteProvider {
            uid: of.uid()?,
            seen: saw(of)?,
        }),
        _ => return Ok(None),
    }))
}

fn create(kind: &str, of: &Arguments<'_>) -> Result<CreateIdentity, Failure> {
    let nature = match kind {
        "user" => Nature::User {
            groups: uids(of.keyed("groups"))?,
        },
        "group" => Nature::Group,
        _ => Nature::Role {
            trust: Document::new(&text(of, 2)?),
            session_seconds_max: u32::try_from(of.keyed_number("session")?.unwrap_or(3600))?,
        },
    };
    let known = [
        "account", "path", "groups", "session", "boundary", "regions", "saw", "long",
    ];
    Ok(CreateIdentity {
        uid: of.uid()?,
        account: owner(of)?,
        path: path(of)?,
        name: entity_name(of)?,
        nature,
        tags: of.tags(&known),
        boundary: of.keyed("boundary").map(uid_named).transpose()?,
        regions: regions(of.keyed("regions"))?,
        seen: saw(of)?,
    })
}

/// `change r1 attach r5`, `change r1 inline name document`.
fn change(of: &Arguments<'_>) -> Result<IdentityChange, Failure> {
    let uid = || uid_named(of.word(2)?);
    Ok(match of.word(1)? {
        "trust" => IdentityChange::Trust(Document::new(&text(of, 2)?)),
        "boundary" => IdentityChange::Boundary(match of.word(2)? {
            "none" => None,
            policy => Some(uid_named(policy)?),
        }),
        "regions" => IdentityChange::Regions(regions(of.word(2).ok())?),
        "tag" => IdentityChange::Tag(of.tags(&["saw"])),
        "untag" => IdentityChange::Untag(of.words.iter().skip(2).cloned().collect()),
        "enable" => IdentityChange::Enabled(true),
        "disable" => IdentityChange::Enabled(false),
        "session" => IdentityChange::SessionSecondsMax(u32::try_from(of.number(2)?)?),
        "attach" => IdentityChange::Attach(uid()?),
        "detach" => IdentityChange::Detach(uid()?),
        "inline" => IdentityChange::PutInline(InlinePolicy {
            name: EntityName::new(of.word(2)?)?,
            document: Document::new(&text(of, 3)?),
        }),
        "delete-inline" => IdentityChange::DeleteInline(EntityName::new(of.word(2)?)?),
        "join" => IdentityChange::Join(uid()?),
        "leave" => IdentityChange::Leave(uid()?),
        "revoke-sessions" => IdentityChange::RevokeSessions,
        other => return Err(format!("no change {other}").into()),
    })
}

/// A word, or with `long=9` so many characters, or `{}`.
fn text(of: &Arguments<'_>, at: usize) -> Result<String, Failure> {
    let long = of.keyed_number("long")?.map(usize::try_from).transpose()?;
    let long = long.map(|long| "é".repeat(long));
    Ok(long.unwrap_or_else(|| of.word(at).unwrap_or("{}").to_owned()))
}

fn owner(of: &Arguments<'_>) -> Result<AccountId, Failure> {
    Ok(AccountId::new(of.keyed("account").unwrap_or(ACCOUNT))?)
}

fn path(of: &Arguments<'_>) -> Result<EntityPath, Failure> {
    Ok(match of.keyed("path") {
        Some(path) => EntityPath::new(path)?,
        None => EntityPath::root(),
    })
}

fn entity_name(of: &Arguments<'_>) -> Result<EntityName, Failure> {
    let own = uid_name(of.uid()?);
    Ok(EntityName::new(of.word(1).unwrap_or(&own))?)
}

fn uids(list: Option<&str>) -> Result<Vec<Uid>, Failure> {
    let list = list.into_iter().flat_map(|list| list.split('/'));
    list.map(uid_named).collect()
}

/// `a/b`, or `all`; `a*65` for that many.
pub fn regions(list: Option<&str>) -> Result<Vec<RegionName>, Failure> {
    if let Some((letter, count)) = list.and_then(|list| list.split_once('*')) {
        let numbered = (0..count.parse::<usize>()?).map(|n| region(&format!("{letter}-{n}")));
        return numbered.collect();
    }
    let list = list.filter(|list| *list != "all");
    let list = list.into_iter().flat_map(|list| list.split('/'));
    list.map(region).collect()
}

/// An access key of the uid's number, or what `subject`, `uri` and `prefix` say; `subject=own` is
/// the uid's name.
pub fn proof(of: &Arguments<'_>) -> Result<Proof, Failure> {
    if let Some(name) = of.keyed("subject") {
        let name = match name {
            "own" => uid_name(of.uid()?),
            name => name.to_owned(),
        };
        return Ok(Proof::Subject(name));
    }
    if let Some(uri) = of.keyed("uri") {
        return Ok(Proof::Uri(uri.to_owned()));
    }
    if let Some(prefix) = of.keyed("prefix") {
        return Ok(Proof::UriPrefix(prefix.to_owned()));
    }
    if let Some(long) = of.keyed_number("long")? {
        return Ok(Proof::Subject("é".repeat(usize::try_from(long)?)));
    }
    let number = uid_name(of.uid()?).trim_start_matches('r').parse::<u64>()?;
    let number = of.keyed_number("key")?.unwrap_or(number);
    Ok(Proof::AccessKey {
        id: AccessKeyId::new(&format!("AKIA{number:016}"))?,
        sealed: sealed(of)?,
    })
}

/// A secret of 56 bytes, or `bytes=57`.
fn sealed(of: &Arguments<'_>) -> Result<Arc<SealedValue>, Failure> {
    let bytes = of.keyed_number("bytes")?.unwrap_or(56);
    Ok(Arc::new(SealedValue {
        nonce: [4; 12],
        ciphertext: Bytes::from(vec![5; usize::try_from(bytes)?]),
    }))
}

fn key(of: &Arguments<'_>) -> Result<KeyId, Failure> {
    let key = of.keyed("wrap").map(str::parse::<u8>).transpose()?;
    Ok(key.map_or(default_key(&of.at), |key| KeyId([key; 16])))
}

fn wrapped(name: &str, of: &Arguments<'_>) -> Result<Option<strongroom_machine::Wrap>, Failure> {
    let is_wrapped = (name == "access-key") != of.has("oddly");
    Ok(match is_wrapped {
        true => Some(wrap(key(of)?, 1)),
        false => None,
    })
}

/// `audiences=a/b`; `audiences=a*101` for that many.
fn audiences(of: &Arguments<'_>) -> Result<Option<Vec<String>>, Failure> {
    let Some(list) = of.keyed("audiences") else {
        return Ok(None);
    };
    if let Some((word, count)) = list.split_once('*') {
        let all = (0..count.parse::<usize>()?).map(|n| format!("{word}{n}"));
        return Ok(Some(all.collect()));
    }
    Ok(Some(list.split('/').map(str::to_owned).collect()))
}

fn keys(of: &Arguments<'_>) -> Result<Option<String>, Failure> {
    let long = of.keyed_number("long")?.map(usize::try_from).transpose()?;
    let long = long.map(|long| "k".repeat(long));
    Ok(long.or(of.keyed("keys").map(str::to_owned)))
}

/// `session=abc`, or the number of a `key`.
pub fn revoked(of: &Arguments<'_>) -> Result<Revoked, Failure> {
    let key = of.keyed_number("key")?;
    Ok(match (key, of.keyed_number("session-of")?) {
        (Some(key), _) => Revoked::PublicKey(digest(key)),
        (None, Some(long)) => Revoked::Session("s".repeat(usize::try_from(long)?)),
        (None, None) => Revoked::Session(of.keyed("session").unwrap_or("s1").to_owned()),
    })
}

/// `saw=identity.r1.7/account.1.3`: the rows that the decision used, with their revisions.
fn saw(of: &Arguments<'_>) -> Result<Seen, Failure> {
    let list = of.keyed("saw").map(|list| list.split('/'));
    let rows = list.into_iter().flatten().map(|row| {
        let mut parts = row.split('.');
        let mut next = || parts.next().ok_or("a part of a row is missing");
        let (kind, name, revision) = (next()?, next()?, next()?.parse()?);
        let key = match kind {
            "identity" => RowKey::Identity(uid_named(name)?),
            "policy" => RowKey::Policy(uid_named(name)?),
            "credential" => RowKey::Credential(uid_named(name)?),
            "provider" => RowKey::Provider(uid_named(name)?),
            "revocation" => RowKey::Revocation(uid_named(name)?),
            "secret" => RowKey::Secret(uid_named(name)?),
            "account" => RowKey::Account(Ordinal(name.parse()?)),
            other => return Err(format!("no row {other}").into()),
        };
        let seen = SeenAs::Revision(Revision(revision));
        Ok(SeenRow { key, seen })
    });
    let rows: Vec<SeenRow> = rows.collect::<Result<_, Failure>>()?;
    assert!(rows.len() <= limits::SEEN_ROWS_MAX);
    Ok(Seen(rows))
}
