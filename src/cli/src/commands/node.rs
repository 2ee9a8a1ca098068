//! `strongroom node`.

use client::Client;
use client::admin::v1::{
    CreateJoinTokenRequest, GetStatusRequest, GetStatusResponse, ListNodesRequest,
    Node as WireNode, NodeRole, PromoteNodeRequest, RemoveNodeRequest, TakeSnapshotRequest,
    TransferLeaderRequest,
};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::connect;
use super::secret::show::date;
use crate::arguments::node::{Node, Token, TokenCreate, Verb};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::{self, Answer, Format};

/// Carries out one verb.
pub fn run(node: &Node, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        if let Verb::Remove(remove) = &node.verb {
            let question = format!(
                "Remove node {}? Its certificate is refused from then on.",
                remove.id
            );
            confirm(&question, remove.yes.yes)?;
        }
        let client = connect::client(&node.connection)?;
        let answer = ask(&client, &node.verb, format).await?;
        answer.print(format)
    })
}

async fn ask(client: &Client, verb: &Verb, format: Format) -> Result<Answer, Failure> {
    Ok(match verb {
        Verb::List => nodes(&client.list_nodes(ListNodesRequest {}).await?.nodes),
        Verb::Status => status(&client.get_status(GetStatusRequest {}).await?),
        Verb::Token(Token::Create(options)) => token(client, options).await?,
        Verb::Promote(node) => {
            let request = PromoteNodeRequest { node: node.id };
            nodes(&client.promote_node(request).await?.nodes)
        }
        Verb::Remove(node) => {
            let request = RemoveNodeRequest { node: node.id };
            let left = client.remove_node(request).await?.nodes;
            if let Some(warning) = too_few(left.iter().filter(|node| node.voter).count()) {
                output::note(warning, format);
            }
            nodes(&left)
        }
        Verb::TransferLeader(transfer) => {
            let answer = client
                .transfer_leader(TransferLeaderRequest { to: transfer.to })
                .await?;
            let json = json!({ "leader": answer.leader, "term": answer.term });
            Answer::line(
                format!("node {} leads in term {}", answer.leader, answer.term),
                json,
            )
        }
        Verb::Snapshot => {
            let answer = client.take_snapshot(TakeSnapshotRequest {}).await?;
            let json = json!({ "index": answer.index, "size_bytes": answer.size_bytes });
            let line = format!(
                "snapshot at index {}, {} bytes",
                answer.index, answer.size_bytes
            );
            Answer::line(line, json)
        }
    })
}

/// What to say of a region that cannot lose a voter any more.
fn too_few(voters: usize) -> Option<&'static str> {
    match voters {
        1 => Some("one voter is left: with its disk all secrets are lost; let other nodes join"),
        2 => Some("two voters are left: without either the region stops; let another node join"),
        _ => None,
    }
}

fn nodes(nodes: &[WireNode]) -> Answer {
    let json: Vec<Json> = nodes.iter().map(node_json).collect();
    let rows = nodes.iter().map(node_row).collect();
    let heading = vec!["ID", "ROLE", "API", "PEERS", "LOG INDEX"];
    Answer::rows(heading, rows, json!({ "nodes": json }))
}

fn node_row(node: &WireNode) -> Vec<String> {
    vec![
        node.id.to_string(),
        member_role(node).into(),
        node.api_address.clone(),
        node.peer_address.clone(),
        node.matched_index
            .map(|index| index.to_string())
            .unwrap_or_default(),
    ]
}

fn node_json(node: &WireNode) -> Json {
    json!({
        "id": node.id,
        "role": member_role(node),
        "voter": node.voter,
        "leader": node.leader,
        "api_address": node.api_address,
        "peer_address": node.peer_address,
        "matched_index": node.matched_index,
    })
}

/// What a member is, in one word.
fn member_role(node: &WireNode) -> &'static str {
    match (node.voter, node.leader) {
        (_, true) => "leader",
        (true, false) => "voter",
        (false, false) => "learner",
    }
}

/// What a node says it is, in one word.
pub fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Leader => "leader",
        NodeRole::Follower => "follower",
        NodeRole::Candidate => "candidate",
        NodeRole::Learner => "learner",
        NodeRole::Shutdown => "stopping",
        NodeRole::Unspecified => "unknown",
    }
}

fn status(answer: &GetStatusResponse) -> Answer {
    let node = answer.node.clone().unwrap_or_default();
    let region = answer.region.clone().unwrap_or_default();
    let expires = node
        .certificate_expires
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let started = node
        .started
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let hash: String = node
        .node_hash
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let members: Vec<Json> = answer.nodes.iter().map(node_json).collect();
    let json = json!({
        "node": {
            "id": node.id, "role": role(node.role()), "readiness": node.readiness,
            "term": node.term,
            "last_log_index": node.last_log_index, "committed_index": node.committed_index,
            "applied_index": node.applied_index, "snapshot_index": node.snapshot_index,
            "purged_index": node.purged_index, "node_hash": hash, "release": node.release,
            "certificate_expires": expires, "started": started,
        },
        "region": {
            "cluster": region.cluster, "region": region.region, "account": region.account,
            "leader": region.leader, "machine_version": region.machine_version,
            "secrets": region.secrets, "versions": region.versions,
        },
        "nodes": members,
    });
    let index = |index: Option<u64>| index.map(|index| index.to_string()).unwrap_or_default();
    let fields = vec![
        ("Node", node.id.to_string()),
        ("Role", role(node.role()).to_owned()),
        ("State", node.readiness),
        ("Term", node.term.to_string()),
        (
            "Leader",
            region
                .leader
                .map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
        ),
        (
            "Log",
            format!(
                "last {}, committed {}, applied {}",
                node.last_log_index, node.committed_index, node.applied_index
            ),
        ),
        ("Snapshot", index(node.snapshot_index)),
        ("Purged", index(node.purged_index)),
        ("Node hash", hash),
        ("Release", node.release),
        ("Started", started),
        ("Certificate expires", expires),
        ("Region", region.region),
        ("Cluster", region.cluster),
        ("Account", region.account),
        (
            "Secrets",
            format!("{}, {} versions", region.secrets, region.versions),
        ),
    ];
    Answer::fields(fields, json)
}

async fn token(client: &Client, options: &TokenCreate) -> Result<Answer, Failure> {
    // Made before the token: one that cannot be kept must not be good for an hour.
    let file = options.output_file.as_deref().map(NewFile::create);
    let file = file.transpose()?;
    let lifetime = client::Duration {
        seconds: i64::try_from(options.valid_for).unwrap_or(i64::MAX),
        nanos: 0,
    };
    let request = CreateJoinTokenRequest {
        lifetime: Some(lifetime),
    };
    let mut answer = client.create_join_token(request).await?;
    let expires = answer
        .expires
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let token = Zeroizing::new(std::mem::take(&mut answer.token));
    Ok(match (file, &options.output_file) {
        (Some(file), Some(path)) => {
            file.fill(token.as_bytes())?;
            let json = json!({ "file": path, "expires": expires });
            Answer::line(
                format!("written to {}, good until {expires}", path.display()),
                json,
            )
        }
        _ => {
            let json = json!({ "token": token.as_str(), "expires": expires });
            let fields = vec![("Token", token.to_string()), ("Expires", expires)];
            Answer::fields(fields, json)
        }
    })
}
