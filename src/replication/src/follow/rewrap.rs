//! The task that wraps the keys of copies again when their secret names another KMS key for this
//! region than the one they are under.

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::{Command, Rejection, RewrapSecret, State, Uid};
use tokio::time::{Instant, sleep, sleep_until};

use crate::follow::Following;
use crate::follow::is_led_elsewhere;
use crate::follow::touched::Reader;
use crate::follow::wraps::{listed, short};
use crate::limits::{REWRAP_PAUSE, REWRAP_PAUSE_MIN, REWRAP_SECRETS, TOUCHED_MAX};
use crate::options::Keys;
use crate::work;

/// What is to be done with one secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its wraps are as they should be, or it is none of ours to see to.
    Nothing,
    /// These wraps take the place of those there are.
    Wraps(RewrapSecret),
    /// The key does not wrap, in words.
    Failed(String),
}

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>) {
    let mut failed: BTreeSet<Uid> = BTreeSet::new();
    let mut again_at = Instant::now() + REWRAP_PAUSE;
    loop {
        tokio::select! {
            () = following.touched.wait(Reader::Rewrap) => {}
            () = sleep_until(again_at) => {}
        }
        let list = following.touched.take(Reader::Rewrap);
        let mut uids: Vec<Uid> = list.uids.into_iter().collect();
        if Instant::now() >= again_at {
            again_at = Instant::now() + REWRAP_PAUSE;
            uids.extend(std::mem::take(&mut failed));
        }
        if list.is_all {
            failed.clear();
            walk(&following, &mut failed).await;
        }
        for part in uids.chunks(REWRAP_SECRETS) {
            rewrap(&following, part.to_vec(), &mut failed).await;
        }
    }
}

/// Looks at all secrets there are.
async fn walk(following: &Arc<Following>, failed: &mut BTreeSet<Uid>) {
    let mut after = None;
    loop {
        let view = following.view();
        let secrets = view.listed_after(after).take(REWRAP_SECRETS);
        let part: Vec<Uid> = secrets.map(|(_, secret)| secret.uid).collect();
        drop(view);
        after = part.last().copied();
        if after.is_none() {
            return;
        }
        rewrap(following, part, failed).await;
    }
}

/// Wraps anew what has to be, of a few secrets.
async fn rewrap(following: &Arc<Following>, uids: Vec<Uid>, failed: &mut BTreeSet<Uid>) {
    let (view, context) = (following.view(), Arc::clone(&following.context));
    let made = work::run(move || {
        let keys = context.options.keys.as_ref();
        let made = uids.into_iter().map(|uid| (uid, wanted(&view, keys, &uid)));
        made.collect::<Vec<_>>()
    });
    let Ok(made) = made.await else {
        return;
    };
    for (uid, wanted) in made {
        let reason = match wanted {
            Wanted::Nothing => None,
            Wanted::Wraps(rewrap) => propose(following, rewrap).await.err(),
            Wanted::Failed(reason) => Some(reason),
        };
        if let Some(reason) = &reason
            && failed.len() < TOUCHED_MAX
        {
            tracing::warn!(%uid, reason, "a copy is not under the key that its secret names");
            failed.insert(uid);
        }
        // Whoever asks about the copy is to be told of what goes wrong, and of what went right again.
        if following.reason(uid, reason) {
            following.touched.reportable(Some(uid));
        }
    }
}

/// Proposes wraps until they are in the log; an error in words if the rules refuse them.
async fn propose(following: &Following, rewrap: RewrapSecret) -> Result<(), String> {
    let uid = rewrap.uid;
    loop {
        let command = Command::RewrapSecret(rewrap.clone());
        match following.propose("rewrap", command).await {
            Ok(committed) => match committed.answer {
                // It went, or changed, meanwhile: whatever touched it has it looked at again.
                Err(Rejection::SecretNotFound | Rejection::SecretPurged) => return Ok(()),
                Err(Rejection::SecretWithheld(_) | Rejection::VersionNotFound(_)) => return Ok(()),
                Err(rejection) => return Err(short(&rejection.to_string())),
                Ok(_) => {
                    following.touched.reportable(Some(uid));
                    return Ok(());
                }
            },
            // If the first is there after all, the same wraps do no harm a second time.
            Err(_unavailable) => sleep(REWRAP_PAUSE_MIN).await,
        }
    }
}

/// Finds what is to be done with one secret.
pub(super) fn wanted(state: &State, keys: &dyn Keys, uid: &Uid) -> Wanted {
    let feed = state.feed_of_secret(uid);
    let Some((secret, own)) = listed(state, uid).zip(state.region()) else {
        return Wanted::Nothing;
    };
    if !feed.is_some_and(|feed| is_led_elsewhere(state, feed)) {
        return Wanted::Nothing;
    }
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
        false => Wanted::Wraps(RewrapSecret { uid: *uid, wraps }),
    }
}
