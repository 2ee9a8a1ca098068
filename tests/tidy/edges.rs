//! Which crate may depend on which: ours by the table of the design, foreign ones by owner.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Every edge between our crates. What is not here is forbidden.
const EDGES: &[(&str, &[&str])] = &[
    ("cli", &["server", "client"]),
    ("client", &["wire"]),
    (
        "server",
        &[
            "access",
            "audit",
            "replication",
            "envelope",
            "consensus",
            "store",
            "wire",
            "machine",
        ],
    ),
    ("consensus", &["store", "machine", "wire"]),
    ("replication", &["consensus", "envelope", "machine", "wire"]),
    ("wire", &[]),
    ("store", &[]),
    ("audit", &[]),
    ("envelope", &[]),
    ("access", &[]),
    ("machine", &[]),
    // Only dev-dependencies, which are not edges.
    ("tests", &[]),
];

/// A foreign world, and the only ones that may depend on it directly.
const OWNERS: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("zstd", &["store"]),
    ("crc32c", &["store"]),
    ("openraft", &["consensus"]),
    ("aes-gcm-siv", &["envelope"]),
    ("hpke", &["envelope"]),
    ("rustls", &["wire"]),
    ("tokio-rustls", &["wire"]),
    ("rcgen", &["wire"]),
    ("x509-parser", &["wire"]),
    ("tonic-prost", &["wire", "tests"]),
    ("imbl", &["machine"]),
    ("prometheus", &["server"]),
    ("figment", &["server"]),
    ("axum", &["server"]),
    ("tonic-health", &["server", "wire"]),
    ("tonic-reflection", &["server"]),
    ("clap", &["cli"]),
    ("comfy-table", &["cli"]),
    ("rpassword", &["cli"]),
];

/// Licences a dependency may be taken under; MPL-2.0 unmodified.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What cargo knows of the workspace at `root`, from the committed lock file.
pub fn metadata(root: &Path) -> Metadata {
    let mut command = MetadataCommand::new();
    command
        .manifest_path(root.join("Cargo.toml"))
        .other_options(vec!["--locked".into()]);
    command.exec().expect("cargo metadata runs")
}

/// Edges between our crates that the table does not have, and rows of it that no crate has.
pub fn turned_back(metadata: &Metadata) -> Vec<String> {
    let table: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = table.get(short(&package.name)) else {
            breaches.push(format!("{}: not in the table of crates", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = short(&dependency.name);
            let ours = dependency.path.is_some() && dependency.kind != DependencyKind::Development;
            if ours && !allowed.contains(&name) {
                breaches.push(format!("{} may not depend on {name}", package.name));
            }
        }
    }
    breaches
}

/// Direct dependencies of our crates, of any kind, on a crate that another owns.
pub fn foreign(metadata: &Metadata) -> Vec<String> {
    let owners: BTreeMap<_, _> = OWNERS.iter().copied().collect();
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            let Some(owners) = owners.get(dependency.name.as_str()) else {
                continue;
            };
            if !owners.contains(&short(&package.name)) {
                let (name, foreign) = (&package.name, &dependency.name);
                breaches.push(format!(
                    "{name} may not use {foreign}: it belongs to {owners:?}"
                ));
            }
        }
    }
    breaches
}

/// Dependencies under no licence we take, or from elsewhere than the registry.
pub fn licences_and_sources(metadata: &Metadata) -> Vec<String> {
    let ours = |package: &Package| metadata.workspace_members.contains(&package.id);
    let mut breaches = Vec::new();
    for package in metadata.packages.iter().filter(|package| !ours(package)) {
        let name = &package.name;
        if package
            .source
            .as_ref()
            .is_none_or(|source| source.repr != REGISTRY)
        {
            breaches.push(format!(
                "{name}: comes from {:?}, not from crates.io",
                package.source
            ));
        }
        let licence = package.license.as_deref().unwrap_or("no licence");
        if !is_permissive(licence) {
            breaches.push(format!("{name}: licence {licence} is not on the list"));
        }
    }
    breaches
}

/// Whether an SPDX expression can be satisfied from the list: `AND` needs both sides, `OR` and
/// the old `/` one.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut satisfied = all_of(words);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        satisfied |= all_of(words);
    }
    satisfied
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut satisfied = one(words);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        satisfied &= one(words);
    }
    satisfied
}

fn one(words: &mut &[&str]) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let satisfied = any_of(words);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            satisfied && closed
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            LICENCES.contains(&format!("{licence} WITH {exception}").as_str())
        }
        [licence, rest @ ..] => {
            *words = rest;
            LICENCES.contains(licence)
        }
        [] => false,
    }
}

fn short(name: &str) -> &str {
    name.strip_prefix("strongroom-").unwrap_or(name)
}

#[test]
fn a_licence_expression_is_read_as_spdx_means_it() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
    ] {
        assert!(is_permissive(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-2.0",
        "",
        "(MIT",
        "MIT OR GPL-2.0)",
        "no licence",
    ] {
        assert!(!is_permissive(bad), "{bad}");
    }
}
