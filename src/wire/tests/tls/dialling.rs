//! Whom a dialer believes.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wire::{Admission, DialError, Dialer, Expected, PeerIdentity};

use crate::harbour::{Harbour, REGION, by_name, dial, in_the_past, serve, who_am_i};

fn pin(credentials: &wire::Credentials) -> PeerIdentity {
    credentials.identity().peer().expect("a node").clone()
}

#[tokio::test]
async fn a_peer_is_believed_by_its_node_id_and_its_pinned_key() {
    let harbour = Harbour::new();
    let one = harbour.node(1);
    let served = serve(&one, Admission::Nodes).await;
    let PeerIdentity {
        node, public_key, ..
    } = pin(&one);
    let channel = dial(
        &harbour.node(2),
        &served,
        Expected::Peer { node, public_key },
    );
    assert_eq!(
        who_am_i(&channel).await,
        Ok("node 2 of eu-west-1".to_owned())
    );
}

#[tokio::test]
async fn another_node_or_another_key_is_refused() {
    let harbour = Harbour::new();
    let one = harbour.node(1);
    let served = serve(&one, Admission::Nodes).await;
    let PeerIdentity { public_key, .. } = pin(&one);
    let two = harbour.node(2);

    let other_node = dial(
        &two,
        &served,
        Expected::Peer {
            node: 3,
            public_key,
        },
    );
    let refused = who_am_i(&other_node)
        .await
        .expect_err("another node must not be believed");
    assert!(refused.contains("node/1, not of"), "{refused}");

    let other_key = dial(
        &two,
        &served,
        Expected::Peer {
            node: 1,
            public_key: [7; 32],
        },
    );
    let refused = who_am_i(&other_key)
        .await
        .expect_err("another key must not be believed");
    assert!(
        refused.contains("another key than the members have pinned"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_node_that_joins_believes_any_node_of_its_region_and_no_other() {
    let (harbour, foreign) = (Harbour::new(), Harbour::new());
    let served = serve(&harbour.node(1), Admission::Nodes).await;
    let channel = dial(&harbour.node(2), &served, Expected::Region);
    assert_eq!(
        who_am_i(&channel).await,
        Ok("node 2 of eu-west-1".to_owned())
    );
    let stranger = dial(&foreign.node(2), &served, Expected::Region);
    who_am_i(&stranger)
        .await
        .expect_err("another cluster's node must not be believed");
}

#[tokio::test]
async fn a_server_is_believed_by_name_or_address_until_it_expires() {
    let harbour = Harbour::new();
    let client = harbour.client("ci");
    let served = serve(&harbour.node(1), Admission::Anyone).await;
    for name in ["localhost", "127.0.0.1"] {
        let channel = dial(
            &client,
            &served,
            Expected::Server {
                name: name.to_owned(),
            },
        );
        assert_eq!(who_am_i(&channel).await, Ok("client ci".to_owned()));
    }
    let elsewhere = dial(
        &client,
        &served,
        Expected::Server {
            name: "example.com".to_owned(),
        },
    );
    who_am_i(&elsewhere)
        .await
        .expect_err("another name must not be believed");

    let expired = serve(&harbour.node_valid(3, in_the_past()), Admission::Anyone).await;
    let channel = dial(&client, &expired, by_name());
    let refused = who_am_i(&channel)
        .await
        .expect_err("an expired server must not be believed");
    assert!(refused.contains("expired"), "{refused}");
}

#[tokio::test]
async fn an_address_or_a_name_of_another_form_is_refused_before_anything_is_sent() {
    let harbour = Harbour::new();
    let dialer = Dialer::for_callers(harbour.client("ci"));
    for address in [
        "",
        "localhost",
        "localhost:x",
        "a b:1",
        "localhost:1/x",
        "u@localhost:1",
    ] {
        let refused = dialer.channel(address, by_name()).expect_err(address);
        assert!(
            matches!(refused, DialError::Address { .. }),
            "{address}: {refused}"
        );
    }
    let refused = dialer.channel(
        "localhost:1",
        Expected::Server {
            name: "a b".to_owned(),
        },
    );
    assert!(matches!(refused, Err(DialError::Name { .. })));
    let refused = dialer.channel("localhost:1", Expected::Region);
    assert!(matches!(refused, Err(DialError::NotANode)));
    dialer
        .channel(
            "[::1]:7420",
            Expected::Server {
                name: "::1".to_owned(),
            },
        )
        .expect("IPv6");
    let own = Dialer::for_peers(harbour.node(1));
    own.channel("[::1]:7421", Expected::Region).expect("IPv6");
    assert_eq!(pin(&harbour.node(1)).region, REGION);
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_told_as_one() {
    let harbour = Harbour::new();
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            // Closed with bytes unread, it would be reset, and the answer lost.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let dialer = Dialer::for_callers(harbour.client("ci"));
    let channel = dialer.channel(&address.to_string(), by_name());
    let refused = who_am_i(&channel.expect("a channel")).await;
    let refused = refused.expect_err("no TLS");
    assert!(refused.contains("speaks no TLS"), "{refused}");
    assert!(!refused.contains("corrupt"), "{refused}");
}
