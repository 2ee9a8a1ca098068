//! Progress: once all is healed, one region leads each feed, all others follow it to the end but
//! those whose history was set aside, and every copy is whole, as its primary is told.

use std::collections::BTreeMap;

use consensus::{Role, View};
use machine::{FeedId, ProblemKind, ReplicaState, Secret};

use crate::host::Host;
use crate::region;
use crate::world::World;

pub const NAME: &str = "healed regions make progress";

/// What all regions are when nothing is left to do.
pub struct Settled {
    /// The region that leads each feed.
    pub leaders: BTreeMap<FeedId, u64>,
    /// Feeds of regions whose history was set aside.
    pub set_aside: usize,
}

/// The node that leads a region, if a quorum hears it.
pub fn leader(world: &World, region: u64) -> Option<&Host> {
    let leads = |host: &&Host| {
        let Some(consensus) = host.consensus() else {
            return false;
        };
        let status = consensus.status();
        let age = status.last_quorum_ack_age;
        let is_heard = age.is_some_and(|age| age < std::time::Duration::from_millis(200));
        let is_alone = status.voters == [status.node];
        host.region() == region && status.role == Role::Leader && (is_heard || is_alone)
    };
    world.hosts.iter().find(leads)
}

/// Finds that everything is done, or says what is not.
pub fn check(world: &World) -> Result<Settled, String> {
    let mut views = BTreeMap::new();
    for region in 1..=world.regions {
        let leader =
            leader(world, region).ok_or_else(|| format!("region {region} has no leader"))?;
        let view = leader.view().expect("a node that is up");
        let own = world.hosts.iter().filter(|host| host.region() == region);
        let behind = own.filter(|host| host.view().map(|view| view.index()) != Some(view.index()));
        if let Some(behind) = behind.last() {
            return Err(format!("node {} is behind", behind.id));
        }
        views.insert(region, view);
    }
    let mut settled = Settled {
        leaders: BTreeMap::new(),
        set_aside: 0,
    };
    let homes = (1..=world.regions).map(region::home);
    for feed in homes.chain([FeedId::Root]) {
        let leads = led(world, &feed, &views)?;
        for (region, view) in views.iter().filter(|(region, _)| **region != leads) {
            match follows(world, &feed, view, &views[&leads])? {
                true => whole(&feed, *region, view, &views[&leads])?,
                false => settled.set_aside += 1,
            }
        }
        settled.leaders.insert(feed, leads);
    }
    Ok(settled)
}

/// The region with the highest ballot, which must know that it leads.
fn led(world: &World, feed: &FeedId, views: &BTreeMap<u64, View>) -> Result<u64, String> {
    let held = views
        .values()
        .filter_map(|view| view.feed(feed)?.position());
    let highest = held.map(|position| position.epoch).max();
    let highest = highest.ok_or_else(|| format!("nobody has feed {feed}"))?;
    let region = region::number(&highest.region);
    let node = leader(world, region).and_then(Host::node);
    let fenced = node.and_then(|node| node.epochs.fenced(&views[&region], feed));
    match views[&region].is_primary(feed) && fenced.is_none() {
        true => Ok(region),
        false => Err(format!("feed {feed} is not led by ballot {highest}")),
    }
}

/// Whether a region has followed a feed to the end; not if its history was set aside, which it must
/// know then.
fn follows(world: &World, feed: &FeedId, view: &View, primary: &View) -> Result<bool, String> {
    let name = view.region().expect("a region");
    let stands = |view: &View| view.feed(feed).map(|held| held.cursor());
    let (Some(own), Some(last)) = (stands(view), stands(primary)) else {
        return Err(format!("{name} does not have feed {feed}"));
    };
    if own == last {
        return Ok(true);
    }
    match world.chronicle.is_beginning(feed, &own, &last) {
        Some(false) if view.is_primary(feed) && view.fence(feed).is_none() => Err(format!(
            "{name} still leads feed {feed}, from {own:?}, not {last:?}"
        )),
        Some(false) => Ok(false),
        _ => Err(format!(
            "{name} has feed {feed} up to {own:?}, not {last:?}"
        )),
    }
}

/// Checks that a region has all of what it is to have of a feed that it follows.
fn whole(feed: &FeedId, region: u64, view: &View, primary: &View) -> Result<(), String> {
    let name = region::name(region);
    let all = primary.listed_after(None).filter(|(of, _)| *of == feed);
    for (_, secret) in all {
        let uid = &secret.uid;
        let is_copy = secret.replica(&name).is_some();
        if !is_copy && !view.receives_all(feed) {
            continue;
        }
        let stated = primary.replica_status(uid, &name).map(|told| told.state);
        let lacking = view.lacking(*uid).any(|key| !primary.is_withheld(&key));
        let state = if let Some(problem) = view.problem(uid) {
            if problem.kind != ProblemKind::NameTaken || !is_name_taken(view, secret) {
                return Err(format!("{name} can't take {uid} of {feed}: {problem:?}"));
            }
            ReplicaState::Failed
        } else if view.secret(uid).is_none() || lacking {
            return Err(format!("{name} does not have all of {uid} of {feed}"));
        } else if view.is_incomplete(uid) {
            ReplicaState::InProgress
        } else {
            ReplicaState::InSync
        };
        if is_copy && stated != Some(state) {
            return Err(format!(
                "{name} has {uid} of {feed} {state:?}, told is {stated:?}"
            ));
        }
    }
    Ok(())
}

fn is_name_taken(view: &View, secret: &Secret) -> bool {
    let mut namesakes = view.namesakes(&secret.account, &secret.name);
    namesakes.any(|other| other.uid != secret.uid)
}
