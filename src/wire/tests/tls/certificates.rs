//! Making certificates.

use std::{fs, os::unix::fs::PermissionsExt};

use tempfile::TempDir;
use wire::certs::{
    self, CertsError, ClientSpec, Existing, Holder, Layout, NodeSpec, Validity, add_region,
};

use crate::harbour::{Harbour, REGION};

fn node(id: u64, names: &[&str]) -> NodeSpec {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    NodeSpec {
        region: REGION.to_owned(),
        node: id,
        names,
        validity: Validity::of_leaf(),
    }
}

fn client(name: &str) -> ClientSpec {
    let (region, name) = (REGION.to_owned(), name.to_owned());
    ClientSpec {
        region,
        name,
        validity: Validity::days(30),
    }
}

#[test]
fn keys_are_for_the_owner_only_and_nothing_is_overwritten_unasked() {
    let harbour = Harbour::new();
    let layout = &harbour.layout;
    let issued = certs::issue_node(layout, &node(1, &["localhost"]), Existing::Refuse);
    let pair = issued.expect("a node");
    for key in [&pair.key, &layout.root().key, &layout.issuer(REGION).key] {
        let mode = fs::metadata(key).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
    let before = fs::read(&pair.key).expect("a key");
    let again = certs::issue_node(layout, &node(1, &[]), Existing::Refuse);
    assert!(matches!(again, Err(CertsError::Exists { .. })));
    let again = certs::init(layout, None, "us-east-1");
    assert!(matches!(again, Err(CertsError::Exists { .. })));
    assert_eq!(fs::read(&pair.key).expect("a key"), before);

    let old = fs::read(&pair.cert).expect("a certificate");
    certs::issue_node(layout, &node(1, &["localhost"]), Existing::Renew).expect("a renewal");
    assert_eq!(fs::read(&pair.key).expect("a key"), before);
    assert_ne!(fs::read(&pair.cert).expect("a certificate"), old);
    certs::issue_node(layout, &node(1, &["localhost"]), Existing::Replace).expect("a new key");
    assert_ne!(fs::read(&pair.key).expect("a key"), before);
}

#[test]
fn a_renewal_without_the_key_makes_no_other_key() {
    let harbour = Harbour::new();
    let layout = &harbour.layout;
    let renewed = certs::issue_node(layout, &node(1, &["localhost"]), Existing::Renew);
    assert!(matches!(renewed, Err(CertsError::Read(_))), "{renewed:?}");
    let pair = layout.node(REGION, 1);
    assert!(!pair.key.exists() && !pair.cert.exists());
}

#[test]
fn no_certificate_outlives_the_one_that_signed_it() {
    let harbour = Harbour::new();
    let layout = &harbour.layout;
    let asked = NodeSpec {
        validity: Validity::days(3_650),
        ..node(1, &["localhost"])
    };
    let pair = certs::issue_node(layout, &asked, Existing::Refuse).expect("a node");
    let end = |path| certs::status(path).expect("a status")[0].valid_until;
    assert_eq!(end(&pair.cert), end(&layout.issuer(REGION).cert));
}

#[test]
fn status_tells_whose_each_certificate_is_and_how_long_it_lasts() {
    let harbour = Harbour::new();
    let layout = &harbour.layout;
    certs::issue_node(
        layout,
        &node(7, &["a.example", "10.0.0.7"]),
        Existing::Refuse,
    )
    .expect("a node");
    certs::issue_client(layout, &client("admin"), Existing::Refuse).expect("a client");
    add_region(layout, "us-east-1", Existing::Refuse).expect("a region");
    let root = layout.root().cert;
    let found = certs::status(root.parent().expect("a directory")).expect("a status");
    let holders: Vec<String> = found
        .iter()
        .map(|one| one.holder.to_string().replace(&harbour.cluster, "CLUSTER"))
        .collect();
    assert_eq!(
        holders,
        [
            "strongroom://CLUSTER/client/admin",
            "strongroom://CLUSTER/eu-west-1",
            "strongroom://CLUSTER/eu-west-1/node/7",
            "strongroom://CLUSTER",
            "strongroom://CLUSTER/us-east-1",
        ]
    );
    let node = found
        .iter()
        .find(|one| !one.names.is_empty())
        .expect("the node");
    assert_eq!(node.names, ["a.example", "10.0.0.7"]);
    let days = node.remaining().as_secs() / 86_400;
    assert!((364..=365).contains(&days), "{days}");
    assert!(matches!(node.holder, Holder::Leaf(_)));
}

#[test]
fn words_of_another_form_are_refused_and_leave_no_file() {
    let directory = TempDir::new().expect("a directory");
    let layout = Layout::new(directory.path());
    for (cluster, region) in [(Some("xyz"), REGION), (None, "Europe"), (None, "../eu-1")] {
        let refused = certs::init(&layout, cluster, region);
        assert!(
            matches!(refused, Err(CertsError::Invalid { .. })),
            "{cluster:?} {region}"
        );
    }
    assert_eq!(
        fs::read_dir(directory.path()).expect("a directory").count(),
        0
    );

    let harbour = Harbour::new();
    for spec in [node(0, &[]), node(1, &["not a name"]), node(1, &["*.*"])] {
        let refused = certs::issue_node(&harbour.layout, &spec, Existing::Refuse);
        assert!(
            matches!(refused, Err(CertsError::Invalid { .. })),
            "{spec:?}"
        );
    }
    for name in ["", "a/b", "../x", "ü"] {
        let refused = certs::issue_client(&harbour.layout, &client(name), Existing::Refuse);
        assert!(matches!(refused, Err(CertsError::Invalid { .. })), "{name}");
    }
}

#[test]
fn only_an_authority_issues() {
    let harbour = Harbour::new();
    let layout = &harbour.layout;
    let node = certs::issue_node(layout, &node(1, &[]), Existing::Refuse).expect("a node");
    let issuer = layout.issuer(REGION);
    fs::copy(&node.cert, &issuer.cert).expect("a copy");
    fs::copy(&node.key, &issuer.key).expect("a copy");
    let refused = certs::issue_client(layout, &client("x"), Existing::Refuse);
    assert!(matches!(refused, Err(CertsError::NotAnAuthority { .. })));
    fs::remove_file(layout.root().key).expect("a removal");
    let refused = add_region(layout, "us-east-1", Existing::Refuse);
    assert!(
        matches!(refused, Err(CertsError::Read(_))),
        "the root is offline"
    );
}
