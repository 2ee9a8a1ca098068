//! The region directory: entries that keep themselves true, and what follows from them.

use machine::{FeedId, Scope};

use crate::linked::{caught_up, pair};
use crate::support::region::audit;
use crate::support::{NORTH, WEST, eventually, home, name, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_joins_gets_into_the_directory_of_all_regions() {
    let (north, mut west) = pair(Scope::Selected).await;
    caught_up(&west, &north, &FeedId::Root).await;
    west.join().await;
    eventually("north knows the node", || {
        let view = north.state();
        let entry = view.linked(&name(WEST)).unwrap();
        entry.nodes.len() == 2 && entry.scope == Scope::Selected
    })
    .await;
    caught_up(&west, &north, &FeedId::Root).await;
    assert_eq!(west.state().linked(&name(WEST)).unwrap().nodes.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_that_is_unlinked_follows_no_more() {
    let (north, west) = pair(Scope::Selected).await;
    caught_up(&west, &north, &FeedId::Root).await;
    caught_up(&north, &west, &home(WEST)).await;
    let replication = &west.first().replication;
    let is_followed = || {
        let all = replication.progress().all();
        all.iter()
            .any(|(region, told)| *region == name(NORTH) && told.node.is_some())
    };
    eventually("a stream is open", is_followed).await;
    // Whoever leads a feed cannot be unlinked.
    let taking = &north.first().replication;
    let taken = taking.promote(&name(WEST), true, audit(), soon()).await;
    taken.expect("promoted");
    north.unlink(WEST).await;
    eventually("the stream has ended", || !is_followed()).await;
}
