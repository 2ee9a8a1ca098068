//! What leaders do by themselves: link, follow, fence, fill.

use bytes::Bytes;
use strongroom_machine::{
    Applied, Command, Epoch, FeedId, FenceFeed, ForgetStaged, Found, Introduction, IssueLinkToken,
    KmsKey, LinkRegion, NotServed, Region, RegionName, Scope, Stamp, UpdateRegion,
};

use crate::net::{Net, Site, Snapshot, changes, fill, import};
use crate::support::{Failure, default_key, found, letter, node, region};

/// Gives what the directory says of a region.
pub fn described(name: &RegionName, scope: Scope) -> Region {
    Region {
        name: name.clone(),
        scope,
        authorities: vec![Bytes::from_static(b"an issuer's certificate")],
        nodes: vec![node(1, letter(name).as_bytes()[0])],
        unlinked: None,
        signing_key: None,
    }
}

/// Makes the first entry of a region that is told of those another one knows.
pub fn founding(name: &RegionName, told: Vec<Region>, home_exists: bool) -> Result<Found, Failure> {
    let found = found()?;
    // Whoever linked it told of its first node.
    let own = told.iter().find(|region| region.name == *name);
    let first = own.and_then(|region| region.nodes.first().cloned());
    Ok(Found {
        node: first.unwrap_or(found.node),
        region: name.clone(),
        default_key: KmsKey {
            id: default_key(name),
            ..found.default_key
        },
        introduction: Some(Introduction {
            regions: told,
            home_exists,
        }),
        ..found
    })
}

impl Net {
    /// Founds regions of which all but the first receive everything.
    pub fn of(others: &[&str]) -> Result<Net, Failure> {
        let mut net = Net {
            now_ms: 1_000_000,
            ..Net::default()
        };
        let others: Vec<_> = others.iter().map(|letter| (*letter, Scope::All)).collect();
        net.found(&others)?;
        Ok(net)
    }

    /// Founds the first region and links the others to it.
    pub fn found(&mut self, others: &[(&str, Scope)]) -> Result<(), Failure> {
        let first = region("a")?;
        let founded = self.by_rules(found()?);
        self.accepted(&first, Command::Found(founded))?;
        let update = UpdateRegion {
            region: described(&first, Scope::Founder),
        };
        self.accepted(&first, Command::UpdateRegion(update))?;
        for (letter, scope) in others {
            self.link(&first, &region(letter)?, *scope)?;
        }
        let told: Vec<Region> = self.site(&first)?.state.regions().cloned().collect();
        for (letter, _) in others {
            let name = region(letter)?;
            let found = self.by_rules(founding(&name, told.clone(), false)?);
            self.accepted(&name, Command::Found(found))?;
            self.follow_all(&name, &FeedId::Root)?;
        }
        Ok(())
    }

    fn by_rules(&self, found: Found) -> Found {
        Found {
            machine_version: self.rules.unwrap_or(found.machine_version),
            ..found
        }
    }

    /// Puts a region into the directory.
    pub fn link(
        &mut self,
        at: &RegionName,
        name: &RegionName,
        scope: Scope,
    ) -> Result<(), Failure> {
        let tokens = self.site(at)?.state.link_tokens().count();
        let mut digest = strongroom_machine::Hash([200; 32]);
        digest.0[..8].copy_from_slice(&(tokens as u64).to_be_bytes());
        let issue = IssueLinkToken {
            digest,
            expires: Stamp(self.now_ms + 1_000_000),
            region: name.clone(),
            scope,
        };
        self.accepted(at, Command::IssueLinkToken(issue))?;
        let link = LinkRegion {
            token_digest: digest,
            region: described(name, scope),
        };
        self.accepted(at, Command::LinkRegion(link))?;
        Ok(())
    }

    /// Applies a command that must be accepted.
    pub fn accepted(&mut self, at: &RegionName, command: Command) -> Result<Applied, Failure> {
        let applied = self.apply(at, command);
        match &applied.answer {
            Ok(_) => Ok(applied),
            Err(rejection) => Err(format!("{at}: {rejection:?}").into()),
        }
    }

    /// Finds the region that leads a feed by the highest ballot of all.
    pub fn leader(&self, feed: &FeedId) -> Option<(RegionName, Epoch)> {
        let leads = self.sites.values().filter_map(|site| {
            let position = site.state.feed(feed)?.position()?;
            let leads = site.state.is_primary(feed);
            leads.then(|| (site.name.clone(), position.epoch))
        });
        leads.max_by(|(_, a), (_, b)| a.cmp(b))
    }

    /// Gives all feeds there are.
    pub fn feeds(&self) -> Vec<FeedId> {
        let homes = self.sites.keys().cloned().map(FeedId::Home);
        std::iter::once(FeedId::Root).chain(homes).collect()
    }

    /// Takes in all there is of a feed. Gives whether anything moved.
    pub fn follow_all(&mut self, at: &RegionName, feed: &FeedId) -> Result<bool, Failure> {
        let Some((leader, epoch)) = self.leader(feed).filter(|(leader, _)| leader != at) else {
            return Ok(false);
        };
        if let FeedId::Home(region) = feed
            && !self.site(at)?.state.knows_region(region)
        {
            return Ok(false);
        }
        let mut moved = self.fence(at, feed, &epoch)?;
        loop {
            let (from, to) = (self.site(&leader)?, self.site(at)?);
            let sent = match changes(from, to, feed, 1000) {
                Ok(sent) => sent,
                Err(NotServed::Trimmed { .. }) => return self.restart(&leader, at, feed),
                Err(NotServed::RegionUnknown(_) | NotServed::Diverged { .. }) => return Ok(moved),
                Err(other) => return Err(format!("{at}: {other}").into()),
            };
            if sent.is_empty() {
                return Ok(self.fill_all(&leader, at, feed)? || moved);
            }
            let import = import(to, feed, &sent, &|_| None);
            self.accepted(at, Command::ImportChanges(import))?;
            moved = true;
        }
    }

    /// Tells a region that goes on in an epoch that is over.
    fn fence(&mut self, at: &RegionName, feed: &FeedId, epoch: &Epoch) -> Result<bool, Failure> {
        let state = &self.site(at)?.state;
        if !state.is_primary(feed) || state.fence(feed) == Some(epoch) {
            return Ok(false);
        }
        let fence = FenceFeed {
            feed: feed.clone(),
            epoch: epoch.clone(),
        };
        self.accepted(at, Command::FenceFeed(fence))?;
        Ok(true)
    }

    /// Takes a feed in whole.
    fn restart(
        &mut self,
        leader: &RegionName,
        at: &RegionName,
        feed: &FeedId,
    ) -> Result<bool, Failure> {
        // What is kept of another one goes first.
        let is_kept = |site: &Site| {
            site.state
                .feed(feed)
                .is_some_and(|held| held.staging().is_some())
        };
        while is_kept(self.site(at)?) {
            let feed = feed.clone();
            self.accepted(at, Command::ForgetStaged(ForgetStaged { feed }))?;
        }
        let snapshot = Snapshot::take(self.site(leader)?, self.site(at)?, feed, true)?;
        for first in (0..snapshot.rows.len()).step_by(500) {
            self.accepted(at, snapshot.part(first, 500))?;
        }
        self.accepted(at, snapshot.activate())?;
        Ok(true)
    }

    fn fill_all(
        &mut self,
        leader: &RegionName,
        at: &RegionName,
        feed: &FeedId,
    ) -> Result<bool, Failure> {
        let mut moved = false;
        loop {
            let (from, to) = (self.site(leader)?, self.site(at)?);
            let Some(fill) = fill(from, to, feed, &|_| None) else {
                return Ok(moved);
            };
            let applied = self.accepted(at, Command::FillRows(fill))?;
            if applied.changes.is_empty() {
                return Ok(moved);
            }
            moved = true;
        }
    }

    /// Lets every region take in what it can of all feeds, until nothing moves any more.
    pub fn catch_up(&mut self) -> Result<(), Failure> {
        let names: Vec<RegionName> = self.sites.keys().cloned().collect();
        let feeds = self.feeds();
        for _ in 0..100 {
            let mut moved = false;
            for name in &names {
                for feed in &feeds {
                    moved |= self.follow_all(name, feed)?;
                }
            }
            if !moved {
                return Ok(());
            }
        }
        Err("the regions never come to rest".into())
    }
}
