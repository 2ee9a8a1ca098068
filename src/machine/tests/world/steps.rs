//! What may happen to regions.

use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::prop_oneof;
use strongroom_machine::{
    ArnSuffix, Body, Checkpoint, Command, CreateSecret, DetachSecret, FeedId, FenceFeed,
    ForgetStaged, RecordAccess, Region, RegionName, ReplicaReport, ReplicaState, ReportReplicas,
    Revision, RewrapSecret, Row, RowKey, Scope, SecretName, Seen, StageDetach, TakeOver, TrimFeed,
    Uid, UpdateRegion,
};

use crate::identities::identity_commands;
use crate::net::steps::described;
use crate::net::{Snapshot, changes, fill, forge, import, mends};
use crate::support::{Failure, account, default_key, new, node, uid_in, version, wrap};
use crate::world::World;
use crate::world::asks::{Ask, ask};

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub enum Step {
    /// A caller of whoever leads the secret's feed.
    Ask {
        home: u8,
        number: u8,
        ask: Ask,
    },
    /// Takes in so many changes; whole entries or not.
    Follow {
        to: u8,
        feed: u8,
        max: u8,
        cut: bool,
    },
    Fill {
        to: u8,
        feed: u8,
    },
    Snapshot {
        to: u8,
        feed: u8,
        values: bool,
        parts: u8,
    },
    Mend {
        to: u8,
        feed: u8,
    },
    Checkpoint {
        feed: u8,
    },
    Trim {
        at: u8,
        feed: u8,
        upto: u8,
    },
    TakeOver {
        by: u8,
        lost: u8,
    },
    Fence {
        at: u8,
        feed: u8,
    },
    Spoil {
        at: u8,
        row: u8,
        lost: bool,
    },
    Scope {
        all: bool,
    },
    Report {
        from: u8,
        home: u8,
        number: u8,
        state: u8,
    },
    Detach {
        at: u8,
        home: u8,
        number: u8,
    },
    Rewrap {
        at: u8,
        home: u8,
        number: u8,
    },
    Access {
        at: u8,
        home: u8,
        number: u8,
        version: u8,
    },
    Restart {
        at: u8,
    },
    Identity(Box<Command>),
}

pub fn step() -> BoxedStrategy<Step> {
    let small = || 0..3u8;
    let of = || (small(), 0..3u8);
    prop_oneof![
        30 => (small(), 0..3u8, ask())
            .prop_map(|(home, number, ask)| Step::Ask { home, number, ask }),
        30 => (small(), 0..4u8, 1..9u8, any::<bool>())
            .prop_map(|(to, feed, max, cut)| Step::Follow { to, feed, max, cut }),
        10 => (small(), 0..4u8).prop_map(|(to, feed)| Step::Fill { to, feed }),
        4 => (small(), 0..4u8, any::<bool>(), 0..5u8)
            .prop_map(|(to, feed, values, parts)| Step::Snapshot { to, feed, values, parts }),
        4 => (small(), 0..4u8).prop_map(|(to, feed)| Step::Mend { to, feed }),
        4 => (0..4u8).prop_map(|feed| Step::Checkpoint { feed }),
        2 => (small(), 0..4u8, 0..40u8)
            .prop_map(|(at, feed, upto)| Step::Trim { at, feed, upto }),
        3 => (small(), small()).prop_map(|(by, lost)| Step::TakeOver { by, lost }),
        3 => (small(), 0..4u8).prop_map(|(at, feed)| Step::Fence { at, feed }),
        2 => (small(), any::<u8>(), any::<bool>())
            .prop_map(|(at, row, lost)| Step::Spoil { at, row, lost }),
        1 => any::<bool>().prop_map(|all| Step::Scope { all }),
        4 => (small(), of(), 0..4u8).prop_map(|(from, (home, number), state)| Step::Report {
            from, home, number, state
        }),
        3 => (small(), of()).prop_map(|(at, (home, number))| Step::Detach { at, home, number }),
        2 => (small(), of()).prop_map(|(at, (home, number))| Step::Rewrap { at, home, number }),
        2 => (small(), of(), 0..4u8).prop_map(|(at, (home, number), version)| Step::Access {
            at, home, number, version
        }),
        3 => small().prop_map(|at| Step::Restart { at }),
        12 => identity_commands().prop_map(|command| Step::Identity(Box::new(command))),
    ]
    .boxed()
}

impl World {
    pub fn step(&mut self, step: &Step) -> Result<(), Failure> {
        if let Step::Identity(command) = step {
            return self.identity(command);
        }
        match *step {
            Step::Ask {
                home,
                number,
                ref ask,
            } => self.ask(home, number, ask),
            Step::Follow { to, feed, max, cut } => {
                self.follow(&self.name(to), &self.feed(feed), usize::from(max), cut)
            }
            Step::Fill { to, feed } => self.fill(&self.name(to), &self.feed(feed)),
            Step::Snapshot {
                to,
                feed,
                values,
                parts,
            } => self.snapshot(&self.name(to), &self.feed(feed), values, parts),
            Step::Mend { to, feed } => self.mend(&self.name(to), &self.feed(feed)),
            Step::Checkpoint { feed } => self.checkpoint(&self.feed(feed)),
            Step::Trim { at, feed, upto } => {
                let (feed, upto) = (self.feed(feed), Revision(upto.into()));
                let trim = Command::TrimFeed(TrimFeed { feed, upto });
                self.apply(&self.name(at), trim).map(drop)
            }
            Step::TakeOver { by, lost } => {
                let (region, heard) = (self.name(lost), Vec::new());
                let take = Command::TakeOver(TakeOver { region, heard });
                self.apply(&self.name(by), take).map(drop)
            }
            Step::Fence { at, feed } => self.fence(&self.name(at), &self.feed(feed)),
            Step::Spoil { at, row, lost } => self.spoil(&self.name(at), row, lost),
            Step::Scope { all } => self.scope(all),
            Step::Report {
                from,
                home,
                number,
                state,
            } => self.report(&self.name(from), self.uid(home, number), state),
            Step::Detach { at, home, number } => {
                self.detach(&self.name(at), self.uid(home, number))
            }
            Step::Rewrap { at, home, number } => {
                self.rewrap(&self.name(at), self.uid(home, number))
            }
            Step::Access {
                at,
                home,
                number,
                version: n,
            } => {
                let touched = vec![(self.uid(home, number), version(&n.to_string())?)];
                let access = Command::RecordAccess(RecordAccess { day: 0, touched });
                self.apply(&self.name(at), access).map(drop)
            }
            Step::Restart { at } => {
                let name = self.name(at);
                let site = self.net.sites.get_mut(&name).ok_or("no such region")?;
                site.restart_twin()
            }
            // Above: it is not copied.
            Step::Identity(_) => Ok(()),
        }
    }

    /// What a caller asks of the region that leads the root feed.
    fn identity(&mut self, command: &Command) -> Result<(), Failure> {
        let Some((leader, _)) = self.net.leader(&FeedId::Root) else {
            return Ok(());
        };
        let mut command = command.clone();
        let wrap = match &mut command {
            Command::CreateCredential(create) => create.wrap.as_mut(),
            Command::RotateSessionKey(rotate) => Some(&mut rotate.wrap),
            Command::KeepSigningKey(keep) => Some(&mut keep.key.wrap),
            _ => None,
        };
        if let Some(wrap) = wrap {
            wrap.key_id = default_key(&leader);
        }
        self.apply(&leader, command).map(drop)
    }

    pub fn name(&self, number: u8) -> RegionName {
        self.names[usize::from(number) % self.names.len()].clone()
    }

    fn feed(&self, number: u8) -> FeedId {
        match usize::from(number) {
            3.. => FeedId::Root,
            home => FeedId::Home(self.names[home].clone()),
        }
    }

    pub fn uid(&self, home: u8, number: u8) -> Uid {
        uid_in(self.name(home).as_str(), number.into())
    }

    /// The region that leads a feed by the highest ballot, if it is another one.
    fn other(&self, at: &RegionName, feed: &FeedId) -> Option<RegionName> {
        let leader = self.net.leader(feed).map(|(leader, _)| leader);
        leader.filter(|leader| leader != at)
    }

    fn follow(
        &mut self,
        to: &RegionName,
        feed: &FeedId,
        max: usize,
        cut: bool,
    ) -> Result<(), Failure> {
        let Some(from) = self.other(to, feed) else {
            return Ok(());
        };
        let (from, site) = (self.net.site(&from)?, self.net.site(to)?);
        let sent = match cut {
            // Somebody takes no heed of where entries end.
            true => {
                let all = from.state.outgoing(feed, &site.cursor(feed), to);
                all.map(|all| all.take(max).collect::<Vec<_>>())
            }
            false => changes(from, site, feed, max),
        };
        let Ok(sent) = sent else { return Ok(()) };
        let Some(last) = sent.last().map(|last| last.is_last) else {
            return Ok(());
        };
        let command = Command::ImportChanges(import(site, feed, &sent, &|_| None));
        self.halves.retain(|(name, of)| !(name == to && of == feed));
        if !last {
            self.halves.push((to.clone(), feed.clone()));
        }
        let applied = self.apply(to, command)?;
        match applied.answer {
            Ok(_) => Ok(()),
            // Two regions of one feed, of which one had its scope taken away meanwhile.
            Err(strongroom_machine::Rejection::ScopeNeeded(FeedId::Root)) => Ok(()),
            Err(rejection) => Err(format!("{to}: {rejection:?}").into()),
        }
    }

    fn fill(&mut self, to: &RegionName, feed: &FeedId) -> Result<(), Failure> {
        let Some(from) = self.other(to, feed) else {
            return Ok(());
        };
        let (from, site) = (self.net.site(&from)?, self.net.site(to)?);
        match fill(from, site, feed, &|_| None) {
            Some(fill) => self.apply(to, Command::FillRows(fill)).map(drop),
            None => Ok(()),
        }
    }

    fn snapshot(
        &mut self,
        to: &RegionName,
        feed: &FeedId,
        values: bool,
        parts: u8,
    ) -> Result<(), Failure> {
        let Some(from) = self.other(to, feed) else {
            return Ok(());
        };
        let (from, site) = (self.net.site(&from)?, self.net.site(to)?);
        if from.state.linked(to).is_none() {
            return Ok(());
        }
        let snapshot = Snapshot::take(from, site, feed, values)?;
        let step = snapshot.rows.len().div_ceil(3).max(1);
        let first = site.state.feed(feed).and_then(|feed| feed.staging());
        let first = first.map_or(0, |staging| {
            usize::try_from(staging.rows).unwrap_or_default()
        });
        for part in 0..usize::from(parts) {
            self.apply(to, snapshot.part(first + part * step, step))?;
        }
        let applied = self.apply(to, snapshot.activate())?;
        if applied.answer.is_ok() {
            self.halves.retain(|(name, of)| !(name == to && of == feed));
            self.mended(to, feed)?;
        } else if parts == 4 {
            let forget = ForgetStaged { feed: feed.clone() };
            self.apply(to, Command::ForgetStaged(forget))?;
        }
        Ok(())
    }

    pub fn mend(&mut self, to: &RegionName, feed: &FeedId) -> Result<(), Failure> {
        let Some(from) = self.other(to, feed) else {
            return Ok(());
        };
        let (from, site) = (self.net.site(&from)?, self.net.site(to)?);
        if from.cursor(feed) != site.cursor(feed) || from.state.linked(to).is_none() {
            return Ok(());
        }
        for mend in mends(from, site, feed)? {
            let applied = self.apply(to, mend)?;
            if let Err(rejection) = applied.answer {
                return Err(format!("{to}: {rejection:?}").into());
            }
        }
        self.spoilt.retain(|(name, of)| !(name == to && of == feed));
        Ok(())
    }

    pub fn checkpoint(&mut self, feed: &FeedId) -> Result<(), Failure> {
        let Some((leader, _)) = self.net.leader(feed) else {
            return Ok(());
        };
        let checkpoint = Checkpoint { feed: feed.clone() };
        self.apply(&leader, Command::Checkpoint(checkpoint))
            .map(drop)
    }

    /// Moves a feed on.
    pub fn write(&mut self, feed: &FeedId) -> Result<(), Failure> {
        let Some((leader, _)) = self.net.leader(feed) else {
            return Ok(());
        };
        let command = match feed {
            FeedId::Root => Command::UpdateRegion(UpdateRegion {
                region: Region {
                    nodes: vec![node(7, 7)],
                    ..described(&leader, Scope::Founder)
                },
            }),
            FeedId::Home(region) => Command::CreateSecret(CreateSecret {
                uid: uid_in(region.as_str(), 9),
                account: account()?,
                name: SecretName::new(&format!("last/{region}"))?,
                arn_suffix: ArnSuffix::new("AbC123")?,
                description: String::new(),
                kms_key: None,
                tags: Vec::new(),
                new: None,
                region: Some(region.clone()),
                replicas: Vec::new(),
                seen: Seen::default(),
            }),
        };
        match self.apply(&leader, command)?.answer {
            Ok(_) => Ok(()),
            Err(rejection) => Err(format!("{leader}: {rejection:?}").into()),
        }
    }

    pub fn fence(&mut self, at: &RegionName, feed: &FeedId) -> Result<(), Failure> {
        let Some((_, epoch)) = self.net.leader(feed) else {
            return Ok(());
        };
        let feed = feed.clone();
        self.apply(at, Command::FenceFeed(FenceFeed { feed, epoch }))
            .map(drop)
    }

    /// Spoils a row of a feed that is followed: what a region leads nobody else knows better.
    fn spoil(&mut self, at: &RegionName, row: u8, is_lost: bool) -> Result<(), Failure> {
        let site = self.net.sites.get_mut(at).ok_or("no such region")?;
        let rows = site.state.rows().filter_map(|(key, row)| match row {
            strongroom_machine::RowRef::Here(row) if key.is_of_secret() => Some((key, row)),
            _ => None,
        });
        let rows: Vec<(RowKey, Row)> = rows.collect();
        let Some((key, row)) = rows.get(usize::from(row) % rows.len().max(1)) else {
            return Ok(());
        };
        let origin = row.origin().ok_or("no feed row")?.clone();
        if site.state.is_primary(&origin.feed) {
            return Ok(());
        }
        let spoilt = forge::row(key, &origin.feed, origin.revision, &origin.bytes);
        let spoilt = spoilt.filter(|_| !is_lost && !row.is_withheld());
        // It spreads, should this region take the feed over.
        if let (Some(spoilt), Some(members)) = (&spoilt, self.members.get(&row.commitment())) {
            self.members.insert(spoilt.commitment(), members.clone());
        }
        site.spoil(*key, spoilt);
        if !self.is_spoilt(at, &origin.feed) {
            self.spoilt.push((at.clone(), origin.feed));
        }
        Ok(())
    }

    /// The last region receives every secret, or not.
    fn scope(&mut self, all: bool) -> Result<(), Failure> {
        let Some((leader, _)) = self.net.leader(&FeedId::Root) else {
            return Ok(());
        };
        // Narrowing takes nothing back that is there: it is not done here.
        let (name, scope) = match all {
            true => (self.name(1), Scope::All),
            false => (self.name(0), Scope::All),
        };
        let region = described(&name, scope);
        self.apply(&leader, Command::UpdateRegion(UpdateRegion { region }))
            .map(drop)
    }

    fn report(&mut self, from: &RegionName, uid: Uid, state: u8) -> Result<(), Failure> {
        let feeds = self.net.feeds();
        let Some(feed) = feeds.iter().find(|feed| feed.gives(&uid)) else {
            return Ok(());
        };
        let Some(at) = self.other(from, feed) else {
            return Ok(());
        };
        let is_detached = self.net.site(from)?.state.detached(&uid).is_some();
        let state = match state {
            _ if is_detached => ReplicaState::Detached,
            0 => ReplicaState::InProgress,
            1 => ReplicaState::Failed,
            _ => ReplicaState::InSync,
        };
        let report = ReplicaReport {
            uid,
            state,
            message: "why".to_owned(),
            access_day: 0,
        };
        let report = ReportReplicas {
            region: from.clone(),
            replicas: vec![report],
        };
        self.apply(&at, Command::ReportReplicas(report)).map(drop)
    }

    fn detach(&mut self, at: &RegionName, uid: Uid) -> Result<(), Failure> {
        let copy = self.net.site(at)?.state.secret(&uid).cloned();
        let versions = copy.iter().flat_map(|copy| &copy.versions);
        let sealed = versions.map(|version| {
            let mut new = new("v", 25)?;
            new.id = version.id.clone();
            new.wrap = wrap(default_key(at), 1);
            Ok::<_, Failure>(new)
        });
        let number = 100 + self.net.now_ms;
        let new_uid = uid_in(at.as_str(), number);
        let mut versions = sealed.collect::<Result<Vec<_>, _>>()?;
        // Some come before, and of some of these nothing comes.
        if number.is_multiple_of(2) {
            let rest = versions.split_off(versions.len() / 2);
            let stage = StageDetach {
                uid,
                new_uid,
                versions: std::mem::replace(&mut versions, rest),
            };
            self.apply(at, Command::StageDetach(stage))?;
            if number.is_multiple_of(3) {
                return Ok(());
            }
        }
        let detach = DetachSecret {
            uid,
            new_uid,
            versions,
            kms_key: None,
            seen: Seen::default(),
        };
        self.apply(at, Command::DetachSecret(detach)).map(drop)
    }

    fn rewrap(&mut self, at: &RegionName, uid: Uid) -> Result<(), Failure> {
        let secret = self.net.site(at)?.state.secret(&uid).cloned();
        let versions = secret.iter().flat_map(|secret| &secret.versions);
        let wraps = versions.map(|version| (version.id.clone(), wrap(default_key(at), 1)));
        let rewrap = RewrapSecret {
            uid,
            wraps: wraps.collect(),
        };
        self.apply(at, Command::RewrapSecret(rewrap)).map(drop)
    }

    /// Says whether a region is to have the body of a row: its leader has it, and gives it. One
    /// that was set aside as leader of the directory may give what the region does not look for.
    pub fn is_to_be_had(&self, to: &RegionName, key: &RowKey) -> Result<bool, Failure> {
        let feeds = self.net.feeds();
        let feed = self.net.site(to)?.state.feed_of_secret(&key.uid());
        let feed = feeds.iter().find(|of| Some(*of) == feed);
        let Some(from) = feed.and_then(|feed| self.other(to, feed)) else {
            return Ok(false);
        };
        let state = &self.net.site(&from)?.state;
        let secret = state.secret(&key.uid());
        let is_shared = secret.is_some_and(|secret| secret.replica(to).is_some());
        let is_wanted = is_shared || feed.is_some_and(|feed| self.net.sites[to].receives_all(feed));
        Ok(is_wanted && !matches!(state.body_for(key, to), Body::Withheld))
    }
}
