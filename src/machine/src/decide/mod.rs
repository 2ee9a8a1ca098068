//! Decisions: what an entry changes, or why not. They read the state and write nothing. Every size
//! and form an entry claims is checked here again, whoever built the entry.

mod access;
mod activate;
mod credential;
mod detach;
mod draft;
mod feed;
mod form;
mod hide;
mod identity;
mod import;
mod intake;
mod issuer;
mod key;
mod label;
mod link;
mod mend;
mod node;
mod policy;
mod promote;
mod provider;
mod revoke;
mod root_wrap;
mod secret;
mod session_key;
mod share;
mod sound;
mod stage;
mod tag;
mod trouble;
mod version;

use crate::answer::Outcome;
use crate::change::Change;
use crate::command::{Command, Seen, SeenAs, SeenRow, SetMachineVersion};
use crate::decide::draft::Draft;
use crate::entry::Entry;
use crate::ids::{LogIndex, MachineVersion, Stamp};
use crate::limits::{IDENTITY_CHARS_MAX, SEEN_ROWS_BEFORE_ACCESS_MAX, SEEN_ROWS_MAX, STAMP_MS_MAX};
use crate::position::FeedId;
use crate::rejection::{Field, Rejection};
use crate::row::{Machine, RowKey};
use crate::state::State;

/// The newest rules this build knows (R13).
pub const MACHINE_VERSION: MachineVersion = ACCESS;
/// The oldest rules there are.
const FIRST_VERSION: MachineVersion = MachineVersion(1);
/// The rules by which a version's row describes it and the secret's row lists labelled versions:
/// before, each put wrote all versions anew.
const DESCRIBED_VERSIONS: MachineVersion = MachineVersion(2);
/// The rules by which the oldest of what is left of purged secrets is forgotten, and nodes are not
/// admitted for ever: before, both left rows without end.
const BOUNDED_REMAINS: MachineVersion = MachineVersion(2);
/// The rules by which there are other regions.
const REGIONS: MachineVersion = MachineVersion(3);
/// The rules by which there are identities, policies and what proves who somebody is.
pub const ACCESS: MachineVersion = MachineVersion(4);

/// What an accepted entry does.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What it answers.
    pub outcome: Outcome,
    /// What it changes; empty when it changes nothing.
    pub changes: Vec<Change>,
}

/// Decides an entry: changes, or why not. Nothing is written.
pub fn decide(state: &State, index: LogIndex, entry: &Entry) -> Result<Decision, Rejection> {
    let stamp = stamp(state, entry)?;
    bounded(
        Field::Caller,
        entry.audit.caller.chars().count(),
        IDENTITY_CHARS_MAX,
    )?;
    let mut draft = Draft::new(state, index, stamp, &entry.seed);
    let outcome = match (&entry.command, state.machine_version()) {
        (Command::Found(found), None) => node::found(&mut draft, found)?,
        (Command::Found(_), Some(_)) => return Err(Rejection::AlreadyFounded),
        (_, None) => return Err(Rejection::NotFounded),
        (command, Some(version)) if is_known(version) => decide_known(&mut draft, command)?,
        // Unreachable: such a state is not loaded, and such a version never set.
        (_, Some(version)) => return Err(Rejection::MachineVersionUnknown(version)),
    };
    Ok(Decision {
        outcome,
        changes: draft.finish(),
    })
}

/// Says whether this build has the rules of a version.
fn is_known(version: MachineVersion) -> bool {
    (FIRST_VERSION..=MACHINE_VERSION).contains(&version)
}

/// The rules of all known machine versions. A change of behaviour, fixes included, is a new
/// version: where it differs from the ones before, the version in force decides.
fn decide_known(draft: &mut Draft<'_>, command: &Command) -> Result<Outcome, Rejection> {
    match command {
        Command::Found(_) => Err(Rejection::AlreadyFounded),
        Command::CreateSecret(create) => secret::create(draft, create),
        Command::PutSecretValue(put) => version::put(draft, put),
        Command::UpdateSecret(update) => version::update(draft, update),
        Command::UpdateSecretVersionStage(update) => label::update_stage(draft, update),
        Command::DeleteSecret(delete) => secret::delete(draft, delete),
        Command::RestoreSecret(restore) => secret::restore(draft, restore),
        Command::PurgeSecret(purge) => secret::purge(draft, purge),
        Command::TagResource(tag) => tag::tag(draft, tag),
        Command::UntagResource(untag) => tag::untag(draft, untag),
        Command::RecordAccess(record) => access::record(draft, record),
        Command::IssueJoinToken(issue) => node::issue_token(draft, issue),
        Command::AdmitNode(admit) => node::admit(draft, admit),
        Command::RemoveNode(remove) => node::remove(draft, remove),
        Command::SetMachineVersion(set) => set_machine_version(draft, set),
        Command::Checkpoint(checkpoint) => feed::checkpoint(draft, checkpoint),
        Command::TrimFeed(trim) => feed::trim(draft, trim),
        other => {
            let needed = needed(other);
            match draft.state.machine_version() < Some(needed) {
                true => Err(Rejection::MachineVersionNeeded(needed)),
                false => decide_regions(draft, other),
            }
        }
    }
}

/// The rules of regions.
fn decide_regions(draft: &mut Draft<'_>, command: &Command) -> Result<Outcome, Rejection> {
    match command {
        Command::ShareSecret(share) => share::share(draft, share),
        Command::UnshareSecret(unshare) => share::unshare(draft, unshare),
        Command::StageDetach(stage) => detach::stage(draft, stage),
        Command::DetachSecret(detach) => detach::detach(draft, detach),
        Command::ReportReplicas(report) => share::report(draft, report),
        Command::IssueLinkToken(issue) => link::issue_token(draft, issue),
        Command::LinkRegion(link) => link::link(draft, link),
        Command::UpdateRegion(update) => link::update(draft, update),
        Command::UnlinkRegion(unlink) => link::unlink(draft, unlink),
        Command::ImportChanges(import) => import::import(draft, import),
        Command::FillRows(fill) => import::fill(draft, fill),
        Command::StageRows(stage) => stage::stage(draft, stage),
        Command::ActivateSnapshot(activate) => activate::activate(draft, activate),
        Command::MendBucket(mend) => mend::mend(draft, mend),
        Command::TakeOver(take) => promote::take_over(draft, take),
        Command::FenceFeed(fence) => promote::fence(draft, fence),
        Command::ForgetStaged(forget) => stage::forget(draft, forget),
        Command::RewrapSecret(rewrap) => share::rewrap(draft, rewrap),
        other => decide_identities(draft, other),
    }
}

/// Gives the rules that first knew a command which the first release did not.
fn needed(command: &Command) -> MachineVersion {
    match command {
        Command::ShareSecret(_)
        | Command::UnshareSecret(_)
        | Command::StageDetach(_)
        | Command::DetachSecret(_)
        | Command::ReportReplicas(_)
        | Command::IssueLinkToken(_)
        | Command::LinkRegion(_)
        | Command::UpdateRegion(_)
        | Command::UnlinkRegion(_)
        | Command::ImportChanges(_)
        | Command::FillRows(_)
        | Command::StageRows(_)
        | Command::ActivateSnapshot(_)
        | Command::MendBucket(_)
        | Command::TakeOver(_)
        | Command::FenceFeed(_)
        | Command::ForgetStaged(_)
        | Command::RewrapSecret(_) => REGIONS,
        _ => ACCESS,
    }
}

/// The rules of identities.
fn decide_identities(draft: &mut Draft<'_>, command: &Command) -> Result<Outcome, Rejection> {
    match command {
        Command::CreateAccount(create) => identity::create_account(draft, create),
        Command::CreateIdentity(create) => identity::create(draft, create),
        Command::UpdateIdentity(update) => identity::update(draft, update),
        Command::DeleteIdentity(delete) => identity::delete(draft, delete),
        Command::CreatePolicy(create) => policy::create(draft, create),
        Command::UpdatePolicy(update) => policy::update(draft, update),
        Command::DeletePolicy(delete) => policy::delete(draft, delete),
        Command::CreateCredential(create) => credential::create(draft, create),
        Command::UpdateCredential(update) => credential::update(draft, update),
        Command::DeleteCredential(delete) => credential::delete(draft, delete),
        Command::RewrapRoot(rewrap) => root_wrap::rewrap(draft, rewrap),
        Command::RotateSessionKey(rotate) => session_key::rotate(draft, rotate),
        Command::KeepSigningKey(keep) => session_key::keep_signing(draft, keep),
        Command::CreateProvider(create) => provider::create(draft, create),
        Command::UpdateProvider(update) => provider::update(draft, update),
        Command::DeleteProvider(delete) => provider::delete(draft, delete),
        Command::Revoke(revoke) => revoke::revoke(draft, revoke),
        Command::ForgetRevocations(_) => revoke::forget(draft),
        Command::PutResourcePolicy(put) => policy::put_resource(draft, put),
        Command::DeleteResourcePolicy(delete) => policy::delete_resource(draft, delete),
        Command::PutIssuer(put) => issuer::put(draft, put),
        Command::RetireIssuers(retire) => issuer::retire(draft, retire),
        // Unreachable: every other command is decided before.
        _ => Err(Rejection::MachineVersionNeeded(ACCESS)),
    }
}

/// Rejects if this region may not write to a feed.
fn writable(state: &State, feed: &FeedId) -> Result<(), Rejection> {
    let primary = state.primary_of(feed);
    let primary = primary.ok_or_else(|| Rejection::FeedNotFound(feed.clone()))?;
    if state.region() != Some(primary) {
        return Err(Rejection::NotPrimary {
            feed: feed.clone(),
            region: primary.clone(),
        });
    }
    match state.fence(feed) {
        None => Ok(()),
        Some(epoch) => Err(Rejection::Fenced {
            feed: feed.clone(),
            epoch: epoch.clone(),
        }),
    }
}

/// Rejects what adds to a feed that holds as much as it may: the regions that follow it take no
/// more of it.
fn roomy(state: &State, feed: &FeedId) -> Result<(), Rejection> {
    let is_counted = state.machine_version() >= Some(REGIONS);
    let weight = state.feed(feed).map(|feed| feed.weight());
    match weight.is_some_and(|weight| is_counted && weight.is_full(true)) {
        true => Err(Rejection::FeedLimit(feed.clone())),
        false => Ok(()),
    }
}

/// Gives the stamp a decision uses: strictly after the one before, whatever the clocks did (R10).
fn stamp(state: &State, entry: &Entry) -> Result<Stamp, Rejection> {
    let next = state.last_stamp().0.saturating_add(1);
    let stamp = entry.stamp.0.max(next);
    if stamp > STAMP_MS_MAX {
        return Err(Rejection::StampOutOfRange);
    }
    Ok(Stamp(stamp))
}

fn set_machine_version(
    draft: &mut Draft<'_>,
    set: &SetMachineVersion,
) -> Result<Outcome, Rejection> {
    let machine = draft.state.machine().ok_or(Rejection::NotFounded)?;
    if set.version > MACHINE_VERSION {
        return Err(Rejection::MachineVersionUnknown(set.version));
    }
    if set.version < machine.version {
        return Err(Rejection::MachineVersionPassed(machine.version));
    }
    if set.version > machine.version {
        draft.put(
            RowKey::Machine,
            &Machine {
                version: set.version,
                ..machine.clone()
            },
        );
    }
    Ok(Outcome::None)
}

/// Rejects if a row the caller's decision used has changed since (R9).
fn unmoved(state: &State, seen: &Seen) -> Result<(), Rejection> {
    let knows_grounds = state.machine_version() >= Some(ACCESS);
    let max = match knows_grounds {
        true => SEEN_ROWS_MAX,
        false => SEEN_ROWS_BEFORE_ACCESS_MAX,
    };
    bounded(Field::Seen, seen.0.len(), max)?;
    let is_as_seen = |row: &SeenRow| match (row.seen, &row.key) {
        (SeenAs::Revision(revision), key) => state.revision_of(key) == Some(revision),
        (SeenAs::Grounds(hash), RowKey::Secret(uid)) if knows_grounds => state
            .secret(uid)
            .is_some_and(|secret| secret.grounds() == hash),
        (SeenAs::Grounds(_), _) => false,
    };
    if !seen.0.iter().all(is_as_seen) {
        Err(Rejection::AuthorizationMoved)
    } else {
        Ok(())
    }
}

/// Rejects what is longer than its bound.
fn bounded(field: Field, length: usize, max: usize) -> Result<(), Rejection> {
    if length > max {
        return Err(Rejection::TooLong {
            field,
            max: max as u64,
        });
    }
    Ok(())
}
