//! A signature that is checked for nobody: a token of an issuer that is not trusted costs as much
//! as one of an issuer that is, so that time does not tell which are.

use std::sync::LazyLock;

use access::jwt::{Jwks, Provider, verify};

/// One key of each kind that tokens are signed with: those of RFC 7517 and 8037, and of P-384 the
/// generator. A key set of one key without an id has it used for every token of its kind.
const KEYS: [&str; 4] = [
    "{\"keys\": [{\"kty\": \"RSA\", \"e\": \"AQAB\", \"n\": \"0vx7agoebGcQSuuPiLJXZptN9nn\
     drQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn\
     jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAta\
     Sqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4l\
     Fd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\"}]}",
    "{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"MKBCTNIcKUSDii11ySs3526iD\
     Z8AiTo7Tu6KPAqv7D4\", \"y\": \"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}",
    "{\"keys\": [{\"kty\": \"EC\", \"crv\": \"P-384\", \"x\": \"qofKIr6LBTeOscce8yCtdG4dO\
     2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3\", \"y\": \"NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR8\
     6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f\"}]}",
    "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg\
     7hcvPapiMlrwIaaPcHURo\"}]}",
];

static DECOYS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let sets = KEYS.iter().filter_map(|keys| Jwks::parse(keys).ok());
    let providers = sets.map(|jwks| Provider {
        issuer: String::new(),
        audiences: Vec::new(),
        jwks,
    });
    providers.collect()
});

/// Checks the signature of a token with a key of its kind. What comes of it counts for nothing.
pub fn check(token: &str, now_ms: i64) {
    for decoy in DECOYS.iter() {
        // Only one of them has a key of the token's kind; the others end with its header.
        let _ = verify(token, decoy, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::{DECOYS, KEYS};

    #[test]
    fn there_is_a_key_of_each_kind() {
        assert_eq!(DECOYS.len(), KEYS.len());
    }
}
