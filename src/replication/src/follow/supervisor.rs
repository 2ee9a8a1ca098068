//! Follows while this node leads, and stops at once when it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};

use consensus::Role;
use machine::{FeedId, RegionName, State};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::follow::line::Line;
use crate::follow::notes::Notes;
use crate::follow::plan::{Asked, plan};
use crate::follow::trouble::Trouble;
use crate::follow::{Following, copies, fill, forget, mend, region, snapshot};
use crate::limits::PLAN_INTERVAL;

/// Runs until the node stops.
pub(crate) async fn run(following: Arc<Following>) {
    let stop = following.context.options.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow_when_leading(&following) => {}
    }
    following.progress.ended();
}

async fn follow_when_leading(following: &Arc<Following>) {
    loop {
        if !leads(following) {
            sleep(PLAN_INTERVAL).await;
            continue;
        }
        // Whoever leads anew has to have applied what the one before was answered.
        if following.read().await.is_err() {
            sleep(PLAN_INTERVAL).await;
            continue;
        }
        tracing::debug!("this node follows the linked regions");
        Term::new(following).run().await;
        following.progress.ended();
    }
}

fn leads(following: &Following) -> bool {
    following.context.options.consensus.status().role == Role::Leader
}

/// What runs while this node leads. Dropping it ends all of it.
struct Term<'a> {
    following: &'a Arc<Following>,
    lines: BTreeMap<RegionName, (Arc<Line>, JoinSet<()>)>,
    tasks: JoinSet<()>,
}

/// The regions that are followed, for tasks that are about all of them.
pub(crate) type Lines = tokio::sync::watch::Receiver<BTreeMap<RegionName, Arc<Line>>>;

impl<'a> Term<'a> {
    fn new(following: &'a Arc<Following>) -> Term<'a> {
        Term {
            following,
            lines: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    async fn run(mut self) {
        let (known, lines) = tokio::sync::watch::channel(BTreeMap::new());
        let own = || Arc::clone(self.following);
        self.tasks.spawn(copies::run(own(), lines.clone()));
        self.tasks.spawn(forget::run(own(), lines));
        self.following.touched.all();
        let mut ticks = interval(PLAN_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while leads(self.following) {
            if self.look() {
                let lines = self.lines.iter();
                let lines = lines.map(|(region, (line, _))| (region.clone(), Arc::clone(line)));
                known.send_replace(lines.collect());
            }
            ticks.tick().await;
        }
    }

    /// Starts and ends tasks of regions, and tells each what to ask for; says whether the regions
    /// are others now.
    fn look(&mut self) -> bool {
        let view = self.following.view();
        let now = self.following.now();
        for (line, _) in self.lines.values() {
            line.notes().prune(now);
        }
        let plan = self.plan(&view);
        let before: BTreeSet<RegionName> = self.lines.keys().cloned().collect();
        self.lines.retain(|region, _| plan.contains_key(region));
        for (region, asked) in plan {
            let (line, _) = self.lines.entry(region).or_insert_with_key(|region| {
                let line = Arc::new(Line::new(region.clone()));
                // It has to know what to ask for before it begins.
                line.asked.send_replace(asked.feeds.clone());
                let tasks = start(self.following, &line);
                (line, tasks)
            });
            let Asked { feeds, blocked } = asked;
            let is_asked = |feed: &FeedId| feeds.contains(feed) || blocked.contains(feed);
            line.notes().keep(is_asked);
            line.asked.send_if_modified(|known| {
                let is_new = *known != feeds;
                *known = feeds;
                is_new
            });
        }
        self.tell();
        self.lines.keys().ne(before.iter())
    }

    fn plan(&self, state: &State) -> BTreeMap<RegionName, Asked> {
        let claims = self.following.context.options.epochs.claims(state);
        let lines = self.lines.iter();
        let notes: BTreeMap<&RegionName, MutexGuard<'_, Notes>> = lines
            .map(|(region, (line, _))| (region, line.notes()))
            .collect();
        let of = |region: &RegionName| notes.get(region).map(|notes| &**notes);
        plan(state, &claims, of, self.following.now())
    }

    /// Tells operators of troubles.
    fn tell(&self) {
        let progress = &self.following.progress;
        progress.keep(|region| self.lines.contains_key(region));
        for (region, (line, _)) in &self.lines {
            let notes = line.notes();
            let troubles = notes.troubles();
            // That a region does not lead what another one does is nobody's trouble.
            let is_trouble = |trouble: &&Trouble| !matches!(trouble, Trouble::NotPrimary { .. });
            let troubles = troubles.filter(|(_, trouble)| is_trouble(trouble));
            let troubles = troubles.map(|(feed, trouble)| (feed.clone(), trouble.clone()));
            progress.troubles(region, troubles.collect());
        }
    }
}

fn start(following: &Arc<Following>, line: &Arc<Line>) -> JoinSet<()> {
    let both = || (Arc::clone(following), Arc::clone(line));
    let mut tasks = JoinSet::new();
    let (own, of) = both();
    tasks.spawn(region::run(own, of));
    let (own, of) = both();
    tasks.spawn(snapshot::run(own, of));
    let (own, of) = both();
    tasks.spawn(fill::run(own, of));
    let (own, of) = both();
    tasks.spawn(mend::run(own, of));
    tasks
}
