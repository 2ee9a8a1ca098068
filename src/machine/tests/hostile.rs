//! What a region that lies cannot do with a snapshot, or with the rows of a bucket. What it cannot
//! do with a stream is in scripts.

mod net;
mod support;

use prost::Message as _;
use strongroom_machine::{
    Applied, ArnSuffix, Bucket, Change, Command, CreateSecret, Cursor, Epoch, FeedId, Field, Flaw,
    Hash, MendBucket, Ordinal, RegionName, Rejection, Replica, Revision, Row, RowKey, RowRef,
    Scope, SecretName, Seen, StagedRow, State, Tombstone, limits,
};

use net::forge::{self, storage};
use net::{Net, Site, Snapshot, mends};
use support::{Failure, account, new, region, uid};

/// A row that begins an epoch, as a liar makes it.
fn epoch(feed: &FeedId, begun: &Epoch, after: &Cursor) -> Result<StagedRow, Failure> {
    let epoch = |epoch: &Epoch| storage::Epoch {
        number: epoch.number,
        region: epoch.region.to_string(),
    };
    let body = storage::BeginEpoch {
        epoch: Some(epoch(begun)),
        primary: begun.region.to_string(),
        previous: after.epoch.as_ref().map(epoch),
        last_revision: after.revision.0,
        chain: after.chain.0.to_vec().into(),
    };
    let key = RowKey::Epoch(feed.uid(), Ordinal(begun.number));
    let row = forge::row(&key, feed, Revision(1), &body.encode_to_vec());
    Ok(staged(key, row.ok_or("no row")?))
}

fn staged(key: RowKey, row: Row) -> StagedRow {
    StagedRow {
        key,
        row,
        wrap: None,
        problem: String::new(),
    }
}

/// Sends rows as a snapshot that is whole, and gives what becomes of it.
fn activated(net: &mut Net, at: &RegionName, mut snapshot: Snapshot) -> Result<Applied, Failure> {
    snapshot.rows.sort_by_key(|row| row.key);
    let mut scratch = State::new();
    for row in &snapshot.rows {
        scratch.evolve(&Change {
            key: row.key,
            row: Some(row.row.clone()),
            header: None,
        });
    }
    let feed = scratch.feed(&snapshot.feed).ok_or("no feed")?;
    snapshot.hash = feed.hash();
    net.accepted(at, snapshot.part(0, 1000))?;
    Ok(net.apply(at, snapshot.activate()))
}

#[test]
fn a_snapshot_puts_no_epoch_out_of_all_reach() -> Result<(), Failure> {
    let (a, b, c) = (region("a")?, region("b")?, region("c")?);
    let feed = FeedId::Home(a.clone());
    let reach = 1 + limits::BALLOT_STEP_MAX;
    for (number, is_taken) in [(reach, true), (reach + 1, false)] {
        let mut net = Net::of(&["b", "c"])?;
        net.catch_up()?;
        let (from, to) = (net.site(&a)?, net.site(&b)?);
        let mut snapshot = Snapshot::take(from, to, &feed, true)?;
        let begun = Epoch {
            number,
            region: c.clone(),
        };
        snapshot.rows.push(epoch(&feed, &begun, &snapshot.at)?);
        snapshot.at = Cursor {
            epoch: Some(begun),
            revision: Revision(snapshot.at.revision.0 + 1),
            chain: Hash([1; 32]),
        };
        let answer = activated(&mut net, &b, snapshot)?.answer;
        match is_taken {
            true => assert!(answer.is_ok(), "{answer:?}"),
            false => assert_eq!(answer, Err(Rejection::SnapshotForeign(feed.clone()))),
        }
    }
    Ok(())
}

#[test]
fn a_snapshot_of_a_home_feed_begins_in_its_own_region() -> Result<(), Failure> {
    let (a, b) = (region("a")?, region("b")?);
    for (first, is_taken) in [("e", true), ("c", false)] {
        let mut net = Net::of(&["b", "c"])?;
        let e = region("e")?;
        net.link(&a, &e, Scope::Selected)?;
        net.catch_up()?;
        let feed = FeedId::Home(e);
        let begun = Epoch {
            number: 1,
            region: region(first)?,
        };
        let start = Cursor {
            epoch: None,
            revision: Revision(0),
            chain: Hash::ZERO,
        };
        let snapshot = Snapshot {
            rows: vec![epoch(&feed, &begun, &start)?],
            at: Cursor {
                epoch: Some(begun),
                revision: Revision(1),
                chain: Hash([1; 32]),
            },
            feed: feed.clone(),
            hash: Hash::ZERO,
        };
        let answer = activated(&mut net, &b, snapshot)?.answer;
        match is_taken {
            true => assert!(answer.is_ok(), "{answer:?}"),
            false => assert_eq!(answer, Err(Rejection::SnapshotForeign(feed))),
        }
    }
    Ok(())
}

/// The rows of the bucket that a row is in, as a site has them.
fn bucket(site: &Site, feed: &FeedId, key: &RowKey) -> Result<MendBucket, Failure> {
    let of = |key: &RowKey| Bucket::of(&key.encode());
    let rows = site.state.rows_of(feed, None);
    let rows = rows.filter(|(other, _)| of(other) == of(key));
    let rows = rows.map(|(key, row)| Ok(staged(key, row.ok_or("a value left memory")?)));
    Ok(MendBucket {
        feed: feed.clone(),
        at: site.cursor(feed),
        bucket: of(key),
        rows: rows.collect::<Result<_, Failure>>()?,
    })
}

#[test]
fn what_epochs_there_were_is_never_mended() -> Result<(), Failure> {
    let (a, b) = (region("a")?, region("b")?);
    let feed = FeedId::Home(a.clone());
    let mut net = Net::of(&["b"])?;
    net.catch_up()?;
    let key = RowKey::Epoch(feed.uid(), Ordinal(1));
    let right = bucket(net.site(&b)?, &feed, &key)?;
    let applied = net.accepted(&b, Command::MendBucket(right.clone()))?;
    assert!(applied.changes.is_empty());
    let mut lacking = right.clone();
    lacking.rows.retain(|row| row.key != key);
    let begun = Epoch {
        number: 1,
        region: b.clone(),
    };
    let other = epoch(&feed, &begun, &net.site(&b)?.cursor(&feed))?;
    let mut changed = right;
    changed.rows.retain(|row| row.key != key);
    changed.rows.insert(0, other);
    for mend in [lacking, changed] {
        let at = mend.at.revision;
        let answer = net.apply(&b, Command::MendBucket(mend)).answer;
        let (feed, flaw) = (feed.clone(), Flaw::Epoch);
        assert_eq!(answer, Err(Rejection::StreamBroken { feed, at, flaw }));
    }
    Ok(())
}

#[test]
fn a_bucket_is_mended_with_no_more_than_an_entry_holds() -> Result<(), Failure> {
    let (a, b) = (region("a")?, region("b")?);
    let feed = FeedId::Home(a);
    let mut net = Net::of(&["b"])?;
    net.catch_up()?;
    let key = RowKey::Tombstone(uid(1));
    // A field that nobody knows makes it as long as one likes.
    let mut body = storage::Tombstone { purged_ms: 1 }.encode_to_vec();
    body.extend([0x7a, 0x80, 0x80, 0x08]);
    body.extend(vec![0; 1 << 17]);
    let row = forge::row(&key, &feed, Revision(1), &body).ok_or("no row")?;
    let mut mend = bucket(net.site(&b)?, &feed, &key)?;
    let count = limits::BUCKET_BYTES_MAX / row.stored().len();
    mend.rows = vec![staged(key, row); count + 1];
    let max = limits::BUCKET_BYTES_MAX as u64;
    let field = Field::Rows;
    let too_long = Err(Rejection::TooLong { field, max });
    assert_eq!(
        net.apply(&b, Command::MendBucket(mend.clone())).answer,
        too_long
    );
    mend.rows.truncate(1);
    net.accepted(&b, Command::MendBucket(mend))?;
    let gone: Option<&Tombstone> = net.site(&b)?.state.tombstone(&uid(1));
    assert!(gone.is_some());
    Ok(())
}

/// A region that a secret with one value is shared with, of which it has one row wrong.
fn spoilt(key: &RowKey) -> Result<Net, Failure> {
    let (a, b) = (region("a")?, region("b")?);
    let mut net = Net::default();
    net.found(&[("b", Scope::Selected)])?;
    let create = CreateSecret {
        uid: uid(1),
        account: account()?,
        name: SecretName::new("s")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: Some(new("v1", 24)?),
        region: None,
        replicas: vec![Replica {
            region: b.clone(),
            kms_key: None,
            force: false,
        }],
        seen: Seen::default(),
    };
    net.accepted(&a, Command::CreateSecret(create))?;
    net.catch_up()?;
    let site = net.sites.get_mut(&b).ok_or("no such region")?;
    let Some(RowRef::Here(row)) = site.state.row(key) else {
        return Err("no row".into());
    };
    let origin = row.origin().ok_or("no feed row")?;
    let wrong = forge::row(key, &origin.feed, origin.revision, &origin.bytes);
    assert_ne!(wrong.as_ref(), Some(&row));
    site.spoil(*key, wrong);
    Ok(net)
}

#[test]
fn a_value_never_comes_with_its_bucket() -> Result<(), Failure> {
    let (a, b) = (region("a")?, region("b")?);
    let key = RowKey::Version(uid(1), Ordinal(1));
    let mut net = spoilt(&key)?;
    for mend in mends(net.site(&a)?, net.site(&b)?, &FeedId::Home(a.clone()))? {
        net.accepted(&b, mend)?;
    }
    let state = &net.site(&b)?.state;
    assert!(state.is_withheld(&key) && state.is_incomplete(&uid(1)));
    net.catch_up()?;
    let state = &net.site(&b)?.state;
    assert!(state.has_value(&uid(1), Ordinal(1)) && !state.is_incomplete(&uid(1)));
    Ok(())
}

#[test]
fn a_secret_that_has_no_room_in_its_bucket_is_asked_for_and_its_values_stay() -> Result<(), Failure>
{
    let (a, b) = (region("a")?, region("b")?);
    let key = RowKey::Secret(uid(1));
    let mut net = spoilt(&key)?;
    for mend in mends(net.site(&a)?, net.site(&b)?, &FeedId::Home(a.clone()))? {
        let Command::MendBucket(mut mend) = mend else {
            return Err("no bucket".into());
        };
        for row in mend.rows.iter_mut().filter(|row| row.key == key) {
            row.row = row.row.without_body().ok_or("no feed row")?;
        }
        net.accepted(&b, Command::MendBucket(mend))?;
    }
    let state = &net.site(&b)?.state;
    assert!(state.secret(&uid(1)).is_none() && state.has_value(&uid(1), Ordinal(1)));
    net.catch_up()?;
    let state = &net.site(&b)?.state;
    assert!(state.secret(&uid(1)).is_some() && !state.is_incomplete(&uid(1)));
    Ok(())
}

/// Rows of identities that are none, each under a key of its own.
fn spoilt_identities() -> Result<Vec<StagedRow>, Failure> {
    let late = storage::Revocation {
        what: Some(storage::revocation::What::Session("s".to_owned())),
        until_ms: u64::MAX,
        ..Default::default()
    };
    let policy = storage::ManagedPolicy {
        account: support::ACCOUNT.to_owned(),
        path: "/".to_owned(),
        name: "lie".to_owned(),
        document: "d".repeat(limits::POLICY_CHARS_MAX + 1),
        ..Default::default()
    };
    let key = |n| support::root_uid(n);
    let rows = [
        (RowKey::Revocation(key(1)), late.encode_to_vec()),
        (RowKey::Policy(key(2)), policy.encode_to_vec()),
    ];
    let rows = rows.into_iter().map(|(key, body)| {
        let row = forge::row(&key, &FeedId::Root, Revision(1), &body);
        Ok(staged(key, row.ok_or("no row")?))
    });
    rows.collect()
}

#[test]
fn a_snapshot_brings_no_identity_that_is_not_as_it_must_be() -> Result<(), Failure> {
    let (a, b) = (region("a")?, region("b")?);
    for spoilt in spoilt_identities()? {
        let mut net = Net::of(&["b"])?;
        net.catch_up()?;
        let (from, to) = (net.site(&a)?, net.site(&b)?);
        let mut snapshot = Snapshot::take(from, to, &FeedId::Root, true)?;
        snapshot.at.revision = Revision(snapshot.at.revision.0 + 1);
        snapshot.at.chain = Hash([1; 32]);
        snapshot.rows.push(spoilt);
        let answer = activated(&mut net, &b, snapshot)?.answer;
        let flaw = Flaw::Malformed;
        assert!(
            matches!(&answer, Err(Rejection::StreamBroken { flaw: found, .. }) if *found == flaw),
            "{answer:?}"
        );
    }
    Ok(())
}

#[test]
fn a_bucket_brings_no_identity_that_is_not_as_it_must_be() -> Result<(), Failure> {
    let b = region("b")?;
    for spoilt in spoilt_identities()? {
        let mut net = Net::of(&["b"])?;
        net.catch_up()?;
        let mut mend = bucket(net.site(&b)?, &FeedId::Root, &spoilt.key)?;
        mend.rows.push(spoilt);
        mend.rows.sort_by_key(|row| row.key);
        let (feed, at, flaw) = (FeedId::Root, Revision(1), Flaw::Malformed);
        let answer = net.apply(&b, Command::MendBucket(mend)).answer;
        assert_eq!(answer, Err(Rejection::StreamBroken { feed, at, flaw }));
    }
    Ok(())
}
