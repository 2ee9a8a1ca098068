//! Two and three regions of real processes, three nodes each unless said, linked as an operator
//! links them: what is promised when a region is late, cut off, lost, forged, or promoted over.
//!
//! Between the regions is a proxy before every node, which makes late, holds back, counts and
//! records; where time is measured the nodes have machines of their own and a router of packets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod callers;
mod calls;
mod cluster;
mod fenced;
mod forged;
mod hashes;
mod lag;
mod ledger;
mod loss;
mod outside;
mod peers;
mod relay;
mod severed;
mod shared;
mod thirds;
