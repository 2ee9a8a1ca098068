//! Which nodes of other regions a dialer believes, and whose issuers may be told.

use std::{collections::BTreeMap, fs, sync::Arc};

use rcgen::KeyPair;
use wire::{
    Admission, AuthoritiesError, CertificateDer, Credentials, DialError, Dialer, Expected,
    IssuerError, PeerIdentity,
    certs::{Holder, Validity},
};

use crate::abroad::{ABROAD, FARTHER, Forger, issuer_of, link, name, node_of, pin};
use crate::harbour::{Harbour, REGION, Served, dial, serve, who_am_i};

/// A node abroad that lets in ours.
async fn abroad(harbour: &Harbour, theirs: &Arc<Credentials>) -> Served {
    link(theirs, harbour, &[REGION]);
    serve(theirs, Admission::Nodes).await
}

async fn refusal(ours: &Arc<Credentials>, served: &Served, expected: Expected) -> String {
    let refused = who_am_i(&dial(ours, served, expected)).await;
    refused.expect_err("it must not be believed")
}

#[tokio::test]
async fn a_node_of_a_linked_region_is_believed_by_its_pinned_key_and_told_who_calls() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = abroad(&harbour, &theirs).await;
    link(&ours, &harbour, &[ABROAD]);
    let channel = dial(&ours, &served, Expected::Linked(pin(&theirs)));
    let told = who_am_i(&channel).await;
    assert_eq!(told, Ok("node 1 of eu-west-1".to_owned()));
}

#[tokio::test]
async fn another_key_node_or_region_than_the_pinned_one_is_refused() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = abroad(&harbour, &theirs).await;
    link(&ours, &harbour, &[ABROAD, FARTHER]);
    let pinned = pin(&theirs);
    let key = PeerIdentity {
        public_key: [7; 32],
        ..pinned.clone()
    };
    let refused = refusal(&ours, &served, Expected::Linked(key)).await;
    assert!(refused.contains("another key than"), "{refused}");
    let node = PeerIdentity {
        node: 8,
        ..pinned.clone()
    };
    let refused = refusal(&ours, &served, Expected::Linked(node)).await;
    assert!(refused.contains("node/7, not of"), "{refused}");
    let region = PeerIdentity {
        region: FARTHER.to_owned(),
        ..pinned.clone()
    };
    refusal(&ours, &served, Expected::Linked(region)).await;
    let cluster = PeerIdentity {
        cluster: "00112233445566778899aabbccddeeff".to_owned(),
        ..pinned
    };
    let refused = refusal(&ours, &served, Expected::Linked(cluster)).await;
    assert!(refused.contains("does not issue for"), "{refused}");
}

#[tokio::test]
async fn a_region_that_is_not_or_no_longer_linked_is_not_dialled() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = abroad(&harbour, &theirs).await;
    let expected = Expected::Linked(pin(&theirs));
    for (linked, told) in [(&[][..], false), (&[ABROAD], true), (&[FARTHER], false)] {
        link(&ours, &harbour, linked);
        if told {
            let channel = dial(&ours, &served, expected.clone());
            assert_eq!(
                who_am_i(&channel).await,
                Ok("node 1 of eu-west-1".to_owned())
            );
        } else {
            let refused = refusal(&ours, &served, expected.clone()).await;
            assert!(refused.contains("us-east-1 is not linked"), "{refused}");
        }
    }
    let own = refusal(&ours, &served, Expected::Linked(pin(&ours))).await;
    assert!(own.contains("eu-west-1 is not linked"), "{own}");
}

#[tokio::test]
async fn a_node_that_the_issuer_of_another_region_made_is_refused_though_its_key_is_pinned() {
    let harbour = Harbour::new();
    for trusting in [node_of(&harbour, REGION, 1), harbour.node(1)] {
        link(&trusting, &harbour, &[ABROAD, FARTHER]);
        for issuer in [FARTHER, REGION] {
            let forger = Forger::issuer_of(&harbour, issuer);
            let forged = forger.node(&harbour, &name(&harbour, ABROAD, 7));
            let served = abroad(&harbour, &forged).await;
            refusal(&trusting, &served, Expected::Linked(pin(&forged))).await;
        }
        let forger = Forger::issuer_of(&harbour, ABROAD);
        let forged = forger.node(&harbour, &name(&harbour, REGION, 7));
        let PeerIdentity {
            node, public_key, ..
        } = pin(&forged);
        let served = serve(&forged, Admission::Nodes).await;
        for expected in [Expected::Region, Expected::Peer { node, public_key }] {
            refusal(&trusting, &served, expected).await;
        }
    }
}

#[tokio::test]
async fn only_a_node_dials_linked_regions() {
    let harbour = Harbour::new();
    let theirs = pin(&node_of(&harbour, ABROAD, 7));
    let dialer = Dialer::for_callers(harbour.client("ci"));
    let refused = dialer.channel("localhost:1", Expected::Linked(theirs));
    assert!(matches!(refused, Err(DialError::NotANode)));
}

fn set(
    credentials: &Credentials,
    linked: impl IntoIterator<Item = (String, Vec<CertificateDer<'static>>)>,
) -> Vec<AuthoritiesError> {
    let linked: BTreeMap<_, _> = linked.into_iter().collect();
    credentials.authorities().set(linked)
}

#[tokio::test]
async fn issuers_that_cannot_be_a_regions_are_refused_and_cut_nobody_else_off() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = abroad(&harbour, &theirs).await;
    let leaf = theirs.chain().first().expect("a certificate").clone();
    let (right, other) = (issuer_of(&harbour, ABROAD), issuer_of(&harbour, FARTHER));
    let one = |region: &str, certificates: Vec<CertificateDer<'static>>| {
        (region.to_owned(), certificates)
    };
    // Beside the right issuer in its own region, and in regions before and after it.
    let refused = set(
        &ours,
        [
            one("Europe", vec![right.clone()]),
            one(FARTHER, vec![right.clone()]),
            one(ABROAD, vec![leaf, other, right.clone()]),
            one("us-west-1", vec![CertificateDer::from(vec![1, 2, 3])]),
        ],
    );
    let region = ABROAD.to_owned();
    let of = |region: &str| format!("strongroom://{}/{region}", harbour.cluster);
    assert_eq!(
        refused,
        [
            AuthoritiesError::Name {
                name: "Europe".to_owned(),
            },
            AuthoritiesError::OtherRegion {
                region: FARTHER.to_owned(),
                issuer: of(ABROAD),
            },
            AuthoritiesError::Issuer {
                region: region.clone(),
                source: IssuerError::NotAnAuthority,
            },
            AuthoritiesError::OtherRegion {
                region,
                issuer: of(FARTHER),
            },
            AuthoritiesError::Issuer {
                region: "us-west-1".to_owned(),
                source: IssuerError::Unreadable,
            },
        ]
    );
    let channel = dial(&ours, &served, Expected::Linked(pin(&theirs)));
    assert_eq!(
        who_am_i(&channel).await,
        Ok("node 1 of eu-west-1".to_owned())
    );
}

#[tokio::test]
async fn a_region_that_gives_anothers_issuer_for_its_own_does_not_cut_that_one_off() {
    let harbour = Harbour::new();
    let (ours, theirs) = (node_of(&harbour, REGION, 1), node_of(&harbour, ABROAD, 7));
    let served = abroad(&harbour, &theirs).await;
    // The key is no secret: any certificate may have it.
    let key = fs::read_to_string(harbour.layout.issuer(ABROAD).key).expect("a key");
    let key = KeyPair::from_pem(&key).expect("a key");
    let claimed = Forger::with_key(None, Validity::of_issuer(), key).certificate;
    let linked = [
        (FARTHER.to_owned(), vec![claimed]),
        (ABROAD.to_owned(), vec![issuer_of(&harbour, ABROAD)]),
    ];
    assert_eq!(set(&ours, linked), []);
    let channel = dial(&ours, &served, Expected::Linked(pin(&theirs)));
    assert_eq!(
        who_am_i(&channel).await,
        Ok("node 1 of eu-west-1".to_owned())
    );
}

#[test]
fn at_most_64_regions_of_4_issuers_are_linked() {
    let harbour = Harbour::new();
    let ours = node_of(&harbour, REGION, 1);
    let issuer = || Forger::named(None, Validity::of_issuer()).certificate;
    let regions = |count: usize| (0..count).map(|n| (format!("us-east-{n}"), vec![issuer()]));
    assert_eq!(set(&ours, regions(64)), []);
    // One of them, by its name.
    let refused = set(&ours, regions(65));
    assert!(
        matches!(&refused[..], [AuthoritiesError::TooManyRegions { .. }]),
        "{refused:?}"
    );
    let issuers = |count: usize| [(ABROAD.to_owned(), (0..count).map(|_| issuer()).collect())];
    assert_eq!(set(&ours, issuers(4)), []);
    let region = ABROAD.to_owned();
    let refused = AuthoritiesError::TooManyIssuers { region };
    assert_eq!(set(&ours, issuers(5)), [refused]);
    let holder = wire::check_issuer(&issuer()).expect("an issuer").holder;
    assert_eq!(holder, Holder::Foreign);
}
