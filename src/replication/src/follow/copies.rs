//! The task that sees to this region's copies of others' secrets: that their keys are wrapped as
//! the secrets say, and that the primaries know how far they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::{Node, Uid};
use tokio::time::{Instant, sleep, sleep_until};
use wire::replication::v1;

use crate::codec;
use crate::follow::Following;
use crate::follow::failed::{Failed, in_time};
use crate::follow::line::{Line, client};
use crate::follow::reports::{Due, Reports, by_region, due, hidden};
use crate::follow::rewrap::{Wanted, rewrap, wanted};
use crate::follow::supervisor::Lines;
use crate::follow::touched::List;
use crate::limits::{
    COPIES_STEP, REASONS_MAX, REPORT_INTERVAL, REPORT_LINGER, REPORT_PAUSE, REPORTS_MAX,
    TOUCHED_MAX,
};
use crate::work;

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, lines: Lines) {
    let mut copies = Copies {
        following,
        lines,
        reports: Reports::default(),
        again: BTreeSet::new(),
        again_at: Instant::now(),
        reasons: BTreeMap::new(),
    };
    // That copies were read is reported with the next walk over all of them.
    let mut walk_at = Instant::now();
    loop {
        let wake_at = match copies.again.is_empty() {
            true => walk_at,
            false => walk_at.min(copies.again_at),
        };
        tokio::select! {
            () = copies.following.touched.wait() => {}
            () = sleep_until(wake_at) => {}
        }
        sleep(REPORT_LINGER).await;
        let list = copies.following.touched.take();
        let is_due = Instant::now() >= walk_at;
        if is_due || list.is_all {
            walk_at = Instant::now() + REPORT_INTERVAL;
        }
        copies.turn(list, is_due).await;
    }
}

struct Copies {
    following: Arc<Following>,
    lines: Lines,
    reports: Reports,
    /// What a region did not take, although it is there.
    again: BTreeSet<Uid>,
    again_at: Instant,
    /// Why secrets are not under the key they should be under, in words.
    reasons: BTreeMap<Uid, String>,
}

impl Copies {
    /// Looks at what was touched, and at all if that is due, or any may have been.
    async fn turn(&mut self, list: List, is_due: bool) {
        match list.is_all {
            // Some of them may have been shared anew.
            true => self.reports.forget(),
            false => self.reports.forget_of(&list.anew),
        }
        // A primary that was away may have been restored, or be another one.
        list.begun
            .iter()
            .for_each(|region| self.reports.forget_to(region));
        let mut touched = list.uids;
        if is_due {
            touched.extend(self.reasons.keys());
        }
        let touched: Vec<Uid> = touched.into_iter().collect();
        for uids in touched.chunks(COPIES_STEP) {
            self.rewrap(uids.to_vec()).await;
        }
        let again = match Instant::now() >= self.again_at {
            true => std::mem::take(&mut self.again),
            false => BTreeSet::new(),
        };
        self.tell(touched.into_iter().chain(again)).await;
        if is_due || list.is_all || !list.begun.is_empty() {
            self.walk(list.is_all).await;
        }
    }

    /// Looks at all copies.
    async fn walk(&mut self, is_any_touched: bool) {
        let hidden = hidden(&self.following.view());
        self.tell(hidden).await;
        let mut after = None;
        loop {
            let view = self.following.view();
            let step = view.listed_after(after).take(COPIES_STEP);
            let uids: Vec<Uid> = step.map(|(_, secret)| secret.uid).collect();
            drop(view);
            after = uids.last().copied();
            if after.is_none() {
                return;
            }
            if is_any_touched {
                self.rewrap(uids.clone()).await;
            }
            self.tell(uids).await;
        }
    }

    /// Wraps anew what has to be.
    async fn rewrap(&mut self, uids: Vec<Uid>) {
        let (view, context) = (self.following.view(), Arc::clone(&self.following.context));
        let looked_at = work::run(move || {
            let keys = context.options.keys.as_ref();
            let looked_at = uids.into_iter().map(|uid| (uid, wanted(&view, keys, &uid)));
            looked_at.collect::<Vec<(Uid, Wanted)>>()
        });
        for (uid, wanted) in looked_at.await.unwrap_or_default() {
            let Err(reason) = rewrap(&self.following, wanted).await else {
                self.reasons.remove(&uid);
                continue;
            };
            if self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&uid) {
                tracing::warn!(%uid, reason, "a copy is not under the key that its secret names");
                self.reasons.insert(uid, reason);
            }
        }
    }

    /// Tells what is new of some secrets. Regions to which there is no stream are told everything
    /// when there is one.
    async fn tell(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let view = self.following.view();
        let found = uids.into_iter().filter_map(|uid| {
            let reason = self.reasons.get(&uid).map(String::as_str);
            due(&view, &uid, reason)
        });
        let new = self.reports.new_of(found.collect());
        drop(view);
        let lines = self.lines.borrow().clone();
        for (region, due) in by_region(new) {
            let line = lines.get(&region);
            let node = line.and_then(|line| line.node.borrow().clone());
            let Some((line, node)) = line.zip(node) else {
                continue;
            };
            let mut told = 0;
            for part in due.chunks(REPORTS_MAX) {
                if let Err(failed) = send(&self.following, line, &node, part).await {
                    tracing::debug!(%region, %failed, "copies could not be reported");
                    break;
                }
                self.reports.told(part);
                told += part.len();
            }
            // More than there is room for are told with the next walk.
            let room = TOUCHED_MAX.saturating_sub(self.again.len());
            let left = due.iter().skip(told).take(room);
            self.again.extend(left.map(|due| due.report.uid));
            self.again_at = Instant::now() + REPORT_PAUSE;
        }
    }
}

async fn send(following: &Following, line: &Line, node: &Node, due: &[Due]) -> Result<(), Failed> {
    let context = &following.context;
    let mut client = client(context, &line.region, node)?;
    let request = v1::ReportRequest {
        origin: Some(context.origin(&following.view())),
        replicas: due.iter().map(|due| codec::report(&due.report)).collect(),
    };
    in_time(client.report(request)).await?;
    Ok(())
}
