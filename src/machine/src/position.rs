//! Feeds and places in them. Revisions of two histories mean nothing to each other: compare
//! positions only after the state said that it holds them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use thiserror::Error;

use crate::codec::DecodeError;
use crate::hash::feed_uid;
use crate::ids::{Revision, Uid};
use crate::limits::{TOKEN_CHARS_MAX, TOKEN_POSITIONS_MAX};
use crate::names::{NameError, RegionName};
use crate::storage;

/// Names a feed: a history of rows with one primary at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedId {
    /// Accounts, principals, policies and the region directory; every region follows it.
    Root,
    /// The secrets created in a region.
    Home(RegionName),
}

/// A ballot: a region's claim to be primary of a feed. The higher one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Counts claims.
    pub number: u64,
    /// The region that claims.
    pub region: RegionName,
}

/// A place in a feed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The feed.
    pub feed: FeedId,
    /// The epoch in which the revision was written.
    pub epoch: Epoch,
    /// The revision.
    pub revision: Revision,
}

/// Positions a caller has seen and sends back; opaque to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Token {
    /// At most one position for each feed.
    pub positions: Vec<Position>,
}

/// Why text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is longer than any token.
    #[error("the position token is longer than {TOKEN_CHARS_MAX} characters")]
    TooLong,
    /// It is not base64url.
    #[error("the position token is not base64url without padding")]
    NotBase64,
    /// Its bytes are no token.
    #[error("the position token was not made by this service")]
    Malformed(#[source] DecodeError),
}

impl FeedId {
    /// Gives the identifier the feed's own rows are kept under.
    pub fn uid(&self) -> Uid {
        feed_uid(self)
    }
}

impl Token {
    /// Encodes the token as base64url without padding.
    pub fn encode(&self) -> String {
        let positions = self.positions.iter().map(storage::Position::from).collect();
        URL_SAFE_NO_PAD.encode(storage::Token { positions }.encode_to_vec())
    }

    /// Decodes a token.
    pub fn decode(text: &str) -> Result<Token, TokenError> {
        if text.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::TooLong);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| TokenError::NotBase64)?;
        Token::from_bytes(&bytes).map_err(TokenError::Malformed)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Token, DecodeError> {
        let token = storage::Token::decode(bytes)?;
        if token.positions.len() > TOKEN_POSITIONS_MAX {
            return Err(DecodeError::Field("positions"));
        }
        let positions = token
            .positions
            .into_iter()
            .map(Position::try_from)
            .collect::<Result<_, _>>();
        Ok(Token {
            positions: positions?,
        })
    }
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeedId::Root => f.write_str("root"),
            FeedId::Home(region) => write!(f, "home/{region}"),
        }
    }
}

impl FromStr for FeedId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<FeedId, NameError> {
        match text.split_once('/') {
            None if text == "root" => Ok(FeedId::Root),
            Some(("home", region)) => RegionName::new(region).map(FeedId::Home),
            _ => Err(NameError::Region),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.number, self.region)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.feed, self.epoch, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::{Epoch, FeedId, Position, Token};
    use crate::ids::Revision;
    use crate::limits::REGIONS_MAX;
    use crate::names::RegionName;

    #[test]
    fn a_token_of_as_many_regions_as_can_be_linked_is_read_as_it_was_written() {
        let regions = (0..REGIONS_MAX).map(|number| format!("ap-southeast-{number}"));
        let regions = regions.map(|name| RegionName::new(&name).unwrap());
        let homes = regions.map(FeedId::Home);
        let positions = std::iter::once(FeedId::Root).chain(homes);
        let token = Token {
            positions: positions
                .map(|feed| Position {
                    feed,
                    epoch: Epoch {
                        number: 1,
                        region: RegionName::new("ap-southeast-1").unwrap(),
                    },
                    revision: Revision(u64::MAX),
                })
                .collect(),
        };
        assert_eq!(Token::decode(&token.encode()), Ok(token));
    }
}
