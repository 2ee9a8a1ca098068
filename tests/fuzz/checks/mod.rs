//! What each fuzz target does with an input, and what must hold of it: called by the target under
//! libFuzzer, and by an ordinary test with the committed corpus and mutations of it.

pub mod base;
pub mod certificate;
pub mod config;
pub mod directory;
pub mod entries;
pub mod imports;
pub mod log;
pub mod messages;
pub mod names;
pub mod replication;
pub mod requests;
pub mod rows;
pub mod snapshot;

/// A target by name: it panics when something does not hold.
pub type Check = fn(&[u8]);

/// Every target.
pub const ALL: &[(&str, Check)] = &[
    ("base", base::check),
    ("certificate", certificate::check),
    ("config", config::check),
    ("directory", directory::check),
    ("entries", entries::check),
    ("imports", imports::check),
    ("log", log::check),
    ("messages", messages::check),
    ("names", names::check),
    ("replication", replication::check),
    ("requests", requests::check),
    ("rows", rows::check),
    ("snapshot", snapshot::check),
];
