//! The store from outside: one suite for both twins, models, and damage of every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod base;
mod full_disk;
mod golden;
mod log;
mod packs;
mod renewal;
mod rows;
mod rows_damage;
mod snapshots;
mod support;
mod wal_damage;
