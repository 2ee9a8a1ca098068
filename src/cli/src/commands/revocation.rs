//! `strongroom revoke` and `strongroom revocations`.

use std::path::Path;

use client::Client;
use client::access::v1::{
    ListRevocationsRequest, Revocation, RevokeRequest, Revoked, revoked::What,
};
use client::certs::{self, Holder};
use client::identity::Identity;
use serde_json::{Value as Json, json};

use super::connect;
use super::pages::Pages;
use super::principal::show::when;
use super::secret::show::object;
use crate::arguments::principal::Limit;
use crate::arguments::revocation::{
    Certificate, More, Revocations, Revoke, Verb, What as WhatOptions,
};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Revokes a session or a certificate.
pub fn revoke(revoke: &Revoke, format: Format) -> Result<(), Failure> {
    let (what, more) = match &revoke.what {
        WhatOptions::Session(session) => (What::Session(session.id.clone()), &session.more),
        WhatOptions::Certificate(certificate) => (
            What::Certificate(public_key(certificate)?),
            &certificate.more,
        ),
    };
    let words = words(&what);
    confirm(
        &format!("Revoke {words}? It cannot be taken back."),
        more.yes.yes,
    )?;
    super::block_on(async {
        let client = connect::client(&revoke.connection)?;
        client.revoke(request(what, more)).await?;
        Answer::line(format!("revoked {words}"), json!({})).print(format)
    })
}

fn request(what: What, more: &More) -> RevokeRequest {
    RevokeRequest {
        revoked: Some(Revoked { what: Some(what) }),
        reason: more.reason.clone().unwrap_or_default(),
        until: None,
    }
}

/// The hash of the key that is meant, which a file says or the caller.
fn public_key(certificate: &Certificate) -> Result<String, Failure> {
    match &certificate.file {
        Some(path) => of_file(path),
        None => Ok(certificate.public_key.clone().unwrap_or_default()),
    }
}

/// The hash of the key of a client's certificate. Those of nodes and authorities are not revoked
/// so: nobody calls with them.
fn of_file(path: &Path) -> Result<String, Failure> {
    let found = certs::status(path)?;
    match found.as_slice() {
        [one] => match one.holder {
            Holder::Leaf(Identity::Client(_)) | Holder::Foreign => Ok(one.public_key.to_string()),
            Holder::Leaf(Identity::Peer(_)) | Holder::Root { .. } | Holder::Issuer { .. } => {
                Err(not_a_client(path))
            }
        },
        _ => Err(not_a_client(path)),
    }
}

fn not_a_client(path: &Path) -> Failure {
    Failure::NotAClient {
        path: path.to_owned(),
    }
}

/// Lists what was revoked.
pub fn list(revocations: &Revocations, format: Format) -> Result<(), Failure> {
    let Verb::List(limit) = &revocations.verb;
    super::block_on(async {
        let client = connect::client(&revocations.connection)?;
        all(&client, limit).await?.print(format)
    })
}

async fn all(client: &Client, limit: &Limit) -> Result<Answer, Failure> {
    let mut pages = Pages::new(limit.limit);
    while let Some(page) = pages.next() {
        let request = ListRevocationsRequest {
            max_results: page.max_results,
            next_token: page.next_token,
        };
        let answer = client.list_revocations(request).await?;
        pages.add(answer.revocations, answer.next_token);
    }
    let revocations = pages.entries();
    let rows = revocations.iter().map(row).collect();
    let json: Vec<Json> = revocations.iter().map(revocation_json).collect();
    let heading = vec!["REVOKED", "REASON", "SINCE", "UNTIL"];
    Ok(Answer::rows(heading, rows, json!({ "Revocations": json })))
}

fn row(revocation: &Revocation) -> Vec<String> {
    let what = what(revocation);
    vec![
        what.map(words).unwrap_or_default(),
        revocation.reason.clone(),
        when(revocation.since),
        when(revocation.until),
    ]
}

fn revocation_json(revocation: &Revocation) -> Json {
    let (session, certificate) = match what(revocation) {
        Some(What::Session(id)) => (Some(id), None),
        Some(What::Certificate(hash)) => (None, Some(hash)),
        None => (None, None),
    };
    object(vec![
        ("Session", json!(session)),
        ("PublicKeySha256", json!(certificate)),
        ("Reason", json!(revocation.reason)),
        ("Since", json!(when(revocation.since))),
        ("Until", json!(when(revocation.until))),
    ])
}

fn what(revocation: &Revocation) -> Option<&What> {
    revocation.revoked.as_ref()?.what.as_ref()
}

/// What is revoked, in words.
fn words(what: &What) -> String {
    match what {
        What::Session(id) => format!("session {id}"),
        What::Certificate(hash) => format!("certificate {hash}"),
    }
}

#[cfg(test)]
mod tests {
    use client::certs::{ClientSpec, Existing, Layout, NodeSpec, Validity};

    use super::*;

    #[test]
    fn only_the_certificate_of_a_client_is_revoked_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        certs::init(&layout, None, "eu-west-1").unwrap();
        let validity = Validity::days(1);
        let (region, name) = ("eu-west-1".to_owned(), "alice".to_owned());
        let spec = ClientSpec {
            region: region.clone(),
            name,
            validity,
        };
        let client = certs::issue_client(&layout, &spec, Existing::Refuse).unwrap();
        let spec = NodeSpec {
            region,
            node: 1,
            names: vec!["127.0.0.1".to_owned()],
            validity,
        };
        let node = certs::issue_node(&layout, &spec, Existing::Refuse).unwrap();
        let hash = of_file(&client.cert).unwrap();
        assert_eq!(hash.len(), 64, "{hash}");
        for path in [node.cert, layout.root().cert, directory.path().to_owned()] {
            let refused = of_file(&path);
            assert!(
                matches!(refused, Err(Failure::NotAClient { .. })),
                "{path:?}"
            );
        }
    }
}
