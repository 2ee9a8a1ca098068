//! A message of every kind that peers send or the disk holds.

use bytes::Bytes;
use prost::Message;
use wire::raft::v1 as raft;

use crate::{Corpus, Failure};

/// In the order of `consensus::MessageKind::ALL`.
pub fn messages(corpus: &Corpus) -> Result<(), Failure> {
    let all = appends()
        .into_iter()
        .chain(votes())
        .chain(changes())
        .chain(kept())
        .chain(heard());
    for (kind, (name, message)) in (0_u8..).zip(all) {
        corpus.add("messages", name, &[&[kind], &message[..]].concat())?;
    }
    Ok(())
}

type Named = (&'static str, Vec<u8>);

fn appends() -> [Named; 2] {
    let append = raft::Append {
        vote: Some(ballot()),
        previous: Some(log_id(3)),
        committed: Some(log_id(2)),
        entries: entries().to_vec(),
    };
    let matched = raft::Matched {
        log_id: Some(log_id(6)),
    };
    let appended = raft::Appended {
        result: Some(raft::appended::Result::Matched(matched)),
    };
    [
        ("append", append.encode_to_vec()),
        ("appended", appended.encode_to_vec()),
    ]
}

fn votes() -> [Named; 2] {
    let candidacy = raft::Candidacy {
        vote: Some(ballot()),
        last_log_id: Some(log_id(6)),
        leadership_transfer: true,
    };
    let verdict = raft::Verdict {
        vote: Some(ballot()),
        granted: true,
        last_log_id: Some(log_id(6)),
    };
    [
        ("candidacy", candidacy.encode_to_vec()),
        ("verdict", verdict.encode_to_vec()),
    ]
}

fn changes() -> [Named; 2] {
    let change = raft::ChangeMembershipRequest {
        origin: None,
        change: Some(raft::change_membership_request::Change::AddLearner(member(
            4,
        ))),
        wait_ms: 100,
    };
    let refusal = raft::MembershipRefusal {
        reason: raft::MembershipRefusalReason::BelowQuorum.into(),
        node: 2,
        live: 1,
        needed: 2,
        lag: 0,
    };
    let changed = raft::ChangeMembershipResponse {
        refusal: Some(refusal),
    };
    [
        ("change", change.encode_to_vec()),
        ("changed", changed.encode_to_vec()),
    ]
}

fn kept() -> [Named; 5] {
    let [.., entry] = entries();
    let applied = raft::Applied {
        log_id: Some(log_id(6)),
        membership_log_id: Some(log_id(6)),
        membership: Some(membership()),
        node_hash: Bytes::from_static(&[7; 32]),
        deferred: vec![Bytes::from_static(b"key")],
        deferred_first: 2,
        deferred_end: 3,
    };
    let deferred = raft::Deferred {
        keys: vec![Bytes::from_static(b"key")],
        replaced: vec![raft::Replaced {
            key: Bytes::from_static(b"other"),
            row: Bytes::from_static(b"row"),
        }],
    };
    [
        ("log-entry", entry.encode_to_vec()),
        ("log-id", log_id(1).encode_to_vec()),
        ("vote", ballot().encode_to_vec()),
        ("applied", applied.encode_to_vec()),
        ("deferred", deferred.encode_to_vec()),
    ]
}

fn heard() -> [Named; 2] {
    let feed = "home/eu-west-1".to_owned();
    let claim = raft::Claim {
        feed: feed.clone(),
        number: 2,
        region: "us-east-1".to_owned(),
    };
    let origin = raft::Origin {
        cluster: Bytes::from_static(&[1; 16]),
        region: "eu-west-1".to_owned(),
        node: 1,
        epochs: vec![claim],
    };
    let freshness = raft::FreshnessResponse {
        ages: vec![raft::FeedAge { feed, age_ms: 100 }],
        index: 6,
        epochs: Vec::new(),
    };
    [
        ("origin", origin.encode_to_vec()),
        ("freshness", freshness.encode_to_vec()),
    ]
}

fn entries() -> [raft::LogEntry; 3] {
    let entry = |index, payload| raft::LogEntry {
        log_id: Some(log_id(index)),
        payload: Some(payload),
    };
    let command = Bytes::from_static(b"sealed");
    [
        entry(4, raft::log_entry::Payload::Blank(raft::Blank {})),
        entry(5, raft::log_entry::Payload::Command(command)),
        entry(6, raft::log_entry::Payload::Membership(membership())),
    ]
}

fn log_id(index: u64) -> raft::LogId {
    raft::LogId {
        term: 2,
        node: 1,
        index,
    }
}

fn ballot() -> raft::Ballot {
    raft::Ballot {
        term: 2,
        node: 1,
        committed: true,
    }
}

fn membership() -> raft::Membership {
    let voters = |nodes: [u64; 2]| raft::Voters {
        nodes: nodes.to_vec(),
    };
    raft::Membership {
        voters: vec![voters([1, 2]), voters([1, 3])],
        members: vec![member(1), member(2), member(3)],
    }
}

fn member(node: u64) -> raft::Member {
    raft::Member {
        node,
        peer_address: "127.0.0.1:7421".to_owned(),
        api_address: "127.0.0.1:7420".to_owned(),
    }
}
