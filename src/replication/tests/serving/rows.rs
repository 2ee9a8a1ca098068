//! Rows by their keys.

use std::collections::BTreeSet;

use bytes::Bytes;
use envelope::{LinkBinding, LinkOffer};
use machine::{FeedId, Ordinal, RowKey, Scope};
use tonic::Status;
use wire::Caller;
use wire::replication::v1;

use crate::support::following::{STREAM, client, origin};
use crate::support::region::{MARK, Served};
use crate::support::{CLUSTER, NORTH, WEST, home, identity};

/// Fetches rows; all of it, and what the key is made of.
async fn fetch(
    region: &Served,
    feed: &FeedId,
    keys: &[RowKey],
    public_key: &[u8],
) -> Result<(Vec<v1::Row>, Bytes), Status> {
    let request = v1::FetchRowsRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: Bytes::copy_from_slice(public_key),
        feed: feed.to_string(),
        keys: keys.iter().map(|key| key.encode().into()).collect(),
    };
    let mut client = client(region, Caller::Peer(identity(WEST, 1)));
    let mut responses = client.fetch_rows(request).await?.into_inner();
    let (mut rows, mut encapsulated) = (Vec::new(), Bytes::new());
    while let Some(response) = responses.message().await? {
        if !response.encapsulated.is_empty() {
            assert!(
                encapsulated.is_empty() && rows.is_empty(),
                "only in the first"
            );
            encapsulated = response.encapsulated;
        }
        rows.extend(response.rows);
    }
    Ok((rows, encapsulated))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_rows_that_the_region_holds_are_sent() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let (shared, kept) = (
        north.create(100, &[WEST]).await,
        north.create(100, &[]).await,
    );
    let unknown = home(NORTH).uid_of([9; 16]);
    let keys = [
        RowKey::Secret(shared),
        RowKey::Version(shared, Ordinal(1)),
        RowKey::Version(shared, Ordinal(2)),
        RowKey::Secret(kept),
        RowKey::Version(kept, Ordinal(1)),
        RowKey::Secret(unknown),
        // Of another feed, which the region has as well.
        RowKey::Account(Ordinal(1)),
    ];
    let offer = LinkOffer::generate().expect("an offer");
    let (rows, encapsulated) = fetch(&north, &home(NORTH), &keys, offer.public_key())
        .await
        .expect("rows");
    let sent: BTreeSet<_> = rows
        .iter()
        .map(|row| RowKey::decode(&row.key).unwrap())
        .collect();
    assert_eq!(sent, BTreeSet::from([keys[0], keys[1]]));
    let state = north.state();
    for row in &rows {
        let key = RowKey::decode(&row.key).expect("a key");
        assert_eq!(
            Some(row.revision),
            state.revision_of(&key).map(|revision| revision.0)
        );
        let commitment = state.commitment_of(&key).expect("a commitment");
        assert_eq!(row.commitment.as_ref(), commitment.0);
        let body = row.body.as_ref().expect("a body");
        let is_value = matches!(key, RowKey::Version(..));
        assert_eq!(body.wrapped_dek.starts_with(MARK), is_value);
    }
    let binding = LinkBinding {
        cluster: CLUSTER.0,
        from: NORTH.to_owned(),
        to: WEST.to_owned(),
        stream: STREAM,
    };
    offer.accept(&encapsulated, &binding).expect("a key");
    let offer = LinkOffer::generate().expect("an offer");
    let (rows, encapsulated) = fetch(&north, &home(NORTH), &[], offer.public_key())
        .await
        .expect("rows");
    assert!(rows.is_empty() && !encapsulated.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_rows_come_in_small_messages() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(RowKey::Version(north.create(60_000, &[]).await, Ordinal(1)));
    }
    let offer = LinkOffer::generate().expect("an offer");
    let (rows, _) = fetch(&north, &home(NORTH), &keys, offer.public_key())
        .await
        .expect("rows");
    let sent: Vec<_> = rows
        .iter()
        .map(|row| RowKey::decode(&row.key).unwrap())
        .collect();
    assert_eq!(sent, keys, "in the order they were asked for");
}
