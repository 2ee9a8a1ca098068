//! R28: what one node hears of a higher ballot keeps the whole region from writing.

use std::sync::Arc;

use machine::{
    Command, DeleteSecret, Epoch, FeedId, FenceFeed, Scope, Seen, State, TakeOver, UnlinkRegion,
};

use super::eventually;
use super::linked::{OTHER, Remote, apply, home, linked, name};
use super::node::{Disk, REGION, Settings};
use super::region::{Region, create, propose, uid_of, value};
use crate::{Epochs, Unavailable};

/// The test region as a state: linked to the other one, of whose root feed it knows.
fn state() -> State {
    let mut state = State::new();
    apply(&mut state, 1, 1, Command::Found(linked(Scope::Selected)));
    let remote = Remote::new(Scope::Selected);
    let root = remote.changes(&FeedId::Root, &state);
    apply(&mut state, 2, 2, Command::ImportChanges(root));
    state
}

fn ballot(number: u64, region: &str) -> Epoch {
    Epoch {
        number,
        region: name(region),
    }
}

#[test]
fn only_what_a_region_may_claim_is_heard() {
    let state = state();
    let own = home(REGION);
    let reach = machine::limits::BALLOT_STEP_MAX;
    let fences = |feed: &FeedId, epoch: Epoch| {
        let epochs = Epochs::default();
        epochs.hear(&state, &[(feed.clone(), epoch)]);
        epochs
            .claims(&state)
            .contains(&(feed.clone(), ballot(2, OTHER)))
            || epochs.fenced(&state, feed).is_some()
    };
    assert!(fences(&own, ballot(2, OTHER)));
    assert!(fences(&own, ballot(1 + reach, OTHER)));
    assert!(!fences(&own, ballot(2 + reach, OTHER)), "out of reach");
    assert!(!fences(&own, ballot(2, REGION)), "in this region's name");
    assert!(!fences(&own, ballot(2, "eu-west-9")), "not linked");
    assert!(!fences(&own, ballot(0, OTHER)), "below the one held");
    assert!(!fences(&home("eu-west-9"), ballot(2, OTHER)), "no feed");
    // Equal numbers: the region decides.
    assert!(fences(&own, ballot(1, OTHER)));
    let epochs = Epochs::default();
    // Only a region that receives all, or the founder, leads the root feed; nobody fences a feed
    // that is not led from here.
    epochs.hear(&state, &[(FeedId::Root, ballot(2, OTHER))]);
    assert_eq!(epochs.fenced(&state, &FeedId::Root), None);
    assert!(
        epochs
            .claims(&state)
            .contains(&(FeedId::Root, ballot(2, OTHER)))
    );
}

#[test]
fn the_highest_ballot_is_told_until_the_state_holds_as_high_a_one() {
    let mut state = state();
    let own = home(REGION);
    let epochs = Epochs::default();
    let mut watch = epochs.watch();
    assert_eq!(epochs.news(&state), []);
    for number in [3, 2] {
        epochs.hear(&state, &[(own.clone(), ballot(number, OTHER))]);
    }
    assert!(watch.has_changed().expect("it lives"));
    let highest = [(own.clone(), ballot(3, OTHER))];
    assert_eq!(epochs.fenced(&state, &own), Some(ballot(3, OTHER)));
    assert_eq!(epochs.news(&state), highest);
    assert_eq!(epochs.unnoted(&state), highest);
    let [heard] = highest;
    assert_eq!(
        epochs.claims(&state),
        [(FeedId::Root, ballot(1, OTHER)), heard]
    );
    watch.mark_unchanged();
    epochs.hear(&state, &[(own.clone(), ballot(3, OTHER))]);
    assert!(!watch.has_changed().expect("it lives"), "it is known");
    // The log knows it too: what a node that starts again has not heard is fenced all the same.
    let fence = FenceFeed {
        feed: own.clone(),
        epoch: ballot(3, OTHER),
    };
    apply(&mut state, 3, 3, Command::FenceFeed(fence));
    assert_eq!(epochs.unnoted(&state), []);
    assert_eq!(
        Epochs::default().fenced(&state, &own),
        Some(ballot(3, OTHER))
    );
    let started = Epochs::default().claims(&state);
    assert!(
        started.contains(&(own.clone(), ballot(3, OTHER))),
        "whoever promotes must go above it: {started:?}"
    );
    // A lower one that is heard again hides it from nobody.
    let epochs = Epochs::default();
    epochs.hear(&state, &[(own.clone(), ballot(2, OTHER))]);
    assert!(epochs.claims(&state).contains(&(own, ballot(3, OTHER))));
}

#[test]
fn a_command_is_held_against_the_feed_whose_primary_it_asks() {
    let mut remote = Remote::new(Scope::Selected);
    let uid = remote.creates(1, value(1, 10));
    let mut state = state();
    let changes = remote.changes(&home(OTHER), &state);
    apply(&mut state, 3, 3, Command::ImportChanges(changes.clone()));
    let feed = |command: Command| command.feed(&state);
    let delete = |uid| {
        Command::DeleteSecret(DeleteSecret {
            uid,
            window_days: None,
            seen: Seen::default(),
        })
    };
    assert_eq!(feed(create(None).1), Some(home(REGION)));
    assert_eq!(feed(delete(uid)), Some(home(OTHER)));
    assert_eq!(feed(delete(uid_of(OTHER, 9))), None, "it is not here");
    let region = name(OTHER);
    let unlink = UnlinkRegion {
        region: region.clone(),
    };
    assert_eq!(feed(Command::UnlinkRegion(unlink)), Some(FeedId::Root));
    // What makes a region lead, or takes in what another one wrote, asks no primary.
    let heard = Vec::new();
    assert_eq!(feed(Command::TakeOver(TakeOver { region, heard })), None);
    assert_eq!(feed(Command::ImportChanges(changes)), None);
}

/// A region of three, linked to the other one.
async fn region() -> Region {
    let remote = Remote::new(Scope::Selected);
    Region::linked(&remote, Disk::memory(1), 3, Settings::default()).await
}

fn hears(region: &Region, node: u64, claim: (FeedId, Epoch)) {
    let node = region.node(node);
    let view = node.consensus.local_view();
    node.disk.epochs.hear(&view, &[claim]);
}

#[tokio::test]
async fn what_one_node_hears_all_nodes_know_and_none_writes() {
    let own = home(REGION);
    for from_leader in [1, 0] {
        let region = region().await;
        let leader = region.leader().await;
        let hearing = (leader + from_leader - 1) % 3 + 1;
        hears(&region, hearing, (own.clone(), ballot(2, OTHER)));
        eventually("all nodes know", || {
            region.nodes.values().all(|node| {
                let view = node.consensus.local_view();
                node.consensus.epochs().fenced(&view, &own) == Some(ballot(2, OTHER))
            })
        })
        .await;
        for via in region.ids() {
            let refused = region.write(via).await.expect_err("it was taken over");
            assert!(refused.is_safe_to_retry());
            let Unavailable::Fenced { feed, epoch } = refused else {
                panic!("{refused}");
            };
            assert_eq!((feed, epoch), (own.clone(), ballot(2, OTHER)));
        }
    }
}

#[tokio::test]
async fn a_follower_that_has_heard_tells_the_leader_with_the_write_itself() {
    let region = region().await;
    let leader = region.leader().await;
    let follower = leader % 3 + 1;
    region.write(follower).await.expect("a connection");
    // No beat is answered in between that would tell it before.
    let consensus = region.node(follower).consensus.clone();
    let epochs = Arc::clone(&region.node(follower).disk.epochs);
    let written = region.node(follower).run(move |_| async move {
        let claim = (home(REGION), ballot(2, OTHER));
        epochs.hear(&consensus.local_view(), &[claim]);
        let (_, command) = create(None);
        propose(consensus, command, super::soon()).await
    });
    let refused = written.await.expect_err("it was taken over");
    assert!(matches!(refused, Unavailable::Fenced { .. }), "{refused}");
}

#[tokio::test]
async fn a_ballot_is_noted_while_no_disk_has_space() {
    let region = region().await;
    for node in region.nodes.values() {
        node.consensus.tell_space_low(true);
        node.consensus.tell_free_bytes(1, 0);
    }
    let leader = region.leader().await;
    let members = &region.node(leader).consensus.inner.members;
    eventually("it is known that nobody has space", || {
        members.heir_with_space().is_none()
    })
    .await;
    let refused = region.write(leader).await.expect_err("there is no space");
    assert!(matches!(refused, Unavailable::NoSpace), "{refused}");
    let own = home(REGION);
    hears(&region, leader, (own.clone(), ballot(2, OTHER)));
    let due = {
        let view = region.node(leader).consensus.local_view();
        region.node(leader).consensus.epochs().unnoted(&view)
    };
    assert_eq!(due, [(own.clone(), ballot(2, OTHER))]);
    for (feed, epoch) in due {
        let fence = FenceFeed { feed, epoch };
        region.accepts(Command::FenceFeed(fence)).await;
    }
    region.agree().await;
    for node in region.nodes.values() {
        let view = node.consensus.local_view();
        assert_eq!(view.fence(&own), Some(&ballot(2, OTHER)));
        assert_eq!(node.consensus.epochs().unnoted(&view), []);
    }
}

#[tokio::test]
async fn messages_carry_nothing_while_nothing_was_heard_above_what_is_held() {
    let region = region().await;
    let links = &region.node(1).consensus.inner.links;
    assert!(links.origin().epochs.is_empty());
    hears(&region, 1, (home(REGION), ballot(2, OTHER)));
    assert_eq!(links.origin().epochs.len(), 1);
    assert!(links.own().epochs.is_empty(), "that of a stream");
    // A state in which it does not count, as it does not in one that holds it: it is forgotten.
    let epochs = &region.node(1).disk.epochs;
    assert!(!epochs.is_empty());
    let alone = State::new();
    assert_eq!(epochs.news(&alone), []);
    assert!(epochs.is_empty());
    assert!(links.origin().epochs.is_empty());
}
