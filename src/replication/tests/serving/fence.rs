//! What is heard of higher ballots, and giving way to them (R28).

use consensus::Proposal;
use machine::{Epoch, FeedId, Scope};
use wire::replication::v1;

use crate::support::copy::start;
use crate::support::following::Following;
use crate::support::region::{Served, audit, create};
use crate::support::{NORTH, SOUTH, WEST, eventually, home, identity, name, soon};

fn ballot(number: u64, region: &str) -> Epoch {
    Epoch {
        number,
        region: name(region),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_ballot_ends_serving_and_goes_into_the_log() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let feeds = [(home(NORTH), start()), (FeedId::Root, start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    west.acknowledge(1, &[]).await;
    assert_eq!(west.answered(1).await.feeds.len(), 2);
    let taken = ballot(2, WEST);
    west.claim(2, &[], &[(home(NORTH), taken.clone())]).await;
    let told = west.not_served().await;
    assert_eq!(told.feed, home(NORTH).to_string());
    assert_eq!(told.reason(), v1::NotServedReason::NotPrimary);
    assert_eq!(told.primary, WEST);
    let alive = west.alive().await;
    let feeds: Vec<_> = alive.feeds.iter().map(|at| &*at.feed).collect();
    assert_eq!(
        feeds,
        ["root"],
        "of the feed that was lost there is no position any more"
    );
    eventually("the ballot is in the log", || {
        north.state().fence(&home(NORTH)) == Some(&taken)
    })
    .await;
    let proposal = Proposal {
        command: create(NORTH, 1, &[]).1,
        audit: audit(),
        deadline: soon(),
    };
    let written = north.first().consensus.propose(proposal).await;
    let refused = written.map(|committed| committed.answer.map(drop));
    assert!(
        !matches!(refused, Ok(Ok(()))),
        "it was written all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ballot_that_is_heard_on_opening_counts() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let heard = [(home(NORTH), ballot(2, WEST))];
    north.first().epochs.hear(&north.state(), &heard);
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    assert_eq!(west.not_served().await.primary, WEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn ballots_of_those_who_may_not_lead_change_nothing() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let feeds = [(home(NORTH), start()), (FeedId::Root, start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let claims = [
        // A region that was never linked, one that would not have all callers, our own name, one
        // that uses all numbers up.
        (home(NORTH), ballot(2, SOUTH)),
        (FeedId::Root, ballot(2, WEST)),
        (home(NORTH), ballot(3, NORTH)),
        (home(NORTH), ballot(u64::MAX, WEST)),
    ];
    for (number, claim) in (1..).zip(claims) {
        west.claim(number, &[], &[claim]).await;
        assert_eq!(
            west.answered(number).await.feeds.len(),
            2,
            "claim {number} counted"
        );
    }
    // Once one that counts is in the log, the others would be too.
    let taken = ballot(2, WEST);
    west.claim(5, &[], &[(home(NORTH), taken.clone())]).await;
    eventually("the ballot is in the log", || {
        north.state().fence(&home(NORTH)).is_some()
    })
    .await;
    assert_eq!(north.state().fence(&home(NORTH)), Some(&taken));
    assert_eq!(north.state().fence(&FeedId::Root), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ballot_is_logged_and_no_higher_one_after_it() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut west = Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("a stream");
    let claim = |number| (home(NORTH), ballot(number, WEST));
    west.claim(1, &[], &[claim(2)]).await;
    eventually("the ballot is in the log", || {
        north.state().fence(&home(NORTH)).is_some()
    })
    .await;
    let index = north.state().index();
    for number in 2..6 {
        west.claim(number, &[], &[claim(number)]).await;
        west.answered(number).await;
    }
    // What is proposed of another feed is proposed after what was heard before.
    let root = (FeedId::Root, ballot(2, WEST));
    west.claim(6, &[], &[claim(9), root]).await;
    eventually("the other ballot is in the log", || {
        north.state().fence(&FeedId::Root).is_some()
    })
    .await;
    assert_eq!(north.state().fence(&home(NORTH)), Some(&ballot(2, WEST)));
    assert_eq!(
        north.state().index().0,
        index.0 + 1,
        "nothing more was proposed"
    );
}
