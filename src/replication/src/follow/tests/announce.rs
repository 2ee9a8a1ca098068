use bytes::Bytes;
use machine::{
    AdmitNode, Command, Epoch, FeedId, Hash, IssueJoinToken, Node, NodeId, Scope, Stamp,
    UpdateRegion,
};

use super::support::pair;
use crate::follow::announce::{due, wanted};
use crate::kit::{Kingdom, NORTH, WEST, epoch, node};

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

/// Whether a node of a region tells of it, and whom, while another one leads there.
fn told(of: &Kingdom, own: u64, leader: u64, claims: &[(FeedId, Epoch)]) -> Option<String> {
    let leader = Some(NodeId(leader));
    let due = due(
        &of.state,
        claims,
        NodeId(own),
        leader,
        authority(b"authority"),
    );
    due.map(|(_, primary)| primary.expect("a primary").to_string())
}

fn admit(to: &mut Kingdom, node: Node) {
    let token_digest = Hash([5; 32]);
    to.done(Command::IssueJoinToken(IssueJoinToken {
        digest: token_digest,
        expires: Stamp(u64::MAX >> 12),
    }));
    to.done(Command::AdmitNode(AdmitNode { token_digest, node }));
}

#[test]
fn a_node_that_is_known_speaks_for_a_leader_that_is_not() {
    let (_, mut west) = pair(Scope::Selected);
    admit(&mut west, node(WEST, 2));
    let north = Some(NORTH.to_owned());
    assert_eq!(
        (told(&west, 1, 1, &[]), told(&west, 2, 1, &[])),
        (north.clone(), None)
    );
    // Other regions refuse what they do not know.
    assert_eq!(
        (told(&west, 1, 2, &[]), told(&west, 2, 2, &[])),
        (north, None)
    );
}

#[test]
fn a_region_that_was_taken_over_tells_the_new_primary_of_all_its_nodes() {
    let (mut north, _) = pair(Scope::All);
    admit(&mut north, node(NORTH, 2));
    // As long as it leads the root feed nobody else is asked.
    let itself = Some(NORTH.to_owned());
    assert_eq!(
        (told(&north, 1, 2, &[]), told(&north, 2, 2, &[])),
        (None, itself)
    );
    let region = wanted(&north.state, authority(b"authority")).expect("to be renewed");
    north.done(Command::UpdateRegion(UpdateRegion { region }));
    assert_eq!(told(&north, 2, 2, &[]), None);

    // Its last word of itself did not come to the one that took over, which knows the first only.
    let west = Some(WEST.to_owned());
    let claims = [(FeedId::Root, epoch(2, WEST))];
    assert_eq!(
        (told(&north, 1, 2, &claims), told(&north, 2, 2, &claims)),
        (west.clone(), west)
    );
}
