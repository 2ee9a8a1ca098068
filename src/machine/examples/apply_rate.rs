//! Prints how many entries a second the machine applies on this computer: creates of different
//! secrets, then puts to them, 1 KiB each. `cargo run --release --example apply_rate [count]`.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use strongroom_machine::{
    AccountId, ArnSuffix, Audit, ClusterId, Command, CreateSecret, Entry, FeedId, Found, Hash,
    KeyId, KeyState, KeyVersion, KmsKey, LogIndex, MACHINE_VERSION, NewVersion, Node, NodeId,
    PutSecretValue, RegionName, RequestId, SealedValue, SecretName, Seen, Stamp, State, Uid,
    ValueKind, VersionId, Wrap, apply,
};

const KEY: KeyId = KeyId([2; 16]);
const REGION: &str = "eu-north-1";
const VALUE_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |count| count.parse())?;
    let mut state = State::new();
    apply(&mut state, LogIndex(1), &entry(1, found()?));
    let creates = (0..count).map(create).collect::<Result<Vec<_>, _>>()?;
    let mut index = run("creates", &mut state, 2, &creates);
    for round in 1..=3 {
        let puts = (0..count)
            .map(|n| put(n, round))
            .collect::<Result<Vec<_>, _>>()?;
        index = run("puts", &mut state, index, &puts);
    }
    println!("{:?}, node hash {}", state.counts(), state.node_hash());
    Ok(())
}

fn run(what: &str, state: &mut State, first: u64, commands: &[Command]) -> u64 {
    let entries: Vec<Entry> = (first..)
        .zip(commands)
        .map(|(index, command)| entry(index, command.clone()))
        .collect();
    let started = Instant::now();
    let mut view = state.clone();
    for (index, entry) in (first..).zip(&entries) {
        let applied = apply(state, LogIndex(index), entry);
        assert!(applied.answer.is_ok(), "{:?}", applied.answer);
        // Readers hold a view, renewed with every batch.
        if index % 64 == 0 {
            view = state.clone();
        }
    }
    drop(view);
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {:.0}/s", entries.len() as f64 / seconds);
    first + entries.len() as u64
}

fn entry(index: u64, command: Command) -> Entry {
    let audit = Audit {
        caller: "admin".to_owned(),
        request_id: RequestId([0; 16]),
    };
    Entry {
        stamp: Stamp(index),
        audit,
        seed: [7; 32],
        command,
    }
}

fn found() -> Result<Command, Box<dyn Error>> {
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(b"kek"),
        created: Stamp(0),
    };
    Ok(Command::Found(Found {
        cluster: ClusterId([1; 16]),
        region: RegionName::new(REGION)?,
        account: AccountId::new("000000000001")?,
        administrator: "admin".to_owned(),
        default_key: KmsKey {
            id: KEY,
            alias: String::new(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: Node {
            id: NodeId(1),
            peer_address: "127.0.0.1:7421".to_owned(),
            api_address: "127.0.0.1:7420".to_owned(),
            public_key: Hash([3; 32]),
        },
        machine_version: MACHINE_VERSION,
        introduction: None,
    }))
}

/// Spreads the uids as random ones of the home feed are spread.
fn uid(n: u64) -> Result<Uid, Box<dyn Error>> {
    let spread = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let random = (u128::from(spread) << 64 | u128::from(n)).to_be_bytes();
    Ok(FeedId::Home(RegionName::new(REGION)?).uid_of(random))
}

fn new(n: u64, round: u64) -> Result<NewVersion, Box<dyn Error>> {
    let ciphertext = Bytes::from(vec![7; VALUE_BYTES]);
    let wrapped_dek = Bytes::from(vec![8; 60]);
    Ok(NewVersion {
        id: VersionId::new(&format!("{n:016}{round:016}"))?,
        kind: ValueKind::String,
        sealed: Arc::new(SealedValue {
            nonce: [0; 12],
            ciphertext,
        }),
        wrap: Wrap {
            key_id: KEY,
            key_version: 1,
            wrapped_dek,
        },
    })
}

fn create(n: u64) -> Result<Command, Box<dyn Error>> {
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

fn put(n: u64, round: u64) -> Result<Command, Box<dyn Error>> {
    Ok(Command::PutSecretValue(PutSecretValue {
        uid: uid(n)?,
        new: new(n, round)?,
        labels: Vec::new(),
        young_protection_ms: 0,
        seen: Seen::default(),
    }))
}
