//! What `strongroom dev` prints: where things are, and lines to paste.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::control::NodeLine;
use super::directory::{Directory, Record};
use super::{REGION, credentials};
use crate::output::Answer;

/// The variables that tell programs where the region is and who they are.
pub fn variables(directory: &Directory, record: &Record) -> Vec<(&'static str, String)> {
    let options = credentials::paths(directory);
    let endpoints: Vec<String> = record
        .nodes
        .iter()
        .map(|node| node.api_address().to_string())
        .collect();
    vec![
        ("STRONGROOM_ENDPOINTS", endpoints.join(",")),
        ("STRONGROOM_CA", options.ca.display().to_string()),
        ("STRONGROOM_CERT", options.cert.display().to_string()),
        ("STRONGROOM_KEY", options.key.display().to_string()),
        ("STRONGROOM_DEV_DIR", directory.root().display().to_string()),
    ]
}

/// The variables as lines for a shell.
pub fn exports(directory: &Directory, record: &Record) -> String {
    let line = |(name, value): (&str, String)| format!("export {name}={}", quote(&value));
    variables(directory, record)
        .into_iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The nodes, as a table.
pub fn nodes(lines: Vec<NodeLine>) -> Answer {
    let json = nodes_json(&lines);
    let row = |node: NodeLine| {
        vec![
            node.id.to_string(),
            node.role,
            node.readiness,
            node.api,
            node.peers,
            node.operations,
        ]
    };
    let heading = vec!["NODE", "ROLE", "STATE", "API", "PEERS", "OPERATIONS"];
    Answer::rows(
        heading,
        lines.into_iter().map(row).collect(),
        json!({ "nodes": json }),
    )
}

fn nodes_json(lines: &[NodeLine]) -> Json {
    lines
        .iter()
        .map(|node| {
            json!({ "id": node.id, "role": node.role, "readiness": node.readiness,
                    "api": node.api, "peers": node.peers, "operations": node.operations })
        })
        .collect()
}

/// What programs get when the region is ready.
pub fn ready_json(directory: &Directory, record: &Record, lines: &[NodeLine]) -> Json {
    let env: serde_json::Map<String, Json> = variables(directory, record)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Json::String(value)))
        .collect();
    json!({
        "ready": true,
        "region": REGION,
        "directory": directory.root(),
        "log": directory.log(),
        "env": env,
        "nodes": nodes_json(lines),
    })
}

/// The lines above the table of nodes.
pub fn head(directory: &Directory, kept: bool) -> String {
    let secrets = if kept {
        "its secrets were kept"
    } else {
        "new and empty"
    };
    format!(
        "Strongroom is ready: region {REGION}, three nodes, {secrets}. For development only.\n\n\
         Everything is in  {}\n\
         The log is in     {}\n",
        directory.root().display(),
        directory.log().display(),
    )
}

/// The lines below it.
pub fn lines(directory: &Directory, nodes: &[NodeLine]) -> String {
    let program = program();
    let leader = nodes.iter().find(|node| node.role == "leader");
    let leader = leader.or(nodes.first()).map_or(1, |node| node.id);
    let follower = nodes.iter().find(|node| node.id != leader);
    let follower = follower.map(|node| node.api.clone()).unwrap_or_default();
    let dir = quote(&directory.root().display().to_string());
    format!(
        "\nTell a shell where the region is, then use it:\n\n\
         \x20 eval \"$({program} dev env --dir {dir})\"\n\
         \x20 printf %s one | {program} secret create demo/db --value-file - --tag app=demo\n\
         \x20 {program} secret get demo/db --show --endpoint {follower}\n\
         \x20 printf %s two | {program} secret put demo/db --value-file -\n\
         \x20 {program} secret get demo/db --raw\n\
         \x20 {program} secret list\n\
         \x20 {program} secret delete demo/db --recovery-window-days 7 --yes\n\
         \x20 {program} secret restore demo/db\n\
         \nStop the leader, and go on:\n\n\
         \x20 {program} dev stop-node {leader}\n\
         \x20 {program} secret get demo/db --show\n\
         \x20 {program} dev start-node {leader}\n\
         \x20 {program} dev status\n\
         \nWith grpcurl:\n\n\
         \x20 grpcurl -cacert \"$STRONGROOM_CA\" -cert \"$STRONGROOM_CERT\" \
         -key \"$STRONGROOM_KEY\" -d '{{\"secret_id\": \"demo/db\"}}' {follower} \
         strongroom.secrets.v1.SecretsService/GetSecretValue\n\
         \nWith Python, from the source tree, once what examples/grpc/python/README.md says is \
         installed:\n\n\
         \x20 examples/grpc/python/venv/bin/python examples/grpc/python/example.py\n\
         \nCtrl-C ends the region and keeps the secrets."
    )
}

/// The line at the end.
pub fn farewell(directory: &Directory) -> String {
    let root = directory.root().display();
    format!("\nStopped; the secrets are kept in {root}.")
}

/// How to call this program from here: by name if the shell would find this very file.
fn program() -> String {
    let Ok(this) = std::env::current_exe() else {
        return "strongroom".into();
    };
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .map(|directory| directory.join("strongroom"))
            .find(|candidate| candidate.is_file())
            .is_some_and(|candidate| same_file(&candidate, &this))
    });
    if found {
        return "strongroom".into();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let short = match this.strip_prefix(&here) {
        Ok(below) => Path::new(".").join(below),
        Err(_) => this,
    };
    quote(&short.display().to_string())
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A word that a shell takes as it is.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quote("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(quote("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
