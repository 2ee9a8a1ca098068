//! Whom a listener lets in.

use rustls::{
    NamedGroup,
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{Admission, certs::Validity};

use crate::harbour::{
    Harbour, Served, anonymous, by_name, dial, in_the_past, serve, shake_hands, who_am_i,
};

#[tokio::test]
async fn a_client_and_a_node_are_known_by_their_certificates() {
    let harbour = Harbour::new();
    let served = serve(&harbour.node(1), Admission::Anyone).await;
    let client = dial(&harbour.client("ci"), &served, by_name());
    assert_eq!(who_am_i(&client).await, Ok("client ci".to_owned()));
    let node = dial(&harbour.node(2), &served, by_name());
    assert_eq!(who_am_i(&node).await, Ok("node 2 of eu-west-1".to_owned()));
}

#[tokio::test]
async fn a_certificate_of_another_cluster_is_refused() {
    let (harbour, foreign) = (Harbour::new(), Harbour::new());
    for admission in [Admission::Anyone, Admission::Nodes] {
        let served = serve(&harbour.node(1), admission).await;
        let stranger = dial(&foreign.client_trusting("ci", &harbour), &served, by_name());
        who_am_i(&stranger)
            .await
            .expect_err("a foreign certificate must not get in");
    }
}

#[tokio::test]
async fn a_certificate_is_refused_before_and_after_its_time() {
    let harbour = Harbour::new();
    let served = serve(&harbour.node(1), Admission::Anyone).await;
    let not_yet = Validity {
        from: Validity::days(1).until,
        until: Validity::days(2).until,
    };
    for validity in [in_the_past(), not_yet] {
        let client = dial(&harbour.client_valid("ci", validity), &served, by_name());
        who_am_i(&client).await.expect_err("it must not get in now");
    }
}

#[tokio::test]
async fn the_peers_listener_lets_in_nodes_only() {
    let harbour = Harbour::new();
    let served = serve(&harbour.node(1), Admission::Nodes).await;
    let node = dial(&harbour.node(2), &served, by_name());
    assert_eq!(who_am_i(&node).await, Ok("node 2 of eu-west-1".to_owned()));
    let client = dial(&harbour.client("ci"), &served, by_name());
    who_am_i(&client).await.expect_err("a client is no peer");
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_anonymous_at_the_api_and_refused_among_peers() {
    let harbour = Harbour::new();
    let api = serve(&harbour.node(1), Admission::Anyone).await;
    let answer = http_get_without_certificate(&harbour, &api)
        .await
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    let peers = serve(&harbour.node(1), Admission::Nodes).await;
    let refused = http_get_without_certificate(&harbour, &peers).await;
    assert!(
        !refused.unwrap_or_default().starts_with("HTTP/"),
        "peers must have a certificate"
    );
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_post_quantum_and_the_protocol_not_older_than_1_3() {
    let harbour = Harbour::new();
    let served = serve(&harbour.node(1), Admission::Anyone).await;
    let stream = shake_hands(anonymous(&harbour, &[&TLS13]), &served)
        .await
        .expect("a handshake");
    let group = stream
        .get_ref()
        .1
        .negotiated_key_exchange_group()
        .expect("a group");
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    shake_hands(anonymous(&harbour, &[&TLS12]), &served)
        .await
        .expect_err("TLS 1.2 is refused");
}

async fn http_get_without_certificate(
    harbour: &Harbour,
    served: &Served,
) -> Result<String, std::io::Error> {
    let mut stream = shake_hands(anonymous(harbour, &[&TLS13]), served).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
