//! What a region that is linked takes in of another one's feeds, and what is done to it then: as
//! entries of its log, with the checks of `entries`.

use crate::checks::entries::applied_to;
use crate::pair::follower;

/// Takes entries.
pub fn check(input: &[u8]) {
    applied_to(follower(), input);
}
