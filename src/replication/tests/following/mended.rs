//! Rows that are not what the primary has.

use machine::{Bucket, Checkpoint, Command, MendBucket, RowKey, Scope};

use crate::linked::{caught_up, has, north_home, pair, stands};
use crate::support::eventually;
use crate::support::region::Served;

/// Takes a secret's row out of a region, as a damaged store might.
async fn spoil(west: &Served, key: RowKey) {
    let mend = MendBucket {
        feed: north_home(),
        at: stands(west, &north_home()),
        bucket: Bucket::of(&key.encode()),
        rows: Vec::new(),
    };
    west.done(Command::MendBucket(mend)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rows_that_differ_are_found_at_a_checkpoint_and_put_right() {
    let (north, west) = pair(Scope::All).await;
    let uid = north.create(100, &[]).await;
    north.create(100, &[]).await;
    caught_up(&west, &north, &north_home()).await;
    spoil(&west, RowKey::Secret(uid)).await;
    let hash = |region: &Served| region.state().feed(&north_home()).map(machine::Feed::hash);
    assert_ne!(hash(&west), hash(&north));
    assert!(west.state().secret(&uid).is_none());
    let checkpoint = || Command::Checkpoint(Checkpoint { feed: north_home() });
    north.done(checkpoint()).await;
    eventually("the rows are right again", || {
        stands(&west, &north_home()) == stands(&north, &north_home()) && hash(&west) == hash(&north)
    })
    .await;
    eventually("the secret can be read again", || has(&west, &uid, 1)).await;
    // The next comparison says so.
    north.create(100, &[]).await;
    north.done(checkpoint()).await;
    eventually("there is no problem any more", || {
        west.state().problem(&north_home().uid()).is_none()
    })
    .await;
}
