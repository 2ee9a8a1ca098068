use std::sync::Arc;

use bytes::Bytes;
use machine::{
    AdmitNode, Command, Epoch, FeedId, Hash, IssueJoinToken, KeepSigningKey, NodeId, RegionName,
    Scope, SealedValue, SigningKey, Stamp, UpdateRegion, VerifyingKey, Wrap,
};

use super::support::pair;
use crate::follow::announce::{root_primary, speaks, wanted};
use crate::kit::{Kingdom, NORTH, WEST, node};

fn authority(text: &'static [u8]) -> Vec<Bytes> {
    vec![Bytes::from_static(text)]
}

#[test]
fn an_entry_that_is_true_is_left_alone() {
    let (_, west) = pair(Scope::Selected);
    assert_eq!(wanted(&west.state, authority(b"authority")), None);
}

#[test]
fn an_entry_that_is_not_true_any_more_is_renewed_without_a_word_of_its_scope() {
    let (mut north, mut west) = pair(Scope::All);
    let region = wanted(&west.state, authority(b"a newer one")).expect("to be renewed");
    assert_eq!(region.authorities, authority(b"a newer one"));
    assert_eq!(
        (region.nodes.as_slice(), region.scope),
        (&[node(WEST, 1)][..], Scope::Founder)
    );
    north.done(Command::UpdateRegion(UpdateRegion { region }));
    west.follow(
        &machine::FeedId::Root,
        &north,
        &super::support::TestKeys::default(),
    );
    assert_eq!(wanted(&west.state, authority(b"a newer one")), None);
    let scope = west
        .state
        .linked(west.state.region().unwrap())
        .map(|entry| entry.scope);
    assert_eq!(scope, Some(Scope::All));
}

#[test]
fn a_key_that_is_not_in_the_directory_is_told_once() {
    let (mut north, mut west) = pair(Scope::All);
    let key = SigningKey {
        public_key: VerifyingKey([7; 32]),
        sealed: Arc::new(SealedValue {
            nonce: [1; 12],
            ciphertext: Bytes::from_static(&[2; 49]),
        }),
        wrap: Wrap {
            key_id: west.state.default_key().unwrap().id,
            key_version: 1,
            wrapped_dek: Bytes::from_static(b"a data key"),
        },
        created: Stamp(0),
    };
    west.done(Command::KeepSigningKey(KeepSigningKey { key }));
    let region = wanted(&west.state, authority(b"authority")).expect("to be renewed");
    assert_eq!(region.signing_key, Some(VerifyingKey([7; 32])));
    north.done(Command::UpdateRegion(UpdateRegion { region }));
    west.follow(
        &machine::FeedId::Root,
        &north,
        &super::support::TestKeys::default(),
    );
    assert_eq!(wanted(&west.state, authority(b"authority")), None);
}

#[test]
fn the_first_region_puts_itself_into_the_directory() {
    let north = Kingdom::founder();
    assert!(wanted(&north.state, authority(b"authority")).is_some());
}

#[test]
fn a_region_that_knows_no_directory_or_no_authority_says_nothing() {
    let west = Kingdom::linked(WEST, Scope::Selected);
    assert_eq!(wanted(&west.state, authority(b"a newer one")), None);
    let (_, west) = pair(Scope::Selected);
    assert_eq!(wanted(&west.state, Vec::new()), None);
}

#[test]
fn a_node_that_is_known_speaks_for_a_leader_that_is_not() {
    let (_, mut west) = pair(Scope::Selected);
    let token_digest = Hash([5; 32]);
    west.done(Command::IssueJoinToken(IssueJoinToken {
        digest: token_digest,
        expires: Stamp(u64::MAX >> 12),
    }));
    west.done(Command::AdmitNode(AdmitNode {
        token_digest,
        node: node(WEST, 2),
    }));
    let root = root_primary(&west.state, &[]);
    assert_eq!(root.as_ref().map(RegionName::as_str), Some(NORTH));
    let speaks = |own, leader| {
        let leader = Some(NodeId(leader));
        speaks(&west.state, NodeId(own), leader, root.as_ref())
    };
    assert!(wanted(&west.state, authority(b"authority")).is_some());
    assert!(speaks(1, 1) && !speaks(2, 1));
    // Other regions refuse what they do not know.
    assert!(speaks(1, 2) && !speaks(2, 2));
}

#[test]
fn a_region_that_was_taken_over_tells_the_new_primary_of_the_nodes_it_does_not_know() {
    let (mut north, west) = pair(Scope::All);
    north.done(Command::UpdateRegion(UpdateRegion {
        region: wanted(&north.state, authority(b"authority")).expect("to be renewed"),
    }));
    let token_digest = Hash([5; 32]);
    north.done(Command::IssueJoinToken(IssueJoinToken {
        digest: token_digest,
        expires: Stamp(u64::MAX >> 12),
    }));
    north.done(Command::AdmitNode(AdmitNode {
        token_digest,
        node: node(NORTH, 2),
    }));
    assert!(wanted(&north.state, authority(b"authority")).is_some());
    let taken = Epoch {
        number: 2,
        region: west.state.region().unwrap().clone(),
    };
    let speaks = |own, claims: &[(FeedId, Epoch)]| {
        let root = root_primary(&north.state, claims);
        speaks(&north.state, NodeId(own), Some(NodeId(2)), root.as_ref())
    };
    // As long as it leads the root feed nobody else is asked.
    assert!(speaks(2, &[]) && !speaks(1, &[]));
    let claims = [(FeedId::Root, taken)];
    assert!(speaks(1, &claims) && !speaks(2, &claims));
}
