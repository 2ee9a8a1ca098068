//! The Strongroom node: configuration, method table, handlers, background tasks, metrics.

pub mod config;
mod errors;
mod limits;
mod random_password;
mod secrets;

pub use self::config::Config;
