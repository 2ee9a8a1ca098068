//! What comes after the faults: all regions must settle, take writes, and settle again.

use std::time::Duration;

use machine::FeedId;

use crate::clients::Clients;
use crate::invariants::whole::{self, Settled};
use crate::nemesis::Nemesis;
use crate::ops::Order;
use crate::region;
use crate::service::{self, Node, Wrote};
use crate::violation::{Violation, violation};
use crate::world::World;

/// How soon after the last fault everything must work again: a feed in trouble is tried again after
/// 30 s, and a node that said what it should not after as long.
const PROGRESS: Duration = Duration::from_secs(75);
/// How often it is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a write to a healed region may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until all regions have settled; gives how many feeds were set aside somewhere.
pub fn recover(
    world: &mut World,
    clients: &mut Clients,
    nemesis: &mut Nemesis,
) -> Result<usize, Violation> {
    let late = world.now + PROGRESS;
    while clients.is_busy() && world.now < late {
        world.step()?;
        clients.step(world.now, &world.hosts)?;
        nemesis.take_promotions(world);
    }
    let settled = settle(world)?;
    for (feed, leads) in settled.leaders {
        if feed != FeedId::Root {
            let other = leads % world.regions + 1;
            let order = clients.creation(leads, &feed, other);
            write(world, leads, order)?;
        }
    }
    Ok(settle(world)?.set_aside)
}

fn settle(world: &mut World) -> Result<Settled, Violation> {
    let late = world.now + PROGRESS;
    loop {
        let next = world.now + LOOK_EVERY;
        while world.now < next {
            world.step()?;
        }
        world.look()?;
        match whole::check(world) {
            Ok(settled) => return Ok(settled),
            Err(how) if world.now >= late => return Err(violation(whole::NAME, how)),
            Err(_) => {}
        }
    }
}

/// Creates a secret in a feed, at the region that leads it.
fn write(world: &mut World, region: u64, order: Order) -> Result<(), Violation> {
    let leader = whole::leader(world, region).map(|host| host.id);
    let leader = leader.unwrap_or(region::host(region, 1));
    let created = move |node: Node| async move {
        let command = order.command(&node).expect("a creation");
        match service::write(node, command, PATIENCE).await {
            Wrote::Done(_) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    world.finish(leader, created)
}
