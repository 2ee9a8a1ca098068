//! Calls that nodes make among themselves, made by hand: what a node must not do for them, or after
//! them.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::replication::v1 as peers;
use wire::replication::v1::forward_request::Message;
use wire::replication::v1::forward_service_client::ForwardServiceClient;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;

use super::harness::{
    AdminClient, OTHER, REGION, Region, assert_refused, eventually, refusal, told, two,
};
use super::requests::{create, delete, force_delete, put, read, tag};

/// The first node of a region, as its messages say, with a ballot it claims for a feed.
async fn origin(region: &Region, feed: &str) -> peers::Origin {
    let request = admin::GetStatusRequest {};
    let status = region.admin(0).get_status(request).await.unwrap();
    let told = status.into_inner().region.unwrap();
    let cluster: machine::ClusterId = told.cluster.parse().unwrap();
    peers::Origin {
        cluster: cluster.0.to_vec().into(),
        region: told.region.clone(),
        node: 1,
        epochs: vec![peers::Claim {
            feed: feed.to_owned(),
            number: 2,
            region: told.region,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_taken_over_does_not_say_either_what_is_not_there() {
    let (first, second) = two(RegionScope::All).await;
    let mut client = first.secrets(0);
    client.create_secret(create("gone", 1, "x")).await.unwrap();
    client.delete_secret(delete("gone")).await.unwrap();
    // What it claims it never does, so nothing else comes after it.
    let request = peers::AskRequest {
        origin: Some(origin(&second, "home/eu-west-1").await),
    };
    let mut asked = ReplicationServiceClient::new(first.as_peer(&second));
    asked.ask(request).await.unwrap();
    let refused = [
        client
            .put_secret_value(put("nobody", 1, "x"))
            .await
            .map(drop),
        client.delete_secret(force_delete("nobody")).await.map(drop),
        client
            .tag_resource(tag("nobody", &[("k", "v")]))
            .await
            .map(drop),
        client.put_secret_value(put("gone", 2, "x")).await.map(drop),
        client.create_secret(create("new", 1, "x")).await.map(drop),
        read(&mut client, "nobody").await.map(drop),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        let status = refused.unwrap_err();
        assert_eq!(told(&status, "primary_region"), OTHER, "{at}: {status:?}");
        assert_eq!(refusal(Err::<(), _>(status)).0, "NotPrimary", "{at}");
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_unlinked_meanwhile_makes_no_call_any_more() {
    let accept = |config: &mut strongroom_server::Config| config.regions.accept_forwarded = true;
    let first = Region::start_tuned(1, accept).await;
    let second = first.link(OTHER, RegionScope::All, 1).await;
    let origin = peers::Origin {
        epochs: Vec::new(),
        ..origin(&second, "root").await
    };
    let promote = admin::PromoteRegionRequest {
        lost: OTHER.to_owned(),
        force: true,
    };
    first.admin(0).promote_region(promote).await.unwrap();
    let (sender, receiver) = mpsc::channel(2);
    let said = |message| peers::ForwardRequest {
        message: Some(message),
    };
    let open = Message::Open(peers::ForwardOpen {
        origin: Some(origin),
        stream: vec![1; 16].into(),
    });
    sender.send(said(open)).await.unwrap();
    let mut client = ForwardServiceClient::new(first.as_peer(&second));
    let answers = client.forward(ReceiverStream::new(receiver)).await.unwrap();
    let mut answers = answers.into_inner();
    answers.message().await.unwrap().expect("an offer");
    let unlink = admin::UnlinkRegionRequest {
        region: OTHER.to_owned(),
    };
    first.admin(0).unlink_region(unlink).await.unwrap();
    let call = Message::Call(peers::SealedCall::default());
    // The connection of a region that was unlinked is cut, before that is sent or after.
    let _ = sender.send(said(call)).await;
    let status = answers.message().await.unwrap_err();
    let looked_at = tonic::Code::InvalidArgument;
    assert_ne!(status.code(), looked_at, "{status:?}");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_promoted_by_the_node_that_leads_it_and_by_no_other() {
    let first = Region::start(1).await;
    let second = first.link(OTHER, RegionScope::All, 3).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    for node in 0..3 {
        let mut there = second.secrets(node);
        eventually("the copy is there", async || {
            read(&mut there, "s").await.is_ok()
        })
        .await;
    }
    first.stop().await;
    let promote = || admin::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    let other = second.nodes.iter().position(|node| !node.leads()).unwrap();
    // A member that took it for the leader is told, and does it itself no more than it does.
    let member = second.files.layout.node(OTHER, 1);
    let address = second.nodes[other].addresses().api;
    let mut member = AdminClient::new(second.files.channel(address, &member));
    let (reason, ..) = refusal(member.promote_region(promote()).await);
    assert_eq!(reason, "ServiceUnavailable");
    let report = second.admin(other).promote_region(promote()).await;
    let report = report.unwrap().into_inner();
    assert_eq!(report.feeds.len(), 2);
    // Only the node that followed knows when the lost region was heard last.
    assert!(report.feeds.iter().all(|feed| feed.unheard.is_some()));
    let again = second.admin(other).promote_region(promote()).await;
    assert_refused(
        again,
        "InvalidRequestException",
        &machine::Rejection::NothingToTakeOver(REGION.parse().unwrap()).to_string(),
    );
    second.stop().await;
}
