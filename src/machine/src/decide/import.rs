//! Taking in the changes of a feed that another region is primary of (R22): in order, without a
//! gap, each chained to the one before.

use std::sync::Arc;

use prost::Message as _;

use crate::answer::Outcome;
use crate::change::{Header, Op};
use crate::command::{Cursor, FillRows, ImportChanges, ImportedChange};
use crate::decide::bounded;
use crate::decide::draft::{Draft, Received};
use crate::decide::intake::{Intake, Offer, Sent};
use crate::hash::chain;
use crate::ids::{Hash, Ordinal, Revision};
use crate::limits::{BALLOT_STEP_MAX, HEADER_BYTES_MAX, IMPORTED_MAX, REGIONS_MAX, STAMP_MS_MAX};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId};
use crate::rejection::{Field, Flaw, Rejection};
use crate::row::{BeginEpoch, FeedCheckpoint, FeedState, ProblemKind, Row, RowKey};
use crate::state::State;
use crate::storage;

pub(super) fn import(draft: &mut Draft<'_>, import: &ImportChanges) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, import.changes.len(), IMPORTED_MAX)?;
    stands_at(draft.state, &import.feed, &import.after)?;
    let mut intake = Intake::new(draft, &import.feed)?;
    intake.is_roomy()?;
    let mut cursor = import.after.clone();
    for change in &import.changes {
        take(&mut intake, &mut cursor, change)?;
    }
    compare(&mut intake);
    intake.keep_labels();
    Ok(Outcome::None)
}

/// Rejects what does not follow on where the feed stands.
pub(super) fn stands_at(state: &State, feed: &FeedId, at: &Cursor) -> Result<(), Rejection> {
    let held = state.feed(feed);
    let stands = held.map(|feed| feed.cursor());
    let is_start = at.epoch.is_none() && at.revision == Revision(0) && at.chain == Hash::ZERO;
    let is_there = match &stands {
        Some(cursor) if cursor.epoch.is_some() => cursor == at,
        _ => is_start,
    };
    match is_there {
        true => Ok(()),
        false => Err(Rejection::CursorMoved {
            feed: feed.clone(),
            now: held.map(|feed| feed.revision()).unwrap_or_default(),
        }),
    }
}

fn take(
    intake: &mut Intake<'_, '_>,
    cursor: &mut Cursor,
    change: &ImportedChange,
) -> Result<(), Rejection> {
    let (key, header) = read(intake, cursor, change)?;
    let revision = header.revision;
    intake.carries(&key, revision)?;
    match key {
        RowKey::Epoch(..) => begin(intake, cursor, &key, &header, change)?,
        _ => same_epoch(intake, cursor, &header)?,
    }
    let header = Arc::new(header);
    match header.op {
        Op::Put => put(intake, cursor, key, &header, change)?,
        Op::Delete if header.commitment != Hash::ZERO => {
            return Err(intake.broken(revision, Flaw::Commitment));
        }
        Op::Delete => {
            intake.forget_beside(&key);
            let received = Received {
                key,
                header: Arc::clone(&header),
                bytes: change.header.clone(),
            };
            intake.draft.take_in(received, None, None, None);
        }
    }
    cursor.epoch = Some(header.epoch.clone());
    cursor.revision = revision;
    cursor.chain = chain(&cursor.chain, &change.header);
    intake.sync();
    intake.settle(&key);
    Ok(())
}

/// Reads a header, and checks that it is the next one of the feed.
fn read(
    intake: &Intake<'_, '_>,
    cursor: &Cursor,
    change: &ImportedChange,
) -> Result<(RowKey, Header), Rejection> {
    let next = Revision(cursor.revision.0.saturating_add(1));
    let malformed = || intake.broken(next, Flaw::Malformed);
    if change.header.len() > HEADER_BYTES_MAX {
        return Err(malformed());
    }
    let header = storage::Header::decode(change.header.clone()).map_err(|_| malformed())?;
    let header = Header::try_from(header).map_err(|_| malformed())?;
    if header.feed != intake.feed {
        return Err(intake.broken(next, Flaw::OtherFeed));
    }
    if header.revision != next {
        return Err(intake.broken(next, Flaw::Gap));
    }
    if header.members.len() > REGIONS_MAX || header.stamp.0 > STAMP_MS_MAX {
        return Err(malformed());
    }
    let key = RowKey::of_header(header.kind, header.uid, header.ordinal);
    let key = key.ok_or_else(|| intake.broken(next, Flaw::Kind))?;
    Ok((key, header))
}

fn same_epoch(intake: &Intake<'_, '_>, cursor: &Cursor, header: &Header) -> Result<(), Rejection> {
    if cursor.epoch.as_ref() != Some(&header.epoch) {
        return Err(intake.broken(header.revision, Flaw::Epoch));
    }
    if header.epoch.region == *intake.own() {
        return Err(Rejection::FeedIsOurs(intake.feed.clone()));
    }
    Ok(())
}

/// Checks that an epoch follows on the one before, where that one ended (R6).
fn begin(
    intake: &mut Intake<'_, '_>,
    cursor: &Cursor,
    key: &RowKey,
    header: &Header,
    change: &ImportedChange,
) -> Result<(), Rejection> {
    let broken = |flaw| intake.broken(header.revision, flaw);
    let (revision, commitment) = (header.revision, header.commitment);
    let body = change.body.as_ref();
    let row = Sent::body(key, &intake.feed, revision, commitment, body);
    let Sent::Row(Row::Epoch(kept)) = &row else {
        return Err(broken(Flaw::Commitment));
    };
    let begun = BeginEpoch::clone(kept.body());
    let is_next = begun.epoch == header.epoch
        && begun.primary == header.epoch.region
        && key.ordinal() == Ordinal(header.epoch.number)
        && begun.previous == cursor.epoch
        && begun.last_revision == cursor.revision
        && begun.chain == cursor.chain
        && header.op == Op::Put
        && (cursor.epoch.is_some() || begins(&intake.feed, &header.epoch.region))
        && follows(cursor.epoch.as_ref(), &header.epoch);
    // Nobody else may say that this region leads: it would know.
    if !is_next || header.epoch.region == *intake.own() {
        return Err(broken(Flaw::Epoch));
    }
    let feed = intake.feed.clone();
    may_lead(
        &intake.scratch,
        &feed,
        &header.epoch.region,
        cursor.epoch.is_none(),
    )?;
    if cursor.epoch.is_none() {
        intake.draft.begin(FeedState {
            feed,
            epoch: header.epoch.clone(),
            revision: Revision(0),
            chain: Hash::ZERO,
            journal_first: Revision(1),
            journal_bytes: 0,
        });
    }
    let fenced = intake.scratch.fence(&intake.feed);
    if fenced.is_some_and(|fence| *fence <= header.epoch) {
        intake.draft.delete(RowKey::Fence(intake.feed.uid()));
    }
    Ok(())
}

/// Rejects a region that may not lead a feed, or cannot have begun it.
pub(super) fn may_lead(
    state: &State,
    feed: &FeedId,
    region: &RegionName,
    is_first: bool,
) -> Result<(), Rejection> {
    let began = !is_first || *feed != FeedId::Root || state.may_have_founded(region);
    match began && state.may_lead(region, feed) {
        true => Ok(()),
        false => Err(Rejection::ScopeNeeded(feed.clone())),
    }
}

/// Says whether a feed can have begun in a region: a home feed in no other than its own, or whoever
/// comes first could keep all regions from following it.
pub(super) fn begins(feed: &FeedId, region: &RegionName) -> bool {
    matches!(feed, FeedId::Root) || *feed == FeedId::Home(region.clone())
}

/// Says whether one ballot may follow another in a history: its number is higher.
pub(super) fn follows(before: Option<&Epoch>, after: &Epoch) -> bool {
    let number = before.map(|epoch| epoch.number).unwrap_or_default();
    after.number > number && is_in_reach(before, after)
}

/// Says whether one ballot is not above another by so much that none is left.
pub(super) fn is_in_reach(before: Option<&Epoch>, after: &Epoch) -> bool {
    let number = before.map(|epoch| epoch.number).unwrap_or_default();
    after.number <= number.saturating_add(BALLOT_STEP_MAX)
}

fn put(
    intake: &mut Intake<'_, '_>,
    cursor: &Cursor,
    key: RowKey,
    header: &Arc<Header>,
    change: &ImportedChange,
) -> Result<(), Rejection> {
    let (revision, commitment) = (header.revision, header.commitment);
    if key.is_immutable() && intake.scratch.row(&key).is_some() {
        return Err(intake.broken(revision, Flaw::Repeated));
    }
    let body = change.body.as_ref();
    let row = Sent::body(&key, &intake.feed, revision, commitment, body);
    if let Sent::Row(Row::Checkpoint(kept)) = &row {
        let checkpoint = FeedCheckpoint::clone(kept.body());
        pass(intake, cursor, checkpoint, revision)?;
    }
    let is_listed = header.members.contains(intake.own());
    let is_member = is_listed || intake.scratch.receives_all(&intake.feed);
    let kept = intake.keep(Offer {
        key,
        revision,
        commitment,
        is_member,
        row,
        wrap: body.and_then(|body| body.wrap.as_ref()),
        problem: body.map(|body| body.problem.as_str()).unwrap_or_default(),
    })?;
    // The journal here keeps no part of a secret: it would outlast the copy, and the row has it.
    let sent = body.filter(|_| !key.is_of_secret());
    let (blind, bytes) = sent.map(|body| (body.blind, body.bytes.clone())).unzip();
    let received = Received {
        key,
        header: Arc::clone(header),
        bytes: change.header.clone(),
    };
    intake.draft.take_in(received, Some(kept), blind, bytes);
    Ok(())
}

/// Checks that a checkpoint is about the place it stands at, and keeps what it is compared with.
fn pass(
    intake: &mut Intake<'_, '_>,
    cursor: &Cursor,
    checkpoint: FeedCheckpoint,
    at: Revision,
) -> Result<(), Rejection> {
    if checkpoint.revision != cursor.revision || checkpoint.chain != cursor.chain {
        return Err(intake.broken(at, Flaw::Checkpoint));
    }
    let feed = intake.scratch.feed(&intake.feed);
    let sums = feed.map(|feed| feed.sums().clone()).unwrap_or_default();
    intake.passed = Some((checkpoint, sums));
    Ok(())
}

/// Compares what the primary had at a checkpoint with what was here (R4); at the last one, as each
/// takes a while. A difference is noted, and the feed goes on: the rows that differ are found and
/// put right beside it.
fn compare(intake: &mut Intake<'_, '_>) {
    let Some((checkpoint, sums)) = intake.passed.take() else {
        return;
    };
    let uid = intake.feed.uid();
    if sums.hash() == checkpoint.feed_hash {
        intake.clear_problem(uid);
    } else {
        let words = "The rows differ from the primary's.";
        intake.note_problem(uid, ProblemKind::Malformed, words);
    }
}

/// Takes in rows of which only the commitments were known. What is here by now, or gone, or not
/// for this region any more, is passed over; but for the keys of what rows seal, which may be
/// missing by themselves.
pub(super) fn fill(draft: &mut Draft<'_>, fill: &FillRows) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, fill.rows.len(), IMPORTED_MAX)?;
    let mut intake = Intake::new(draft, &fill.feed)?;
    intake.is_roomy()?;
    for (key, body) in &fill.rows {
        let Some(withheld) = intake.scratch.withheld_row(key).cloned() else {
            if key.seals_as().is_some() {
                intake.fill_root_key(key, body);
            }
            continue;
        };
        let Some(origin) = withheld.origin().filter(|origin| origin.feed == fill.feed) else {
            continue;
        };
        let (revision, commitment) = (origin.revision, withheld.commitment());
        let row = Sent::body(key, &fill.feed, revision, commitment, Some(body));
        let kept = intake.keep(Offer {
            key: *key,
            revision,
            commitment,
            is_member: is_for_us(&intake, key, &row),
            row,
            wrap: body.wrap.as_ref(),
            problem: &body.problem,
        })?;
        if !kept.is_withheld() {
            intake.draft.replace(*key, Some(kept));
        }
        intake.sync();
        intake.settle(key);
    }
    intake.keep_labels();
    Ok(Outcome::None)
}

/// Says whether this region is to hold a row, by the secret as it is now.
pub(super) fn is_for_us(intake: &Intake<'_, '_>, key: &RowKey, row: &Sent) -> bool {
    let (state, feed) = (&intake.scratch, &intake.feed);
    match (key, row) {
        (RowKey::Secret(_), Sent::Row(Row::Secret(kept))) => state.holds_secret(feed, kept.body()),
        (RowKey::Version(uid, _), _) => match state.secret(uid) {
            Some(secret) => state.holds_secret(feed, secret),
            // Its secret is to come.
            None => state.is_incomplete(uid),
        },
        // What it was refused for before it may be refused for again.
        (RowKey::Secret(uid), Sent::Bad) => {
            let is_asked_for = state.problem(uid).is_some() || state.is_incomplete(uid);
            is_asked_for || state.receives_all(feed)
        }
        _ => state.receives_all(feed),
    }
}
