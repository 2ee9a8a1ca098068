//! Wrapping the keys of copies again, when their secret names another KMS key for this region than
//! the one they are under.

use machine::{Command, FeedId, Rejection, RewrapSecret, State, Uid};

use crate::follow::failed::Failed;
use crate::follow::trouble::Trouble;
use crate::follow::wraps::{listed, short};
use crate::follow::{Following, is_led_elsewhere};
use crate::options::Keys;

/// What is to be done with one secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its wraps are as they should be, or it is none of ours to see to.
    Nothing,
    /// These wraps take the place of those there are.
    Wraps(FeedId, RewrapSecret),
    /// The key does not wrap, in words.
    Failed(String),
}

/// Finds what is to be done with one secret.
pub(super) fn wanted(state: &State, keys: &dyn Keys, uid: &Uid) -> Wanted {
    let feed = state.feed_of_secret(uid);
    let feed = feed.filter(|feed| is_led_elsewhere(state, feed));
    let Some(((feed, secret), own)) = feed.zip(listed(state, uid)).zip(state.region()) else {
        return Wanted::Nothing;
    };
    let replica = secret.replica(own);
    let key_name = replica.and_then(|replica| replica.kms_key.as_deref());
    let mut wraps = Vec::new();
    for (version, wrap) in state.wraps(uid) {
        match keys.rewrap(state, key_name, uid, &version, wrap) {
            Ok(None) => {}
            Ok(Some(wrap)) => wraps.push((version, wrap)),
            Err(reason) => return Wanted::Failed(short(&reason)),
        }
    }
    match wraps.is_empty() {
        true => Wanted::Nothing,
        false => Wanted::Wraps(feed.clone(), RewrapSecret { uid: *uid, wraps }),
    }
}

/// Does it; an error in words if the key does not wrap, or the rules refuse the wraps.
pub(super) async fn rewrap(following: &Following, wanted: Wanted) -> Result<(), String> {
    let (feed, rewrap) = match wanted {
        Wanted::Nothing => return Ok(()),
        Wanted::Failed(reason) => return Err(reason),
        Wanted::Wraps(feed, rewrap) => (feed, rewrap),
    };
    // If it is not known whether it is done, the next look shows it.
    let command = Command::RewrapSecret(rewrap);
    match following.settle("rewrap", &feed, command).await {
        Ok(_) => Ok(()),
        // It went, or changed, meanwhile: whatever touched it has it looked at again.
        Err(Failed::Trouble(Trouble::Refused { source, .. })) if is_of_change(&source) => Ok(()),
        Err(failed) => Err(short(&failed.to_string())),
    }
}

fn is_of_change(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::SecretNotFound
            | Rejection::SecretPurged
            | Rejection::SecretWithheld(_)
            | Rejection::VersionNotFound(_)
    )
}
