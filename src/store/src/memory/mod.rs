//! Twins of the log and the rows that live in memory, for tests and nothing else.

mod log;
mod rows;

pub use log::MemoryLog;
pub use rows::MemoryRows;
