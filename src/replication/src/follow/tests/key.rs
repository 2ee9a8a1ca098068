use std::sync::Arc;

use machine::{Scope, State, Uid};

use super::support::{LINKED, TestKeys, link_key, pair};
use crate::follow::failed::Failed;
use crate::follow::key::{Doubts, StreamKey};
use crate::kit::version_id;
use crate::limits::DOUBTS_MAX;

/// The key of the next stream, and what it takes in.
struct Rig {
    state: State,
    doubts: Arc<Doubts>,
}

impl Rig {
    fn new() -> Rig {
        Rig {
            state: pair(Scope::Selected).1.state,
            doubts: Arc::default(),
        }
    }

    fn stream(&self) -> StreamKey {
        StreamKey::new(link_key(), &self.doubts)
    }

    fn take(&self, key: &StreamKey, key_name: Option<&str>, wrapped: &[u8]) -> bool {
        let keys = TestKeys {
            broken: Some("alias/broken"),
        };
        let of = (&Uid([1; 16]), &version_id(1));
        let taken = key.take(&keys, &self.state, key_name, of, wrapped);
        match taken {
            Ok(wrap) => assert_eq!(wrap, super::support::wrapped("default")),
            Err(words) => assert!(!words.is_empty()),
        }
        key.check().is_ok()
    }
}

#[test]
fn a_stream_of_which_the_first_data_key_does_not_open_is_of_no_use() {
    let rig = Rig::new();
    let key = rig.stream();
    assert!(key.check().is_ok(), "nothing came yet");
    assert!(!rig.take(&key, None, b"under another key"));
    assert!(matches!(key.check(), Err(Failed::KeyUnfit)));
}

#[test]
fn a_data_key_that_does_not_open_beside_others_is_the_problem_of_one_value() {
    let rig = Rig::new();
    let key = rig.stream();
    assert!(rig.take(&key, None, LINKED));
    assert!(rig.take(&key, None, b"spoilt"));
}

#[test]
fn a_kms_key_that_does_not_wrap_says_nothing_of_the_streams_key() {
    let rig = Rig::new();
    let key = rig.stream();
    assert!(rig.take(&key, Some("alias/broken"), b"under another key"));
    assert!(!rig.take(&key, None, b"under another key"));
}

#[test]
fn one_bad_row_does_not_end_every_stream() {
    let rig = Rig::new();
    for _ in 0..DOUBTS_MAX {
        assert!(!rig.take(&rig.stream(), None, b"spoilt"));
    }
    let key = rig.stream();
    assert!(rig.take(&key, None, b"spoilt"));
    assert!(rig.take(&key, None, LINKED));
    // From then on a key that does not fit is found out again.
    assert!(!rig.take(&rig.stream(), None, b"spoilt"));
}
