//! What a region serves to linked regions, and to nobody else.

#[path = "../support/mod.rs"]
mod support;

mod alive;
mod callers;
mod changes;
mod compare;
mod fence;
mod malformed;
mod rows;
mod snapshot;
mod told;
