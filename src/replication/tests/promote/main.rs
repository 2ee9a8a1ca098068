//! Taking over a lost region's feeds.

#[path = "../support/mod.rs"]
mod support;

mod others;
mod taken;
