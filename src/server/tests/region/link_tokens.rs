//! Strangers with link tokens: what a new region must bring, and that a refusal tells nothing.

use strongroom_server::{Node, NotReady, Start, StartError};
use tonic::Status;
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::{CertificateDer, Credentials, Dialer, Expected, PublicKeyHash};
use zeroize::Zeroizing;

use super::harness::{ADMIN, Files, OTHER, Region, assert_refused, eventually, refusal, two};
use super::requests::{create, read};

const REFUSED: &str = "The link token is not valid.";

/// What the node of a region would say of itself.
fn request(files: &Files, token: &str) -> admin::LinkRequest {
    let config = files.config(1);
    let credentials = files.credentials(&wire::certs::Pair {
        cert: config.tls.certificate,
        key: config.tls.key,
    });
    admin::LinkRequest {
        token: token.to_owned(),
        region: files.region.to_owned(),
        authorities: issuers(&credentials),
        certificate: credentials.chain()[0].to_vec(),
        peer_address: "127.0.0.1:1".to_owned(),
        api_address: "127.0.0.1:2".to_owned(),
        machine_version_supported: 4,
    }
}

fn issuers(credentials: &Credentials) -> Vec<Vec<u8>> {
    let issuers = credentials.issuers().into_iter();
    issuers.map(|der| der.to_vec()).collect()
}

/// Calls a node of a region as somebody without a certificate, who knows its issuer.
async fn link(
    region: &Region,
    files: &Files,
    request: admin::LinkRequest,
) -> Result<admin::LinkResponse, Status> {
    let node = region.files.layout.node(region.files.region, 1);
    let issuer: CertificateDer<'static> = region.files.credentials(&node).issuers()[0].clone();
    let pair = files.layout.node(files.region, 1);
    let dialer = Dialer::for_callers(files.credentials(&pair));
    let expected = Expected::Issuer {
        cluster: dialer.credentials().identity().cluster().to_owned(),
        issuer_key: PublicKeyHash::of(&issuer).unwrap(),
    };
    let address = region.nodes[0].addresses().api.to_string();
    let channel = dialer.channel(&address, expected).unwrap();
    let reply = AdminServiceClient::new(channel).link(request).await?;
    Ok(reply.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_a_link_token_is_the_same() {
    let region = Region::start(1).await;
    let files = region.files.beside(OTHER);
    let third = region.files.beside("eu-west-3");
    let token = region.link_token(OTHER, RegionScope::All).await;
    let unknown = format!("srl1.{}", "A".repeat(86));
    let other = region.link_token("eu-west-3", RegionScope::All).await;
    for bad in [
        "",
        "x",
        "srl1.",
        &unknown,
        &other,
        &token[..token.len() - 1],
    ] {
        let refused = link(&region, &files, request(&files, bad)).await;
        assert_refused(refused, "AccessDeniedException", REFUSED);
    }
    // Nor is a stranger told whose issuers are known here.
    let known = admin::LinkRequest {
        authorities: vec![
            request(&files, "x").authorities.swap_remove(0),
            issuers(
                &region
                    .files
                    .credentials(&region.files.layout.node(region.files.region, 1)),
            )
            .swap_remove(0),
        ],
        ..request(&files, &unknown)
    };
    let refused = link(&region, &files, known).await;
    assert_refused(refused, "AccessDeniedException", REFUSED);
    // The token's region counts, whatever else is right.
    let refused = link(&region, &third, request(&third, &token)).await;
    assert_refused(refused, "AccessDeniedException", REFUSED);
    let linked = link(&region, &files, request(&files, &token))
        .await
        .unwrap();
    assert_eq!(linked.regions.len(), 2);
    assert!(!linked.home_exists);
    assert_eq!(linked.account, "000000000000");
    // The same content is answered again, another one is not.
    let again = link(&region, &files, request(&files, &token))
        .await
        .unwrap();
    assert_eq!(again, linked);
    let moved = admin::LinkRequest {
        api_address: "127.0.0.1:3".to_owned(),
        ..request(&files, &token)
    };
    let refused = link(&region, &files, moved).await;
    assert_refused(refused, "AccessDeniedException", REFUSED);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_region_says_of_itself_must_hold_together() {
    let region = Region::start(1).await;
    let files = region.files.beside(OTHER);
    let third = region.files.beside("eu-west-3");
    let token = region.link_token(OTHER, RegionScope::All).await;
    let good = || request(&files, &token);
    let of_third = request(&third, &token);
    let own = region
        .files
        .credentials(&region.files.layout.node(region.files.region, 1));
    let mut root = std::fs::read(region.files.layout.root().cert).unwrap();
    root.truncate(100);
    let issuer = || good().authorities[0].clone();
    let mut bad: Vec<admin::LinkRequest> = [
        Vec::new(),
        vec![Vec::new()],
        vec![root],
        // A leaf, the issuers of other regions, and too many.
        vec![good().certificate],
        of_third.authorities.clone(),
        issuers(&own),
        vec![issuer(); 5],
    ]
    .map(|authorities| admin::LinkRequest {
        authorities,
        ..good()
    })
    .into();
    let certificates = [Vec::new(), of_third.certificate, issuer()];
    bad.extend(certificates.map(|certificate| admin::LinkRequest {
        certificate,
        ..good()
    }));
    let regions = ["nowhere", ""].map(str::to_owned);
    bad.extend(regions.map(|region| admin::LinkRequest { region, ..good() }));
    bad.push(admin::LinkRequest {
        peer_address: String::new(),
        ..good()
    });
    bad.push(admin::LinkRequest {
        api_address: "host".to_owned(),
        ..good()
    });
    for (at, bad) in bad.into_iter().enumerate() {
        let refused = link(&region, &files, bad).await;
        assert_eq!(refusal(refused).0, "InvalidParameterException", "{at}");
    }
    let old = admin::LinkRequest {
        machine_version_supported: 2,
        ..good()
    };
    let refused = link(&region, &files, old).await;
    assert_eq!(refusal(refused).0, "InvalidRequestException");
    link(&region, &files, good()).await.unwrap();
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_only_where_it_was_made() {
    let (first, second) = two(RegionScope::All).await;
    let files = first.files.beside("eu-west-3");
    let token = first.link_token("eu-west-3", RegionScope::All).await;
    let refused = link(&second, &files, request(&files, &token)).await;
    assert_refused(refused, "AccessDeniedException", REFUSED);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_tokens_is_held_back() {
    let region = Region::start(1).await;
    let files = region.files.beside(OTHER);
    let mut held_back = false;
    for _ in 0..25 {
        let refused = link(&region, &files, request(&files, "x")).await;
        let (reason, ..) = refusal(refused);
        held_back |= reason == "ThrottlingException";
    }
    assert!(held_back);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_token_is_made_for_a_region_that_can_be_linked() {
    let (first, second) = two(RegionScope::All).await;
    let made = |region: &str, scope: RegionScope, seconds: Option<i64>| {
        let request = admin::CreateLinkTokenRequest {
            region: region.to_owned(),
            scope: scope.into(),
            lifetime: seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        };
        let mut client = first.admin(0);
        async move { client.create_link_token(request).await }
    };
    let all = RegionScope::All;
    for (region, scope, seconds, reason) in [
        ("", all, None, "InvalidParameterException"),
        ("EU", all, None, "InvalidParameterException"),
        (
            "us-east-1",
            RegionScope::Unspecified,
            None,
            "InvalidParameterException",
        ),
        ("us-east-1", all, Some(59), "InvalidParameterException"),
        (
            "us-east-1",
            all,
            Some(7 * 86_400 + 1),
            "InvalidParameterException",
        ),
        (
            "us-east-1",
            all,
            Some(i64::MIN),
            "InvalidParameterException",
        ),
        ("eu-west-1", all, None, "InvalidRequestException"),
        (OTHER, all, None, "InvalidRequestException"),
    ] {
        let refused = made(region, scope, seconds).await;
        assert_eq!(refusal(refused).0, reason, "{region} {seconds:?}");
    }
    made("us-east-1", all, Some(60)).await.unwrap();
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_linked_by_whom_its_token_names_or_by_nobody() {
    let region = Region::start(1).await;
    let files = region.files.beside(OTHER);
    let token = region.link_token(OTHER, RegionScope::All).await;
    let address = region.address();
    let start = |token: &str, address: &str| {
        let (token, address) = (Zeroizing::new(token.to_owned()), address.to_owned());
        Node::start(files.config(1), Start::Link { address, token })
    };
    let refused = start("srl1.nothing", &address).await.err().unwrap();
    assert!(matches!(refused, StartError::NotALinkToken), "{refused}");
    let unknown = format!("{}{}", &token[..10], "A".repeat(token.len() - 10));
    let refused = start(&unknown, &address).await.err().unwrap();
    assert!(
        matches!(refused, StartError::UnreachableToLink { .. }),
        "{refused}"
    );
    let refused = start(&token, "127.0.0.1:1").await.err().unwrap();
    assert!(
        matches!(refused, StartError::UnreachableToLink { .. }),
        "{refused}"
    );
    // What was refused has spoilt nothing.
    let node = start(&token, &address).await.unwrap();
    eventually("the region is ready", async || node.ready().is_ok()).await;
    node.shutdown().await;
    // Afterwards the directory is its own, and the token is not looked at.
    let node = start("srl1.nothing", "127.0.0.1:1").await.unwrap();
    eventually("the region is ready", async || node.ready().is_ok()).await;
    let second = Region {
        nodes: vec![node],
        files: files.clone(),
    };
    region
        .secrets(0)
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap();
    let mut there = second.secrets(0);
    eventually("it follows", async || read(&mut there, "s").await.is_ok()).await;
    second.stop().await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_without_the_root_feed_takes_no_calls() {
    let files = Files::new();
    let mut config = files.config(1);
    // Callers reach the first region, other regions do not.
    config.peers.advertise = "127.0.0.1:1".to_owned();
    let bootstrap = Start::Bootstrap {
        administrator: ADMIN.to_owned(),
    };
    let region = Region {
        nodes: vec![Node::start(config, bootstrap).await.unwrap()],
        files,
    };
    eventually("the region is ready", async || {
        region.nodes[0].ready().is_ok()
    })
    .await;
    let files = region.files.beside(OTHER);
    let token = Zeroizing::new(region.link_token(OTHER, RegionScope::All).await);
    let address = region.address();
    let start = Start::Link { address, token };
    let second = Region {
        nodes: vec![Node::start(files.config(1), start).await.unwrap()],
        files,
    };
    eventually("only the root feed is lacking", async || {
        second.nodes[0].ready() == Err(NotReady::NoRootFeed)
    })
    .await;
    let status = read(&mut second.secrets(0), "s").await.unwrap_err();
    assert_refused(
        Err::<(), _>(status),
        "ServiceUnavailable",
        "This region waits for the root feed.",
    );
    second.stop().await;
    region.stop().await;
}
