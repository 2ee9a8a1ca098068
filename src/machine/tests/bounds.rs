//! What would grow for ever does not.

mod net;
mod support;

use prost::Message as _;
use strongroom_machine::{
    ArnSuffix, Command, CreateSecret, Epoch, FeedId, Field, ForgetStaged, Hash, LogIndex,
    NewVersion, Ordinal, Position, PutSecretValue, RegionName, Rejection, Replica, Revision, Row,
    RowKey, RowRef, Scope, SecretName, Seen, ShareSecret, StageDetach, StagedRow, State, Token,
    UpdateSecret, apply, limits,
};

use net::forge::{Forger, storage};
use net::{Net, Snapshot};
use support::{
    Failure, account, default_key, entry, found, new, region, reload, uid, uid_in, wrap,
};

#[test]
fn a_journal_keeps_below_its_cap() -> Result<(), Failure> {
    let mut state = State::new();
    apply(&mut state, LogIndex(1), &entry(1, Command::Found(found()?)));
    let create = Command::CreateSecret(CreateSecret {
        uid: uid(1),
        account: account()?,
        name: SecretName::new("s")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    });
    apply(&mut state, LogIndex(2), &entry(2, create));
    // Characters of four bytes: a row of 8 KiB with each entry.
    let description = "🔑".repeat(limits::DESCRIPTION_CHARS_MAX);
    let bytes = description.len() as u64;
    let update = Command::UpdateSecret(UpdateSecret {
        uid: uid(1),
        description: Some(description),
        kms_key: None,
        rewrapped: Vec::new(),
        new: None,
        young_protection_ms: 0,
        seen: Seen::default(),
    });
    for index in 3..limits::JOURNAL_BYTES_MAX / bytes + 100 {
        let applied = apply(&mut state, LogIndex(index), &entry(index, update.clone()));
        assert!(applied.answer.is_ok());
        assert!(state.counts().journal_bytes <= limits::JOURNAL_BYTES_MAX);
    }
    let home = FeedId::Home(RegionName::new(support::REGION)?);
    assert!(
        state.journal(&home, Revision(0)).is_none(),
        "nothing was trimmed"
    );
    let feed = state.feed(&home).ok_or("no home feed")?;
    let first = feed.state().ok_or("no feed state")?.journal_first;
    let rows = state
        .journal(&home, Revision(first.0 - 1))
        .ok_or("trimmed too far")?;
    assert_eq!(rows.count() as u64, feed.revision().0 - first.0 + 1);
    assert_eq!(reload(&state)?.node_hash(), state.node_hash());
    Ok(())
}

/// Two regions, of which the second receives everything.
fn two_regions() -> Result<(Net, RegionName, RegionName), Failure> {
    Ok((Net::of(&["b"])?, region("a")?, region("b")?))
}

#[test]
fn another_region_brings_no_more_versions_of_a_secret_than_it_may() -> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let feed = FeedId::Home(b);
    net.follow_all(&a, &feed)?;
    let mut forger = Forger::new(&feed, &net.site(&a)?.cursor(&feed));
    forger.members = vec![a.to_string()];
    let uid = uid_in("eu-west-1", 1);
    let body = storage::Version {
        nonce: vec![4; 12].into(),
        ciphertext: vec![5; 16].into(),
        description: None,
    };
    let body = body.encode_to_vec();
    let count = limits::VERSIONS_TAKEN_MAX as u64 + 50;
    for ordinal in 1..=count {
        let key = RowKey::Version(uid, Ordinal(ordinal));
        forger.put(&key, &body, Some(wrap(default_key(&a), 1)));
    }
    net.accepted(&a, Command::ImportChanges(forger.command()))?;
    let state = &net.site(&a)?.state;
    assert_eq!(state.counts().versions, limits::VERSIONS_TAKEN_MAX as u64);
    assert_eq!(state.counts().withheld, 50);
    assert!(state.problem(&uid).is_some());
    // What is gone leaves no reason behind.
    for ordinal in 1..=count {
        forger.delete(&RowKey::Version(uid, Ordinal(ordinal)));
    }
    net.accepted(&a, Command::ImportChanges(forger.command()))?;
    let counts = net.site(&a)?.state.counts();
    assert_eq!(
        (counts.versions, counts.withheld, counts.problems),
        (0, 0, 0)
    );
    Ok(())
}

#[test]
fn another_region_names_no_more_versions_of_a_secret_than_may_be_known() -> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let feed = FeedId::Home(b.clone());
    net.follow_all(&a, &feed)?;
    let mut forger = Forger::new(&feed, &net.site(&a)?.cursor(&feed));
    let max = limits::VERSIONS_KNOWN_MAX as u64;
    let version = |ordinal| RowKey::Version(uid_in("eu-west-1", 1), Ordinal(ordinal));
    let full = Err(Rejection::FeedLimit(feed.clone()));
    let mut snapshot = Snapshot::take(net.site(&b)?, net.site(&a)?, &feed, true)?;
    snapshot.at.revision = Revision(9);
    let hidden = |ordinal| StagedRow {
        key: version(ordinal),
        row: Row::hidden(&feed, Revision(1), Hash([1; 32])),
        wrap: None,
        problem: String::new(),
    };
    snapshot.rows.extend((1..=max + 1).map(hidden));
    snapshot.rows.sort_by_key(|row| row.key);
    let count = snapshot.rows.len();
    let step = limits::IMPORTED_MAX;
    for first in (0..count - 1).step_by(step) {
        net.accepted(&a, snapshot.part(first, step.min(count - 1 - first)))?;
    }
    assert_eq!(net.apply(&a, snapshot.part(count - 1, 1)).answer, full);

    for ordinal in 1..=max {
        forger.put_hidden(&version(ordinal), b"hidden");
        if ordinal % step as u64 == 0 || ordinal == max {
            net.accepted(&a, Command::ImportChanges(forger.command()))?;
        }
    }
    let mut more = forger.clone();
    more.put_hidden(&version(max + 1), b"hidden");
    let more = Command::ImportChanges(more.command());
    assert_eq!(net.apply(&a, more).answer, full);
    // Those that are known may go, and make room.
    forger.delete(&version(1));
    forger.put_hidden(&version(max + 1), b"hidden");
    net.accepted(&a, Command::ImportChanges(forger.command()))?;
    assert_eq!(net.site(&a)?.state.counts().withheld, max);
    Ok(())
}

#[test]
fn a_region_that_receives_everything_keeps_no_more_secrets_of_one_name_than_it_may()
-> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let feed = FeedId::Home(a.clone());
    let create = CreateSecret {
        uid: uid(1),
        account: account()?,
        name: SecretName::new("s")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    };
    net.accepted(&a, Command::CreateSecret(create))?;
    net.catch_up()?;
    let row = net.site(&a)?.state.row(&RowKey::Secret(uid(1)));
    let Some(RowRef::Here(row)) = row else {
        return Err("no secret".into());
    };
    // Its row says nothing of its uid: it is one of any secret of that name.
    let body = row.framed_body().ok_or("no body")?.bytes;
    let mut forger = Forger::new(&feed, &net.site(&b)?.cursor(&feed));
    let max = limits::NAMESAKES_MAX as u64;
    for number in 2..=max + 10 {
        forger.put(&RowKey::Secret(uid(number)), &body, None);
    }
    net.accepted(&b, Command::ImportChanges(forger.command()))?;
    let state = &net.site(&b)?.state;
    let (account, name) = (account()?, SecretName::new("s")?);
    let named = state.namesakes(&account, &name);
    assert_eq!(named.count() as u64, max);
    assert_eq!(state.counts().withheld, 10);
    assert!(state.problem(&uid(max + 1)).is_some());
    Ok(())
}

#[test]
fn a_token_has_room_for_every_feed_there_can_be() -> Result<(), Failure> {
    let mut token = Token::default();
    for number in 0..=limits::REGIONS_MAX {
        let region = RegionName::new(&format!("spare-{number}"))?;
        token.positions.push(Position {
            feed: FeedId::Home(region.clone()),
            epoch: Epoch { number: 1, region },
            revision: Revision(u64::MAX),
        });
    }
    assert_eq!(Token::decode(&token.encode())?, token);
    token.positions.extend(token.positions.first().cloned());
    assert!(Token::decode(&token.encode()).is_err(), "one more");
    Ok(())
}

#[test]
fn a_snapshot_leaves_no_reason_of_what_it_has_not() -> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let feed = FeedId::Home(b.clone());
    net.follow_all(&a, &feed)?;
    let mut forger = Forger::new(&feed, &net.site(&a)?.cursor(&feed));
    forger.members = vec![a.to_string()];
    let key = RowKey::Version(uid_in("eu-west-1", 1), Ordinal(1));
    let body = storage::Version {
        nonce: vec![4; 12].into(),
        ciphertext: vec![5; 16].into(),
        description: None,
    };
    forger.put(&key, &body.encode_to_vec(), None);
    net.accepted(&a, Command::ImportChanges(forger.command()))?;
    assert_eq!(net.site(&a)?.state.counts().problems, 1);
    let mut snapshot = Snapshot::take(net.site(&b)?, net.site(&a)?, &feed, true)?;
    // It goes on from where the feed stands, without the row.
    snapshot.at.revision = Revision(9);
    net.accepted(&a, snapshot.part(0, 100))?;
    net.accepted(&a, snapshot.activate())?;
    let counts = net.site(&a)?.state.counts();
    assert_eq!((counts.withheld, counts.problems), (0, 0));
    Ok(())
}

#[test]
fn a_secret_is_never_shared_in_a_row_that_other_regions_refuse() -> Result<(), Failure> {
    let (mut net, a, _) = two_regions()?;
    let create = CreateSecret {
        uid: uid(1),
        account: account()?,
        name: SecretName::new("s")?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    };
    net.accepted(&a, Command::CreateSecret(create))?;
    let key = "🔑".repeat(limits::KEY_NAME_CHARS_MAX);
    let mut refused = 0;
    for number in 1..limits::REGIONS_MAX - 1 {
        let name = RegionName::new(&format!("spare-{number}"))?;
        net.link(&a, &name, Scope::Selected)?;
        let share = Command::ShareSecret(ShareSecret {
            uid: uid(1),
            replicas: vec![Replica {
                region: name,
                kms_key: Some(key.clone()),
                force: false,
            }],
            seen: Seen::default(),
        });
        match net.apply(&a, share).answer {
            Ok(_) => assert_eq!(refused, 0),
            Err(rejection) => {
                let max = limits::IMPORTED_ROW_BYTES_MAX as u64;
                let field = Field::Replicas;
                assert_eq!(rejection, Rejection::TooLong { field, max });
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    net.catch_up()?;
    let b = &net.site(&region("b")?)?.state;
    assert!(b.secret(&uid(1)).is_some());
    Ok(())
}

#[test]
fn a_snapshot_that_is_given_up_is_forgotten_in_steps() -> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let feed = FeedId::Home(a.clone());
    let rows = limits::UNSTAGED_MAX as u64 + 500;
    let hidden = storage::Tombstone { purged_ms: 1 }.encode_to_vec();
    let mut snapshot = Snapshot::take(net.site(&a)?, net.site(&b)?, &feed, true)?;
    for number in 1..=rows {
        let key = RowKey::Tombstone(uid(number));
        let row = net::forge::row(&key, &feed, Revision(1), &hidden).ok_or("no row")?;
        snapshot.rows.push(strongroom_machine::StagedRow {
            key,
            row,
            wrap: None,
            problem: String::new(),
        });
    }
    for first in (0..snapshot.rows.len()).step_by(limits::IMPORTED_MAX) {
        net.accepted(&b, snapshot.part(first, limits::IMPORTED_MAX))?;
    }
    let staged = |net: &Net| -> Result<u64, Failure> {
        let feed = net
            .site(&b)?
            .state
            .feed(&feed)
            .and_then(|feed| feed.staging().cloned());
        Ok(feed.map_or(0, |staging| staging.rows))
    };
    assert_eq!(staged(&net)?, rows + 1);
    let forget = || Command::ForgetStaged(ForgetStaged { feed: feed.clone() });
    net.accepted(&b, forget())?;
    assert_eq!(staged(&net)?, 501);
    // What is left is no part of any snapshot.
    let moved = Err(Rejection::SnapshotMoved(feed.clone()));
    assert_eq!(net.apply(&b, snapshot.part(501, 10)).answer, moved);
    assert_eq!(net.apply(&b, snapshot.activate()).answer, moved);
    net.accepted(&b, forget())?;
    assert_eq!(staged(&net)?, 0);
    assert!(net.apply(&b, forget()).changes.is_empty());
    Ok(())
}

#[test]
fn versions_of_no_more_copies_to_be_detached_are_kept_than_may_be() -> Result<(), Failure> {
    let (mut net, a, b) = two_regions()?;
    let last = limits::RESEALED_COPIES_MAX as u64 + 1;
    for number in 1..=last {
        net.accepted(&a, shared(number, &b)?)?;
        for id in ["v1", "v2"] {
            net.accepted(&a, put(number, id)?)?;
        }
    }
    net.follow_all(&b, &FeedId::Home(a.clone()))?;
    let stage = |number: u64, ids: &[&str]| -> Result<Command, Failure> {
        let sealed = |id: &&str| -> Result<NewVersion, Failure> {
            Ok(NewVersion {
                wrap: wrap(default_key(&b), 1),
                ..new(id, 16)?
            })
        };
        Ok(Command::StageDetach(StageDetach {
            uid: uid(number),
            new_uid: uid_in(b.as_str(), number),
            versions: ids.iter().map(sealed).collect::<Result<_, _>>()?,
        }))
    };
    for number in 1..last {
        net.accepted(&b, stage(number, &["v1"])?)?;
    }
    let full = Err(Rejection::DetachLimit);
    assert_eq!(net.apply(&b, stage(last, &["v1"])?).answer, full);
    // What has begun goes on, and what is forgotten gives way.
    net.accepted(&b, stage(1, &["v2"])?)?;
    net.accepted(&b, stage(1, &[])?)?;
    net.accepted(&b, stage(last, &["v1"])?)?;
    Ok(())
}

/// Creates a secret that a region has a copy of.
fn shared(number: u64, with: &RegionName) -> Result<Command, Failure> {
    Ok(Command::CreateSecret(CreateSecret {
        uid: uid(number),
        account: account()?,
        name: SecretName::new(&format!("s{number}"))?,
        arn_suffix: ArnSuffix::new("AbC123")?,
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: vec![Replica {
            region: with.clone(),
            kms_key: None,
            force: false,
        }],
        seen: Seen::default(),
    }))
}

fn put(number: u64, id: &str) -> Result<Command, Failure> {
    Ok(Command::PutSecretValue(PutSecretValue {
        uid: uid(number),
        new: new(id, 16)?,
        labels: Vec::new(),
        young_protection_ms: 0,
        seen: Seen::default(),
    }))
}
