//! Issuers: a server that is known by its issuer's key only, and what else is verified of them.

use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use wire::{
    Admission, CertificateDer, Credentials, Expected, Identity, IssuerError, NodeError,
    PublicKeyHash,
    certs::{Existing, Holder, NodeSpec, Validity, add_region, issue_node},
    check_issuer, verify_node,
};

use crate::abroad::{ABROAD, FARTHER, Forger, issuer_of, name, node_of, pin};
use crate::harbour::{Harbour, REGION, Served, dial, in_the_past, serve, who_am_i};

fn by_issuer(harbour: &Harbour, certificate: &CertificateDer<'_>) -> Expected {
    Expected::Issuer {
        cluster: harbour.cluster.clone(),
        issuer_key: PublicKeyHash::of(certificate).expect("a certificate"),
    }
}

/// Why a server is not believed by the key of an issuer.
async fn refusal(ours: &Arc<Credentials>, served: &Served, expected: Expected) -> String {
    let refused = who_am_i(&dial(ours, served, expected)).await;
    refused.expect_err("it must not be believed")
}

#[tokio::test]
async fn a_server_is_believed_by_its_issuers_key_by_a_caller_it_does_not_know() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = serve(&theirs, Admission::Anyone).await;
    let channel = dial(
        &ours,
        &served,
        by_issuer(&harbour, &issuer_of(&harbour, ABROAD)),
    );
    assert_eq!(who_am_i(&channel).await, Ok("anonymous".to_owned()));
}

#[tokio::test]
async fn another_issuers_key_a_leafs_key_and_another_cluster_are_refused() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = serve(&theirs, Admission::Anyone).await;
    let other = by_issuer(&harbour, &issuer_of(&harbour, REGION));
    let refused = refusal(&ours, &served, other).await;
    assert!(refused.contains("has the issuer key"), "{refused}");
    let leaf = theirs.chain().first().expect("a certificate").clone();
    let refused = refusal(&ours, &served, by_issuer(&harbour, &leaf)).await;
    assert!(refused.contains("not of an authority"), "{refused}");
    let expected = Expected::Issuer {
        cluster: "00112233445566778899aabbccddeeff".to_owned(),
        issuer_key: PublicKeyHash::of(&issuer_of(&harbour, ABROAD)).expect("an issuer"),
    };
    let refused = refusal(&ours, &served, expected).await;
    assert!(refused.contains("not of a node of 0011"), "{refused}");
}

#[tokio::test]
async fn an_issuer_that_expired_or_is_the_root_is_refused() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let issuer = format!("strongroom://{}/{ABROAD}", harbour.cluster);
    let root = format!("strongroom://{}", harbour.cluster);
    for (name_of_issuer, validity, why) in [
        (&issuer, in_the_past(), "has expired"),
        (&root, Validity::of_root(), "of the root"),
    ] {
        let forger = Forger::named(Some(name_of_issuer), validity);
        let theirs = forger.node(&harbour, &name(&harbour, ABROAD, 7));
        let served = serve(&theirs, Admission::Anyone).await;
        let refused = refusal(&ours, &served, by_issuer(&harbour, &forger.certificate)).await;
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn an_issuer_vouches_for_what_it_signed_only() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let right = Forger::issuer_of(&harbour, ABROAD);
    let wrong = Forger::issuer_of(&harbour, FARTHER);
    // Another one signed, and the issuer's certificate, which is no secret, is put behind it.
    let presented = [right.pem.clone(), wrong.pem.clone()].concat();
    let forged = wrong.node_presenting(&harbour, &name(&harbour, ABROAD, 7), &presented);
    let served = serve(&forged, Admission::Anyone).await;
    refusal(&ours, &served, by_issuer(&harbour, &right.certificate)).await;
    // The same under the very name of the issuer.
    let issuer = format!("strongroom://{}/{ABROAD}", harbour.cluster);
    let namesake = Forger::named(Some(&issuer), Validity::of_issuer());
    let real = Forger::named(Some(&issuer), Validity::of_issuer());
    let presented = [real.pem.clone(), namesake.pem.clone()].concat();
    let forged = namesake.node_presenting(&harbour, &name(&harbour, ABROAD, 7), &presented);
    let served = serve(&forged, Admission::Anyone).await;
    refusal(&ours, &served, by_issuer(&harbour, &real.certificate)).await;
}

#[tokio::test]
async fn an_issuer_that_is_not_presented_or_of_another_region_or_for_a_client_is_refused() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let forger = Forger::issuer_of(&harbour, ABROAD);
    let alone = forger.node_presenting(&harbour, &name(&harbour, ABROAD, 7), "");
    let other = forger.node(&harbour, &name(&harbour, FARTHER, 7));
    let client = format!("strongroom://{}/client/ci", harbour.cluster);
    let client = forger.node(&harbour, &client);
    for (theirs, why) in [
        (alone, "file holds its issuer's certificate too"),
        (other, "does not issue for"),
        (client, "not of a node"),
    ] {
        let served = serve(&theirs, Admission::Anyone).await;
        let refused = refusal(&ours, &served, by_issuer(&harbour, &forger.certificate)).await;
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn an_issuer_is_told_from_a_leaf_the_root_and_rubbish() {
    let harbour = Harbour::new();
    let certificate = issuer_of(&harbour, ABROAD);
    let issuer = check_issuer(&certificate).expect("an issuer");
    let holder = Holder::Issuer {
        cluster: harbour.cluster.clone(),
        region: ABROAD.to_owned(),
    };
    assert_eq!(issuer.holder, holder);
    assert_eq!(Ok(issuer.public_key), PublicKeyHash::of(&certificate));
    let five_years = Validity::of_issuer();
    assert!(issuer.valid_from < five_years.from && issuer.valid_until <= five_years.until);

    let leaf = node_of(&harbour, ABROAD, 7).chain();
    let leaf = leaf.first().expect("a certificate");
    assert_eq!(check_issuer(leaf), Err(IssuerError::NotAnAuthority));
    let root = format!("strongroom://{}", harbour.cluster);
    let root = Forger::named(Some(&root), Validity::of_root()).certificate;
    assert_eq!(check_issuer(&root), Err(IssuerError::Root));
    let rubbish = CertificateDer::from(vec![0x30; 64]);
    assert_eq!(check_issuer(&rubbish), Err(IssuerError::Unreadable));
    let long = CertificateDer::from([certificate.as_ref(), &[0; 16 * 1024]].concat());
    assert_eq!(check_issuer(&long), Err(IssuerError::TooLarge));
    let trailing = CertificateDer::from([certificate.as_ref(), &[0]].concat());
    assert_eq!(check_issuer(&trailing), Err(IssuerError::Unreadable));
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key");
    let lists_only = params.self_signed(&key).expect("a certificate");
    let refused = check_issuer(lists_only.der());
    assert_eq!(refused, Err(IssuerError::NotAnAuthority));
}

#[test]
fn a_node_is_verified_by_an_issuer_of_its_region_at_an_instant() {
    let harbour = Harbour::new();
    let theirs = node_of(&harbour, ABROAD, 7);
    let (chain, now) = (theirs.chain(), Validity::days(0).until);
    let (leaf, behind) = chain.split_first().expect("a chain");
    let (right, wrong) = (issuer_of(&harbour, ABROAD), issuer_of(&harbour, FARTHER));
    let both = [wrong.clone(), right.clone()];
    for (issuers, behind) in [(&both[1..], behind), (&both[..], &behind[..0])] {
        let verified = verify_node(leaf, behind, issuers, now).expect("a node");
        assert_eq!(verified, pin(&theirs));
    }
    let refused = |issuers: &[CertificateDer<'static>], now| {
        verify_node(leaf, behind, issuers, now).expect_err("it must be refused")
    };
    let right = std::slice::from_ref(&right);
    for then in [Validity::days(400).until, in_the_past().until] {
        let refused = refused(right, then);
        let expired = matches!(
            refused,
            NodeError::Chain { .. } | NodeError::Issuer(IssuerError::NotYetValid)
        );
        assert!(expired, "{refused}");
    }
    let other = refused(std::slice::from_ref(&wrong), now);
    let not_for = matches!(other, NodeError::Issuer(IssuerError::OtherRegion { .. }));
    assert!(not_for, "{other}");
    let missing = refused(&[], now);
    assert!(matches!(missing, NodeError::Issuer(IssuerError::Missing)));
    let leaf_alone = refused(std::slice::from_ref(leaf), now);
    let no_issuer = NodeError::Issuer(IssuerError::NotAnAuthority).to_string();
    assert_eq!(leaf_alone.to_string(), no_issuer);
    let many = refused(&vec![wrong; 5], now);
    assert!(matches!(many, NodeError::TooManyIssuers), "{many}");
}

#[test]
fn what_no_node_is_or_another_issuer_signed_is_not_verified() {
    let harbour = Harbour::new();
    let now = Validity::days(0).until;
    let issuer = format!("strongroom://{}/{ABROAD}", harbour.cluster);
    let real = Forger::named(Some(&issuer), Validity::of_issuer());
    let namesake = Forger::named(Some(&issuer), Validity::of_issuer());
    let past = Forger::named(Some(&issuer), in_the_past());
    let node = name(&harbour, ABROAD, 7);
    let client = format!("strongroom://{}/client/ci", harbour.cluster);
    let verified = |by: &Forger, signer: &Forger, named: &str| {
        let chain = signer.node(&harbour, named).chain();
        let (leaf, behind) = chain.split_first().expect("a chain");
        verify_node(leaf, behind, std::slice::from_ref(&by.certificate), now)
    };
    verified(&real, &real, &node).expect("a node");
    let other = verified(&real, &namesake, &node).expect_err("another issuer");
    assert!(matches!(other, NodeError::Chain { .. }), "{other}");
    let expired = verified(&past, &past, &node).expect_err("an expired issuer");
    let is_expired = matches!(expired, NodeError::Issuer(IssuerError::Expired));
    assert!(is_expired, "{expired}");
    let client = verified(&real, &real, &client).expect_err("a client");
    assert!(matches!(client, NodeError::NotANode { .. }), "{client}");
    let elsewhere = name(&harbour, FARTHER, 7);
    let elsewhere = verified(&real, &real, &elsewhere).expect_err("another region");
    let not_for = matches!(
        elsewhere,
        NodeError::Issuer(IssuerError::OtherRegion { .. })
    );
    assert!(not_for, "{elsewhere}");
}

#[test]
fn a_node_is_verified_only_if_it_may_both_serve_and_call() {
    let harbour = Harbour::new();
    let forger = Forger::issuer_of(&harbour, ABROAD);
    let issuers = std::slice::from_ref(&forger.certificate);
    let node = name(&harbour, ABROAD, 7);
    for usage in [
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ] {
        let chain = forger.node_for(&harbour, &node, usage).chain();
        let leaf = chain.first().expect("a certificate");
        let refused = verify_node(leaf, &[], issuers, Validity::days(0).until);
        let refused = refused.expect_err("it may do one only");
        assert!(matches!(refused, NodeError::Chain { .. }), "{refused}");
    }
}

#[test]
fn a_broken_certificate_is_an_error_and_never_a_panic_or_a_node() {
    let harbour = Harbour::new();
    let chain = node_of(&harbour, ABROAD, 7).chain();
    let (leaf, issuers) = chain.split_first().expect("a chain");
    let now = Validity::days(0).until;
    let broken = |at: usize, to: u8| {
        let mut bytes = leaf.to_vec();
        bytes[at] = to;
        CertificateDer::from(bytes)
    };
    for at in 0..leaf.len() {
        for to in [
            0,
            1,
            0x7f,
            0x80,
            0xff,
            leaf[at] ^ 1,
            leaf[at].wrapping_add(1),
        ] {
            if to != leaf[at] {
                let broken = broken(at, to);
                let _ = (
                    Identity::of(&broken),
                    PublicKeyHash::of(&broken),
                    check_issuer(&broken),
                );
                verify_node(&broken, &[], issuers, now).expect_err("a broken certificate");
            }
        }
        let half = CertificateDer::from(leaf[..at].to_vec());
        Identity::of(&half).expect_err("half a certificate");
        check_issuer(&half).expect_err("half a certificate");
    }
}

#[test]
fn a_node_tells_its_chain_and_the_issuers_of_its_region_as_they_are_after_a_reload() {
    // One trusts its issuer, the other the root, which is not for other regions to know.
    for trusts_root in [false, true] {
        let harbour = Harbour::new();
        let ours = match trusts_root {
            true => harbour.node(1),
            false => node_of(&harbour, REGION, 1),
        };
        let before = issuer_of(&harbour, REGION);
        assert_eq!(ours.issuers(), std::slice::from_ref(&before));
        assert_eq!(ours.chain().get(1), Some(&before));
        add_region(&harbour.layout, REGION, Existing::Replace).expect("another issuer");
        let spec = NodeSpec {
            region: REGION.to_owned(),
            node: 1,
            names: vec!["localhost".to_owned()],
            validity: Validity::of_leaf(),
        };
        issue_node(&harbour.layout, &spec, Existing::Renew).expect("a renewal");
        assert_eq!(ours.issuers(), std::slice::from_ref(&before));
        ours.reload().expect("the same identity and key");
        let after = issuer_of(&harbour, REGION);
        assert_ne!(before, after);
        assert_eq!(ours.issuers(), std::slice::from_ref(&after));
        assert_eq!(ours.chain().get(1), Some(&after));
        assert!(harbour.client("ci").issuers().is_empty());
    }
}
