//! Which nodes of other regions the listeners let in.

use std::{collections::BTreeMap, sync::Arc};

use wire::{
    Admission, CredentialFiles, Credentials, Expected,
    certs::{self, ClientSpec, Existing, Validity},
    limits::LINKED_CONNECTIONS_MAX,
};

use crate::abroad::{ABROAD, FARTHER, Forger, issuer_of, link, name, node_of, pin, turned_away};
use crate::harbour::{Harbour, REGION, Served, by_name, dial, in_the_past, serve, who_am_i};

/// A node that trusts its region's issuer, and one that trusts the root of all issuers.
fn either_trust(harbour: &Harbour) -> [Arc<Credentials>; 2] {
    [node_of(harbour, REGION, 1), harbour.node(1)]
}

async fn peers(ours: &Arc<Credentials>, harbour: &Harbour, linked: &[&str]) -> Served {
    link(ours, harbour, linked);
    serve(ours, Admission::Nodes).await
}

#[tokio::test]
async fn nodes_of_linked_regions_get_in_as_what_they_are_beside_the_own() {
    let harbour = Harbour::new();
    for ours in either_trust(&harbour) {
        let served = peers(&ours, &harbour, &[ABROAD, FARTHER]).await;
        for region in [ABROAD, FARTHER] {
            let theirs = node_of(&harbour, region, 7);
            link(&theirs, &harbour, &[REGION]);
            let channel = dial(&theirs, &served, Expected::Linked(pin(&ours)));
            let known = who_am_i(&channel).await;
            assert_eq!(known, Ok(format!("node 7 of {region}")));
        }
        let own = dial(&node_of(&harbour, REGION, 2), &served, Expected::Region);
        assert_eq!(who_am_i(&own).await, Ok("node 2 of eu-west-1".to_owned()));
    }
}

#[tokio::test]
async fn a_region_that_is_not_linked_gets_nobody_in() {
    let harbour = Harbour::new();
    let theirs = Forger::issuer_of(&harbour, ABROAD).node(&harbour, &name(&harbour, ABROAD, 7));
    for ours in either_trust(&harbour) {
        for linked in [&[][..], &[FARTHER]] {
            let served = peers(&ours, &harbour, linked).await;
            turned_away(&dial(&theirs, &served, by_name()), "it is not linked").await;
        }
    }
}

#[tokio::test]
async fn a_set_without_the_region_ends_its_connections_at_once_and_no_others() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let served = peers(&ours, &harbour, &[ABROAD, FARTHER]).await;
    let dialled = |region: &str, node| {
        let named = name(&harbour, region, node);
        let theirs = Forger::issuer_of(&harbour, region).node(&harbour, &named);
        dial(&theirs, &served, by_name())
    };
    let (open, other) = (dialled(ABROAD, 7), dialled(FARTHER, 8));
    let own = dial(&node_of(&harbour, REGION, 2), &served, Expected::Region);
    assert_eq!(who_am_i(&open).await, Ok("node 7 of us-east-1".to_owned()));
    let others = async || {
        assert_eq!(who_am_i(&other).await, Ok(format!("node 8 of {FARTHER}")));
        assert_eq!(who_am_i(&own).await, Ok("node 2 of eu-west-1".to_owned()));
    };
    others().await;
    link(&ours, &harbour, &[FARTHER]);
    let refused = who_am_i(&open).await;
    refused.expect_err("it is unlinked");
    turned_away(&dialled(ABROAD, 7), "it is unlinked").await;
    others().await;
    link(&ours, &harbour, &[ABROAD, FARTHER]);
    let again = who_am_i(&dialled(ABROAD, 7)).await;
    assert_eq!(again, Ok("node 7 of us-east-1".to_owned()));
}

#[tokio::test]
async fn one_linked_region_does_not_keep_the_others_or_the_own_out() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let served = peers(&ours, &harbour, &[ABROAD, FARTHER]).await;
    let theirs = Forger::issuer_of(&harbour, ABROAD).node(&harbour, &name(&harbour, ABROAD, 7));
    let mut open = Vec::new();
    for _ in 0..LINKED_CONNECTIONS_MAX {
        let channel = dial(&theirs, &served, by_name());
        assert_eq!(
            who_am_i(&channel).await,
            Ok("node 7 of us-east-1".to_owned())
        );
        open.push(channel);
    }
    let more = who_am_i(&dial(&theirs, &served, by_name())).await;
    more.expect_err("its region has its places");
    let other = Forger::issuer_of(&harbour, FARTHER).node(&harbour, &name(&harbour, FARTHER, 8));
    let other = who_am_i(&dial(&other, &served, by_name())).await;
    assert_eq!(other, Ok(format!("node 8 of {FARTHER}")));
    let own = dial(&node_of(&harbour, REGION, 2), &served, Expected::Region);
    assert_eq!(who_am_i(&own).await, Ok("node 2 of eu-west-1".to_owned()));
}

#[tokio::test]
async fn an_issuer_of_a_linked_region_makes_no_peer_of_ours() {
    let harbour = Harbour::new();
    let forger = Forger::issuer_of(&harbour, ABROAD);
    let ours_too = [forger.pem.clone(), Forger::issuer_of(&harbour, REGION).pem].concat();
    for ours in either_trust(&harbour) {
        let served = peers(&ours, &harbour, &[ABROAD]).await;
        let honest = forger.node(&harbour, &name(&harbour, ABROAD, 9));
        let honest = who_am_i(&dial(&honest, &served, by_name())).await;
        assert_eq!(honest, Ok("node 9 of us-east-1".to_owned()));
        let forged = name(&harbour, REGION, 9);
        for presented in [&forger.pem, &ours_too] {
            let forged = forger.node_presenting(&harbour, &forged, presented);
            turned_away(&dial(&forged, &served, by_name()), "it names our region").await;
        }
    }
}

#[tokio::test]
async fn an_issuer_of_a_linked_region_makes_no_peer_of_another_one() {
    let harbour = Harbour::new();
    let forger = Forger::issuer_of(&harbour, ABROAD);
    let forged = forger.node(&harbour, &name(&harbour, FARTHER, 9));
    for ours in either_trust(&harbour) {
        for linked in [&[ABROAD, FARTHER][..], &[ABROAD]] {
            let served = peers(&ours, &harbour, linked).await;
            turned_away(
                &dial(&forged, &served, by_name()),
                "it names another region",
            )
            .await;
        }
    }
}

#[tokio::test]
async fn our_issuer_makes_no_peer_of_another_region() {
    let harbour = Harbour::new();
    let forged = Forger::issuer_of(&harbour, REGION).node(&harbour, &name(&harbour, ABROAD, 9));
    for ours in either_trust(&harbour) {
        for linked in [&[ABROAD][..], &[]] {
            let served = peers(&ours, &harbour, linked).await;
            turned_away(
                &dial(&forged, &served, by_name()),
                "it names another region",
            )
            .await;
        }
    }
}

#[tokio::test]
async fn nobody_but_its_own_authority_vouches_for_the_own_region() {
    let harbour = Harbour::new();
    let elsewhere = Harbour::of_cluster(Some(&harbour.cluster));
    for ours in either_trust(&harbour) {
        let served = peers(&ours, &elsewhere, &[REGION]).await;
        let forger = Forger::issuer_of(&elsewhere, REGION);
        let forged = forger.node(&harbour, &name(&harbour, REGION, 9));
        turned_away(&dial(&forged, &served, by_name()), "it was only linked").await;
    }
}

#[tokio::test]
async fn a_linked_region_sends_neither_clients_nor_another_cluster() {
    let harbour = Harbour::new();
    let served = peers(&node_of(&harbour, REGION, 1), &harbour, &[ABROAD]).await;
    let forger = Forger::issuer_of(&harbour, ABROAD);
    let other = "00112233445566778899aabbccddeeff";
    for forged in [
        format!("strongroom://{other}/{ABROAD}/node/9"),
        format!("strongroom://{}/client/ci", harbour.cluster),
    ] {
        let forged_node = forger.node(&harbour, &forged);
        turned_away(&dial(&forged_node, &served, by_name()), &forged).await;
    }
    let spec = ClientSpec {
        region: ABROAD.to_owned(),
        name: "ci".to_owned(),
        validity: Validity::of_leaf(),
    };
    let pair = certs::issue_client(&harbour.layout, &spec, Existing::Refuse).expect("a client");
    let ca = vec![harbour.layout.issuer(REGION).cert];
    let (cert, key) = (pair.cert, pair.key);
    let client = Credentials::load(CredentialFiles { cert, key, ca }).expect("credentials");
    turned_away(&dial(&client, &served, by_name()), "a client is no peer").await;
}

#[tokio::test]
async fn the_api_listener_knows_no_linked_regions() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    link(&ours, &harbour, &[ABROAD]);
    let served = serve(&ours, Admission::Anyone).await;
    let theirs = Forger::issuer_of(&harbour, ABROAD).node(&harbour, &name(&harbour, ABROAD, 7));
    turned_away(&dial(&theirs, &served, by_name()), "it is a peer only").await;
    let own = dial(&node_of(&harbour, REGION, 2), &served, by_name());
    assert_eq!(who_am_i(&own).await, Ok("node 2 of eu-west-1".to_owned()));
}

#[tokio::test]
async fn a_linked_issuer_vouches_for_nobody_before_and_after_its_time() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let served = serve(&ours, Admission::Nodes).await;
    let not_yet = Validity {
        from: Validity::days(1).until,
        until: Validity::days(2).until,
    };
    let issuer = format!("strongroom://{}/{ABROAD}", harbour.cluster);
    for (validity, in_force) in [
        (Validity::of_issuer(), true),
        (in_the_past(), false),
        (not_yet, false),
    ] {
        let forger = Forger::named(Some(&issuer), validity);
        let certificates = vec![forger.certificate.clone(), issuer_of(&harbour, ABROAD)];
        for certificates in [&certificates[..1], &certificates] {
            let linked = BTreeMap::from([(ABROAD.to_owned(), certificates.to_vec())]);
            assert_eq!(ours.authorities().set(linked), []);
            let theirs = forger.node(&harbour, &name(&harbour, ABROAD, 7));
            let channel = dial(&theirs, &served, by_name());
            if in_force {
                let known = who_am_i(&channel).await;
                assert_eq!(known, Ok("node 7 of us-east-1".to_owned()));
            } else {
                turned_away(&channel, "its issuer is not in force").await;
            }
        }
    }
}
