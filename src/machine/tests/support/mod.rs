//! What the tests of the machine share: short names for long identifiers.
#![allow(dead_code)]

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use strongroom_machine::{
    AccountId, Audit, ClusterId, Entry, FeedId, Found, Hash, KeyId, KeyState, KeyVersion, KmsKey,
    MACHINE_VERSION, NewVersion, Node, NodeId, RegionName, RequestId, RowRef, SealedValue, Stamp,
    State, Uid, ValueKind, VersionId, Wrap,
};

pub type Failure = Box<dyn Error>;

pub const ACCOUNT: &str = "000000000001";
pub const REGION: &str = "eu-north-1";
pub const DEFAULT_KEY: KeyId = KeyId([1; 16]);
/// The regions of tests with several, by the letter that stands for them.
pub const REGIONS: [(&str, &str); 5] = [
    ("a", REGION),
    ("b", "eu-west-1"),
    ("c", "us-east-1"),
    ("d", "us-west-1"),
    ("e", "ap-south-1"),
];

pub fn account() -> Result<AccountId, Failure> {
    Ok(AccountId::new(ACCOUNT)?)
}

/// Numbers a secret of the home feed of [`REGION`].
pub fn uid(n: u64) -> Uid {
    uid_in(REGION, n)
}

/// Numbers a secret of a region's home feed.
pub fn uid_in(region: &str, n: u64) -> Uid {
    let bytes = u128::from(n).to_be_bytes();
    match RegionName::new(region) {
        Ok(region) => FeedId::Home(region).uid_of(bytes),
        Err(_) => Uid(bytes),
    }
}

/// Numbers what is about identities.
pub fn root_uid(n: u64) -> Uid {
    FeedId::Root.uid_of(u128::from(n).to_be_bytes())
}

/// Gives the region a letter stands for; any other name stands for itself.
pub fn region(letter: &str) -> Result<RegionName, Failure> {
    let known = REGIONS.iter().find(|(short, _)| *short == letter);
    Ok(RegionName::new(known.map_or(letter, |(_, name)| name))?)
}

/// Gives the letter of a region, or its name if it has none.
pub fn letter(region: &RegionName) -> &str {
    let known = REGIONS.iter().find(|(_, name)| *name == region.as_str());
    known.map_or(region.as_str(), |(short, _)| short)
}

/// Gives the default key of a region: each has its own.
pub fn default_key(region: &RegionName) -> KeyId {
    let at = REGIONS
        .iter()
        .position(|(_, name)| *name == region.as_str());
    let number = at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
    KeyId([number + 1; 16])
}

/// Names a secret: by its number, with the letter of its region in front but for the first one; and
/// what is about identities with an r in front.
pub fn uid_name(uid: Uid) -> String {
    let number = u128::from_be_bytes(uid.0) & (u128::MAX >> 32);
    if FeedId::Root.gives(&uid) && number >> 32 == 0 {
        return format!("r{number}");
    }
    let gives = |name: &str| {
        let name = RegionName::new(name);
        name.is_ok_and(|name| FeedId::Home(name).gives(&uid))
    };
    let home = REGIONS.iter().skip(1).find(|(_, name)| gives(name));
    match home {
        // Numbers in tests are small: this is a feed.
        _ if number >> 32 != 0 => "feed".to_owned(),
        Some((letter, _)) => format!("{letter}{number}"),
        None => number.to_string(),
    }
}

/// Finds the uid of a name.
pub fn uid_named(name: &str) -> Result<Uid, Failure> {
    if let Some(number) = name.strip_prefix('r') {
        return Ok(root_uid(number.parse()?));
    }
    let (letter, number) = match name.find(|first: char| first.is_ascii_digit()) {
        Some(1) => name.split_at(1),
        _ => ("a", name),
    };
    Ok(uid_in(region(letter)?.as_str(), number.parse()?))
}

/// Makes a version id of a short name: padded with hyphens to its least length.
pub fn version(name: &str) -> Result<VersionId, Failure> {
    Ok(VersionId::new(&format!("{name:-<32}"))?)
}

pub fn new(name: &str, bytes: usize) -> Result<NewVersion, Failure> {
    Ok(NewVersion {
        id: version(name)?,
        kind: ValueKind::String,
        sealed: Arc::new(SealedValue {
            nonce: [4; 12],
            ciphertext: vec![5; bytes].into(),
        }),
        wrap: wrap(DEFAULT_KEY, 1),
    })
}

pub fn wrap(key_id: KeyId, key_version: u32) -> Wrap {
    Wrap {
        key_id,
        key_version,
        wrapped_dek: Bytes::from_static(&[6; 48]),
    }
}

pub fn node(id: u64, key: u8) -> Node {
    Node {
        id: NodeId(id),
        peer_address: format!("10.0.0.{id}:7421"),
        api_address: format!("10.0.0.{id}:7420"),
        public_key: Hash([key; 32]),
    }
}

pub fn found() -> Result<Found, Failure> {
    let created = Stamp(0);
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(&[7; 60]),
        created,
    };
    Ok(Found {
        cluster: ClusterId([8; 16]),
        region: RegionName::new(REGION)?,
        account: account()?,
        administrator: "admin".to_owned(),
        default_key: KmsKey {
            id: DEFAULT_KEY,
            alias: "alias/aws/secretsmanager".to_owned(),
            state: KeyState::Enabled,
            versions: vec![version],
        },
        node: node(1, 1),
        machine_version: MACHINE_VERSION,
        introduction: None,
    })
}

pub fn entry(stamp: u64, command: strongroom_machine::Command) -> Entry {
    let audit = Audit {
        caller: "admin".to_owned(),
        request_id: RequestId([0; 16]),
    };
    Entry {
        stamp: Stamp(stamp),
        audit,
        seed: [9; 32],
        command,
    }
}

/// Stores every row and loads them again, as a snapshot does.
pub fn reload(state: &State) -> Result<State, Failure> {
    let mut rows = Vec::new();
    for (key, row) in state.rows() {
        let RowRef::Here(row) = row else {
            return Err("a value left memory".into());
        };
        rows.push((key.encode(), row.encode()));
    }
    if !rows.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("rows are not sorted by key".into());
    }
    Ok(State::load(rows.into_iter())?)
}
