//! Tokens of issuers, as an issuer makes them and as an attacker would like to.

// What makes keys and tokens for all tests is no test itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod tokens {
    pub mod hostile;
    pub mod issuers;
    pub mod keysets;
    pub mod signer;
}
