//! R23: the body of a secret is only where it is shared: nothing that names it is sent to another
//! region, and none is kept there.

use consensus::View;
use machine::RowKey;

use crate::chronicle::Chronicle;
use crate::network::Network;
use crate::violation::{Violation, violation};

pub const NAME: &str = "R23 bodies are with members only";

/// Checks what was sent.
pub fn check_sent(network: &Network) -> Result<(), Violation> {
    match network.seen_forbidden() {
        None => Ok(()),
        Some(seen) => Err(violation(NAME, seen)),
    }
}

/// Checks what a node has of the feeds that other regions lead: each row was for its region when it
/// was written. A region that led the feed then keeps what it wrote until it is written again.
pub fn check_held(host: u64, view: &View, chronicle: &Chronicle) -> Result<(), Violation> {
    let Some(own) = view.region() else {
        return Ok(());
    };
    for (feed, secret) in view.listed_after(None) {
        if view.is_primary(feed) || view.receives_all(feed) {
            continue;
        }
        let row = view.commitment_of(&RowKey::Secret(secret.uid));
        let members = row.and_then(|row| chronicle.members(&row));
        let is_listed = members.is_none_or(|members| members.contains(own));
        if !is_listed {
            let how = format!("node {host} holds {} of feed {feed}", secret.uid);
            return Err(violation(NAME, how));
        }
    }
    Ok(())
}
