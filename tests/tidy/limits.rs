//! The page of limits: generated from the `limits.rs` of every crate, so that it cannot be wrong,
//! but for its table of what grows, whose words are checked.

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
    ("replication", "Between regions"),
    ("store", "Log, rows and snapshots"),
    ("envelope", "Keys and values"),
    ("access", "Policies and tokens"),
    ("audit", "Audit"),
    ("cli", "The command line"),
];

/// The part of the page that people write, from its heading to the next one.
const GROWS: &str = "## What grows\n";
/// Where options and metrics stand.
const OPTIONS: &str = "deploy/config/strongroom.toml";
const METRICS: &str = "docs/metrics.md";

/// What the page differs from; writes it instead when goldens are to be written.
pub fn page(root: &Path, sources: &[Source]) -> Vec<String> {
    let present = text(sources, PAGE);
    let wanted = render(sources, grows(present));
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(root.join(PAGE), &wanted).expect("the page can be written");
        return Vec::new();
    }
    match present == wanted {
        true => Vec::new(),
        false => vec![format!(
            "{PAGE} is not what limits.rs say: scripts/golden writes it anew"
        )],
    }
}

/// Things that grow without a limit or an option that bounds them, or without a metric that exists.
pub fn growth(sources: &[Source]) -> Vec<String> {
    let (page, metrics) = (text(sources, PAGE), text(sources, METRICS));
    let generated = render(sources, "");
    let options = options(text(sources, OPTIONS));
    let is_cap = |word: &str| {
        options.iter().any(|option| option == word) || generated.contains(&format!("| `{word}` |"))
    };
    let is_metric = |word: &str| metrics.contains(&format!("| `{word}` |"));
    let rows: Vec<&str> = grows(page)
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2)
        .collect();
    let mut breaches = Vec::new();
    if rows.is_empty() {
        breaches.push(format!("{PAGE} does not say what grows"));
    }
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, caps, shown] = cells[..] else {
            breaches.push(format!("{PAGE}: not what, cap and metric: {row}"));
            continue;
        };
        for (words, exists, kind) in [
            (
                words(caps),
                &is_cap as &dyn Fn(&str) -> bool,
                "limit or option",
            ),
            (words(shown), &is_metric, "metric"),
        ] {
            if words.is_empty() {
                breaches.push(format!("{PAGE}: {what}: no {kind}"));
            }
            let unknown = words.iter().filter(|word| !exists(word));
            breaches.extend(unknown.map(|word| format!("{PAGE}: {what}: no {kind} is {word}")));
        }
    }
    breaches
}

fn text<'a>(sources: &'a [Source], path: &str) -> &'a str {
    let found = sources.iter().find(|source| source.path == path);
    found.map_or("", |source| &source.text)
}

/// What stands between backticks.
fn words(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The table of what grows, with its heading; nothing if it is not there.
fn grows(page: &str) -> &str {
    let Some(begin) = page.find(GROWS) else {
        return "";
    };
    let rest = &page[begin..];
    let end = rest[GROWS.len()..].find("\n## ");
    end.map_or(rest, |end| &rest[..GROWS.len() + end + 1])
}

/// The options of a configuration file, as section and name.
fn options(file: &str) -> Vec<String> {
    let (mut section, mut found) = ("", Vec::new());
    for line in file.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((name, _)) = line.split_once(" = ")
            && !line.starts_with('#')
        {
            found.push(format!("{section}.{name}"));
        }
    }
    found
}

fn render(sources: &[Source], grows: &str) -> String {
    let mut page = HEAD.to_owned();
    if !grows.is_empty() {
        write!(page, "\n{}", grows.trim_end_matches('\n')).expect("a string takes all");
        page.push('\n');
    }
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
fn what_grows_without_a_cap_or_a_metric_that_exists_is_told() {
    let source = |path: &str, text: String| Source {
        path: path.into(),
        text,
    };
    let page = |cap: &str, metric: &str| {
        let row = format!("| a thing | `{cap}` | `{metric}` |");
        format!("# Limits\n\n{GROWS}\n| what | cap | metric |\n| --- | --- | --- |\n{row}\n")
    };
    let told = |cap: &str, metric: &str| {
        growth(&[
            source(PAGE, page(cap, metric)),
            source(METRICS, "| `strongroom_a_b_c` | gauge | | it |\n".into()),
            source(OPTIONS, "[storage]\nsize = 1\n".into()),
        ])
    };
    assert_eq!(told("storage.size", "strongroom_a_b_c"), [""; 0]);
    assert_eq!(told("storage.length", "strongroom_a_b_c").len(), 1);
    assert_eq!(told("storage.size", "strongroom_a_b_d").len(), 1);
    assert_eq!(growth(&[]).len(), 1);
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
