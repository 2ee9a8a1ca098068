use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::{Command, Epoch, FeedId, RegionName, Scope, State, TakeOver};

use super::support::{TestKeys, pair};
use crate::follow::notes::Notes;
use crate::follow::plan::{Asked, plan};
use crate::follow::trouble::Trouble;
use crate::kit::{Kingdom, NORTH, SOUTH, WEST, epoch, home, name};

const NOW: Duration = Duration::from_secs(100);

fn planned(
    state: &State,
    claims: &[(FeedId, Epoch)],
    notes: &BTreeMap<RegionName, Notes>,
) -> BTreeMap<RegionName, Asked> {
    let held = state.epochs();
    let held = held.map(|(feed, epoch)| (feed.clone(), epoch.clone()));
    let claims: Vec<(FeedId, Epoch)> = held.chain(claims.iter().cloned()).collect();
    plan(state, &claims, |region| notes.get(region), NOW)
}

fn feeds(plan: &BTreeMap<RegionName, Asked>, region: &str) -> BTreeSet<FeedId> {
    plan[&name(region)].feeds.clone()
}

/// Three regions: north founded the cluster; west follows what north has.
fn three() -> (Kingdom, Kingdom) {
    let (mut north, mut west) = pair(Scope::All);
    north.link(SOUTH, Scope::All);
    west.follow(&FeedId::Root, &north, &TestKeys::default());
    (north, west)
}

#[test]
fn each_feed_is_asked_of_its_primary() {
    let (_, west) = three();
    let plan = planned(&west.state, &[], &BTreeMap::new());
    assert_eq!(
        feeds(&plan, NORTH),
        BTreeSet::from([FeedId::Root, home(NORTH)])
    );
    assert_eq!(feeds(&plan, SOUTH), BTreeSet::from([home(SOUTH)]));
    assert!(
        !plan.contains_key(&name(WEST)),
        "a region does not follow itself"
    );
}

#[test]
fn the_root_feed_is_asked_of_all_until_one_says_that_it_leads_it() {
    let west = Kingdom::linked(WEST, Scope::Selected);
    let plan = planned(&west.state, &[], &BTreeMap::new());
    assert_eq!(
        feeds(&plan, NORTH),
        BTreeSet::from([FeedId::Root, home(NORTH)])
    );
    let told = [(FeedId::Root, epoch(1, NORTH))];
    let plan = planned(&west.state, &told, &BTreeMap::new());
    assert!(feeds(&plan, NORTH).contains(&FeedId::Root));
}

#[test]
fn the_highest_ballot_is_followed() {
    let (_, west) = three();
    let claims = [(home(NORTH), epoch(2, SOUTH))];
    let plan = planned(&west.state, &claims, &BTreeMap::new());
    assert_eq!(feeds(&plan, NORTH), BTreeSet::from([FeedId::Root]));
    assert_eq!(
        feeds(&plan, SOUTH),
        BTreeSet::from([home(NORTH), home(SOUTH)])
    );
}

#[test]
fn a_region_that_denies_what_others_say_of_it_is_passed_over() {
    let (_, west) = three();
    let claims = [(home(NORTH), epoch(2, SOUTH))];
    let mut notes = BTreeMap::from([(name(SOUTH), Notes::default())]);
    let trouble = Trouble::NotPrimary {
        feed: home(NORTH),
        asked: name(SOUTH),
    };
    let until = NOW + Duration::from_secs(1);
    let south = notes.get_mut(&name(SOUTH)).unwrap();
    south.trouble(&home(NORTH), trouble, until);
    let plan = planned(&west.state, &claims, &notes);
    assert!(feeds(&plan, NORTH).contains(&home(NORTH)));
    assert!(!feeds(&plan, SOUTH).contains(&home(NORTH)));
    assert!(!plan[&name(SOUTH)].blocked.contains(&home(NORTH)));
}

#[test]
fn a_feed_in_trouble_is_asked_for_of_nobody_until_its_time_has_come() {
    let (_, west) = three();
    let mut notes = BTreeMap::from([(name(NORTH), Notes::default())]);
    let north = notes.get_mut(&name(NORTH)).unwrap();
    let trouble = Trouble::Diverged(home(NORTH));
    north.trouble(&home(NORTH), trouble.clone(), NOW + Duration::from_secs(1));
    let plan = planned(&west.state, &[], &notes);
    assert_eq!(feeds(&plan, NORTH), BTreeSet::from([FeedId::Root]));
    let blocked = &plan[&name(NORTH)].blocked;
    assert_eq!(*blocked, BTreeSet::from([home(NORTH)]));
    assert!(!feeds(&plan, SOUTH).contains(&home(NORTH)));
    let north = notes.get_mut(&name(NORTH)).unwrap();
    north.trouble(&home(NORTH), trouble, NOW);
    let plan = planned(&west.state, &[], &notes);
    assert!(feeds(&plan, NORTH).contains(&home(NORTH)));
}

#[test]
fn what_is_led_here_is_asked_of_nobody_unless_a_higher_ballot_was_heard_of() {
    let (north, mut west) = three();
    west.follow(&home(NORTH), &north, &TestKeys::default());
    west.done(Command::TakeOver(TakeOver {
        region: name(NORTH),
        heard: Vec::new(),
    }));
    let plan = planned(&west.state, &[], &BTreeMap::new());
    assert!(feeds(&plan, NORTH).is_empty());
    assert_eq!(feeds(&plan, SOUTH), BTreeSet::from([home(SOUTH)]));
    let claims = [(home(NORTH), epoch(9, SOUTH))];
    let plan = planned(&west.state, &claims, &BTreeMap::new());
    assert!(feeds(&plan, SOUTH).contains(&home(NORTH)));
}

#[test]
fn a_feed_that_is_not_known_here_is_asked_of_whoever_says_that_it_leads_it() {
    let (north, mut west) = three();
    west.follow(&home(NORTH), &north, &TestKeys::default());
    // South was lost before west knew its feed, and north took it over.
    let told = [(home(SOUTH), epoch(2, NORTH))];
    let plan = planned(&west.state, &told, &BTreeMap::new());
    assert!(feeds(&plan, NORTH).contains(&home(SOUTH)));
    assert!(!feeds(&plan, SOUTH).contains(&home(SOUTH)));
}
