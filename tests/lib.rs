//! Tests of Strongroom that need more than one crate.
