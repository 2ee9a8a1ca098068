//! `strongroom certs`.

pub mod live;

use std::time::{Duration, SystemTime};

use client::certs::{
    self, CertificateStatus, CertsError, ClientSpec, Existing, Holder, Layout, NodeSpec, Pair,
    Validity,
};
use client::identity::Identity;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::arguments::certs::{AddRegion, Init, Issue, IssueClient, IssueNode, Leaf, Status, Verb};
use crate::failure::Failure;
use crate::output::{Answer, Format};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Carries out one verb.
pub fn run(verb: &Verb, format: Format) -> Result<(), Failure> {
    match verb {
        Verb::Init(options) => init(options)?.print(format),
        Verb::AddRegion(options) => add_region(options)?.print(format),
        Verb::Issue(Issue::Node(options)) => issue_node(options)?.print(format),
        Verb::Issue(Issue::Client(options)) => issue_client(options)?.print(format),
        Verb::InstallIssuer(options) => live::install(options, format),
        Verb::RotateCa(options) => live::rotate(options, format),
        Verb::Status(options) if options.live => live::status(&options.connection, format),
        Verb::Status(options) => status(options, format),
    }
}

fn init(options: &Init) -> Result<Answer, CertsError> {
    let layout = Layout::new(&options.dir);
    let cluster = certs::init(&layout, None, &options.region)?;
    let (root, issuer) = (layout.root(), layout.issuer(&options.region));
    let json = json!({
        "cluster": cluster,
        "root": pair_json(&root),
        "issuer": pair_json(&issuer),
    });
    let fields = vec![
        ("Cluster", cluster),
        ("Root", root.cert.display().to_string()),
        (
            "Root key",
            format!("{} (move it away from the network)", root.key.display()),
        ),
        ("Issuer", issuer.cert.display().to_string()),
        ("Issuer key", issuer.key.display().to_string()),
    ];
    Ok(Answer::fields(fields, json))
}

fn add_region(options: &AddRegion) -> Result<Answer, CertsError> {
    let layout = Layout::new(&options.dir);
    pair_answer(&certs::add_region(
        &layout,
        &options.region,
        Existing::Refuse,
    )?)
}

fn issue_node(options: &IssueNode) -> Result<Answer, CertsError> {
    let spec = NodeSpec {
        region: options.leaf.region.clone(),
        node: options.id,
        names: options.host.clone(),
        validity: Validity::days(options.leaf.days),
    };
    let layout = Layout::new(&options.leaf.dir);
    pair_answer(&certs::issue_node(&layout, &spec, existing(&options.leaf))?)
}

fn issue_client(options: &IssueClient) -> Result<Answer, CertsError> {
    let spec = ClientSpec {
        region: options.leaf.region.clone(),
        name: options.name.clone(),
        validity: Validity::days(options.leaf.days),
    };
    let layout = Layout::new(&options.leaf.dir);
    pair_answer(&certs::issue_client(
        &layout,
        &spec,
        existing(&options.leaf),
    )?)
}

fn existing(leaf: &Leaf) -> Existing {
    if leaf.renew {
        Existing::Renew
    } else {
        Existing::Refuse
    }
}

fn status(options: &Status, format: Format) -> Result<(), Failure> {
    let mut found = Vec::new();
    for path in &options.paths {
        found.extend(certs::status(path)?);
    }
    let now = now();
    let rows = found
        .iter()
        .map(|certificate| row(certificate, now))
        .collect();
    let json: Vec<Json> = found.iter().map(certificate_json).collect();
    let heading = vec!["FILE", "HOLDER", "NAMES", "EXPIRES", "DAYS LEFT"];
    Answer::rows(heading, rows, json!({ "certificates": json })).print(format)?;
    let limit = now + DAY * options.expires_within;
    match found
        .iter()
        .filter(|certificate| certificate.valid_until < limit)
        .count()
    {
        0 => Ok(()),
        count => Err(Failure::CertificatesExpire { count }),
    }
}

fn row(certificate: &CertificateStatus, now: SystemTime) -> Vec<String> {
    let left = match certificate.valid_until.duration_since(now) {
        Ok(left) => (left.as_secs() / DAY.as_secs()).to_string(),
        Err(_) => "expired".into(),
    };
    vec![
        certificate.path.display().to_string(),
        holder(&certificate.holder),
        certificate.names.join(" "),
        date(certificate.valid_until),
        left,
    ]
}

fn certificate_json(certificate: &CertificateStatus) -> Json {
    json!({
        "file": certificate.path,
        "holder": holder(&certificate.holder),
        "names": certificate.names,
        "valid_from": date(certificate.valid_from),
        "valid_until": date(certificate.valid_until),
    })
}

fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Root { cluster } => format!("root of {cluster}"),
        Holder::Issuer { region, .. } => format!("issuer of {region}"),
        Holder::Leaf(Identity::Peer(peer)) => format!("node {} of {}", peer.node, peer.region),
        Holder::Leaf(Identity::Client(client)) => format!("client {}", client.name),
        Holder::Foreign => "not of a strongroom cluster".into(),
    }
}

fn date(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "(not a date)".into(), |at| format!("{at:.0}"))
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long a certificate lasts is asked of now"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// What was made, and when it ends: its authority may end before the time that was asked for.
fn pair_answer(pair: &Pair) -> Result<Answer, CertsError> {
    let made = certs::status(&pair.cert)?;
    let until = made.first().map(|made| date(made.valid_until));
    let until = until.unwrap_or_default();
    let fields = vec![
        ("Certificate", pair.cert.display().to_string()),
        ("Key", pair.key.display().to_string()),
        ("Expires", until.clone()),
    ];
    let json = json!({ "certificate": pair.cert, "key": pair.key, "valid_until": until });
    Ok(Answer::fields(fields, json))
}

fn pair_json(pair: &Pair) -> Json {
    json!({ "certificate": pair.cert, "key": pair.key })
}
