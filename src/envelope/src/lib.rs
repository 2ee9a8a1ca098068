//! strongroom-envelope
