//! Tests of whole nodes.
