//! Reads and writes on every node, positions, and what a restart keeps.

use strongroom_server::{Node, Start};

use super::harness::{Region, eventually, refusal};
use super::requests::{create, eventual, get, put, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_on_one_node_is_read_at_once_on_every_other() {
    let region = Region::start(3).await;
    region
        .secrets(0)
        .create_secret(create("s", 1, "v0"))
        .await
        .unwrap();
    for round in 1..=12_u32 {
        let value = format!("v{round}");
        let writer = round as usize % 3;
        region
            .secrets(writer)
            .put_secret_value(put("s", round + 1, &value))
            .await
            .unwrap();
        for reader in 0..3 {
            assert_eq!(read(&mut region.secrets(reader), "s").await.unwrap(), value);
        }
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eventual_read_sees_at_least_the_position_it_names() {
    let region = Region::start(3).await;
    for round in 0..5_u32 {
        let name = format!("s{round}");
        let reply = region
            .secrets(0)
            .create_secret(create(&name, 1, "x"))
            .await
            .unwrap();
        let position = reply.metadata().get("strongroom-position").unwrap().clone();
        let mut request = eventual(get(&name));
        request
            .metadata_mut()
            .insert("strongroom-min-position", position);
        let reply = region.secrets(2).get_secret_value(request).await.unwrap();
        assert!(reply.metadata().contains_key("strongroom-position"));
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_stops_and_the_others_go_on() {
    let mut region = Region::start(3).await;
    region
        .secrets(0)
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap();
    let leader = region.nodes.iter().position(Node::leads).unwrap();
    let stopped = region.nodes.remove(leader);
    stopped.shutdown().await;
    region
        .secrets(0)
        .put_secret_value(put("s", 2, "two"))
        .await
        .unwrap();
    assert_eq!(read(&mut region.secrets(1), "s").await.unwrap(), "two");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_all_nodes_were_stopped() {
    let region = Region::start(3).await;
    let mut client = region.secrets(0);
    for number in 1..=20 {
        let name = format!("s{number}");
        client
            .create_secret(create(&name, number, &name))
            .await
            .unwrap();
    }
    let addresses: Vec<_> = region.nodes.iter().map(Node::addresses).collect();
    let files = region.stop().await;
    let mut starting = Vec::new();
    for (node, at) in (1..).zip(&addresses) {
        let mut config = files.config(node);
        config.api.listen = at.api;
        config.peers.listen = at.peers;
        starting.push(Node::start(config, Start::Resume).await.unwrap());
    }
    let region = Region {
        files,
        nodes: starting,
    };
    eventually("all nodes are ready", async || {
        region.nodes.iter().all(|node| node.ready().is_ok())
    })
    .await;
    for number in 1..=20_usize {
        let name = format!("s{number}");
        assert_eq!(
            read(&mut region.secrets(number % 3), &name).await.unwrap(),
            name
        );
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_quorum_refuses_and_says_so() {
    let mut region = Region::start(3).await;
    region
        .secrets(0)
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap();
    for node in region.nodes.split_off(1) {
        node.shutdown().await;
    }
    let read = async || {
        let mut request = tonic::Request::new(get("s"));
        request.set_timeout(std::time::Duration::from_secs(1));
        region.secrets(0).get_secret_value(request).await
    };
    // As long as the lease lasts nobody else can write, and what is read is right.
    let mut refused = read().await;
    // A busy client can give up a moment before the answer is there; it asks again.
    let gave_up = |status: &tonic::Status| status.code() == tonic::Code::Cancelled;
    eventually("the lease of the leader runs out", async || {
        refused = read().await;
        refused.as_ref().is_err_and(|status| !gave_up(status))
    })
    .await;
    let (reason, ..) = refusal(refused);
    assert!(
        ["ServiceUnavailable", "RequestTimeout"].contains(&reason.as_str()),
        "{reason}"
    );
    let aged = async || {
        let reply = region
            .secrets(0)
            .get_secret_value(eventual(get("s")))
            .await
            .unwrap();
        assert_eq!(reply.get_ref().name, "s");
        let age = reply.metadata().get("strongroom-age-ms").unwrap();
        age.to_str().unwrap().parse::<u64>().unwrap()
    };
    eventually("the age of the state grows", async || aged().await > 2000).await;
    region.stop().await;
}
