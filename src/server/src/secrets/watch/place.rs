//! Where a watch stands in the home feeds, and the token that says it.

use std::collections::BTreeMap;

use machine::{Epoch, Feed, FeedId, Position, Revision, State, Token};

use crate::errors::{Reason, Refusal};

/// The last revision that was told of each home feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(BTreeMap<FeedId, Revision>);

impl Place {
    /// Where a state stands.
    pub(super) fn of(state: &State) -> Self {
        Self(homes(state).collect())
    }

    /// Where a token says that a watch goes on; without one, where the state stands.
    ///
    /// # Errors
    /// `PositionLost`: the changes after it are not kept.
    pub(super) fn after(state: &State, token: Option<&Token>) -> Result<Self, Refusal> {
        let Some(token) = token else {
            return Ok(Self::of(state));
        };
        let mut place = Self::default();
        for (feed, _) in homes(state) {
            let mut positions = token.positions.iter();
            let position = positions.find(|position| position.feed == feed);
            // One that came here after the token was made is told from its beginning.
            let after = position.map_or(Revision(0), |position| position.revision);
            if state.journal(&feed, after).is_none() {
                return Err(lost(&feed, after));
            }
            place.0.insert(feed, after);
        }
        Ok(place)
    }

    /// The last revision that was told of a feed; 0 of one that is new.
    pub(super) fn revision(&self, feed: &FeedId) -> Revision {
        self.0.get(feed).copied().unwrap_or_default()
    }

    /// The token that stands for this place in the history a state has.
    pub(super) fn token(&self, state: &State) -> Token {
        let positions = self.0.iter().filter_map(|(feed, revision)| {
            Some(Position {
                feed: feed.clone(),
                epoch: epoch_at(state.feed(feed)?, *revision)?,
                revision: *revision,
            })
        });
        Token {
            positions: positions.collect(),
        }
    }
}

/// The home feeds of a state, each with its last revision.
pub(super) fn homes(state: &State) -> impl Iterator<Item = (FeedId, Revision)> {
    let feeds = state.feeds().filter_map(Feed::state);
    let homes = feeds.filter(|feed| feed.feed != FeedId::Root);
    homes.map(|feed| (feed.feed.clone(), feed.revision))
}

/// The epoch in which a revision was written.
fn epoch_at(feed: &Feed, revision: Revision) -> Option<Epoch> {
    let mut found = None;
    for begun in feed.epochs() {
        if found.is_some() && begun.last_revision >= revision {
            break;
        }
        found = Some(&begun.epoch);
    }
    found.cloned()
}

/// Where a token says a watch goes on.
///
/// # Errors
/// `InvalidParameterException`: it is none of a watch.
pub(super) fn resumed(token: &str) -> Result<Option<Token>, Refusal> {
    if token.is_empty() {
        return Ok(None);
    }
    let refused =
        || Refusal::parameter("The resume_token must be one that a message of a watch carried.");
    let token = Token::decode(token).map_err(|_| refused())?;
    match token
        .positions
        .iter()
        .any(|position| matches!(position.feed, FeedId::Home(_)))
    {
        true => Ok(Some(token)),
        false => Err(refused()),
    }
}

/// The changes after a revision are gone.
pub(super) fn lost(feed: &FeedId, after: Revision) -> Refusal {
    Refusal::new(
        Reason::PositionLost,
        format!(
            "The changes of feed {feed} after revision {after} are no longer kept: list the \
             secrets, then watch from now."
        ),
    )
}
