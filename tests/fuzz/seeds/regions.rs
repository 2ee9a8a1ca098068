//! What two linked regions do, and what they say to each other.

use std::collections::BTreeMap;

use machine::{
    ActivateSnapshot, Bucket, Command, DetachSecret, Epoch, FeedId, FenceFeed, FillRows,
    ForgetStaged, Hash, ImportChanges, LogIndex, MendBucket, Replica, ReplicaReport, ReplicaState,
    ReportReplicas, RewrapSecret, RowKey, Seen, SentBody, ShareSecret, StageDetach, StageRows,
    StagedRow, State, TakeOver, UnlinkRegion, UnshareSecret,
};
use strongroom_fuzz::pair::{self, FOLLOWER, follower, leader, region};
use strongroom_fuzz::{REGION, entry, join};

use crate::machine::{new, rows, secret, secret_commands, version, wrap};
use crate::{Corpus, Failure};

/// The log of a region, from its second entry on.
#[derive(Clone)]
struct Log {
    state: State,
    entries: Vec<Vec<u8>>,
}

pub fn regions(corpus: &Corpus) -> Result<(), Failure> {
    let mut first = Log {
        state: leader(),
        entries: Vec::new(),
    };
    let (root, home) = (FeedId::Root, FeedId::Home(region(REGION)));
    for (_, mut command) in secret_commands()?.into_iter().take(2) {
        if let Command::CreateSecret(create) = &mut command {
            create.replicas = vec![replica()];
        }
        first.does(command);
    }
    let mut told = Log {
        state: follower(),
        entries: Vec::new(),
    };
    told.does(pair::import(&first.state, &told.state, &root, true));
    let mut copied = told.clone();
    copied.does(pair::import(&first.state, &told.state, &home, true));
    corpus.add("imports", "copied", &join(&copied.entries))?;
    rows(corpus, "copied", &copied.state)?;
    for (name, command) in of_copies()? {
        let mut log = copied.clone();
        log.does(command);
        corpus.add("imports", name, &join(&log.entries))?;
    }
    filled(corpus, &first.state, &told, &home)?;
    staged(corpus, &first.state, &told, &home)?;
    mended(corpus, &first.state, &copied, &home)?;
    led(corpus)
}

impl Log {
    /// Applies a command that must not be refused.
    fn does(&mut self, command: Command) {
        let index = self.entries.len() as u64 + 2;
        let entry = entry(index, command);
        let applied = machine::apply(&mut self.state, LogIndex(index), &entry);
        assert!(applied.answer.is_ok(), "{:?}", applied.answer);
        self.entries.push(entry.encode());
    }
}

fn replica() -> Replica {
    Replica {
        region: region(FOLLOWER),
        kms_key: None,
        force: false,
    }
}

/// What a region does with copies, and with who leads them.
fn of_copies() -> Result<Vec<(&'static str, Command)>, Failure> {
    let uid = secret();
    let home = FeedId::Home(region(REGION));
    let ballot = Epoch {
        number: 2,
        region: region(REGION),
    };
    let detach = DetachSecret {
        uid,
        new_uid: FeedId::Home(region(FOLLOWER)).uid_of([6; 16]),
        versions: vec![new(1)?, new(2)?],
        kms_key: None,
        seen: Seen::default(),
    };
    let stage = StageDetach {
        uid,
        new_uid: detach.new_uid,
        versions: vec![new(1)?],
    };
    let rewrap = RewrapSecret {
        uid,
        wraps: vec![(version(2)?, wrap())],
    };
    let take = TakeOver {
        region: region(REGION),
        heard: vec![(home, ballot.clone())],
    };
    let fence = FenceFeed {
        feed: FeedId::Home(region(FOLLOWER)),
        epoch: ballot,
    };
    Ok(vec![
        ("detach", Command::DetachSecret(detach)),
        ("stage-detach", Command::StageDetach(stage)),
        ("rewrap", Command::RewrapSecret(rewrap)),
        ("take-over", Command::TakeOver(take)),
        ("fence", Command::FenceFeed(fence)),
    ])
}

/// A feed that comes without bodies, which come later.
fn filled(corpus: &Corpus, first: &State, told: &Log, home: &FeedId) -> Result<(), Failure> {
    let Command::ImportChanges(import) = pair::import(first, &told.state, home, true) else {
        return Err("no import".into());
    };
    let mut log = told.clone();
    log.does(pair::import(first, &told.state, home, false));
    let rows = bodies(&log.state, first, import)?;
    log.does(Command::FillRows(FillRows {
        feed: home.clone(),
        rows,
    }));
    corpus.add("imports", "fill", &join(&log.entries))
}

/// The rows that are to be there, by their keys.
fn bodies(
    to: &State,
    from: &State,
    import: ImportChanges,
) -> Result<Vec<(RowKey, SentBody)>, Failure> {
    let (name, after) = (region(FOLLOWER), &import.after);
    let keys = from.outgoing(&import.feed, after, &name)?;
    let keys: Vec<RowKey> = keys.map(|sent| sent.key).collect();
    let last: BTreeMap<_, _> = keys.into_iter().zip(import.changes).collect();
    let bodies = last.into_iter().filter_map(|(key, change)| {
        to.row(&key)?;
        Some((key, change.body?))
    });
    Ok(bodies.collect())
}

/// A feed that comes as a snapshot.
fn staged(corpus: &Corpus, first: &State, told: &Log, home: &FeedId) -> Result<(), Failure> {
    let feed = first.feed(home).ok_or("no home feed")?;
    let (at, feed_hash, rows) = (feed.cursor(), feed.hash(), pair::rows(first, home));
    let stage = |first: usize, rows: &[StagedRow]| {
        Command::StageRows(StageRows {
            feed: home.clone(),
            at: at.clone(),
            first: first as u64,
            rows: rows.to_vec(),
        })
    };
    let mut log = told.clone();
    let (begin, end) = rows.split_at(rows.len() / 2);
    log.does(stage(0, begin));
    log.does(stage(begin.len(), end));
    let mut forgotten = log.clone();
    forgotten.does(Command::ForgetStaged(ForgetStaged { feed: home.clone() }));
    corpus.add("imports", "forget", &join(&forgotten.entries))?;
    log.does(Command::ActivateSnapshot(ActivateSnapshot {
        feed: home.clone(),
        at: at.clone(),
        feed_hash,
        rows: rows.len() as u64,
    }));
    corpus.add("imports", "snapshot", &join(&log.entries))
}

/// A bucket of a feed that is written anew.
fn mended(corpus: &Corpus, first: &State, copied: &Log, home: &FeedId) -> Result<(), Failure> {
    let at = first.feed(home).ok_or("no home feed")?.cursor();
    let rows = pair::rows(first, home);
    let bucket = |row: &StagedRow| Bucket::of(&row.key.encode());
    let wanted = rows.first().map(bucket).ok_or("no row")?;
    let rows = rows.into_iter().filter(|row| bucket(row) == wanted);
    let mut log = copied.clone();
    log.does(Command::MendBucket(MendBucket {
        feed: home.clone(),
        at,
        bucket: wanted,
        rows: rows.collect(),
    }));
    corpus.add("imports", "mend", &join(&log.entries))
}

/// What a region does that leads, with others linked to it. Its own log begins anew.
fn led(corpus: &Corpus) -> Result<(), Failure> {
    let mut log = Log {
        state: strongroom_fuzz::founded(),
        entries: Vec::new(),
    };
    for command in pair::linking() {
        log.does(command);
    }
    for (_, command) in secret_commands()?.into_iter().take(1) {
        log.does(command);
    }
    log.does(Command::ShareSecret(ShareSecret {
        uid: secret(),
        replicas: vec![replica()],
        seen: Seen::default(),
    }));
    let report = ReplicaReport {
        uid: secret(),
        state: ReplicaState::Failed,
        message: "no such key".to_owned(),
        access_day: 1,
    };
    log.does(Command::ReportReplicas(ReportReplicas {
        region: region(FOLLOWER),
        replicas: vec![report],
    }));
    corpus.add("entries", "share", &join(&log.entries))?;
    rows(corpus, "share", &log.state)?;
    log.does(Command::UnshareSecret(UnshareSecret {
        uid: secret(),
        regions: vec![region(FOLLOWER)],
        seen: Seen::default(),
    }));
    log.does(Command::UnlinkRegion(UnlinkRegion {
        region: region(FOLLOWER),
    }));
    corpus.add("entries", "unlink", &join(&log.entries))
}
