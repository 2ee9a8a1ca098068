//! What is kept of a snapshot that is on its way, by entries of the log (R25).

use machine::{Command, Cursor, FeedId, ForgetStaged, RegionName, RowKey, StagedRow};

use crate::follow::Following;
use crate::follow::failed::Failed;
use crate::follow::verdict::Settled;
use crate::follow::wraps::Named;
use crate::work;

/// How much of a snapshot is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Where the feed stands in it.
    pub(crate) at: Cursor,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The last of the rows.
    pub(crate) last: Option<RowKey>,
    /// The secrets among them whose values are to be under another key than the default one.
    pub(crate) named: Named,
}

impl Kept {
    /// Nothing yet of a snapshot.
    pub(crate) fn nothing(at: Cursor) -> Kept {
        Kept {
            at,
            rows: 0,
            bytes: 0,
            last: None,
            named: Named::default(),
        }
    }

    /// Finds what is kept; the rest of one that is being forgotten is forgotten first.
    pub(crate) async fn find(following: &Following, feed: &FeedId) -> Result<Option<Kept>, Failed> {
        let view = following.read().await.map_err(Failed::lost)?;
        let staging = view.feed(feed).and_then(|held| held.staging()).cloned();
        let Some(staging) = staging else {
            return Ok(None);
        };
        if staging.is_broken() {
            forget_all(following, feed).await?;
            return Ok(None);
        }
        let kept = Kept {
            rows: staging.rows,
            bytes: staging.bytes,
            ..Kept::nothing(staging.at)
        };
        let (own, feed) = (following.context.options.region.clone(), feed.clone());
        // All of it is walked over.
        let kept = work::run(move || {
            let staged = view.feed(&feed).into_iter().flat_map(|held| held.staged());
            staged.fold(kept, |kept, row| kept.with(&own, row))
        });
        Ok(Some(kept.await.map_err(Failed::lost)?))
    }

    fn with(mut self, own: &RegionName, row: &StagedRow) -> Kept {
        self.named.note(own, &row.row);
        self.last = Some(row.key);
        self
    }
}

/// Forgets what is kept of a snapshot, so much in one entry.
pub(crate) async fn forget_all(following: &Following, feed: &FeedId) -> Result<(), Failed> {
    let mut view = following.read().await.map_err(Failed::lost)?;
    while view.feed(feed).is_some_and(|held| held.staging().is_some()) {
        let command = Command::ForgetStaged(ForgetStaged { feed: feed.clone() });
        view = match following.settle("snapshot", feed, command).await? {
            Settled::Done(view) | Settled::Unclear(view) => view,
        };
    }
    Ok(())
}
