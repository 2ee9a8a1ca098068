//! The decisions of following, each on states that the machine made.

mod announce;
mod forget;
mod hostile;
mod key;
mod lane;
mod mend;
mod needs;
mod plan;
mod reports;
mod rewrap;
mod session;
mod support;
mod wraps;
