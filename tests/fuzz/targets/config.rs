//! A configuration file: taken, or refused with a text that names what is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use server::Config;

fuzz_target!(|input: &str| {
    if let Err(error) = Config::parse(input) {
        assert!(!error.to_string().is_empty());
    }
});
