//! strongroom-consensus
