//! Whole nodes in one process over loopback TLS: the API as a caller meets it.
#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

mod region {
    mod bearers;
    pub mod harness;
    mod issuer;
    mod principals;
    mod requests;

    mod audit;
    mod bad_input;
    mod batch;
    mod by_hand;
    mod canary;
    mod certificates;
    mod elsewhere;
    mod forward;
    mod grants;
    mod identities;
    mod items;
    mod life;
    mod link_tokens;
    mod linked;
    mod lists;
    mod lookalikes;
    mod membership;
    mod not_yet;
    mod operations;
    mod policies;
    mod positions;
    mod promoted;
    mod reads;
    mod revoked;
    mod session_keys;
    mod sessions;
    mod sessions_abroad;
    mod staleness;
    mod strangers;
    mod trust;
    mod versions;
    mod watch;
    mod web_identity;
}
