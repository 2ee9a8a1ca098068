//! Giving way: a higher ballot that was heard of for a feed led here goes into the log, so that
//! every node of the region stops, and still does after a restart (R28).

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::{Command, Epoch, FeedId, FenceFeed};
use tokio::time::{sleep, timeout};

use crate::context::Context;
use crate::limits::{FENCE_INTERVAL, PROPOSE_PAUSE};

/// Runs until the node stops, on every node: whoever hears of a ballot first proposes.
pub(super) async fn run(context: Arc<Context>) {
    let stop = context.options.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch(&context) => {}
    }
}

async fn watch(context: &Context) {
    let mut heard = context.options.epochs.watch();
    let mut answered = BTreeMap::new();
    loop {
        heard.borrow_and_update();
        let is_done = fence(context, &mut answered).await;
        sleep(PROPOSE_PAUSE).await;
        // What is led here changes too, and then an old word may be news.
        if is_done && let Ok(Err(_gone)) = timeout(FENCE_INTERVAL, heard.changed()).await {
            return;
        }
    }
}

/// Proposes what was heard; says whether all of it was answered. What the machine answered once is
/// not asked again, whatever the answer was. One ballot is enough to stop this region: the log is
/// not filled with all that come after it.
async fn fence(context: &Context, answered: &mut BTreeMap<FeedId, Epoch>) -> bool {
    let view = context.options.consensus.local_view();
    let mut due = context.options.epochs.unnoted(&view);
    due.retain(|(feed, epoch)| view.fence(feed).is_none() && answered.get(feed) < Some(epoch));
    drop(view);
    let mut is_done = true;
    for (feed, epoch) in due {
        let fence = Command::FenceFeed(FenceFeed {
            feed: feed.clone(),
            epoch: epoch.clone(),
        });
        match context.propose_as_task("fence", fence).await {
            Ok(committed) => {
                let refused = committed.answer.err();
                tracing::warn!(%feed, %epoch, ?refused, "another region took a feed over");
                answered.insert(feed, epoch);
            }
            Err(error) => {
                tracing::warn!(%feed, %epoch, %error, "could not note that a feed was taken over");
                is_done = false;
            }
        }
    }
    is_done
}
