//! Several regions in one test, each with its own log: what one is sent of another's feeds, and
//! what its leader makes of it.
#![allow(dead_code)]

pub mod forge;
pub mod steps;

use std::collections::BTreeMap;

use bytes::Bytes;
use strongroom_machine::{
    ActivateSnapshot, Applied, Body, Bucket, Change, Command, Cursor, Entry, FeedId, FillRows,
    Framed, Hash, ImportChanges, ImportedChange, LogIndex, MachineVersion, MendBucket, NotServed,
    Outgoing, RegionName, Row, RowKey, Scope, SentBody, StageRows, StagedRow, State, Uid,
    VersionId, apply,
};

use crate::support::{Failure, account, default_key, entry, letter, reload, wrap};

/// A region: its state, and where its log is.
#[derive(Clone, Debug)]
pub struct Site {
    pub name: RegionName,
    pub state: State,
    /// Another node of the region: it may have been started again, and keep no value in memory.
    pub twin: State,
    pub index: u64,
}

/// All regions of a test, by name.
#[derive(Clone, Debug, Default)]
pub struct Net {
    pub sites: BTreeMap<RegionName, Site>,
    pub now_ms: u64,
    /// The rules that regions begin with; none for the newest.
    pub rules: Option<MachineVersion>,
}

/// What a leader says of the values it could not wrap.
pub type Refused<'a> = &'a dyn Fn(&Uid) -> Option<String>;

impl Site {
    pub fn new(name: RegionName) -> Site {
        Site {
            name,
            state: State::new(),
            twin: State::new(),
            index: 0,
        }
    }

    /// Applies a command as it comes out of the log.
    pub fn apply(&mut self, now_ms: u64, command: Command) -> Applied {
        self.index += 1;
        let mut made = entry(now_ms, command);
        // Machine version 2 and before have one region, whose scripts show hashes.
        if self.state.machine_version() > Some(MachineVersion(2)) {
            let region = letter(&self.name).as_bytes()[0];
            made.seed[0] = region;
            made.seed[8..16].copy_from_slice(&self.index.to_be_bytes());
        }
        // What only a newer build can read is tried on this one's rules all the same.
        let entry = Entry::decode(&made.encode()).unwrap_or(made);
        let mirrored = apply(&mut self.twin, LogIndex(self.index), &entry);
        let applied = apply(&mut self.state, LogIndex(self.index), &entry);
        assert_eq!(mirrored.answer, applied.answer, "two nodes answer alike");
        assert_eq!(mirrored.changes, applied.changes, "two nodes change alike");
        applied
    }

    /// Starts the other node again, from rows as a store has them, and lets go of all values.
    pub fn restart_twin(&mut self) -> Result<(), Failure> {
        self.twin = reload(&self.state)?;
        let values: Vec<(Uid, VersionId)> = all_versions(&self.state);
        for (uid, version) in values {
            self.twin.evict(&uid, &version);
        }
        Ok(())
    }

    /// Puts or deletes a row as a fault of the disk or of a build would.
    pub fn spoil(&mut self, key: RowKey, row: Option<Row>) {
        let header = None;
        let change = Change { key, row, header };
        self.state.evolve(&change);
        self.twin.evolve(&change);
    }

    pub fn cursor(&self, feed: &FeedId) -> Cursor {
        let held = self.state.feed(feed).map(|feed| feed.cursor());
        held.unwrap_or(Cursor {
            epoch: None,
            revision: Default::default(),
            chain: Hash::ZERO,
        })
    }

    /// Says whether the region receives every body of a feed.
    pub fn receives_all(&self, feed: &FeedId) -> bool {
        let scope = self.state.linked(&self.name).map(|entry| entry.scope);
        *feed == FeedId::Home(self.name.clone()) || scope == Some(Scope::All)
    }
}

fn all_versions(state: &State) -> Vec<(Uid, VersionId)> {
    let account = account().ok();
    let secrets = account.iter().flat_map(|account| state.secrets(account));
    let versions = secrets.flat_map(|secret| {
        let versions = secret.versions.iter();
        versions.map(|version| (secret.uid, version.id.clone()))
    });
    versions.collect()
}

impl Net {
    pub fn site(&self, name: &RegionName) -> Result<&Site, Failure> {
        Ok(self.sites.get(name).ok_or("no such region")?)
    }

    pub fn apply(&mut self, at: &RegionName, command: Command) -> Applied {
        let now_ms = self.now_ms;
        let site = self.sites.entry(at.clone());
        let site = site.or_insert_with(|| Site::new(at.clone()));
        site.apply(now_ms, command)
    }
}

/// Asks for the changes of a feed that follow on where a region stands, at most so many; whole
/// entries as long as there is room.
pub fn changes(
    from: &Site,
    to: &Site,
    feed: &FeedId,
    max: usize,
) -> Result<Vec<Outgoing>, NotServed> {
    let after = to.cursor(feed);
    let sent = from.state.outgoing(feed, &after, &to.name)?;
    let mut sent: Vec<Outgoing> = sent.take(max).collect();
    if let Some(last) = sent.iter().rposition(|change| change.is_last) {
        sent.truncate(last + 1);
    }
    Ok(sent)
}

/// Makes a command of changes, each value with its key wrapped anew.
pub fn import(to: &Site, feed: &FeedId, sent: &[Outgoing], refused: Refused<'_>) -> ImportChanges {
    let changes = sent.iter().map(|sent| ImportedChange {
        header: sent.header.clone(),
        body: match &sent.body {
            Body::Here(framed) => Some(body(to, &sent.key, framed, refused)),
            Body::Withheld | Body::Evicted => None,
        },
    });
    ImportChanges {
        feed: feed.clone(),
        after: to.cursor(feed),
        changes: changes.collect(),
    }
}

pub fn body(to: &Site, key: &RowKey, framed: &Framed, refused: Refused<'_>) -> SentBody {
    let has_key = matches!(key, RowKey::Version(..)) || key.seals_as().is_some();
    let problem = refused(&key.uid()).filter(|_| has_key);
    SentBody {
        blind: framed.blind,
        bytes: Bytes::copy_from_slice(&framed.bytes),
        wrap: (has_key && problem.is_none()).then(|| wrap(default_key(&to.name), 1)),
        problem: problem.unwrap_or_default(),
    }
}

/// Finds the rows of feeds that another region leads which a region lacks: values of what it
/// holds, what it has a problem with, and all if it receives all.
pub fn lacking(from: &Site, to: &Site, feed: &FeedId) -> Vec<RowKey> {
    let state = &to.state;
    let uids = state
        .incomplete()
        .chain(state.problems().map(|(uid, _)| uid));
    let mut keys: Vec<RowKey> = uids.flat_map(|uid| state.lacking(*uid)).collect();
    if to.receives_all(feed) {
        let first = RowKey::Secret(Uid([0; 16]));
        keys.extend(state.withheld_from(&first).map(|(key, _)| *key));
    }
    keys.sort();
    keys.dedup();
    let is_wanted = |key: &RowKey| {
        state.is_withheld(key) && from.state.feed_of_secret(&key.uid()) == Some(feed)
    };
    keys.into_iter().filter(is_wanted).collect()
}

/// Makes a command of the rows of a feed that a region lacks; none if it lacks nothing it gets.
pub fn fill(from: &Site, to: &Site, feed: &FeedId, refused: Refused<'_>) -> Option<FillRows> {
    let rows = lacking(from, to, feed).into_iter().filter_map(|key| {
        match from.state.body_for(&key, &to.name) {
            Body::Here(framed) => Some((key, body(to, &key, &framed, refused))),
            Body::Withheld | Body::Evicted => None,
        }
    });
    let rows: Vec<(RowKey, SentBody)> = rows.take(1000).collect();
    let feed = feed.clone();
    (!rows.is_empty()).then_some(FillRows { feed, rows })
}

/// A feed as one region would send it whole.
pub struct Snapshot {
    pub at: Cursor,
    pub feed: FeedId,
    pub hash: Hash,
    pub rows: Vec<StagedRow>,
}

impl Snapshot {
    /// Takes one, with values or, to be asked for later, without.
    pub fn take(from: &Site, to: &Site, feed: &FeedId, values: bool) -> Result<Snapshot, Failure> {
        let held = from.state.feed(feed).ok_or("no such feed")?;
        let region = from.state.linked(&to.name).ok_or("not linked")?;
        let mut rows = Vec::new();
        for (key, row) in from.state.rows_of(feed, None) {
            let row = row.ok_or("a value left memory")?;
            let is_value = matches!(key, RowKey::Version(..));
            let is_sent = from.state.is_for(region, &key) && (values || !is_value);
            let hidden = row.without_body().ok_or("no feed row")?;
            let row = if is_sent { row } else { hidden };
            let has_key = is_value || key.seals_as().is_some();
            let is_here = has_key && !row.is_withheld();
            rows.push(StagedRow {
                key,
                wrap: is_here.then(|| wrap(default_key(&to.name), 1)),
                row,
                problem: String::new(),
            });
        }
        Ok(Snapshot {
            at: held.cursor(),
            feed: feed.clone(),
            hash: held.hash(),
            rows,
        })
    }

    /// Makes the command for so many rows from one on.
    pub fn part(&self, first: usize, count: usize) -> Command {
        let rows = self.rows.iter().skip(first).take(count);
        Command::StageRows(StageRows {
            feed: self.feed.clone(),
            at: self.at.clone(),
            first: first as u64,
            rows: rows.cloned().collect(),
        })
    }

    pub fn activate(&self) -> Command {
        Command::ActivateSnapshot(ActivateSnapshot {
            feed: self.feed.clone(),
            at: self.at.clone(),
            feed_hash: self.hash,
            rows: self.rows.len() as u64,
        })
    }
}

/// Makes the commands that put right the buckets in which two regions differ.
pub fn mends(from: &Site, to: &Site, feed: &FeedId) -> Result<Vec<Command>, Failure> {
    let snapshot = Snapshot::take(from, to, feed, true)?;
    let sums = |site: &Site| site.state.feed(feed).map(|feed| feed.sums().clone());
    let (theirs, ours) = (sums(from).unwrap_or_default(), sums(to).unwrap_or_default());
    let buckets = (0..=u16::MAX).map_while(Bucket::new);
    let differing = buckets.filter(|bucket| {
        let number = usize::from(bucket.number());
        theirs.bucket(number) != ours.bucket(number)
    });
    let mend = |bucket: Bucket| {
        let rows = snapshot.rows.iter();
        let rows = rows.filter(|row| Bucket::of(&row.key.encode()) == bucket);
        Command::MendBucket(MendBucket {
            feed: feed.clone(),
            at: snapshot.at.clone(),
            bucket,
            rows: rows.cloned().collect(),
        })
    };
    Ok(differing.map(mend).collect())
}
