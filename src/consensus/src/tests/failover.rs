//! How long a region takes no write after its leader is lost, with leases and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::node::Settings;
use super::region::{Region, create, propose};
use crate::{Reads, Timing};

/// Kills the leader of a region that is read all the time, and answers the times without a write.
async fn gaps(reads: Reads, kills: usize) -> Vec<Duration> {
    let settings = Settings {
        reads,
        ..Settings::default()
    };
    let mut region = Region::of(3, settings).await;
    let mut gaps = Vec::new();
    for _ in 0..kills {
        region.agree().await;
        // A node that has just started keeps out of elections for a while.
        tokio::time::sleep(crate::limits::LEASE_MAX).await;
        let leader = region.leader().await;
        let until = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&until);
        let reading = region.node(leader).run(move |consensus| async move {
            while !stop.load(Ordering::Relaxed) {
                let _ = consensus.read(super::soon()).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        tokio::time::sleep(Timing::default().lease() * 3).await;
        until.store(true, Ordering::Relaxed);
        reading.await;
        let disk = region.nodes.remove(&leader).expect("it").crash();
        let began = Instant::now();
        let other = *region.nodes.keys().next().expect("another");
        let written = region.node(other).run(|consensus| async move {
            let (_, command) = create(None);
            propose(consensus, command, super::soon()).await
        });
        written.await.expect("written").answer.expect("accepted");
        gaps.push(began.elapsed());
        region.start(disk).await;
    }
    gaps.sort_unstable();
    gaps
}

#[tokio::test]
#[ignore = "kills leaders for half a minute: a measurement"]
async fn a_lost_leader_is_replaced_as_fast_with_leases_as_without() {
    let count = std::env::var("STRONGROOM_COUNT").ok();
    let kills = count.and_then(|count| count.parse().ok()).unwrap_or(10);
    for reads in [Reads::ReadIndex, Reads::Lease] {
        let gaps = gaps(reads, kills).await;
        let (median, worst) = (gaps[kills / 2], gaps[kills - 1]);
        println!("soak: {kills} kills, {reads:?}: median {median:?}, worst {worst:?}");
        // Two draws of the election timeout, as without leases, and time for a busy machine.
        assert!(median < Timing::default().election_max * 4, "{gaps:?}");
    }
}
