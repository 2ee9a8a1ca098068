//! Prints how long a region takes to take in another one's changes, on this computer: a thousand in
//! one entry, on a state of ten thousand secrets, shared with it or not; and how long taking over
//! takes. `cargo run --release --example import_rate [secrets]`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use strongroom_machine::{
    AccountId, ActivateSnapshot, ArnSuffix, Audit, Body, ClusterId, Command, CreateSecret, Cursor,
    Entry, FeedId, Found, Hash, ImportChanges, ImportedChange, Introduction, IssueLinkToken, KeyId,
    KeyState, KeyVersion, KmsKey, LinkRegion, LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId,
    PutSecretValue, Region, RegionName, RequestId, Row, RowKey, Scope, SealedValue, SecretName,
    Seen, SentBody, StageRows, StagedRow, Stamp, State, TakeOver, Uid, UpdateRegion, ValueKind,
    VersionId, Wrap, apply,
};

type Failure = Box<dyn Error>;

const FIRST: &str = "eu-north-1";
const SECOND: &str = "eu-west-1";
const VALUE_BYTES: usize = 200;
const IMPORTS: u64 = 10;

/// A region and where its log is.
struct Site {
    name: RegionName,
    state: State,
    index: u64,
}

fn main() -> Result<(), Failure> {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |count| count.parse())?;
    for scope in [Scope::All, Scope::Selected] {
        let (mut first, mut second) = linked(scope)?;
        let home = FeedId::Home(first.name.clone());
        for n in 0..count {
            first.apply(create(n)?)?;
        }
        follow(&first, &mut second, &home)?;
        for round in 1..=IMPORTS {
            for n in 0..500 {
                first.apply(put(n * count / 500, round)?)?;
            }
        }
        let times = follow(&first, &mut second, &home)?;
        report(&format!("{scope:?}: imports of 1000 changes"), &times);
        report(
            &format!("{scope:?}: a snapshot"),
            &[restart(&first, &mut second, &home)?],
        );
        let started = Instant::now();
        second.apply(Command::TakeOver(TakeOver {
            region: first.name.clone(),
            heard: Vec::new(),
        }))?;
        report(&format!("{scope:?}: a promotion"), &[started.elapsed()]);
        println!("{:?}", second.state.counts());
    }
    Ok(())
}

fn report(what: &str, times: &[Duration]) {
    let most = times.iter().max().copied().unwrap_or_default();
    let sum: Duration = times.iter().sum();
    let count = u32::try_from(times.len()).unwrap_or(1).max(1);
    println!("{what}: {:?} on average, {most:?} at most", sum / count);
}

impl Site {
    fn new(name: &str) -> Result<Site, Failure> {
        Ok(Site {
            name: RegionName::new(name)?,
            state: State::new(),
            index: 0,
        })
    }

    fn apply(&mut self, command: Command) -> Result<Duration, Failure> {
        self.index += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.index.to_le_bytes());
        let audit = Audit {
            caller: "admin".to_owned(),
            request_id: RequestId([0; 16]),
        };
        let entry = Entry {
            stamp: Stamp(self.index),
            audit,
            seed,
            command,
        };
        // Readers hold a view.
        let view = self.state.clone();
        let started = Instant::now();
        let applied = apply(&mut self.state, LogIndex(self.index), &entry);
        let took = started.elapsed();
        drop(view);
        applied.answer?;
        Ok(took)
    }
}

/// Takes in all changes, a thousand in an entry. Gives what each took.
fn follow(from: &Site, to: &mut Site, feed: &FeedId) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    loop {
        let after = to.state.feed(feed).map(|feed| feed.cursor());
        let after = after.unwrap_or(Cursor {
            epoch: None,
            revision: Default::default(),
            chain: Hash::ZERO,
        });
        let sent = from.state.outgoing(feed, &after, &to.name)?.take(1000);
        let changes: Vec<ImportedChange> = sent
            .map(|sent| ImportedChange {
                header: sent.header,
                body: match sent.body {
                    Body::Here(framed) => Some(SentBody {
                        blind: framed.blind,
                        bytes: framed.bytes,
                        wrap: matches!(sent.key, RowKey::Version(..)).then(|| wrap(&to.name)),
                        problem: String::new(),
                    }),
                    Body::Withheld | Body::Evicted => None,
                },
            })
            .collect();
        if changes.is_empty() {
            return Ok(times);
        }
        let import = ImportChanges {
            feed: feed.clone(),
            after,
            changes,
        };
        times.push(to.apply(Command::ImportChanges(import))?);
    }
}

/// Takes a feed in whole, on top of what is there of it.
fn restart(from: &Site, to: &mut Site, feed: &FeedId) -> Result<Duration, Failure> {
    let held = from.state.feed(feed).ok_or("no such feed")?;
    let (at, feed_hash) = (held.cursor(), held.hash());
    let region = from.state.linked(&to.name).ok_or("not linked")?;
    let rows = from.state.rows_of(feed, None).filter_map(|(key, row)| {
        let row: Row = row?;
        let is_sent = from.state.is_for(region, &key);
        let row = if is_sent { row } else { row.without_body()? };
        let is_value = is_sent && matches!(key, RowKey::Version(..));
        Some(StagedRow {
            key,
            row,
            wrap: is_value.then(|| wrap(&to.name)),
            problem: String::new(),
        })
    });
    let rows: Vec<StagedRow> = rows.collect();
    for (part, staged) in rows.chunks(1000).enumerate() {
        to.apply(Command::StageRows(StageRows {
            feed: feed.clone(),
            at: at.clone(),
            first: part as u64 * 1000,
            rows: staged.to_vec(),
        }))?;
    }
    to.apply(Command::ActivateSnapshot(ActivateSnapshot {
        feed: feed.clone(),
        at,
        feed_hash,
        rows: rows.len() as u64,
    }))
}

fn linked(scope: Scope) -> Result<(Site, Site), Failure> {
    let (mut first, mut second) = (Site::new(FIRST)?, Site::new(SECOND)?);
    first.apply(Command::Found(found(&first.name, None)?))?;
    let region = described(&first.name, Scope::Founder);
    first.apply(Command::UpdateRegion(UpdateRegion { region }))?;
    let digest = Hash([1; 32]);
    first.apply(Command::IssueLinkToken(IssueLinkToken {
        digest,
        expires: Stamp(1_000_000),
        region: second.name.clone(),
        scope,
    }))?;
    first.apply(Command::LinkRegion(LinkRegion {
        token_digest: digest,
        region: described(&second.name, scope),
    }))?;
    let introduction = Introduction {
        regions: first.state.regions().cloned().collect(),
        home_exists: false,
    };
    second.apply(Command::Found(found(&second.name, Some(introduction))?))?;
    follow(&first, &mut second, &FeedId::Root)?;
    Ok((first, second))
}

fn described(name: &RegionName, scope: Scope) -> Region {
    Region {
        name: name.clone(),
        scope,
        authorities: vec![Bytes::from_static(b"issuer")],
        nodes: vec![node()],
        unlinked: None,
        signing_key: None,
    }
}

fn node() -> Node {
    Node {
        id: NodeId(1),
        peer_address: "127.0.0.1:7421".to_owned(),
        api_address: "127.0.0.1:7420".to_owned(),
        public_key: Hash([3; 32]),
    }
}

fn found(region: &RegionName, introduction: Option<Introduction>) -> Result<Found, Failure> {
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(b"kek"),
        created: Stamp(0),
    };
    Ok(Found {
        cluster: ClusterId([1; 16]),
        region: region.clone(),
        account: AccountId::new("000000000001")?,
        administrator: "admin".to_owned(),
        default_key: KmsKey {
            id: key(region),
            alias: String::new(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: node(),
        machine_version: MACHINE_VERSION,
        introduction,
    })
}

fn key(region: &RegionName) -> KeyId {
    KeyId([u8::from(region.as_str() == FIRST) + 1; 16])
}

fn wrap(region: &RegionName) -> Wrap {
    Wrap {
        key_id: key(region),
        key_version: 1,
        wrapped_dek: Bytes::from(vec![8; 60]),
    }
}

fn uid(n: u64) -> Result<Uid, Failure> {
    let spread = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let random = (u128::from(spread) << 64 | u128::from(n)).to_be_bytes();
    Ok(FeedId::Home(RegionName::new(FIRST)?).uid_of(random))
}

fn new(n: u64, round: u64) -> Result<NewVersion, Failure> {
    Ok(NewVersion {
        id: VersionId::new(&format!("{n:016}{round:016}"))?,
        kind: ValueKind::String,
        sealed: Arc::new(SealedValue {
            nonce: [0; 12],
            ciphertext: Bytes::from(vec![7; VALUE_BYTES]),
        }),
        wrap: wrap(&RegionName::new(FIRST)?),
    })
}

fn create(n: u64) -> Result<Command, Failure> {
    Ok(Command::CreateSecret(CreateSecret {
        uid: uid(n)?,
        account: AccountId::new("000000000001")?,
        name: SecretName::new(&format!("service/{n}/password"))?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: Some(new(n, 0)?),
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    }))
}

fn put(n: u64, round: u64) -> Result<Command, Failure> {
    Ok(Command::PutSecretValue(PutSecretValue {
        uid: uid(n)?,
        new: new(n, round)?,
        labels: Vec::new(),
        young_protection_ms: 0,
        seen: Seen::default(),
    }))
}
