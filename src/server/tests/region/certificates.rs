//! Certificates that last: nodes renew theirs, the issuer is replaced, and who is revoked is cut
//! off.

use std::collections::BTreeSet;
use std::time::Duration;

use strongroom_server::{Node, Start};
use tonic::Status;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use wire::access::v1 as access;
use wire::access::v1::revoked::What;
use wire::admin::v1 as api;
use wire::admin::v1::RegionScope;
use wire::certs::{self, CertificateStatus, ClientSpec, Existing, NodeSpec, Validity};

use super::harness::{ADMIN, REGION, Region, assert_refused, eventually, two};
use super::principals::{Change, binding, change, known, user};
use super::requests::{create, read};

/// How long a renewed certificate lives here.
const LIFETIME: Duration = Duration::from_secs(600);
/// Within what time who is revoked must be cut off.
const CUT_MAX: Duration = Duration::from_secs(10);

type Held = tonic::Streaming<HealthCheckResponse>;

impl Region {
    fn issuer_request(&self, replaces: Option<Vec<u8>>) -> api::InstallIssuerRequest {
        let files = certs::read_issuer(&self.files.layout, REGION).unwrap();
        api::InstallIssuerRequest {
            certificate: files.certificate,
            private_key: files.private_key.to_string(),
            replaces,
        }
    }

    async fn install_issuer(&self, replaces: Option<Vec<u8>>) -> Result<Vec<u8>, Status> {
        let request = self.issuer_request(replaces);
        let installed = self.admin(0).install_issuer(request).await?;
        Ok(installed.into_inner().issuer)
    }

    async fn certificates(&self) -> api::GetCertificatesResponse {
        let mut told = None;
        // A busy machine may not even connect in time.
        eventually("the node tells of certificates", async || {
            let asked = api::GetCertificatesRequest {};
            told = self.admin(0).get_certificates(asked).await.ok();
            told.is_some()
        })
        .await;
        told.unwrap().into_inner()
    }

    fn file(&self, node: u64) -> CertificateStatus {
        let pair = self.files.layout.node(REGION, node);
        certs::status(&pair.cert).unwrap().swap_remove(0)
    }

    /// Puts a certificate of a node in place that ends soon.
    fn shorten(&self, node: u64, lifetime: Duration) {
        let spec = NodeSpec {
            region: REGION.to_owned(),
            node,
            names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            validity: Validity::lasting(lifetime),
        };
        certs::issue_node(&self.files.layout, &spec, Existing::Renew).unwrap();
    }

    /// Issues the certificate of a client again, for its key, by the issuer that is there now.
    fn reissue_client(&self, name: &str) {
        let spec = ClientSpec {
            region: REGION.to_owned(),
            name: name.to_owned(),
            validity: Validity::of_leaf(),
        };
        certs::issue_client(&self.files.layout, &spec, Existing::Renew).unwrap();
    }

    /// A stream that nothing judges once it is open.
    async fn hold(&self, client: &str) -> Held {
        let mut health = HealthClient::new(self.channel_of(client));
        let mut held = health
            .watch(HealthCheckRequest::default())
            .await
            .unwrap()
            .into_inner();
        held.message().await.unwrap().unwrap();
        held
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_renew_through_the_leader_and_keep_key_and_names() {
    let region = Region::start_tuned(3, |config| {
        config.tls.certificate_lifetime = LIFETIME;
        config.tls.reload_interval = Duration::from_millis(100);
    })
    .await;
    region.install_issuer(None).await.unwrap();
    // The same again is no change.
    region.install_issuer(None).await.unwrap();
    let short = Duration::from_secs(15);
    (1..=3).for_each(|node| region.shorten(node, short));
    let before: Vec<_> = (1..=3).map(|node| region.file(node)).collect();
    eventually("every node has renewed", async || {
        (1..=3).all(|node| region.file(node).remaining() > short)
    })
    .await;
    for (node, before) in (1..=3).zip(before) {
        let after = region.file(node);
        assert_eq!(after.holder, before.holder);
        assert_eq!(after.names, before.names);
        assert!(after.remaining() <= LIFETIME, "{:?}", after.remaining());
    }
    let told = region.certificates().await;
    let active = &told.issuers[0].public_key_sha256;
    assert!(told.nodes.iter().all(|node| node.issuer == *active));
    assert_eq!(told.nodes.len(), 3);
    // What is in the files is what they serve.
    for node in 0..3 {
        let mut admin = region.admin(node);
        admin.get_status(api::GetStatusRequest {}).await.unwrap();
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_issuer_takes_over_and_the_one_before_counts_no_more_once_it_is_retired() {
    let region = Region::start(3).await;
    let first = region.install_issuer(None).await.unwrap();
    let mut admin = region.access();
    known(&mut admin, "old").await;
    known(&mut admin, "new").await;
    let old = region.channel_of("old");

    certs::add_region(&region.files.layout, REGION, Existing::Replace).unwrap();
    let refused = region.install_issuer(None).await;
    assert_refused(
        refused,
        "InvalidRequestException",
        "Another issuer signs by now, or none does: look at `certs status`.",
    );
    let second = region.install_issuer(Some(first.clone())).await.unwrap();
    assert_ne!(first, second);
    let retire = || api::RetireIssuersRequest {
        active: second.clone(),
    };
    // Not before every node has a certificate of the new one.
    region.admin(0).retire_issuers(retire()).await.unwrap_err();
    eventually("every node has one of the new issuer", async || {
        let told = region.certificates().await;
        told.nodes.iter().all(|node| node.issuer == second)
    })
    .await;
    let trusted = region.certificates().await.issuers;
    let trusted: BTreeSet<_> = trusted
        .into_iter()
        .map(|one| one.public_key_sha256)
        .collect();
    assert_eq!(trusted, BTreeSet::from([first.clone(), second.clone()]));
    // Both are trusted.
    let whoami = access::GetCallerIdentityRequest {};
    let ask = async |channel| {
        let mut client = wire::access::v1::access_service_client::AccessServiceClient::new(channel);
        client.get_caller_identity(whoami).await.map(drop)
    };
    ask(old.clone()).await.unwrap();
    ask(region.channel_of("new")).await.unwrap();

    region.reissue_client(ADMIN);
    region.admin(0).retire_issuers(retire()).await.unwrap();
    eventually(
        "a certificate of the issuer before is refused",
        async || ask(region.channel_of("old")).await.is_err(),
    )
    .await;
    ask(region.channel_of("new")).await.unwrap();
    assert_eq!(region.certificates().await.retired, [first]);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_region_that_connects_anew_believes_the_new_issuer() {
    let (first, second) = two(RegionScope::All).await;
    let before = first.install_issuer(None).await.unwrap();
    certs::add_region(&first.files.layout, REGION, Existing::Replace).unwrap();
    let after = first.install_issuer(Some(before)).await.unwrap();
    eventually("the node has a certificate of the new issuer", async || {
        let told = first.certificates().await;
        told.nodes.iter().all(|node| node.issuer == after)
    })
    .await;
    first.reissue_client(ADMIN);
    let retire = api::RetireIssuersRequest { active: after };
    first.admin(0).retire_issuers(retire).await.unwrap();

    // A connection that was open would hide what is believed.
    let files = second.stop().await;
    let node = Node::start(files.config(1), Start::Resume).await.unwrap();
    let second = Region {
        nodes: vec![node],
        files,
    };
    let made = first.secrets(0).create_secret(create("far", 1, "x")).await;
    made.unwrap();
    eventually("what was written since is there too", async || {
        read(&mut second.secrets(0), "far").await.is_ok()
    })
    .await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_issuer_of_the_region_is_not_installed() {
    let region = Region::start(1).await;
    let good = region.issuer_request(None);
    let other = region.files.beside("eu-west-2");
    let of_other = certs::read_issuer(&other.layout, "eu-west-2").unwrap();
    let bad = [
        api::InstallIssuerRequest {
            certificate: vec![1, 2, 3],
            ..good.clone()
        },
        api::InstallIssuerRequest {
            private_key: "nothing".to_owned(),
            ..good.clone()
        },
        api::InstallIssuerRequest {
            private_key: of_other.private_key.to_string(),
            ..good.clone()
        },
        api::InstallIssuerRequest {
            certificate: of_other.certificate.clone(),
            private_key: of_other.private_key.to_string(),
            replaces: None,
        },
        api::InstallIssuerRequest {
            replaces: Some(vec![7]),
            ..good.clone()
        },
    ];
    for request in bad {
        let refused = region.admin(0).install_issuer(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
    assert!(region.certificates().await.issuers.is_empty());
    region.stop().await;
}

/// Waits until a stream ends, which must not take long.
async fn ends(held: &mut Held) {
    let ended = async { while let Ok(Some(_)) = held.message().await {} };
    let ended = tokio::time::timeout(CUT_MAX, ended).await;
    assert!(ended.is_ok(), "the caller is still connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_their_right_is_cut_off_and_nobody_else() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let names = ["disabled", "unbound", "revoked", "stays"];
    let mut credentials = Vec::new();
    for name in names {
        let who = user(name);
        super::principals::make(&mut admin, &who).await;
        let made = admin.create_credential(binding(&who, name)).await.unwrap();
        credentials.push(made.into_inner().credential.clone().unwrap().id);
    }
    let mut held = Vec::new();
    for name in names {
        held.push(region.hold(name).await);
    }
    let mut stays = held.pop().unwrap();

    change(&mut admin, &user("disabled"), Change::Enabled(false))
        .await
        .unwrap();
    ends(&mut held[0]).await;
    let id = credentials[1].clone();
    let delete = access::DeleteCredentialRequest { id };
    admin.delete_credential(delete).await.unwrap();
    ends(&mut held[1]).await;
    let pair = region.files.layout.client(REGION, "revoked");
    let key = certs::status(&pair.cert).unwrap()[0].public_key.to_string();
    let revoke = access::RevokeRequest {
        revoked: Some(access::Revoked {
            what: Some(What::Certificate(key)),
        }),
        ..Default::default()
    };
    admin.revoke(revoke).await.unwrap();
    ends(&mut held[2]).await;
    let told = async { while let Ok(Some(_)) = stays.message().await {} };
    let idle = tokio::time::timeout(Duration::from_millis(100), told).await;
    idle.expect_err("who has a right stays connected");
    region.stop().await;
}
