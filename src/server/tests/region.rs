//! Whole nodes in one process over loopback TLS: the API as a caller meets it.

mod region {
    pub mod harness;
    mod secrets;
}
