//! What is kept of a snapshot that is on its way: found, added to, forgotten, all by entries of the
//! log (R25).

use std::sync::Arc;

use machine::{Command, FeedId, ForgetStaged, Hash, RegionName, Row, State};
use tokio::time::sleep;

use crate::codec::Malformed;
use crate::follow::Following;
use crate::follow::lost::Lost;
use crate::follow::staging::Gathered;
use crate::follow::trouble::Trouble;
use crate::follow::verdict::{Verdict, judge};
use crate::follow::wraps::Named;
use crate::limits::{SNAPSHOT_PAUSE_MAX, SNAPSHOT_PAUSE_MIN};
use crate::work;

/// Why a try came to nothing.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It may go better the next time: why not this time.
    Lost(Lost),
    /// What is kept is of no use: it is forgotten, and begun anew.
    Moved,
    /// Fetching it again soon is of no use.
    Trouble(Trouble),
    /// The region is not to be asked for it any more.
    Gone,
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Failed {
        Failed::Lost(lost)
    }
}

impl Failed {
    /// A message that cannot be read.
    pub(crate) fn unreadable(feed: &FeedId, source: Malformed) -> Failed {
        Failed::Trouble(Trouble::Unreadable {
            feed: feed.clone(),
            source,
        })
    }
}

/// What is kept of a snapshot that was broken off.
pub(crate) struct KeptPart {
    pub(crate) gathered: Gathered,
    pub(crate) named: Named,
}

/// Finds what is kept; the rest of one that is being forgotten is forgotten first.
pub(crate) async fn kept(
    following: &Arc<Following>,
    feed: &FeedId,
) -> Result<Option<KeptPart>, Failed> {
    let view = following.read().await.map_err(Lost::of)?;
    let staging = view.feed(feed).and_then(|held| held.staging()).cloned();
    let Some(staging) = staging else {
        return Ok(None);
    };
    if staging.at.chain == Hash::ZERO {
        forget_all(following, feed).await?;
        return Ok(None);
    }
    let at = staging.at;
    let (rows, bytes, feed) = (staging.rows, staging.bytes, feed.clone());
    let own = following.context.options.region.clone();
    // Putting together what is kept walks all of it.
    let part = work::run(move || {
        let (mut last, mut named) = (None, Named::default());
        for staged in view.feed(&feed).into_iter().flat_map(|held| held.staged()) {
            last = Some(staged.key);
            note(&mut named, &own, &staged.row);
        }
        KeptPart {
            gathered: Gathered::resume(feed, at, last, rows, bytes),
            named,
        }
    });
    Ok(Some(part.await.map_err(Lost::of)?))
}

/// Proposes a command until it is in the log; when nobody knows, the state says whether it is.
pub(crate) async fn until_done(
    following: &Following,
    feed: &FeedId,
    command: Command,
    is_done: impl Fn(&State) -> bool,
) -> Result<(), Failed> {
    let mut pause = SNAPSHOT_PAUSE_MIN;
    loop {
        let answered = following.propose("snapshot", command.clone()).await;
        match judge(feed, answered) {
            Verdict::Done(_) => return Ok(()),
            Verdict::Restage => {
                let view = following.read().await.map_err(Lost::of)?;
                // It may have been there already, by a try whose answer was lost.
                return is_done(&view).then_some(()).ok_or(Failed::Moved);
            }
            Verdict::Trouble(trouble) => return Err(Failed::Trouble(trouble)),
            Verdict::Reread => {
                let view = following.read().await.map_err(Lost::of)?;
                if is_done(&view) {
                    return Ok(());
                }
            }
            Verdict::Again => {}
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(SNAPSHOT_PAUSE_MAX);
    }
}

/// Forgets what is kept of a snapshot, so much in one entry.
pub(crate) async fn forget_all(following: &Following, feed: &FeedId) -> Result<(), Failed> {
    loop {
        let view = following.read().await.map_err(Lost::of)?;
        let is_kept = |state: &State| {
            state
                .feed(feed)
                .is_some_and(|held| held.staging().is_some())
        };
        if !is_kept(&view) {
            return Ok(());
        }
        let command = Command::ForgetStaged(ForgetStaged { feed: feed.clone() });
        match judge(feed, following.propose("snapshot", command).await) {
            Verdict::Trouble(trouble) => return Err(Failed::Trouble(trouble)),
            Verdict::Done(_) | Verdict::Reread => {}
            Verdict::Again | Verdict::Restage => sleep(SNAPSHOT_PAUSE_MIN).await,
        }
    }
}

/// Notes a secret whose values are to be under another key than the default one.
pub(crate) fn note(named: &mut Named, own: &RegionName, row: &Row) {
    let Row::Secret(kept) = row else {
        return;
    };
    let replica = kept.body().replica(own);
    if replica.is_some_and(|replica| replica.kms_key.is_some()) {
        named.note(kept.body());
    }
}
