//! The trail from outside: what it writes, what it finds again, and what damage and want do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod damage;
mod format;
mod full_disk;
mod kill;
mod opening;
mod power;
mod reading;
mod rotation;
mod support;
mod syncing;
