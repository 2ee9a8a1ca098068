//! Certificates that change while connections are open.

use std::{fs, sync::Arc, time::Duration};

use wire::{
    Admission, CredentialsError,
    certs::{self, Existing, NodeSpec, Validity},
};

use crate::harbour::{Harbour, REGION, by_name, dial, hold, in_the_past, serve, until, who_am_i};

fn renew(harbour: &Harbour, validity: Validity, existing: Existing) {
    let names = vec!["localhost".to_owned()];
    let spec = NodeSpec {
        region: REGION.to_owned(),
        node: 1,
        names,
        validity,
    };
    certs::issue_node(&harbour.layout, &spec, existing).expect("a node");
}

#[tokio::test]
async fn a_renewed_certificate_is_served_without_cutting_open_calls() {
    let harbour = Harbour::new();
    let node = harbour.node_valid(1, in_the_past());
    // Expired for new connections, so that only the renewed certificate lets one through.
    renew(&harbour, Validity::days(2), Existing::Renew);
    node.reload().expect("the same identity and key");
    let served = serve(&node, Admission::Anyone).await;
    let client = harbour.client("ci");
    let open = dial(&client, &served, by_name());
    let mut held = hold(&open).await;

    renew(&harbour, in_the_past(), Existing::Renew);
    node.reload().expect("the same identity and key");
    who_am_i(&dial(&client, &served, by_name()))
        .await
        .expect_err("the expired one is served");
    assert_eq!(who_am_i(&open).await, Ok("client ci".to_owned()));
    renew(&harbour, Validity::days(3), Existing::Renew);
    node.reload().expect("the same identity and key");
    let fresh = dial(&client, &served, by_name());
    assert_eq!(who_am_i(&fresh).await, Ok("client ci".to_owned()));
    let idle = tokio::time::timeout(Duration::from_millis(50), held.message()).await;
    idle.expect_err("the call that was open still is");
}

#[tokio::test]
async fn an_authority_from_elsewhere_counts_from_the_reload_that_adds_it_to_the_one_that_does_not()
{
    let harbour = Harbour::new();
    let elsewhere = Harbour::of_cluster(Some(&harbour.cluster));
    let node = harbour.node(1);
    let served = serve(&node, Admission::Anyone).await;
    let client = elsewhere.client_trusting("ci", &harbour);
    let own = fs::read(harbour.root()).expect("a root");
    let both = [own.clone(), fs::read(elsewhere.root()).expect("a root")].concat();

    who_am_i(&dial(&client, &served, by_name()))
        .await
        .expect_err("an unknown authority");
    fs::write(harbour.root(), both).expect("a write");
    node.reload().expect("two authorities");
    let known = dial(&client, &served, by_name());
    assert_eq!(who_am_i(&known).await, Ok("client ci".to_owned()));
    fs::write(harbour.root(), own).expect("a write");
    node.reload().expect("one authority");
    who_am_i(&dial(&client, &served, by_name()))
        .await
        .expect_err("an unknown authority");
}

#[tokio::test]
async fn changed_files_are_noticed() {
    let harbour = Harbour::new();
    let node = harbour.node(1);
    let follow = Arc::clone(&node).follow_files_every(Duration::from_millis(10));
    let following = tokio::spawn(follow);
    let wanted = Validity::days(77).until;
    renew(&harbour, until(wanted), Existing::Renew);
    let noticed = async {
        while wanted
            .duration_since(node.expires())
            .is_ok_and(|apart| apart.as_secs() > 1)
            || node
                .expires()
                .duration_since(wanted)
                .is_ok_and(|apart| apart.as_secs() > 1)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noticed)
        .await
        .expect("it must be noticed");
    following.abort();
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let harbour = Harbour::new();
    let node = harbour.node(1);
    let before = (node.identity(), node.expires());

    renew(&harbour, Validity::days(9), Existing::Replace);
    let refused = node
        .reload()
        .expect_err("the members have pinned the old key");
    assert!(
        matches!(refused, CredentialsError::OtherKey { .. }),
        "{refused}"
    );

    let other = harbour.layout.node(REGION, 1);
    harbour.node(2);
    let two = harbour.layout.node(REGION, 2);
    fs::copy(&two.cert, &other.cert).expect("a copy");
    let refused = node
        .reload()
        .expect_err("the key belongs to another certificate");
    assert!(
        matches!(refused, CredentialsError::Mismatch { .. }),
        "{refused}"
    );
    fs::copy(&two.key, &other.key).expect("a copy");
    let refused = node.reload().expect_err("another node");
    assert!(
        matches!(refused, CredentialsError::OtherIdentity { .. }),
        "{refused}"
    );
    fs::write(&other.cert, "-----BEGIN CERTIFICATE-----\nrubbish").expect("a write");
    let refused = node.reload().expect_err("no certificate");
    assert!(
        matches!(refused, CredentialsError::NotPem { .. }),
        "{refused}"
    );
    let large = fs::read(&two.cert).expect("a certificate");
    let large = [large, vec![b'\n'; 1 << 20]].concat();
    fs::write(&other.cert, large).expect("a write");
    let refused = node.reload().expect_err("half of it might be missing");
    assert!(
        matches!(refused, CredentialsError::TooLarge { .. }),
        "{refused}"
    );
    fs::remove_file(&other.cert).expect("a removal");
    let refused = node.reload().expect_err("no file");
    assert!(
        matches!(refused, CredentialsError::Read { .. }),
        "{refused}"
    );
    assert_eq!((node.identity(), node.expires()), before);
}
