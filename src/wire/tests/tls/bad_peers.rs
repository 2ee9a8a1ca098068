//! What connections can do that do not keep to the protocol, or do not end.

use std::time::Duration;

use rustls::version::TLS13;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wire::{Admission, ListenOptions};

use crate::harbour::{
    Harbour, anonymous, by_name, dial, hold, serve, serve_with, shake_hands, who_am_i,
};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn bytes_that_are_not_tls_are_answered_by_a_closed_connection() {
    let harbour = Harbour::new();
    let served = serve(&harbour.node(1), Admission::Anyone).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 4096],
        &[0xff; 70_000],
        b"\x16\x03\x01",
    ] {
        let mut stream = TcpStream::connect(served.address)
            .await
            .expect("a connection");
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut answer)).await;
        read.expect("the connection must be closed").ok();
    }
    let client = dial(&harbour.client("ci"), &served, by_name());
    assert_eq!(who_am_i(&client).await, Ok("client ci".to_owned()));
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut_and_holds_up_nobody() {
    let harbour = Harbour::new();
    let mut options = ListenOptions::new(Admission::Anyone);
    options.handshake_timeout = Duration::from_secs(1);
    let served = serve_with(&harbour.node(1), options).await;
    let mut silent = TcpStream::connect(served.address)
        .await
        .expect("a connection");
    silent
        .write_all(b"\x16\x03\x01\x00\xff")
        .await
        .expect("half a hello");
    let client = dial(&harbour.client("ci"), &served, by_name());
    assert_eq!(who_am_i(&client).await, Ok("client ci".to_owned()));
    let mut rest = Vec::new();
    timeout(LONG, silent.read_to_end(&mut rest))
        .await
        .expect("the handshake must be cut")
        .ok();
}

#[tokio::test]
async fn a_caller_that_shakes_hands_and_falls_silent_loses_its_place() {
    let harbour = Harbour::new();
    let mut options = ListenOptions::new(Admission::Anyone);
    options.handshake_timeout = Duration::from_secs(3);
    options.silence_timeout = Duration::from_secs(1);
    options.connections_max = 1;
    let served = serve_with(&harbour.node(1), options).await;
    // Nothing at all, and the beginning of what HTTP/2 begins with.
    for said in [&b""[..], b"PRI * HTTP/2.0"] {
        let config = anonymous(&harbour, &[&TLS13]);
        let mut silent = shake_hands(config, &served).await.expect("a handshake");
        silent.write_all(said).await.expect("a word");
        let mut answer = Vec::new();
        timeout(LONG, silent.read_to_end(&mut answer))
            .await
            .expect("the connection must be cut")
            .ok();
    }
    let client = dial(&harbour.client("ci"), &served, by_name());
    let placed = async { while who_am_i(&client).await.is_err() {} };
    timeout(LONG, placed).await.expect("its place is free");
}

#[tokio::test]
async fn a_caller_that_spells_out_how_http2_begins_loses_its_place() {
    let harbour = Harbour::new();
    let mut options = ListenOptions::new(Admission::Anyone);
    options.handshake_timeout = Duration::from_secs(3);
    let served = serve_with(&harbour.node(1), options).await;
    let config = anonymous(&harbour, &[&TLS13]);
    let slow = shake_hands(config, &served).await.expect("a handshake");
    let (mut listening, mut speaking) = tokio::io::split(slow);
    let spelling = async {
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r" {
            if speaking.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let mut answer = Vec::new();
    let cut = timeout(LONG, listening.read_to_end(&mut answer));
    let (cut, ()) = tokio::join!(cut, spelling);
    cut.expect("the connection must be cut").ok();
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_freed_place_is_taken() {
    let harbour = Harbour::new();
    let mut options = ListenOptions::new(Admission::Anyone);
    options.connections_max = 1;
    let served = serve_with(&harbour.node(1), options).await;
    let client = harbour.client("ci");
    let first = dial(&client, &served, by_name());
    assert_eq!(who_am_i(&first).await, Ok("client ci".to_owned()));
    let second = dial(&client, &served, by_name());
    who_am_i(&second).await.expect_err("there is no place");
    drop(first);
    let freed = timeout(LONG, async { while who_am_i(&second).await.is_err() {} }).await;
    freed.expect("the place must be freed");
}

#[tokio::test]
async fn a_stop_refuses_new_callers_and_cuts_calls_that_do_not_end() {
    let harbour = Harbour::new();
    let mut options = ListenOptions::new(Admission::Anyone);
    options.drain_timeout = Duration::from_millis(100);
    let served = serve_with(&harbour.node(1), options).await;
    let client = harbour.client("ci");
    let channel = dial(&client, &served, by_name());
    let mut held = hold(&channel).await;
    served.stop.send(()).expect("it serves");
    timeout(LONG, served.task)
        .await
        .expect("it must stop")
        .expect("no panic")
        .expect("no error");
    timeout(LONG, held.message())
        .await
        .expect("it must be cut")
        .expect_err("it did not finish");
    TcpStream::connect(served.address)
        .await
        .expect_err("nobody listens any more");
}
