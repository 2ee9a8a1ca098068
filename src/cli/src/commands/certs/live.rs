//! The verbs of `strongroom certs` that talk to a region.

use client::Client;
use client::admin::v1::{
    GetCertificatesRequest, GetCertificatesResponse, InstallIssuerRequest, RetireIssuersRequest,
};
use client::certs::{self, Existing, IssuerFiles, Layout};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::super::{block_on, connect};
use crate::arguments::Connection;
use crate::arguments::certs::{InstallIssuer, RotateCa};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Why the issuer of a region was not changed.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Another issuer signs.
    #[error("another issuer signs in {region}; use `certs rotate-ca` to replace it")]
    Another {
        /// The region.
        region: String,
    },
    /// Nobody signs yet.
    #[error("no issuer is installed in {region}; use `certs install-issuer` first")]
    None {
        /// The region.
        region: String,
    },
}

/// Installs the region's first issuer.
pub fn install(options: &InstallIssuer, format: Format) -> Result<(), Failure> {
    block_on(async {
        let held = certs::read_issuer(&Layout::new(&options.dir), &options.region)?;
        let client = connect::client(&options.connection)?;
        let signs = signs(&client).await?;
        if signs.as_ref().is_some_and(|key| *key != held.public_key.0) {
            let region = options.region.clone();
            return Err(IssuerError::Another { region }.into());
        }
        let key = put(&client, held, None).await?;
        installed(&options.region, &key).print(format)
    })
}

/// Begins or ends a rotation.
pub fn rotate(options: &RotateCa, format: Format) -> Result<(), Failure> {
    block_on(async {
        let region = options.issuer.region.clone();
        let client = connect::client(&options.issuer.connection)?;
        let signs = signs(&client).await?;
        let signs = signs.ok_or(IssuerError::None { region })?;
        match options.finish {
            true => finish(options, &client, signs, format).await,
            false => begin(&options.issuer, &client, signs, format).await,
        }
    })
}

/// Makes a new issuer and installs it. If one was made that is not installed, then that one: an
/// attempt that was cut short is gone on with.
async fn begin(
    options: &InstallIssuer,
    client: &Client,
    signs: Vec<u8>,
    format: Format,
) -> Result<(), Failure> {
    let mut fresh = certs::read_issuer(&Layout::new(&options.dir), &options.region)?;
    if fresh.public_key.0.as_slice() == signs {
        let layout = Layout::new(&options.dir);
        certs::add_region(&layout, &options.region, Existing::Replace)?;
        fresh = certs::read_issuer(&Layout::new(&options.dir), &options.region)?;
    }
    let key = put(client, fresh, Some(signs)).await?;
    installed(&options.region, &key).print(format)
}

async fn finish(
    options: &RotateCa,
    client: &Client,
    active: Vec<u8>,
    format: Format,
) -> Result<(), Failure> {
    let question = "Trust the former issuer no more? Certificates of clients that it signed are \
                    refused from then on.";
    confirm(question, options.yes.yes)?;
    let shown = hex(&active);
    client
        .retire_issuers(RetireIssuersRequest { active })
        .await?;
    let line = format!("only the issuer {shown} is trusted now");
    Answer::line(line, json!({ "issuer": shown })).print(format)
}

/// Shows how the certificates of a region stand.
pub fn status(connection: &Connection, format: Format) -> Result<(), Failure> {
    block_on(async {
        let client = connect::client(connection)?;
        let answer = client.certificates(GetCertificatesRequest {}).await?;
        shown(&answer).print(format)
    })
}

fn shown(answer: &GetCertificatesResponse) -> Answer {
    let issuers = answer.issuers.iter();
    let issuers = issuers.map(|issuer| {
        let state = if issuer.active {
            "signs"
        } else {
            "trusted still"
        };
        let key = hex(&issuer.public_key_sha256);
        (
            "issuer".to_owned(),
            key,
            state,
            date(issuer.expires.as_ref()),
        )
    });
    let active = answer.issuers.iter().find(|issuer| issuer.active);
    let nodes = answer.nodes.iter().map(|node| {
        let state = match (&node.expires, active) {
            (None, _) => "not answering",
            (_, Some(active)) if node.issuer == active.public_key_sha256 => "renewed by itself",
            _ if node.issuer.is_empty() => "not of these issuers",
            _ => "of a former issuer",
        };
        let of = format!("node {}", node.node);
        (of, hex(&node.issuer), state, date(node.expires.as_ref()))
    });
    let lines: Vec<_> = issuers.chain(nodes).collect();
    let json: Vec<Json> = lines
        .iter()
        .map(|(of, issuer, state, expires)| {
            json!({ "of": of, "issuer": issuer, "state": state, "expires": expires })
        })
        .collect();
    let retired: Vec<String> = answer.retired.iter().map(|key| hex(key)).collect();
    let rows = lines
        .into_iter()
        .map(|(of, key, state, expires)| {
            let key = key.get(..KEY_SHOWN).unwrap_or_default().to_owned();
            vec![of, key, state.to_owned(), expires]
        })
        .collect();
    let heading = vec!["CERTIFICATE", "ISSUER KEY", "STATE", "EXPIRES"];
    let json = json!({ "certificates": json, "retired": retired });
    Answer::rows(heading, rows, json)
}

/// Digits that tell issuers apart for people.
const KEY_SHOWN: usize = 16;

async fn signs(client: &Client) -> Result<Option<Vec<u8>>, Failure> {
    let known = client.certificates(GetCertificatesRequest {}).await?;
    let mut issuers = known.issuers.into_iter();
    let active = issuers.find(|issuer| issuer.active);
    Ok(active.map(|issuer| issuer.public_key_sha256))
}

async fn put(
    client: &Client,
    held: IssuerFiles,
    replaces: Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let request = InstallIssuerRequest {
        certificate: held.certificate,
        private_key: held.private_key.to_string(),
        replaces,
    };
    Ok(client.install_issuer(request).await?.issuer)
}

fn installed(region: &str, key: &[u8]) -> Answer {
    let key = hex(key);
    let line = format!("the issuer {key} signs for the nodes of {region}");
    Answer::line(line, json!({ "region": region, "issuer": key }))
}

fn date(at: Option<&client::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::from_second(at.seconds).ok());
    at.map_or_else(String::new, |at| at.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
