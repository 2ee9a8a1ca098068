//! Texts of callers: names, ids, ARNs and tokens. What parses is written back as it was read.

use std::fmt::Display;
use std::str::FromStr;

use machine::{
    AccountId, ArnSuffix, ClusterId, FeedId, Hash, KeyId, Label, RegionName, RequestId, SecretId,
    SecretName, Token, Uid, VersionId,
};
use server::LinkToken;

/// Takes one text.
pub fn check(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    same::<ClusterId>(input);
    same::<Uid>(input);
    same::<KeyId>(input);
    same::<RequestId>(input);
    same::<Hash>(input);
    same::<FeedId>(input);
    same::<RegionName>(input);
    same::<AccountId>(input);
    same::<SecretName>(input);
    same::<VersionId>(input);
    same::<Label>(input);
    same::<ArnSuffix>(input);
    drop(input.parse::<SecretId>());
    if let Ok(token) = Token::decode(input) {
        assert_eq!(Token::decode(&token.encode()).as_ref(), Ok(&token));
    }
    if let Some(token) = LinkToken::parse(input) {
        assert!(*token.text() == *input);
    }
}

fn same<T: FromStr + Display>(input: &str) {
    if let Ok(parsed) = input.parse::<T>() {
        assert_eq!(parsed.to_string(), input);
    }
}
