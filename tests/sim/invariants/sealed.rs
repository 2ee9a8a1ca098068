//! I1, as far as nodes talk to each other: no plaintext is in any byte they send.

use crate::history::{Violation, violation};
use crate::network::Network;

pub const NAME: &str = "I1 no plaintext between nodes";

pub fn check(network: &Network) -> Result<(), Violation> {
    match network.seen_forbidden() {
        None => Ok(()),
        Some(seen) => Err(violation(NAME, format!("a node sent `{seen}`"))),
    }
}
