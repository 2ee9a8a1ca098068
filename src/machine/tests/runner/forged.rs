//! Commands of a script that play a region that lies, and a disk that spoils rows.

use bytes::Bytes;
use prost::Message as _;
use strongroom_machine::{
    Command, FeedId, Hash, ImportChanges, Ordinal, RegionName, Revision, RowKey, RowRef, Uid,
    limits,
};

use crate::net::forge::{BLIND, Forger, commitment, row, sent, storage};
use crate::net::{changes, import};
use crate::runner::{Arguments, Runner, liars, links};
use crate::support::{ACCOUNT, Failure, default_key, region, uid_named, version, wrap};

impl Runner {
    pub(super) fn forged(
        &mut self,
        at: &RegionName,
        name: &str,
        of: &Arguments<'_>,
    ) -> Result<Option<String>, Failure> {
        Ok(Some(match name {
            "forge" => {
                let feed = of.feed(0)?;
                let site = self.net.site(at)?;
                let mut forger = Forger::new(&feed, &site.cursor(&feed));
                forger.members = self.net.sites.keys().map(RegionName::to_string).collect();
                self.forger = Some(forger);
                String::new()
            }
            "lie" => {
                let forger = self.forger.as_mut().ok_or("nothing is forged")?;
                lie(forger, of)?;
                String::new()
            }
            "send" => {
                let forger = self.forger.as_mut().ok_or("nothing is forged")?;
                let import = forger.command();
                self.apply(at, Command::ImportChanges(import))?
            }
            "twist" => self.twist(at, of)?,
            "spoil" | "lose" => self.spoil(at, name == "lose", of)?,
            _ => return Ok(None),
        }))
    }

    /// `twist a home gap`: what another region sends, spoilt on the way.
    fn twist(&mut self, at: &RegionName, of: &Arguments<'_>) -> Result<String, Failure> {
        let (from, feed) = (region(of.word(0)?)?, of.feed(1)?);
        let (from, to) = (self.net.site(&from)?, self.net.site(at)?);
        let sent = changes(from, to, &feed, 1000)?;
        let mut import = import(to, &feed, &sent, &|_| None);
        match of.word(2)? {
            "other-feed" => {
                import.feed = FeedId::Root;
                import.after = to.cursor(&FeedId::Root);
            }
            how => twisted(&mut import, how)?,
        }
        self.apply(at, Command::ImportChanges(import))
    }

    /// `spoil secret 1`, `lose version 1 2`.
    fn spoil(
        &mut self,
        at: &RegionName,
        is_lost: bool,
        of: &Arguments<'_>,
    ) -> Result<String, Failure> {
        let key = row_key(of, 0)?;
        let site = self.net.sites.get_mut(at).ok_or("no such region")?;
        let Some(RowRef::Here(held)) = site.state.row(&key) else {
            return Ok("no such row".to_owned());
        };
        let origin = held.origin().ok_or("no feed row")?.clone();
        let spoilt = row(&key, &origin.feed, origin.revision, &origin.bytes);
        site.spoil(key, spoilt.filter(|_| !is_lost));
        Ok(String::new())
    }
}

fn twisted(import: &mut ImportChanges, how: &str) -> Result<(), Failure> {
    let changes = &mut import.changes;
    match how {
        "gap" => drop(changes.remove(0)),
        "repeated" => changes.insert(0, changes[0].clone()),
        "reordered" => changes.swap(0, 1),
        "chain" => import.after.chain = Hash([1; 32]),
        "malformed" => {
            let header = &mut changes[0].header;
            header.truncate(header.len() - 1);
        }
        "long" => {
            let mut header = changes[0].header.to_vec();
            // A field nobody knows.
            prost::encoding::bytes::encode(1000, &vec![0u8; limits::HEADER_BYTES_MAX], &mut header);
            changes[0].header = header.into();
        }
        "bare" => changes.iter_mut().for_each(|change| change.body = None),
        "cut" => {
            let bodies = changes.iter_mut().filter_map(|change| change.body.as_mut());
            bodies.for_each(|body| body.bytes.truncate(body.bytes.len() - 1));
        }
        "long-body" => {
            let bodies = changes.iter_mut().filter_map(|change| change.body.as_mut());
            bodies.for_each(|body| {
                body.bytes = Bytes::from(vec![0; limits::IMPORTED_ROW_BYTES_MAX + 1]);
            });
        }
        "wrap" => {
            let bodies = changes.iter_mut().filter_map(|change| change.body.as_mut());
            bodies.for_each(|body| body.wrap = None);
        }
        "foreign-wrap" => {
            let bodies = changes.iter_mut().filter_map(|change| change.body.as_mut());
            let wraps = bodies.filter_map(|body| body.wrap.as_mut());
            wraps.for_each(|wrap| wrap.key_version = 77);
        }
        "much" => {
            let change = changes[0].clone();
            changes.resize(limits::IMPORTED_MAX + 1, change);
        }
        other => return Err(format!("no twist {other}").into()),
    }
    Ok(())
}

/// `secret 1`, `version 1 2`, `epoch home 1`, `region 1`.
pub fn row_key(of: &Arguments<'_>, at: usize) -> Result<RowKey, Failure> {
    let uid = || uid_named(of.word(at + 1)?);
    let number = |at: usize| of.number(at).map(Ordinal);
    Ok(match of.word(at)? {
        "secret" => RowKey::Secret(uid()?),
        "version" => RowKey::Version(uid()?, number(at + 2)?),
        "tombstone" => RowKey::Tombstone(uid()?),
        "epoch" => RowKey::Epoch(of.feed(at + 1)?.uid(), number(at + 2)?),
        "checkpoint" => RowKey::Checkpoint(of.feed(at + 1)?.uid()),
        "account" => RowKey::Account(number(at + 1)?),
        "region" => RowKey::Region(number(at + 1)?),
        "identity" => RowKey::Identity(uid()?),
        "policy" => RowKey::Policy(uid()?),
        "credential" => RowKey::Credential(uid()?),
        "provider" => RowKey::Provider(uid()?),
        "revocation" => RowKey::Revocation(uid()?),
        "session-key" => RowKey::SessionKey(uid()?),
        other => return Err(format!("no row {other}").into()),
    })
}

fn lie(forger: &mut Forger, of: &Arguments<'_>) -> Result<(), Failure> {
    match of.word(0)? {
        "begin" => forger.begin(&links::epoch(of.word(1)?)?),
        // Goes on in an epoch that was not begun.
        "epoch" => forger.at.epoch = Some(links::epoch(of.word(1)?)?),
        "secret" => {
            let body = secret(of)?.encode_to_vec();
            let key = RowKey::Secret(uid_named(of.word(1)?)?);
            put(forger, &key, &body, of)?;
        }
        "version" => {
            let key = RowKey::Version(uid_named(of.word(1)?)?, Ordinal(of.number(2)?));
            let body = value(of)?.encode_to_vec();
            put(forger, &key, &body, of)?;
        }
        "tombstone" => {
            let body = storage::Tombstone { purged_ms: 5 }.encode_to_vec();
            forger.put(&RowKey::Tombstone(uid_named(of.word(1)?)?), &body, None);
        }
        "checkpoint" => checkpoint(forger, of)?,
        "account" => {
            let id = "000000000009".to_owned();
            let name = "n".repeat(usize::try_from(of.keyed_number("long")?.unwrap_or(0))?);
            let body = storage::Account { id, name }.encode_to_vec();
            forger.put(&RowKey::Account(Ordinal(9)), &body, None);
        }
        "delete" => {
            let key = row_key(of, 1)?;
            let mut header = forger.header(&key, None);
            if of.has("committed") {
                header.commitment = Bytes::copy_from_slice(&[1; 32]);
            }
            forger.push(&header, None);
        }
        "header" => header(forger, of)?,
        "identity" | "policy" | "credential" | "provider" | "revocation" | "session-key" => {
            liars::put(forger, of)?;
        }
        other => return Err(format!("no lie {other}").into()),
    }
    Ok(())
}

fn put(forger: &mut Forger, key: &RowKey, body: &[u8], of: &Arguments<'_>) -> Result<(), Failure> {
    let is_value = matches!(key, RowKey::Version(..));
    if of.has("hidden") {
        forger.put_hidden(key, body);
    } else {
        let wrap = is_value.then(|| wrap(default_key(&of.at), 1));
        forger.put(key, body, wrap);
    }
    Ok(())
}

/// `lie secret c1 name region=a created=3 next=2 lists=1.v1.LABEL in=b.force`.
fn secret(of: &Arguments<'_>) -> Result<storage::Secret, Failure> {
    let uid = uid_named(of.word(1)?)?;
    let home = match of.keyed("region") {
        Some(name) => region(name)?,
        None => home_of(&uid)?,
    };
    let listed = of.keyed("lists").map(|listed| listed.split('/'));
    let versions = listed.into_iter().flatten().map(|listed| {
        let mut parts = listed.split('.');
        let ordinal = parts.next().unwrap_or_default().parse()?;
        let id = version(parts.next().unwrap_or_default())?.to_string();
        Ok(storage::VersionEntry {
            id,
            ordinal,
            kind: storage::ValueKind::String.into(),
            created_ms: 1,
            labels: parts.map(str::to_owned).collect(),
        })
    });
    let replicas = of.keyed("in").map(|list| of.replicas(list)).transpose()?;
    let replicas = replicas.unwrap_or_default().into_iter();
    let account = of.keyed("account").unwrap_or(ACCOUNT);
    Ok(storage::Secret {
        account: account.to_owned(),
        region: home.to_string(),
        name: of.word(2)?.to_owned(),
        arn_suffix: of.keyed("suffix").unwrap_or("AbC123").to_owned(),
        created_ms: of.keyed_number("created")?.unwrap_or(7),
        changed_ms: 8,
        next_ordinal: of.keyed_number("next")?.unwrap_or(1),
        versions: versions.collect::<Result<_, Failure>>()?,
        replicas: replicas
            .map(|replica| storage::Replica {
                region: replica.region.to_string(),
                kms_key: replica.kms_key,
                force: replica.force,
            })
            .collect(),
        description: "d".repeat(usize::try_from(of.keyed_number("long")?.unwrap_or(0))?),
        resource_policy: of.keyed("policy").map(|long| {
            let long = long.parse().unwrap_or_default();
            "p".repeat(long)
        }),
        ..Default::default()
    })
}

fn home_of(uid: &Uid) -> Result<RegionName, Failure> {
    let homes = crate::support::REGIONS.iter();
    for (_, name) in homes {
        let home = RegionName::new(name)?;
        if FeedId::Home(home.clone()).gives(uid) {
            return Ok(home);
        }
    }
    Err("a uid of no region".into())
}

/// `lie version c1 1 id=v1`.
fn value(of: &Arguments<'_>) -> Result<storage::Version, Failure> {
    let described = of.keyed("id").map(|id| {
        Ok::<_, Failure>(storage::VersionDescription {
            id: version(id)?.to_string(),
            kind: storage::ValueKind::String.into(),
            created_ms: 1,
        })
    });
    let bytes = of.keyed_number("bytes")?.unwrap_or(32);
    Ok(storage::Version {
        nonce: Bytes::from_static(&[4; 12]),
        ciphertext: vec![5; usize::try_from(bytes)?].into(),
        description: described.transpose()?,
    })
}

/// `lie checkpoint at=3`: about another place; without a number: with another hash.
fn checkpoint(forger: &mut Forger, of: &Arguments<'_>) -> Result<(), Failure> {
    let at = of.keyed_number("at")?.unwrap_or(forger.at.revision.0);
    let body = storage::FeedCheckpoint {
        revision: Revision(at).0,
        chain: Bytes::copy_from_slice(&forger.at.chain.0),
        feed_hash: Bytes::copy_from_slice(&[1; 32]),
    };
    let feed = match of.keyed("of") {
        Some("root") => FeedId::Root,
        Some(name) => FeedId::Home(region(name)?),
        None => forger.feed.clone(),
    };
    let key = RowKey::Checkpoint(feed.uid());
    forger.put(&key, &body.encode_to_vec(), None);
    Ok(())
}

/// Headers that nothing honest makes.
fn header(forger: &mut Forger, of: &Arguments<'_>) -> Result<(), Failure> {
    let key = RowKey::Secret(uid_named(of.word(2)?)?);
    let body = b"";
    let mut header = forger.header(&key, Some(body));
    match of.word(1)? {
        "late" => header.stamp_ms = limits::STAMP_MS_MAX + 1,
        "local" => header.kind = 0x08,
        "ordinal" => {
            header.kind = 0x49;
            header.ordinal = limits::ORDINAL_MAX + 1;
        }
        "crowd" => header.members = vec!["eu-west-1".to_owned(); limits::REGIONS_MAX + 1],
        other => return Err(format!("no header {other}").into()),
    }
    debug_assert_eq!(header.commitment, commitment(&BLIND, body).0.to_vec());
    forger.push(&header, Some(sent(body, None)));
    Ok(())
}
