//! Regions that share, follow, fill, detach, take over and spoil at random: what must hold of their
//! feeds after each step, and that all is whole in the end. `STRONGROOM_SEED` and
//! `STRONGROOM_COUNT` choose.
#![allow(clippy::print_stdout)]

mod identities;
mod net;
mod support;
mod world;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use strongroom_machine::{FeedId, ProblemKind, RegionName, RowKey};

use support::Failure;
use world::World;
use world::steps::{Step, step};

/// Runs, unless `STRONGROOM_COUNT` says otherwise.
const COUNT: u64 = 24;
/// Steps of one run at most.
const STEPS: usize = 90;

#[test]
fn regions_agree_whatever_they_do_and_are_whole_in_the_end() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("STRONGROOM_SEED").unwrap_or(20_261_130);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("seed {first}, {count} runs; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    for seed in first..first + count {
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: 4000,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let result = runner.run(&vec(step(), 1..STEPS), |steps| {
            run(&steps).map_err(|error| TestCaseError::fail(error.to_string()))
        });
        if let Err(error) = result {
            panic!("run again with STRONGROOM_SEED={seed} STRONGROOM_COUNT=1: {error}");
        }
    }
}

fn run(steps: &[Step]) -> Result<(), Failure> {
    let mut world = World::new()?;
    for step in steps {
        world.step(step)?;
    }
    heal(&mut world)
}

/// Nothing happens any more but what leaders do by themselves: then every region that has a part
/// of the history there is has all of it.
fn heal(world: &mut World) -> Result<(), Failure> {
    let (names, feeds) = (world.names.clone(), world.net.feeds());
    world.net.catch_up()?;
    for feed in &feeds {
        world.checkpoint(feed)?;
    }
    world.net.catch_up()?;
    for name in &names {
        for feed in &feeds {
            world.mend(name, feed)?;
        }
    }
    world.net.catch_up()?;
    // That all is right again only the next checkpoint says.
    for feed in &feeds {
        world.write(feed)?;
        world.checkpoint(feed)?;
    }
    world.net.catch_up()?;
    for name in &names {
        for feed in &feeds {
            whole(world, name, feed)?;
        }
    }
    Ok(())
}

fn whole(world: &World, name: &RegionName, feed: &FeedId) -> Result<(), Failure> {
    let Some((leader, _)) = world.net.leader(feed) else {
        return Err(format!("nobody leads {feed}").into());
    };
    let (from, to) = (world.net.site(&leader)?, world.net.site(name)?);
    if from.cursor(feed) != to.cursor(feed) {
        // Its own changes are none of the history: an announced return takes it back.
        let served = from.state.outgoing(feed, &to.cursor(feed), name);
        let is_apart = matches!(served, Err(strongroom_machine::NotServed::Diverged { .. }));
        return match is_apart {
            true => Ok(()),
            false => Err(format!("{name} is behind in {feed}").into()),
        };
    }
    let hash = |site: &net::Site| site.state.feed(feed).map(|feed| feed.hash());
    if hash(from) != hash(to) {
        return Err(format!("{name} has other rows of {feed}").into());
    }
    for (key, row) in to.state.rows_of(feed, None) {
        let is_hidden = row.is_some_and(|row| row.is_withheld());
        let uid = key.uid();
        let is_refused = to.state.detached(&uid).is_some() || has_namesake(to, &uid);
        if is_hidden && !is_refused && leader != *name && world.is_to_be_had(name, &key)? {
            return Err(format!("{name} lacks {key:?} of {feed}").into());
        }
    }
    for (uid, problem) in to.state.problems() {
        let is_theirs = to.state.feed_of_secret(uid) == Some(feed) || *uid == feed.uid();
        if is_theirs && problem.kind != ProblemKind::NameTaken {
            return Err(format!("{name}: {problem:?} of {uid}").into());
        }
        if is_theirs && to.state.is_withheld(&RowKey::Secret(*uid)) && !has_namesake(to, uid) {
            return Err(format!("{name}: the name of {uid} is free").into());
        }
    }
    Ok(())
}

/// A secret that was refused for its name stays so while another one has it.
fn has_namesake(to: &net::Site, uid: &strongroom_machine::Uid) -> bool {
    let problem = to.state.problem(uid);
    problem.is_some_and(|problem| problem.kind == ProblemKind::NameTaken)
        && to.state.is_withheld(&RowKey::Secret(*uid))
}
