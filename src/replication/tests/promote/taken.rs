//! What a promotion asks, writes and reports.

use std::time::Duration;

use consensus::Keep;
use machine::{
    Command, Cursor, Epoch, FeedId, FenceFeed, ImportChanges, ImportedChange, Introduction,
    Rejection, Revision, Scope, SentBody, UpdateRegion, Wrap,
};
use strongroom_replication::{Further, PromoteError, PromoteReport};

use crate::others::{Answers, serve};
use crate::support::copy::start;
use crate::support::region::{KEY, Served, audit, entry};
use crate::support::{NORTH, SOUTH, WEST, home, name, soon};

/// A region that has all of north's feeds, and north, which nobody can reach until it is served.
async fn followed(scope: Scope) -> (Served, Served) {
    let north = Served::founder(NORTH).await;
    let region = entry(NORTH, Scope::Founder);
    north
        .done(Command::UpdateRegion(UpdateRegion { region }))
        .await;
    north.link(WEST, scope).await;
    north.link(SOUTH, Scope::Selected).await;
    north.create(100, &[WEST]).await;
    north.create(100, &[]).await;
    let introduction = Introduction {
        regions: vec![
            entry(NORTH, Scope::Founder),
            entry(WEST, scope),
            entry(SOUTH, Scope::Selected),
        ],
        home_exists: false,
    };
    let pipes = std::sync::Arc::default();
    let west = Served::found(&pipes, WEST, Keep::default(), Some(introduction)).await;
    for feed in [FeedId::Root, home(NORTH)] {
        import(&west, &north, &feed).await;
    }
    (west, north)
}

/// Takes in all that there is of a feed.
async fn import(to: &Served, from: &Served, feed: &FeedId) {
    let state = from.state();
    let after = to
        .state()
        .feed(feed)
        .map_or_else(start, machine::Feed::cursor);
    let outgoing = state
        .outgoing(feed, &after, &name(&to.name))
        .expect("served");
    let changes = outgoing.map(|change| ImportedChange {
        header: change.header,
        body: match change.body {
            machine::Body::Here(framed) => Some(SentBody {
                blind: framed.blind,
                bytes: framed.bytes,
                wrap: matches!(change.key, machine::RowKey::Version(..)).then(|| Wrap {
                    key_id: KEY,
                    key_version: 1,
                    wrapped_dek: vec![1; 48].into(),
                }),
                problem: String::new(),
            }),
            _ => None,
        },
    });
    let import = ImportChanges {
        feed: feed.clone(),
        after,
        changes: changes.collect(),
    };
    to.done(Command::ImportChanges(import)).await;
}

async fn promote(west: &Served, force: bool) -> Result<PromoteReport, PromoteError> {
    let replication = &west.first().replication;
    replication
        .promote(&name(NORTH), force, audit(), soon())
        .await
}

fn stands(region: &Served, feed: &FeedId) -> Cursor {
    region.state().feed(feed).expect("a feed").cursor()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_regions_feeds_are_led_from_here_at_once() {
    let (west, north) = followed(Scope::All).await;
    let report = promote(&west, false).await.expect("taken over");
    // What is above 500 ms is left to a machine that is busy.
    assert!(report.took < Duration::from_secs(2), "{:?}", report.took);
    assert_eq!(report.unreached, [name(NORTH), name(SOUTH)]);
    assert!(report.left.is_empty());
    let feeds: Vec<_> = report
        .feeds
        .iter()
        .map(|taken| taken.feed.clone())
        .collect();
    assert_eq!(feeds, [FeedId::Root, home(NORTH)]);
    for taken in &report.feeds {
        assert_eq!(taken.epoch, ballot(2, WEST));
        assert_eq!(taken.last.revision, stands(&north, &taken.feed).revision);
        assert_eq!(
            (taken.missing, taken.unheard, taken.withheld_secrets),
            (0, None, 0)
        );
        assert_eq!(taken.further, None);
        assert!(west.state().is_primary(&taken.feed));
    }
    let again = promote(&west, false).await.expect_err("nothing is left");
    assert!(
        matches!(
            again,
            PromoteError::Rejected(Rejection::NothingToTakeOver(_))
        ),
        "{again}"
    );
}

fn ballot(number: u64, region: &str) -> Epoch {
    Epoch {
        number,
        region: name(region),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_answers_with_a_quorum_is_not_lost_unless_it_is_meant_so() {
    let (west, north) = followed(Scope::All).await;
    let living = Answers {
        feeds: vec![(home(NORTH), stands(&north, &home(NORTH)))],
        leads: vec![home(NORTH)],
        ..Answers::default()
    };
    serve(&west.pipes, NORTH, &living);
    let refused = promote(&west, false).await.expect_err("it answers");
    let PromoteError::LostAnswers { region, leads } = refused else {
        panic!("{refused}");
    };
    assert_eq!((region, leads), (name(NORTH), vec![home(NORTH)]));
    assert!(!west.state().is_primary(&home(NORTH)));
    let report = promote(&west, true).await.expect("taken over");
    assert_eq!(report.unreached, [name(SOUTH)]);
    assert!(west.state().is_primary(&home(NORTH)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_answers_without_a_quorum_is_lost() {
    let (west, _) = followed(Scope::All).await;
    serve(&west.pipes, NORTH, &Answers::default());
    promote(&west, false).await.expect("taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_region_is_waited_for_300_ms() {
    let (west, _) = followed(Scope::All).await;
    for region in [NORTH, SOUTH] {
        let silent = Answers {
            is_silent: true,
            ..Answers::default()
        };
        serve(&west.pipes, region, &silent);
    }
    let report = promote(&west, false).await.expect("taken over");
    // What is above is left to a machine that is busy.
    let waited = Duration::from_millis(290)..Duration::from_secs(2);
    assert!(waited.contains(&report.took), "{:?}", report.took);
    assert_eq!(report.unreached, [name(NORTH), name(SOUTH)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ballot_is_above_all_that_anybody_heard_of() {
    let (west, _) = followed(Scope::All).await;
    let knowing = Answers {
        claims: vec![
            (home(NORTH), ballot(7, SOUTH)),
            // Made by this region before it was restored.
            (FeedId::Root, ballot(9, WEST)),
            // Out of reach: it would use the numbers up.
            (home(SOUTH), ballot(u64::MAX, SOUTH)),
        ],
        ..Answers::default()
    };
    serve(&west.pipes, SOUTH, &knowing);
    let report = promote(&west, false).await.expect("taken over");
    let epochs: Vec<_> = report
        .feeds
        .iter()
        .map(|taken| taken.epoch.number)
        .collect();
    assert_eq!(epochs, [10, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ballot_out_of_reach_hides_no_other() {
    let (west, _) = followed(Scope::All).await;
    let hostile = Answers {
        claims: vec![
            (home(NORTH), ballot(5, SOUTH)),
            (home(NORTH), ballot(u64::MAX - 1, SOUTH)),
        ],
        ..Answers::default()
    };
    serve(&west.pipes, SOUTH, &hostile);
    let report = promote(&west, false).await.expect("taken over");
    assert_eq!(report.feeds[1].epoch, ballot(6, WEST));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_is_missing_and_who_has_more() {
    let (west, north) = followed(Scope::All).await;
    let at = stands(&north, &home(NORTH));
    let beyond = |more: u64| Cursor {
        revision: Revision(at.revision.0 + more),
        ..at.clone()
    };
    let other = Cursor {
        epoch: Some(ballot(3, SOUTH)),
        ..beyond(90)
    };
    let ahead = Answers {
        feeds: vec![(home(NORTH), beyond(4)), (FeedId::Root, other)],
        ..Answers::default()
    };
    serve(&west.pipes, SOUTH, &ahead);
    let lost = Answers {
        feeds: vec![(home(NORTH), beyond(6))],
        leads: vec![home(NORTH)],
        ..Answers::default()
    };
    serve(&west.pipes, NORTH, &lost);
    let report = promote(&west, true).await.expect("taken over");
    let [root, of_north] = &report.feeds[..] else {
        panic!("{report:?}");
    };
    assert_eq!(of_north.missing, 6, "as it said itself");
    let further = Further {
        region: name(SOUTH),
        changes: 4,
    };
    assert_eq!(of_north.further, Some(further));
    assert_eq!(
        (root.missing, &root.further),
        (0, &None),
        "of another epoch nothing is compared"
    );
    assert!(report.unreached.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_in_an_epoch_that_did_not_come_here_is_missing() {
    let (west, _) = followed(Scope::All).await;
    west.create(100, &[]).await;
    let (own, taken) = (home(WEST), ballot(2, NORTH));
    west.done(Command::FenceFeed(FenceFeed {
        feed: own.clone(),
        epoch: taken.clone(),
    }))
    .await;
    let at = stands(&west, &own);
    let beyond = Cursor {
        epoch: Some(taken),
        revision: Revision(at.revision.0 + 5),
        ..at
    };
    let lost = Answers {
        feeds: vec![(own.clone(), beyond)],
        ..Answers::default()
    };
    serve(&west.pipes, NORTH, &lost);
    let report = promote(&west, false).await.expect("taken over");
    let mut feeds = report.feeds.iter();
    let taken = feeds.find(|taken| taken.feed == own).expect("taken back");
    assert_eq!((taken.missing, &taken.epoch), (5, &ballot(3, WEST)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_announces_only_what_it_leads() {
    let (west, _) = followed(Scope::All).await;
    let at = |region| Cursor {
        epoch: Some(ballot(9, region)),
        ..stands(&west, &home(NORTH))
    };
    let lost = Answers {
        feeds: vec![(home(WEST), at(NORTH)), (home(SOUTH), at(NORTH))],
        ..Answers::default()
    };
    serve(&west.pipes, NORTH, &lost);
    promote(&west, false).await.expect("taken over");
    assert_eq!(west.first().replication.heard().all(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_somebody_else_is_none() {
    let (west, _) = followed(Scope::All).await;
    let forged = Answers {
        leads: vec![home(NORTH)],
        is_forged: true,
        ..Answers::default()
    };
    serve(&west.pipes, NORTH, &forged);
    let report = promote(&west, false).await.expect("taken over");
    assert!(report.unreached.contains(&name(NORTH)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_region_may_not_lead_is_left_and_what_it_cannot_read_is_counted() {
    let (west, _) = followed(Scope::Selected).await;
    let report = promote(&west, false).await.expect("taken over");
    assert_eq!(report.left, [FeedId::Root]);
    let [taken] = &report.feeds[..] else {
        panic!("{report:?}");
    };
    assert_eq!((&taken.feed, taken.withheld_secrets), (&home(NORTH), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_does_not_take_over_itself() {
    let (west, _) = followed(Scope::All).await;
    let replication = &west.first().replication;
    let promoted = replication
        .promote(&name(WEST), true, audit(), soon())
        .await;
    assert!(matches!(promoted, Err(PromoteError::OwnRegion(_))));
}
