//! The secrets API: AWS semantics over the machine's state.

mod page;
mod words;
