//! Access keys: a region that follows wraps the key of each one's secret under a key of its own.

use std::sync::Arc;

use bytes::Bytes;
use machine::{
    AccessKeyId, Command, CreateCredential, CreateIdentity, EntityName, EntityPath, FeedId, Nature,
    Proof, RewrapRoot, Scope, SealedValue, Seen, Uid, Wrap,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_could_not_be_sent_is_asked_for_until_it_comes() {
    let (north, west) = pair(Scope::Selected).await;
    let uid = make(&north, SHUT).await;
    caught_up(&west, &north, &FeedId::Root).await;
    assert_eq!(wrapped(&west, &uid), None);
    assert!(west.state().problem(&uid).is_some());
    let wrap = under(b"another data key");
    let rewrap = RewrapRoot { uid, wrap };
    north.done(Command::RewrapRoot(rewrap)).await;
    eventually("the key has come", || wrapped(&west, &uid).is_some()).await;
    assert!(west.state().problem(&uid).is_none());
}
