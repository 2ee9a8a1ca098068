//! See `checks/imports.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| strongroom_fuzz::checks::imports::check(input));
