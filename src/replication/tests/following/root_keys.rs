//! Access keys and session keys: a region that follows wraps the key of each one's secret under a
//! key of its own.

use std::sync::Arc;

use bytes::Bytes;
use machine::{
    AccessKeyId, Command, CreateCredential, CreateIdentity, EntityName, EntityPath, FeedId, Nature,
    Proof, RewrapRoot, RotateSessionKey, Scope, SealedValue, Seen, Uid, Wrap,
};

use crate::linked::{caught_up, pair};
use crate::support::eventually;
use crate::support::region::{KEY, SHUT, Served};

/// Makes a user with an access key whose secret is under this data key.
async fn make(region: &Served, dek: &'static [u8]) -> Uid {
    let account = region.state().account().unwrap().clone();
    let (user, key) = (FeedId::Root.uid_of([1; 16]), FeedId::Root.uid_of([2; 16]));
    let create = CreateIdentity {
        uid: user,
        account,
        path: EntityPath::root(),
        name: EntityName::new("robot").unwrap(),
        nature: Nature::User { groups: Vec::new() },
        tags: Vec::new(),
        boundary: None,
        regions: Vec::new(),
        seen: Seen::default(),
    };
    region.done(Command::CreateIdentity(create)).await;
    let sealed = SealedValue {
        nonce: [7; 12],
        ciphertext: Bytes::from_static(&[8; 56]),
    };
    let create = CreateCredential {
        uid: key,
        identity: user,
        proof: Proof::AccessKey {
            id: AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").unwrap(),
            sealed: Arc::new(sealed),
        },
        regions: Vec::new(),
        wrap: Some(under(dek)),
        seen: Seen::default(),
    };
    region.done(Command::CreateCredential(create)).await;
    key
}

fn under(dek: &'static [u8]) -> Wrap {
    Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::from_static(dek),
    }
}

fn wrapped(region: &Served, uid: &Uid) -> Option<Bytes> {
    let view = region.state();
    view.root_wrap(uid).map(|wrap| wrap.wrapped_dek.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_access_key_comes_with_the_key_of_its_secret() {
    for scope in [Scope::Selected, Scope::All] {
        let (north, west) = pair(scope).await;
        let uid = make(&north, b"a data key").await;
        caught_up(&west, &north, &FeedId::Root).await;
        assert_eq!(wrapped(&west, &uid), wrapped(&north, &uid));
        assert!(west.state().credential(&uid).is_some());
    }
}

/// Makes a session key that is under this data key.
async fn rotate(region: &Served, number: u8, dek: &'static [u8]) -> Uid {
    let uid = FeedId::Root.uid_of([number; 16]);
    let sealed = SealedValue {
        nonce: [7; 12],
        ciphertext: Bytes::from_static(&[8; 49]),
    };
    let rotate = RotateSessionKey {
        uid,
        sealed: Arc::new(sealed),
        wrap: under(dek),
        age_min_ms: 0,
    };
    region.done(Command::RotateSessionKey(rotate)).await;
    uid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_key_comes_with_its_key_and_goes_with_it() {
    for scope in [Scope::Selected, Scope::All] {
        let (north, west) = pair(scope).await;
        let first = rotate(&north, 3, b"a data key").await;
        caught_up(&west, &north, &FeedId::Root).await;
        assert_eq!(wrapped(&west, &first), wrapped(&north, &first));
        let second = rotate(&north, 4, b"a data key").await;
        let third = rotate(&north, 5, b"a data key").await;
        caught_up(&west, &north, &FeedId::Root).await;
        let state = west.state();
        let held: Vec<Uid> = state.session_keys().map(|key| key.uid).collect();
        assert_eq!(held, [second, third]);
        assert_eq!(wrapped(&west, &first), None);
        assert!(wrapped(&west, &third).is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_could_not_be_sent_is_asked_for_until_it_comes() {
    let (north, west) = pair(Scope::Selected).await;
    let uids = [make(&north, SHUT).await, rotate(&north, 3, SHUT).await];
    caught_up(&west, &north, &FeedId::Root).await;
    for uid in uids {
        assert_eq!(wrapped(&west, &uid), None);
        assert!(west.state().problem(&uid).is_some());
        let wrap = under(b"another data key");
        let rewrap = RewrapRoot { uid, wrap };
        north.done(Command::RewrapRoot(rewrap)).await;
    }
    for uid in uids {
        eventually("the key has come", || wrapped(&west, &uid).is_some()).await;
        assert!(west.state().problem(&uid).is_none());
    }
}
