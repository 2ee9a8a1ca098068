//! I4: nodes that have applied the same index have the same hash.

use std::collections::BTreeMap;

use consensus::View;
use machine::Hash;

use crate::history::{Violation, violation};

pub const NAME: &str = "I4 the same log gives the same state";

/// The hash at every index that any node was seen at, and where each node was last seen.
#[derive(Default)]
pub struct Agreement {
    hashes: BTreeMap<u64, (u64, Hash)>,
    last: BTreeMap<u64, u64>,
}

impl Agreement {
    pub fn see(&mut self, node: u64, view: &View) -> Result<(), Violation> {
        let index = view.index().0;
        if self.last.insert(node, index) == Some(index) {
            return Ok(());
        }
        let hash = view.node_hash();
        let (first, known) = *self.hashes.entry(index).or_insert((node, hash));
        if known == hash {
            return Ok(());
        }
        let how = format!("node {node} differs from node {first} at index {index}");
        Err(violation(NAME, how))
    }
}
