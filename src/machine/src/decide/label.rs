//! Staging labels. A label sits on at most one version; when AWSCURRENT moves, AWSPREVIOUS follows
//! to the version that had it; AWSCURRENT never goes (I6).

use crate::answer::Outcome;
use crate::command::UpdateSecretVersionStage;
use crate::decide::draft::Draft;
use crate::decide::{secret, unmoved};
use crate::ids::Ordinal;
use crate::limits::LABELS_MAX;
use crate::names::{Label, VersionId};
use crate::rejection::Rejection;
use crate::secret::{Secret, Version};

pub(super) fn update_stage(
    draft: &mut Draft<'_>,
    update: &UpdateSecretVersionStage,
) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &update.seen)?;
    let (feed, before) = secret::live(draft.state, &update.uid)?;
    let label = &update.label;
    let removed_from = named(&before, update.remove_from.as_ref())?;
    let moved_to = named(&before, update.move_to.as_ref())?;
    let holder = before.labelled(label.as_str());
    let mut after = Secret::clone(&before);
    match (removed_from, moved_to) {
        (None, None) => return Err(Rejection::NothingToMove),
        (Some(from), _) if !from.holds(label.as_str()) => {
            return Err(not_held(label, from, holder));
        }
        (Some(from), None) => {
            if label.is_current() {
                return Err(Rejection::CurrentNotRemovable);
            }
            detach(&mut after, label, from.ordinal);
        }
        (None, Some(to)) => match holder {
            Some(holder) if holder.ordinal != to.ordinal => {
                let (label, version) = (label.clone(), holder.id.clone());
                return Err(Rejection::LabelElsewhere { label, version });
            }
            _ => attach(&mut after, label, to.ordinal),
        },
        (Some(_), Some(to)) => attach(&mut after, label, to.ordinal),
    }
    counted(&after)?;
    let version = update.move_to.clone();
    if after == *before {
        return Ok(Outcome::Secret {
            secret: before,
            version,
            unchanged: true,
        });
    }
    after.changed = draft.stamp;
    secret::stored(draft, &feed, after, version)
}

/// Puts a label on a version and takes it from the one that had it.
pub(super) fn attach(secret: &mut Secret, label: &Label, ordinal: Ordinal) {
    let holder = secret
        .labelled(label.as_str())
        .map(|version| version.ordinal);
    if holder == Some(ordinal) {
        return;
    }
    if let (true, Some(was_current)) = (label.is_current(), holder) {
        let previous = Label::previous();
        let was_previous = secret
            .labelled(previous.as_str())
            .map(|version| version.ordinal);
        if let Some(was_previous) = was_previous {
            detach(secret, &previous, was_previous);
        }
        let labels = secret
            .versions
            .iter_mut()
            .filter(|version| version.ordinal == was_current);
        let labels = labels.flat_map(|version| version.labels.iter_mut());
        labels
            .filter(|held| held.is_current())
            .for_each(|held| *held = previous.clone());
    } else if let Some(holder) = holder {
        detach(secret, label, holder);
    }
    let version = secret
        .versions
        .iter_mut()
        .find(|version| version.ordinal == ordinal);
    if let Some(version) = version {
        version.labels.push(label.clone());
    }
}

/// Rejects a secret with too many labels.
pub(super) fn counted(secret: &Secret) -> Result<(), Rejection> {
    let labels: usize = secret
        .versions
        .iter()
        .map(|version| version.labels.len())
        .sum();
    if labels > LABELS_MAX {
        Err(Rejection::LabelLimit)
    } else {
        Ok(())
    }
}

fn detach(secret: &mut Secret, label: &Label, ordinal: Ordinal) {
    let version = secret
        .versions
        .iter_mut()
        .find(|version| version.ordinal == ordinal);
    if let Some(version) = version {
        version.labels.retain(|held| held != label);
    }
}

fn named<'a>(secret: &'a Secret, id: Option<&VersionId>) -> Result<Option<&'a Version>, Rejection> {
    let Some(id) = id else { return Ok(None) };
    let version = secret
        .version(id)
        .ok_or_else(|| Rejection::VersionNotFound(id.clone()))?;
    Ok(Some(version))
}

fn not_held(label: &Label, from: &Version, holder: Option<&Version>) -> Rejection {
    let label = label.clone();
    match holder {
        Some(holder) => Rejection::LabelElsewhere {
            label,
            version: holder.id.clone(),
        },
        None => Rejection::LabelNotAttached {
            label,
            version: from.id.clone(),
        },
    }
}
