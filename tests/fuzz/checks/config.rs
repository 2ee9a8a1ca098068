//! A configuration file: taken, or refused with a text that names what is wrong. What is taken and
//! written out again says the same.

use server::Config;

/// Takes the text of a file.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    match Config::parse(input) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(config) => {
            drop(config.validate());
            let text = config.to_toml().expect("a configuration can be written");
            let again = Config::parse(&text).expect("what was written can be read");
            assert_eq!(again.to_toml().as_ref(), Ok(&text));
        }
    }
}
