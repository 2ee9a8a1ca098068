//! Feeds that are so far ahead that a snapshot is fetched.

use machine::{Command, FeedId, Revision, Scope, TrimFeed};

use crate::linked::{beside, caught_up, has, north_home, stands};
use crate::support::region::{Served, value};
use crate::support::{NORTH, WEST, eventually};

/// North after it has written more than its journal keeps.
async fn trimmed() -> (Served, machine::Uid, machine::Uid) {
    let north = Served::founder(NORTH).await;
    north
        .pipes
        .is_told_of
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let hidden = north.create(100, &[]).await;
    let shown = north.create(100, &[]).await;
    for number in 2..=40 {
        north.put(shown, value(number, 3_000)).await;
    }
    let upto = Revision(stands(&north, &north_home()).revision.0 - 2);
    let feed = north_home();
    north.done(Command::TrimFeed(TrimFeed { feed, upto })).await;
    (north, hidden, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_that_comes_late_gets_a_snapshot_and_goes_on_from_there() {
    let (north, hidden, shown) = trimmed().await;
    let west = beside(&north, WEST, Scope::All).await;
    caught_up(&west, &north, &FeedId::Root).await;
    caught_up(&west, &north, &north_home()).await;
    for number in 1..=40 {
        assert!(has(&west, &shown, number));
    }
    assert!(has(&west, &hidden, 1));
    let late = north.create(100, &[]).await;
    caught_up(&west, &north, &north_home()).await;
    assert!(has(&west, &late, 1));
    assert!(
        west.state()
            .feed(&north_home())
            .unwrap()
            .staging()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_that_is_sent_some_secrets_gets_the_commitments_of_the_others() {
    let (north, hidden, shown) = trimmed().await;
    let west = beside(&north, WEST, Scope::Selected).await;
    caught_up(&west, &north, &north_home()).await;
    assert!(west.state().secret(&hidden).is_none());
    assert!(west.state().secret(&shown).is_none());
    assert!(west.state().counts().withheld > 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_kept_of_another_snapshot_is_forgotten_first() {
    let (north, _, shown) = trimmed().await;
    let west = beside(&north, WEST, Scope::All).await;
    // A row of a snapshot that nobody will go on with.
    let at = stands(&north, &north_home());
    let key = machine::RowKey::Secret(north_home().uid_of([0; 16]));
    let row = machine::Row::hidden(&north_home(), Revision(1), machine::Hash([1; 32]));
    let stage = machine::StageRows {
        feed: north_home(),
        at: machine::Cursor {
            revision: Revision(at.revision.0 - 1),
            ..at
        },
        first: 0,
        rows: vec![machine::StagedRow {
            key,
            row,
            wrap: None,
            problem: String::new(),
        }],
    };
    let _ = west.try_done(Command::StageRows(stage)).await;
    caught_up(&west, &north, &north_home()).await;
    eventually("nothing is kept any more", || {
        let view = west.state();
        view.feed(&north_home()).unwrap().staging().is_none()
    })
    .await;
    assert!(has(&west, &shown, 40));
}
