//! Forgets versions that were kept for copies to be detached, when nothing came of it (R24).

use std::collections::BTreeMap;

use machine::{Command, Outcome, StageDetach, Stamp, Uid};

use super::{TaskError, Tasks};
use crate::limits::{RESEALED_INTERVAL, RESEALED_KEPT};

impl Tasks {
    /// Looks now and then; only the leader proposes.
    pub(super) async fn forget_resealed(self) {
        loop {
            tokio::time::sleep(RESEALED_INTERVAL).await;
            if !self.leads() {
                continue;
            }
            let view = self.consensus.local_view();
            let kept = view.all_resealed();
            let kept = kept.map(|(uid, kept)| (*uid, kept.new_uid, kept.staged));
            let left = left(kept, self.clock.now());
            drop(view);
            for forget in left {
                if let Err(error) = self.forget(forget).await {
                    self.failed("resealed", &error);
                    break;
                }
            }
        }
    }
}

impl Tasks {
    async fn forget(&self, forget: StageDetach) -> Result<Outcome, TaskError> {
        let copy = forget.uid.to_string();
        let command = Command::StageDetach(forget);
        self.act("resealed", command, "ForgetDetached", &copy).await
    }
}

/// The copies of which nothing was kept for long, of what is kept: copy, new secret and when.
fn left(kept: impl Iterator<Item = (Uid, Uid, Stamp)>, now: Stamp) -> Vec<StageDetach> {
    let mut last: BTreeMap<Uid, (Uid, Stamp)> = BTreeMap::new();
    for (uid, new_uid, staged) in kept {
        let newest = last.entry(uid).or_insert((new_uid, staged));
        newest.1 = newest.1.max(staged);
    }
    let is_old = |staged: Stamp| u128::from(now.since_ms(staged)) >= RESEALED_KEPT.as_millis();
    let left = last.into_iter().filter(|(_, (_, staged))| is_old(*staged));
    left.map(|(uid, (new_uid, _))| StageDetach {
        uid,
        new_uid,
        versions: Vec::new(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use machine::{Stamp, Uid};

    use super::left;
    use crate::limits::RESEALED_KEPT;

    #[test]
    fn what_nothing_came_of_for_long_is_forgotten_and_what_still_grows_is_not() {
        let (begun, given_up) = (Uid([1; 16]), Uid([2; 16]));
        let kept = |uid, staged| (uid, Uid([3; 16]), Stamp(staged));
        let long = u64::try_from(RESEALED_KEPT.as_millis()).unwrap();
        let rows = [
            kept(begun, 1),
            kept(begun, 100),
            kept(given_up, 1),
            kept(given_up, 2),
        ];
        let at = |now| {
            let left = left(rows.into_iter(), Stamp(now));
            assert!(left.iter().all(|forget| forget.versions.is_empty()));
            left.iter().map(|forget| forget.uid).collect::<Vec<_>>()
        };
        assert_eq!(at(long + 1), []);
        assert_eq!(at(long + 2), [given_up]);
        assert_eq!(at(long + 100), [begun, given_up]);
    }
}
