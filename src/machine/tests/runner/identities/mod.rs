//! Commands of a script about identities, what it may ask of them, and how they are shown.

mod commands;
mod print;
mod queries;

pub use commands::command;
pub use print::{document, named, row};
pub use queries::answer;
