//! A message of every kind that regions send.

use bytes::Bytes;
use machine::{Body, Cursor, FeedId, Framed, Hash, Outgoing, Revision};
use prost::Message;
use strongroom_fuzz::REGION;
use strongroom_fuzz::pair::{FOLLOWER, leader, region};
use wire::replication::v1;

use crate::{Corpus, Failure};

/// In the order of `replication::MessageKind::ALL`.
pub fn replication(corpus: &Corpus) -> Result<(), Failure> {
    let all = [
        ("origin", origin().encode_to_vec()),
        ("acknowledge", acknowledge().encode_to_vec()),
        ("changes", changes()?.encode_to_vec()),
        ("keys", keys().encode_to_vec()),
        ("rows", rows()?.encode_to_vec()),
        ("sums", sums().encode_to_vec()),
        ("nodes", nodes().encode_to_vec()),
        ("reports", reports().encode_to_vec()),
    ];
    for (kind, (name, message)) in (0_u8..).zip(all) {
        corpus.add("replication", name, &[&[kind], &message[..]].concat())?;
    }
    Ok(())
}

fn origin() -> v1::Origin {
    let claim = v1::Claim {
        feed: feed().to_string(),
        number: 2,
        region: FOLLOWER.to_owned(),
    };
    v1::Origin {
        cluster: Bytes::from_static(&[1; 16]),
        region: FOLLOWER.to_owned(),
        node: 1,
        epochs: vec![claim],
    }
}

fn acknowledge() -> v1::Acknowledge {
    let at = |epoch, revision| v1::FeedCursor {
        feed: feed().to_string(),
        epoch,
        epoch_region: if epoch == 0 { "" } else { REGION }.to_owned(),
        revision,
        chain: Bytes::from_static(&[7; 32]),
    };
    v1::Acknowledge {
        origin: Some(origin()),
        number: 3,
        feeds: vec![at(0, 0), at(1, 5)],
    }
}

fn changes() -> Result<v1::Changes, Failure> {
    let changes = sent()?.into_iter().map(|sent| v1::Change {
        body: body(&sent.body),
        header: sent.header,
    });
    Ok(v1::Changes {
        feed: FeedId::Root.to_string(),
        changes: changes.collect(),
    })
}

fn keys() -> v1::FetchRowsRequest {
    let keys = sent().unwrap_or_default().into_iter();
    v1::FetchRowsRequest {
        origin: None,
        stream: Bytes::from_static(&[8; 16]),
        public_key: Bytes::from_static(&[9; 16]),
        feed: feed().to_string(),
        keys: keys.map(|sent| sent.key.encode().into()).collect(),
    }
}

fn rows() -> Result<v1::FetchRowsResponse, Failure> {
    let rows = sent()?.into_iter().map(|sent| v1::Row {
        key: sent.key.encode().into(),
        revision: sent.revision.0,
        commitment: Bytes::from_static(&[7; 32]),
        body: body(&sent.body),
    });
    Ok(v1::FetchRowsResponse {
        encapsulated: Bytes::from_static(&[9; 16]),
        rows: rows.collect(),
    })
}

fn sums() -> v1::CompareResponse {
    v1::CompareResponse {
        sums: Bytes::from(vec![0; machine::BUCKETS * 32]),
        ..Default::default()
    }
}

fn nodes() -> v1::AnnounceRequest {
    let node = v1::Node {
        id: 1,
        peer_address: "127.0.0.1:7421".to_owned(),
        api_address: "127.0.0.1:7420".to_owned(),
        public_key: Bytes::from_static(&[3; 32]),
    };
    v1::AnnounceRequest {
        origin: None,
        authorities: vec![Bytes::from_static(b"issuer")],
        nodes: vec![node],
    }
}

fn reports() -> v1::ReportRequest {
    let report = v1::ReplicaReport {
        uid: Bytes::from_static(&[5; 16]),
        state: v1::ReplicaState::Failed.into(),
        message: "no such key".to_owned(),
        access_day: 1,
    };
    v1::ReportRequest {
        origin: None,
        replicas: vec![report],
    }
}

/// What the leader sends of the root feed.
fn sent() -> Result<Vec<Outgoing>, Failure> {
    let none = Cursor {
        epoch: None,
        revision: Revision(0),
        chain: Hash::ZERO,
    };
    let leader = leader();
    let sent = leader.outgoing(&FeedId::Root, &none, &region(FOLLOWER))?;
    Ok(sent.collect())
}

fn body(body: &Body) -> Option<v1::RowBody> {
    let Body::Here(Framed { blind, bytes }) = body else {
        return None;
    };
    Some(v1::RowBody {
        blind: Bytes::copy_from_slice(&blind.0),
        bytes: bytes.clone(),
        wrapped_dek: Bytes::from_static(&[6; 60]),
    })
}

fn feed() -> FeedId {
    FeedId::Home(region(REGION))
}
