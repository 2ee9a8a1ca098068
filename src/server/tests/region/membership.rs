//! Found, join, promote, remove; and every start that must not succeed.

use envelope::FileProvider;
use strongroom_server::{DataError, Node, NotReady, Start, StartError};
use wire::admin::v1 as api;
use zeroize::Zeroizing;

use super::harness::{ADMIN, Files, Region, eventually, refusal};
use super::requests::{create, read};

fn join(region: &Region, token: &str) -> Start {
    let address = region.nodes[0].addresses().api.to_string();
    Start::Join {
        address,
        token: Zeroizing::new(token.to_owned()),
    }
}

fn bootstrap() -> Start {
    Start::Bootstrap {
        administrator: ADMIN.to_owned(),
    }
}

async fn refused(files: &Files, node: u64, start: Start) -> StartError {
    match Node::start(files.config(node), start).await {
        Err(error) => error,
        Ok(_) => panic!("the node started"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_directory_needs_to_be_told_how_to_begin() {
    let files = Files::new();
    let error = refused(&files, 1, Start::Resume).await;
    assert!(matches!(error, StartError::Empty { .. }), "{error}");
    assert!(error.to_string().contains("--bootstrap"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_of_a_founded_directory_goes_on_with_it() {
    let region = Region::start(1).await;
    region
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    let files = region.stop().await;
    let node = Node::start(files.config(1), bootstrap()).await.unwrap();
    let region = Region {
        files,
        nodes: vec![node],
    };
    eventually("it is ready", async || region.nodes[0].ready().is_ok()).await;
    assert_eq!(read(&mut region.secrets(0), "s").await.unwrap(), "x");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_admits_one_node_once() {
    let mut region = Region::start(1).await;
    let token = region.join_token().await;
    for wrong in ["", "x", &token[1..], &format!("{token}x")] {
        let error = refused(&region.files, 2, join(&region, wrong)).await;
        let StartError::JoinRefused { reason } = &error else {
            panic!("{error}")
        };
        assert_eq!(reason, "The join token is not valid.");
    }
    let second = Node::start(region.files.config(2), join(&region, &token))
        .await
        .unwrap();
    region.nodes.push(second);
    let error = refused(&region.files, 3, join(&region, &token)).await;
    let StartError::JoinRefused { reason } = &error else {
        panic!("{error}")
    };
    assert_eq!(reason, "The join token is not valid.");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_at_another_port_than_the_api_is_told_which_to_use() {
    let region = Region::start(1).await;
    let at = |address: std::net::SocketAddr| Start::Join {
        address: address.to_string(),
        token: Zeroizing::new("no token".to_owned()),
    };
    let addresses = region.nodes[0].addresses();
    let error = refused(&region.files, 2, at(addresses.peers)).await;
    assert!(matches!(error, StartError::NotTheApi { .. }), "{error}");
    let error = refused(&region.files, 2, at(addresses.operations)).await;
    assert!(matches!(error, StartError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("API address"), "{error}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_keeps_a_keyring_that_is_there() {
    let mut region = Region::start(1).await;
    let token = region.join_token().await;
    let data = region.files.config(2).node.data;
    std::fs::create_dir_all(data.join("log")).unwrap();
    std::fs::write(data.join("keyring"), "of a founding").unwrap();
    let kept = |error: StartError| {
        assert!(matches!(error, StartError::Occupied { .. }), "{error}");
        let keyring = std::fs::read(data.join("keyring")).unwrap();
        assert_eq!(keyring, b"of a founding");
    };
    // With a log beside it, before the region is asked; without one, when another one is told.
    kept(refused(&region.files, 2, join(&region, "no token")).await);
    std::fs::remove_dir(data.join("log")).unwrap();
    kept(refused(&region.files, 2, join(&region, &token)).await);
    // What a joining that was cut short left is no hindrance.
    let token = region.join_token().await;
    let [own, data] = [1, 3].map(|node| region.files.config(node).node.data);
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(own.join("keyring"), data.join("keyring")).unwrap();
    let joined = Node::start(region.files.config(3), join(&region, &token)).await;
    region.nodes.push(joined.unwrap());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_root_key_is_refused_by_name_and_changes_nothing() {
    let mut region = Region::start(1).await;
    let token = region.join_token().await;
    let mut config = region.files.config(2);
    config.seal.root_key = region.files.dir.path().join("other.key");
    FileProvider::create(&config.seal.root_key).unwrap();
    let error = match Node::start(config, join(&region, &token)).await {
        Err(error) => error,
        Ok(_) => panic!("the node started"),
    };
    assert!(matches!(error, StartError::Keyring(_)), "{error}");
    assert!(error.to_string().contains("root key"), "{error}");
    let listed = region.admin(0).list_nodes(api::ListNodesRequest {}).await;
    assert_eq!(listed.unwrap().into_inner().nodes.len(), 1);
    // The token is as good as before, for the same node with the right key.
    let second = Node::start(region.files.config(2), join(&region, &token)).await;
    region.nodes.push(second.unwrap());
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_as_it_must_be_is_told_by_name() {
    let region = Region::start(1).await;
    let files = &region.files;
    let error = refused(files, 1, Start::Resume).await;
    assert!(
        matches!(error, StartError::Data(DataError::InUse { .. })),
        "{error}"
    );
    let mut config = files.config(2);
    config.api.listen = region.nodes[0].addresses().api;
    let error = Node::start(config, bootstrap()).await.err().unwrap();
    assert!(
        matches!(error, StartError::Listen { section: "api", .. }),
        "{error}"
    );
    let mut config = files.config(2);
    config.api.listen.set_ip([0, 0, 0, 0].into());
    let error = Node::start(config, bootstrap()).await.err().unwrap();
    assert!(
        matches!(
            error,
            StartError::Advertise {
                option: "api.advertise"
            }
        ),
        "{error}"
    );
    let client = files.client("somebody");
    let mut config = files.config(2);
    (config.tls.certificate, config.tls.key) = (client.cert, client.key);
    let error = Node::start(config, bootstrap()).await.err().unwrap();
    assert!(matches!(error, StartError::NotANode { .. }), "{error}");
    let mut config = files.config(2);
    config.seal.root_key = files.dir.path().join("nothing");
    let error = Node::start(config, bootstrap()).await.err().unwrap();
    assert!(matches!(error, StartError::RootKey(_)), "{error}");
    let mut config = files.config(2);
    config.tls.key = files.layout.node(super::harness::REGION, 1).key;
    let error = Node::start(config, bootstrap()).await.err().unwrap();
    assert!(matches!(error, StartError::Certificate(_)), "{error}");
    let files = region.stop().await;
    let mut config = files.config(2);
    config.node.data = files.config(1).node.data;
    let error = Node::start(config, Start::Resume).await.err().unwrap();
    assert!(
        matches!(error, StartError::Data(DataError::OtherNode { .. })),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_removed_and_its_place_taken_by_another() {
    let mut region = Region::start(3).await;
    let mut nodes = Vec::new();
    // Refused while a voter that would remain has not answered lately, as on a busy machine.
    eventually("the third is removed", async || {
        let request = api::RemoveNodeRequest { node: 3 };
        match region.admin(0).remove_node(request).await {
            Ok(reply) => nodes = reply.into_inner().nodes,
            Err(status) => assert_eq!(status.code(), tonic::Code::FailedPrecondition),
        }
        !nodes.is_empty()
    })
    .await;
    assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [1, 2]);
    region.nodes.pop().unwrap().shutdown().await;
    let token = region.join_token().await;
    let fourth = Node::start(region.files.config(4), join(&region, &token))
        .await
        .unwrap();
    region.nodes.push(fourth);
    eventually("the fourth votes", async || {
        let listed = region
            .admin(0)
            .list_nodes(api::ListNodesRequest {})
            .await
            .unwrap();
        let nodes = listed.into_inner().nodes;
        nodes
            .iter()
            .filter(|node| node.voter)
            .map(|node| node.id)
            .eq([1, 2, 4])
    })
    .await;
    // Its vote may come before it has applied anything.
    eventually("the fourth is ready", async || {
        region.nodes[2].ready().is_ok()
    })
    .await;
    let (reason, ..) = refusal(
        region
            .admin(0)
            .remove_node(api::RemoveNodeRequest { node: 9 })
            .await,
    );
    assert_eq!(reason, "ResourceNotFoundException");
    region
        .secrets(2)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_says_that_it_was_removed_and_after_a_start_too() {
    let mut region = Region::start(3).await;
    eventually("the third is removed", async || {
        let request = api::RemoveNodeRequest { node: 3 };
        region.admin(0).remove_node(request).await.is_ok()
    })
    .await;
    let removed = Err(NotReady::Removed);
    eventually("it says so", async || region.nodes[2].ready() == removed).await;
    let status = region.admin(2).get_status(api::GetStatusRequest {}).await;
    let status = status.unwrap().into_inner().node.unwrap();
    assert_eq!(status.readiness, "removed");
    region.nodes.pop().unwrap().shutdown().await;
    let again = Node::start(region.files.config(3), Start::Resume).await;
    let again = again.unwrap();
    eventually("it says so again", async || again.ready() == removed).await;
    again.shutdown().await;
    for node in &region.nodes {
        assert_ne!(node.ready(), removed);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_to_the_named_voter() {
    let region = Region::start(3).await;
    for to in [2, 3, 1] {
        let request = api::TransferLeaderRequest { to: Some(to) };
        let reply = region
            .admin(0)
            .transfer_leader(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(reply.leader, to);
    }
    let request = api::TransferLeaderRequest { to: Some(9) };
    let (reason, ..) = refusal(region.admin(0).transfer_leader(request).await);
    assert!(["InvalidRequestException", "ResourceNotFoundException"].contains(&reason.as_str()));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_agree_on_their_hash_at_an_equal_index() {
    let region = Region::start(3).await;
    for number in 1..=5 {
        let name = format!("s{number}");
        region
            .secrets(1)
            .create_secret(create(&name, number, "x"))
            .await
            .unwrap();
    }
    eventually("three nodes at one index with one hash", async || {
        let mut seen = Vec::new();
        for node in 0..3 {
            let status = region
                .admin(node)
                .get_status(api::GetStatusRequest {})
                .await;
            let status = status.unwrap().into_inner().node.unwrap();
            seen.push((status.applied_index, status.node_hash));
        }
        seen.dedup();
        seen.len() == 1
    })
    .await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_taken_on_demand() {
    let region = Region::start(1).await;
    region
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    let taken = region
        .admin(0)
        .take_snapshot(api::TakeSnapshotRequest {})
        .await
        .unwrap();
    let taken = taken.into_inner();
    assert!(taken.index > 0 && taken.size_bytes > 0);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_has_a_life_between_a_minute_and_a_week() {
    let region = Region::start(1).await;
    for seconds in [i64::MIN, -1, 0, 59, 7 * 24 * 3600 + 1, i64::MAX] {
        let lifetime = Some(prost_types::Duration { seconds, nanos: 0 });
        let request = api::CreateJoinTokenRequest { lifetime };
        let (reason, ..) = refusal(region.admin(0).create_join_token(request).await);
        assert_eq!(reason, "InvalidParameterException", "{seconds}");
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_removed_through_itself_says_who_remains() {
    let mut region = Region::start(3).await;
    let request = api::RemoveNodeRequest { node: 3 };
    let removed = region.admin(2).remove_node(request).await.unwrap();
    let nodes = removed.into_inner().nodes;
    assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [1, 2]);
    region.nodes.pop().unwrap().shutdown().await;
    region.stop().await;
}
