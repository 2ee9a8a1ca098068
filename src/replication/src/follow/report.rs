//! The task that tells the primaries how far this region's copies of their secrets are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use machine::{Node, RegionName, Uid};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use wire::replication::v1;

use crate::codec;
use crate::follow::Following;
use crate::follow::line::{Line, client};
use crate::follow::reports::{Due, Reports, by_region, due, hidden, walk};
use crate::follow::supervisor::Lines;
use crate::follow::touched::Reader;
use crate::limits::{
    MESSAGE_TIMEOUT, REPORT_INTERVAL, REPORT_LINGER, REPORT_PAUSE, REPORTS_MAX, TOUCHED_MAX,
    WALK_SECRETS,
};
use crate::work;

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, lines: Lines) {
    let mut reporter = Reporter {
        following,
        lines,
        reports: Reports::default(),
        begun: BTreeMap::new(),
        again: BTreeSet::new(),
    };
    // Reads of the copies are reported with the next walk over all of them.
    let mut walk_at = Instant::now();
    loop {
        let pause = match reporter.again.is_empty() {
            true => REPORT_INTERVAL,
            false => REPORT_PAUSE,
        };
        tokio::select! {
            () = reporter.following.touched.wait(Reader::Report) => {}
            () = sleep_until(walk_at.min(Instant::now() + pause)) => {}
        }
        sleep(REPORT_LINGER).await;
        reporter.forget_what_may_be_lost();
        let mut list = reporter.following.touched.take(Reader::Report);
        match list.is_all {
            // Some of them may have been shared anew.
            true => reporter.reports.forget(),
            false => reporter.reports.forget_of(&list.anew),
        }
        list.uids.append(&mut reporter.again);
        match list.is_all || Instant::now() >= walk_at {
            true => {
                walk_at = Instant::now() + REPORT_INTERVAL;
                reporter.tell_all().await;
            }
            false => reporter.tell(list.uids).await,
        }
    }
}

struct Reporter {
    following: Arc<Following>,
    lines: Lines,
    reports: Reports,
    /// Streams that were begun to each region when it was last told anything.
    begun: BTreeMap<RegionName, u64>,
    /// What a region did not take, although it is there.
    again: BTreeSet<Uid>,
}

impl Reporter {
    /// A primary that was away may have been restored, or be another one.
    fn forget_what_may_be_lost(&mut self) {
        let lines = self.lines.borrow().clone();
        let begun = lines.iter();
        let begun: BTreeMap<RegionName, u64> = begun
            .map(|(region, line)| (region.clone(), line.begun.load(Ordering::Acquire)))
            .collect();
        if begun != self.begun {
            self.reports.forget();
            self.begun = begun;
        }
    }

    /// Tells everything there is to tell.
    async fn tell_all(&mut self) {
        let hidden = hidden(&self.following.view());
        self.tell(hidden).await;
        let mut after = None;
        loop {
            let view = self.following.view();
            let walked = work::run(move || walk(&view, after, WALK_SECRETS)).await;
            let Ok((uids, next)) = walked else {
                return;
            };
            self.tell(uids).await;
            match next {
                None => return,
                next => after = next,
            }
        }
    }

    /// Tells what is new of some secrets. Regions to which there is no stream are told everything
    /// when there is one.
    async fn tell(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let (view, reasons) = (self.following.view(), self.following.reasons());
        let found = uids.into_iter().filter_map(|uid| {
            let reason = reasons.get(&uid).map(String::as_str);
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
            for part in due.chunks(REPORTS_MAX) {
                match send(&self.following, line, &node, part).await {
                    Ok(()) => self.reports.told(part),
                    Err(reason) => {
                        tracing::debug!(%region, reason, "copies could not be reported");
                        let room = TOUCHED_MAX.saturating_sub(self.again.len());
                        let uids = part.iter().map(|due| due.report.uid);
                        self.again.extend(uids.take(room));
                    }
                }
            }
        }
    }
}

async fn send(following: &Following, line: &Line, node: &Node, due: &[Due]) -> Result<(), String> {
    let context = &following.context;
    let channel = context.options.regions.channel(&line.region, node);
    let mut client = client(channel.map_err(|error| error.to_string())?);
    let request = v1::ReportRequest {
        origin: Some(context.origin(&following.view())),
        replicas: due.iter().map(|due| codec::report(&due.report)).collect(),
    };
    match timeout(MESSAGE_TIMEOUT, client.report(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(_late) => Err("the node did not answer in time".to_owned()),
    }
}
