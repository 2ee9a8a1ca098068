//! Why a secret of another region is not kept, or not whole: rows of this region only, which its
//! primary is told of.

use std::sync::Arc;

use crate::decide::hide::forget_resealed;
use crate::decide::intake::Intake;
use crate::ids::{Ordinal, Uid};
use crate::limits::MESSAGE_CHARS_MAX;
use crate::names::Label;
use crate::row::{KeptLabel, KeptLabels, Problem, ProblemKind, RowKey};
use crate::secret::Secret;

impl Intake<'_, '_> {
    /// Notes why a secret is not kept, or not whole.
    pub(super) fn note_problem(&mut self, uid: Uid, kind: ProblemKind, words: &str) {
        let words = match kind {
            _ if !words.is_empty() => words,
            ProblemKind::NameTaken => {
                "Replication failed: Secret name simple conflict in this region."
            }
            ProblemKind::Key => "Replication failed: the KMS key can't be used in this region.",
            ProblemKind::Malformed => "Replication failed: the secret could not be read.",
        };
        let message: String = words.chars().take(MESSAGE_CHARS_MAX).collect();
        let known = self.scratch.problem(&uid);
        let same = known.filter(|known| known.kind == kind && known.message == message);
        let problem = Problem {
            kind,
            message,
            since: same.map_or(self.draft.stamp, |same| same.since),
        };
        if known != Some(&problem) {
            self.draft.put(RowKey::Problem(uid), &problem);
            self.sync();
        }
    }

    /// Notes which versions had labels that a secret's row, about to be put, moves on to versions
    /// whose values are not here: reads by label go on with them as long as there is a problem.
    pub(super) fn note_labels(&mut self, after: &Secret) {
        let uid = after.uid;
        let is_here = |ordinal: &Ordinal| self.scratch.has_value(&uid, *ordinal);
        let before = self.scratch.secret_row(&uid);
        let noted = self.kept_labels(&uid);
        let last = |label: &Label| {
            let held = before.and_then(|before| before.body().labelled(label.as_str()));
            let held = held.map(|version| version.ordinal).filter(is_here);
            let mut noted = noted.iter().filter(|kept| kept.label == *label);
            held.or_else(|| noted.next().map(|kept| kept.ordinal).filter(is_here))
        };
        let lacking = after.versions.iter();
        let lacking = lacking.filter(|version| !is_here(&version.ordinal));
        let labels = lacking.flat_map(|version| &version.labels);
        let kept = labels.filter_map(|label| {
            Some(KeptLabel {
                label: label.clone(),
                ordinal: last(label)?,
            })
        });
        let kept: Vec<KeptLabel> = kept.collect();
        if !kept.is_empty() || !noted.is_empty() {
            self.moved.insert(uid, kept);
        }
    }

    /// Gives what was noted of labels, in this entry or before.
    fn kept_labels(&self, uid: &Uid) -> Vec<KeptLabel> {
        let moved = self.moved.get(uid).map(Vec::as_slice);
        let noted = moved.unwrap_or_else(|| self.scratch.kept_labels(uid));
        noted.to_vec()
    }

    /// Says that what was noted of a secret's labels may be over.
    pub(super) fn doubt_labels(&mut self, uid: Uid) {
        let noted = self.kept_labels(&uid);
        if !noted.is_empty() {
            self.moved.insert(uid, noted);
        }
    }

    /// Keeps what was noted of labels, where it still holds once the whole entry is taken in.
    pub(super) fn keep_labels(&mut self) {
        for (uid, noted) in std::mem::take(&mut self.moved) {
            let is_here = |ordinal| self.scratch.has_value(&uid, ordinal);
            let secret = self.scratch.secret(&uid);
            let is_missing = |kept: &KeptLabel| {
                // The secret may come again.
                let has = secret.map(|secret| secret.labelled(kept.label.as_str()));
                has.is_none_or(|has| has.is_some_and(|has| !is_here(has.ordinal)))
            };
            let holds = noted.into_iter();
            let holds = holds.filter(|kept| is_here(kept.ordinal) && is_missing(kept));
            let labels: Vec<KeptLabel> = holds.collect();
            match (labels.is_empty(), self.scratch.kept_labels(&uid)) {
                (true, []) => {}
                (true, _) => self.draft.delete(RowKey::KeptLabels(uid)),
                (false, known) if known == labels => {}
                (false, _) => self
                    .draft
                    .put(RowKey::KeptLabels(uid), &KeptLabels { labels }),
            }
        }
        self.sync();
    }

    /// Notes why a value is not kept, unless the secret's name is the reason for more.
    pub(super) fn note_value(&mut self, uid: Uid, kind: ProblemKind, words: &str) {
        if self.scratch.late_since(&uid).is_none() {
            self.note_problem(uid, kind, words);
        }
    }

    pub(super) fn clear_problem(&mut self, uid: Uid) {
        if self.scratch.problem(&uid).is_some() {
            self.draft.delete(RowKey::Problem(uid));
            self.sync();
        }
    }

    /// Notes that a secret is kept. Where every secret is received it is even if another one had
    /// its name before: it is read by its full ARN only then.
    pub(super) fn note_kept(&mut self, secret: &Secret) {
        let uid = secret.uid;
        let since = match self.scratch.secret_row(&uid) {
            Some(_) => self.scratch.late_since(&uid),
            None => Some(self.draft.stamp),
        };
        let is_before =
            |other: &Arc<Secret>| other.uid != uid && self.scratch.late_since(&other.uid) < since;
        let others = self.scratch.namesakes(&secret.account, &secret.name);
        let is_late = others.filter(|other| is_before(other)).count() > 0;
        // What a value that came before its secret was refused for is left: it is still missing.
        let was_refused = self.scratch.is_withheld(&RowKey::Secret(uid));
        if is_late {
            self.note_problem(uid, ProblemKind::NameTaken, "");
        } else if was_refused || self.scratch.late_since(&uid).is_some() {
            self.clear_problem(uid);
        }
    }

    /// Forgets versions that were kept to detach what is no copy of this region any more.
    pub(super) fn note_listed(&mut self, secret: &Secret) {
        let own = self.scratch.region();
        if own.is_some_and(|own| secret.replica(own).is_none()) {
            forget_resealed(self.draft, &self.scratch, secret.uid);
            self.sync();
        }
    }

    /// Clears a problem with values if none is missing any more, and one with what is gone.
    pub(super) fn settle(&mut self, key: &RowKey) {
        let uid = key.uid();
        if key.is_of_secret() {
            self.doubt_labels(uid);
        }
        if !key.is_of_secret() || self.scratch.problem(&uid).is_none() {
            return;
        }
        let is_here = self.scratch.secret(&uid).is_some();
        let is_whole = is_here && !self.scratch.is_incomplete(&uid);
        let is_gone =
            self.scratch.feed_of_secret(&uid).is_none() && !self.scratch.knows_versions(uid, 1);
        if is_gone || (is_whole && self.scratch.late_since(&uid).is_none()) {
            self.clear_problem(uid);
        }
    }
}
