//! The task of one region: opens a stream to one of its nodes, and another one when that ends.

use std::sync::Arc;

use machine::{Node, NodeId};
use tokio::time::sleep;

use crate::follow::Following;
use crate::follow::closed::Closed;
use crate::follow::line::Line;
use crate::follow::route::{End, Route};
use crate::follow::stream::follow;
use crate::limits::BACKOFF_MIN;

/// Follows a region until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let (mut route, mut is_first, mut has_failed) = (Route::default(), true, false);
    loop {
        let Some(node) = next(&following, &line, &mut route) else {
            sleep(BACKOFF_MIN).await;
            continue;
        };
        let (id, began) = (node.id, following.now());
        let closed = follow(&following, &line, &route, node, is_first).await;
        let was_open = line.node.send_replace(None).is_some();
        let end = closed.end();
        tell(&line, id, &closed, end, was_open || !has_failed);
        following.progress.closed(&line.region, end, &closed);
        has_failed = end != End::Renewed && !was_open;
        is_first = end != End::Renewed || (is_first && !was_open);
        let now = following.now();
        let pause = route.ended(id, end, now.saturating_sub(began), now, jitter());
        sleep(pause).await;
    }
}

fn next(following: &Following, line: &Line, route: &mut Route) -> Option<Node> {
    let view = following.view();
    let nodes = &view.linked(&line.region)?.nodes;
    let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
    let next = route.next(&ids, following.now())?;
    nodes.iter().find(|node| node.id == next).cloned()
}

/// Tells an operator of the first failure of several only.
fn tell(line: &Line, node: NodeId, closed: &Closed, end: End, is_news: bool) {
    let region = &line.region;
    match end {
        End::Renewed | End::Elsewhere(_) => {
            tracing::debug!(%region, %node, reason = %closed, "a stream ended");
        }
        End::Faulty => tracing::error!(%region, %node, reason = %closed, "a stream was ended"),
        End::Lost if is_news => {
            tracing::warn!(%region, %node, reason = %closed, "a region is not followed");
        }
        End::Lost => tracing::debug!(%region, %node, reason = %closed, "a stream ended"),
    }
}

/// Between 0 and 1; without randomness in the middle.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
