//! Whole nodes in one process over loopback TLS: the API as a caller meets it.
#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

mod region {
    pub mod harness;
    mod requests;

    mod bad_input;
    mod batch;
    mod canary;
    mod life;
    mod lists;
    mod membership;
    mod not_yet;
    mod operations;
    mod reads;
    mod strangers;
    mod versions;
    mod watch;
}
