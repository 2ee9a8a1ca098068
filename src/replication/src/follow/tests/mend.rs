use machine::Scope;

use super::support::{TestKeys, pair};
use crate::codec;
use crate::follow::mend::differing;
use crate::kit::{NORTH, WEST, home, replica};

#[test]
fn only_the_buckets_of_rows_that_differ_are_asked_for() {
    let (mut north, mut west) = pair(Scope::Selected);
    let (feed, keys) = (home(NORTH), TestKeys::default());
    north.create(1, vec![replica(WEST, None)]);
    west.follow(&feed, &north, &keys);
    let sums = |feed_of: &crate::kit::Kingdom| {
        let held = feed_of.state.feed(&feed).unwrap();
        codec::from_sums(&codec::sums(held.sums())).unwrap()
    };
    assert!(differing(&west.state, &feed, &sums(&north)).is_empty());
    north.create(2, vec![replica(WEST, None)]);
    let buckets = differing(&west.state, &feed, &sums(&north));
    // The new secret and its version; the checkpoint has not moved.
    assert!((1..=3).contains(&buckets.len()), "{buckets:?}");
}
