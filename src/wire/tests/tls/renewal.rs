//! Certificates that are signed anew, and issuers that are trusted no more.

use std::time::Duration;

use wire::{
    Admission, OwnIssuers,
    certs::{self, Existing, RenewalError, Signer},
};

use crate::harbour::{Harbour, REGION, by_name, dial, serve, who_am_i};

#[test]
fn a_signer_renews_key_identity_and_names_of_its_own_nodes_and_nothing_else() {
    let harbour = Harbour::new();
    let files = certs::read_issuer(&harbour.layout, REGION).expect("an issuer");
    let signer = Signer::new(&files.certificate, &files.private_key).expect("a signer");
    let node = harbour.node(1);
    let held = node.chain().swap_remove(0);
    let lifetime = Duration::from_secs(60);

    let pem = signer.renew(&held, lifetime).expect("a certificate");
    let before = certs::status(&node.files().cert).expect("a certificate");
    assert!(node.renew(&pem).expect("a certificate that can be used"));
    let after = certs::status(&node.files().cert).expect("a certificate");
    let said = |status: &[certs::CertificateStatus]| {
        let status = status.first().expect("a certificate");
        (
            status.holder.clone(),
            status.names.clone(),
            status.public_key,
        )
    };
    assert_eq!(said(&after), said(&before));
    let left = after[0].remaining();
    assert!(
        (Duration::from_secs(50)..=lifetime).contains(&left),
        "{left:?}"
    );

    // One that somebody replaced meanwhile stays.
    std::fs::write(&node.files().cert, certs::pem_of(&held)).expect("a write");
    assert!(!node.renew(&pem).expect("another certificate is in place"));
    assert_eq!(node.chain(), [held.clone()]);

    let client = harbour.client("ci").chain().swap_remove(0);
    let refused = signer.renew(&client, lifetime).expect_err("a client's");
    assert!(
        matches!(refused, RenewalError::NotANode { .. }),
        "{refused}"
    );
    certs::add_region(&harbour.layout, "eu-west-9", Existing::Refuse).expect("a region");
    let other = certs::read_issuer(&harbour.layout, "eu-west-9").expect("an issuer");
    let other_signer = Signer::new(&other.certificate, &other.private_key).expect("a signer");
    let refused = other_signer
        .renew(&held, lifetime)
        .expect_err("another region's");
    assert!(
        matches!(refused, RenewalError::NotANode { .. }),
        "{refused}"
    );
    let refused = Signer::new(&files.certificate, &other.private_key).expect_err("another key");
    assert!(matches!(refused, RenewalError::OtherKey), "{refused}");
}

#[tokio::test]
async fn a_retired_issuer_counts_no_more_though_the_root_has_signed_it() {
    let harbour = Harbour::new();
    let node = harbour.node(1);
    let served = serve(&node, Admission::Anyone).await;
    let client = harbour.client("ci");
    let ask = async || who_am_i(&dial(&client, &served, by_name())).await;
    ask().await.expect("the issuer is in force");
    let issuer = certs::read_issuer(&harbour.layout, REGION).expect("an issuer");
    let own = |retired| OwnIssuers {
        trusted: Vec::new(),
        retired,
    };
    node.believe(own(vec![issuer.public_key]));
    ask().await.expect_err("the issuer is retired");
    node.reload().expect("the same files");
    ask().await.expect_err("the issuer is still retired");
    node.believe(own(Vec::new()));
    ask().await.expect("the issuer is in force");
}
