//! The page of limits: generated from the `limits.rs` of every crate, so that it cannot be wrong.

use std::fmt::Write;
use std::path::Path;

use crate::Source;

/// The page, for developers and operators.
const PAGE: &str = "docs/limits.md";
const HEAD: &str = "\
# Limits

Every bound in the code, from the `limits.rs` of its crate. A test fails when this page and the code
differ, and `scripts/golden` writes it anew. What an operator can set instead is in
[strongroom.toml](../deploy/config/strongroom.toml), with its default.
";

/// The crates that have limits, and what a reader calls them.
const CRATES: &[(&str, &str)] = &[
    ("machine", "Secrets, names, versions, nodes"),
    ("server", "Requests"),
    ("wire", "Connections and messages"),
    ("client", "The Rust client"),
    ("consensus", "Raft"),
    ("store", "Log, rows and snapshots"),
    ("envelope", "Keys and values"),
    ("cli", "The command line"),
];

/// What the page differs from; writes it instead when goldens are to be written.
pub fn page(root: &Path, sources: &[Source]) -> Vec<String> {
    let wanted = render(sources);
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(root.join(PAGE), &wanted).expect("the page can be written");
        return Vec::new();
    }
    match sources.iter().find(|source| source.path == PAGE) {
        Some(page) if page.text == wanted => Vec::new(),
        _ => vec![format!(
            "{PAGE} is not what limits.rs say: scripts/golden writes it anew"
        )],
    }
}

fn render(sources: &[Source]) -> String {
    let mut page = HEAD.to_owned();
    for (name, title) in CRATES {
        let path = format!("src/{name}/src/limits.rs");
        let Some(source) = sources.iter().find(|source| source.path == path) else {
            continue;
        };
        write!(page, "\n## {title}\n\n[{path}](../{path})\n\n").expect("a string takes all");
        page.push_str("| limit | value | of what |\n| --- | ---: | --- |\n");
        for (name, value, about) in constants(&source.text) {
            let value = value.replace('|', "\\|");
            writeln!(page, "| `{name}` | {value} | {about} |").expect("a string takes all");
        }
    }
    page
}

/// Name, value as written, and doc comment of each constant.
fn constants(code: &str) -> Vec<(String, String, String)> {
    let (mut found, mut about) = (Vec::new(), String::new());
    let mut lines = code.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(doc) = line.strip_prefix("///") {
            about = format!("{about} {}", doc.trim());
            continue;
        }
        if let Some((_, constant)) = line.split_once("const ") {
            let mut whole = constant.to_owned();
            while !whole.ends_with(';') {
                let Some(more) = lines.next() else { break };
                whole = format!("{whole} {more}");
            }
            if let Some((name, value)) = whole.trim_end_matches(';').split_once(" =") {
                let name = name.split(':').next().unwrap_or_default();
                found.push((
                    name.to_owned(),
                    value.trim().to_owned(),
                    about.trim().to_owned(),
                ));
            }
        }
        if !line.starts_with("#[") {
            about.clear();
        }
    }
    found
}

#[test]
fn a_limit_is_read_with_its_comment() {
    let head = "//! Head.\n\n/// Bytes of a\n/// value.\n";
    let code = format!("{head}pub const VALUE_BYTES_MAX: usize =\n    64 << 10;\n");
    let wanted = (
        "VALUE_BYTES_MAX".into(),
        "64 << 10".into(),
        "Bytes of a value.".into(),
    );
    assert_eq!(constants(&code), [wanted]);
}
