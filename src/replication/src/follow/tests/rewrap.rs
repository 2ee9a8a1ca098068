use machine::{Command, Scope};

use super::support::{TestKeys, pair, wrapped};
use crate::follow::rewrap::{Wanted, wanted};
use crate::kit::{NORTH, WEST, home, replica, version_id};

#[test]
fn a_copy_is_wrapped_again_when_its_secret_names_another_key() {
    let (mut north, mut west) = pair(Scope::Selected);
    let keys = TestKeys {
        broken: Some("alias/broken"),
    };
    let uid = north.create(1, vec![replica(WEST, None)]);
    west.follow(&home(NORTH), &north, &keys);
    assert_eq!(wanted(&west.state, &keys, &uid), Wanted::Nothing);
    north.share(uid, vec![replica(WEST, Some("alias/other"))]);
    west.follow(&home(NORTH), &north, &keys);
    let Wanted::Wraps(_, rewrap) = wanted(&west.state, &keys, &uid) else {
        panic!("nothing is wrapped");
    };
    west.done(Command::RewrapSecret(rewrap));
    let wrap = west.state.wrap(&uid, &version_id(1)).unwrap();
    assert_eq!(**wrap, wrapped("alias/other"));
    assert_eq!(wanted(&west.state, &keys, &uid), Wanted::Nothing);
    north.share(uid, vec![replica(WEST, Some("alias/broken"))]);
    west.follow(&home(NORTH), &north, &keys);
    let failed = Wanted::Failed("The key can't be used.".to_owned());
    assert_eq!(wanted(&west.state, &keys, &uid), failed);
}

#[test]
fn what_is_led_here_is_left_alone() {
    let (_, mut west) = pair(Scope::Selected);
    let own = west.create(1, Vec::new());
    let keys = TestKeys::default();
    assert_eq!(wanted(&west.state, &keys, &own), Wanted::Nothing);
}
