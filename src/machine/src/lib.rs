//! strongroom-machine
