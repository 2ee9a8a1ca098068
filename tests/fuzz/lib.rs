//! Fuzz targets for every parser and decoder of bytes from disk, peers and callers.
//!
//! What is done with an input, and what must hold, is in `checks`; `targets` hands it to libFuzzer
//! (`scripts/fuzz`), and `sweep.rs` to an ordinary test: this file is the root of both. One input
//! may hold several parts.

pub mod checks;
pub mod disk;
mod raw;
#[cfg(test)]
mod sweep;

use std::sync::LazyLock;

use bytes::Bytes;
use machine::{
    AccountId, Audit, ClusterId, Command, Entry, Found, Hash, KeyId, KeyState, KeyVersion, KmsKey,
    LogIndex, MACHINE_VERSION, Node, NodeId, RegionName, RequestId, Stamp, State,
};

/// The default key of the founded region.
pub const KEY: KeyId = KeyId([2; 16]);
/// The account of the founded region.
pub const ACCOUNT: &str = "000000000001";

/// Cuts an input into its parts: two bytes of length, big-endian, then so many bytes; the last
/// part is what is left.
pub fn parts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        let (part, tail) = tail.split_at(length);
        rest = tail;
        Some(part)
    })
}

/// Puts parts together to one input, as [`parts`] cuts it; a part above 65,535 bytes is left out.
pub fn join<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut input = Vec::new();
    for part in parts {
        let part = part.as_ref();
        if let Ok(length) = u16::try_from(part.len()) {
            input.extend_from_slice(&length.to_be_bytes());
            input.extend_from_slice(part);
        }
    }
    input
}

/// An entry of a command, stamped with its index.
pub fn entry(index: u64, command: Command) -> Entry {
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

/// The state of a region that is founded and holds nothing; made once, then cloned.
pub fn founded() -> State {
    static FOUNDED: LazyLock<State> = LazyLock::new(|| {
        let mut state = State::new();
        let applied = machine::apply(&mut state, LogIndex(1), &entry(1, found()));
        assert!(applied.answer.is_ok(), "{:?}", applied.answer);
        state
    });
    FOUNDED.clone()
}

/// Whether an input is one of those on which a check also does what takes long.
pub fn is_thorough(input: &[u8]) -> bool {
    input.len().is_multiple_of(8)
}

fn found() -> Command {
    let version = KeyVersion {
        version: 1,
        wrapped: Bytes::from_static(b"kek"),
        created: Stamp(0),
    };
    Command::Found(Found {
        cluster: ClusterId([1; 16]),
        region: RegionName::new("eu-north-1").expect("a region"),
        account: AccountId::new(ACCOUNT).expect("an account"),
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
    })
}
