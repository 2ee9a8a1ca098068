//! The operations port and the health and reflection services.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use machine::Token;
use strongroom_server::config::Size;
use strongroom_server::{Node, Start};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::canary::metrics;
use super::harness::{ADMIN, Files, REGION, Region, eventually, refusal};
use super::requests::{create, describe, put, read};

fn http(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_tell_a_node_that_serves_from_one_that_has_lost_its_quorum() {
    let mut region = Region::start(3).await;
    let address = region.nodes[0].addresses().operations;
    assert!(http(address, "/live").starts_with("HTTP/1.1 200"));
    assert!(http(address, "/ready").contains(r#"{"status":"ready"}"#));
    assert!(http(address, "/secrets").starts_with("HTTP/1.1 404"));
    for node in region.nodes.split_off(1) {
        node.shutdown().await;
    }
    eventually("the last node is not ready", async || {
        let reply = http(address, "/ready");
        reply.starts_with("HTTP/1.1 503") && reply.contains("no-quorum")
    })
    .await;
    assert!(http(address, "/live").starts_with("HTTP/1.1 200"));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restarts_without_the_others_is_not_ready() {
    let mut region = Region::start(3).await;
    for node in region.nodes.drain(..) {
        node.shutdown().await;
    }
    let alone = Node::start(region.files.config(3), Start::Resume).await;
    let address = alone.as_ref().unwrap().addresses().operations;
    let reply = http(address, "/ready");
    assert!(reply.contains("no-quorum"), "{reply}");
    alone.unwrap().shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_calls_by_method_and_code() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    client.create_secret(create("s", 2, "x")).await.unwrap_err();
    read(&mut client, "s").await.unwrap();
    let text = metrics(region.nodes[0].addresses().operations);
    let method = "strongroom.secrets.v1.SecretsService/CreateSecret";
    for line in [
        format!(r#"strongroom_server_requests_total{{code="Ok",method="{method}"}} 1"#),
        format!(r#"strongroom_server_requests_total{{code="AlreadyExists",method="{method}"}} 1"#),
        "strongroom_consensus_leader 1".to_owned(),
        "strongroom_machine_secrets 1".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_ask_for_health_and_learns_one_word() {
    let region = Region::start(1).await;
    let other = region.files.client("somebody");
    let channel = region
        .files
        .channel(region.nodes[0].addresses().api, &other);
    let mut health = HealthClient::new(channel);
    eventually("the node serves", async || {
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let reply = health.check(request).await.unwrap().into_inner();
        reply.status() == ServingStatus::Serving
    })
    .await;
    let named = HealthCheckRequest {
        service: "strongroom.secrets.v1.SecretsService".to_owned(),
    };
    assert!(health.check(named).await.is_err());
    assert!(region.files.layout.client(REGION, "somebody").cert.exists());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_the_health_ends_with_its_node_and_holds_it_up_by_nothing() {
    let files = Files::new();
    let mut config = files.config(1);
    config.limits.shutdown_timeout = Duration::from_secs(60);
    let bootstrap = Start::Bootstrap {
        administrator: ADMIN.to_owned(),
    };
    let node = Node::start(config, bootstrap).await.unwrap();
    let admin = files.layout.client(REGION, ADMIN);
    let mut health = HealthClient::new(files.channel(node.addresses().api, &admin));
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while told.last() != Some(&ServingStatus::Serving) {
        told.push(watch.message().await.unwrap().unwrap().status());
    }
    let stopped = tokio::spawn(node.shutdown());
    while let Some(message) = watch.message().await.unwrap() {
        told.push(message.status());
    }
    assert_eq!(told.last(), Some(&ServingStatus::NotServing));
    let soon = Duration::from_secs(30);
    tokio::time::timeout(soon, stopped).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_a_full_disk_says_so() {
    let files = Files::new();
    let mut config = files.config(1);
    config.storage.disk_free_min = Size::of_mebibytes(1 << 40);
    let bootstrap = Start::Bootstrap {
        administrator: ADMIN.to_owned(),
    };
    let node = Node::start(config, bootstrap).await.unwrap();
    let region = Region {
        nodes: vec![node],
        files,
    };
    let address = region.nodes[0].addresses().operations;
    eventually("the disk is too full", async || {
        http(address, "/ready").contains("disk-low")
    })
    .await;
    assert!(http(address, "/metrics").contains("strongroom_store_disk_low 1"));
    let refused = region.secrets(0).create_secret(create("s", 1, "x")).await;
    let info = refused.unwrap_err().get_details_error_info().unwrap();
    assert_eq!(info.reason, "ServiceUnavailable");
    assert_eq!(info.metadata["cause"], "NoSpace");
    assert_eq!(info.metadata["retry"], "safe");
    let read = region.secrets(0).describe_secret(describe("s")).await;
    assert_eq!(refusal(read).0, "ResourceNotFoundException");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_never_ends_its_request_does_not_keep_the_node_from_stopping() {
    let region = Region::start(1).await;
    let mut stream = TcpStream::connect(region.nodes[0].addresses().operations).unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: ").unwrap();
    // A probe after it is answered: by then the node has the first one too.
    let address = region.nodes[0].addresses().operations;
    assert!(http(address, "/live").starts_with("HTTP/1.1 200"));
    tokio::time::timeout(Duration::from_secs(15), region.stop())
        .await
        .unwrap();
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_under_way_ends_well_while_its_node_stops() {
    const CHANGES: u32 = 8;
    let mut region = Region::start(3).await;
    let mut writer = region.secrets(0);
    writer.create_secret(create("s", 1, "x")).await.unwrap();
    let written = |response: &tonic::metadata::MetadataMap| {
        response
            .get("strongroom-position")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let now = writer.describe_secret(describe("s")).await.unwrap();
    let mut position = Token::decode(&written(now.metadata())).unwrap();
    for at in &mut position.positions {
        if matches!(at.feed, machine::FeedId::Home(_)) {
            at.revision.0 += u64::from(CHANGES);
        }
    }
    // A read that waits for changes which are not made yet, more than the tasks make meanwhile.
    let mut waiting = tonic::Request::new(describe("s"));
    let token = position.encode().parse().unwrap();
    waiting
        .metadata_mut()
        .insert("strongroom-min-position", token);
    // Not a read of the value: its day would be recorded, and be the change waited for.
    let mut reader = region.secrets(2);
    reader.describe_secret(describe("s")).await.unwrap();
    let call = tokio::spawn(async move { reader.describe_secret(waiting).await });
    let stopping = region.nodes.remove(2);
    let operations = stopping.addresses().operations;
    eventually("the call is under way", async || {
        metrics(operations).contains("strongroom_server_requests_in_flight 1")
    })
    .await;
    let stopped = tokio::spawn(stopping.shutdown());
    eventually("the node is not ready", async || {
        http(operations, "/ready").contains("stopping")
    })
    .await;
    assert!(!call.is_finished());
    for number in 2..2 + CHANGES {
        let request = put("s", number, "y");
        writer.put_secret_value(request).await.unwrap();
    }
    let described = call.await.unwrap().unwrap().into_inner();
    assert!(described.version_ids_to_stages.len() > 1);
    stopped.await.unwrap();
    region.stop().await;
}
