//! Lists that must be complete: rpcs in the method table, metrics in their catalogue.

use std::collections::BTreeSet;

use crate::Source;

/// The table of who may call what.
const METHOD_TABLE: &str = "src/server/src/methods.rs";
/// Where errors get their names, and the page that explains them.
const ERRORS_IN_CODE: &str = "src/server/src/errors.rs";
const ERRORS: &str = "docs/errors.md";
/// The catalogue of metrics, for operators.
const METRICS: &str = "docs/metrics.md";

/// Rpcs in the protos without a row in the method table, and rows without an rpc.
pub fn methods(sources: &[Source]) -> Vec<String> {
    let Some(table) = sources.iter().find(|source| source.path == METHOD_TABLE) else {
        return Vec::new();
    };
    let protos = sources
        .iter()
        .filter(|source| source.path.ends_with(".proto"));
    let rpcs: BTreeSet<String> = protos.flat_map(|proto| rpcs(&proto.text)).collect();
    let rows: BTreeSet<String> =
        literals(table.text.split("#[cfg(test)]").next().unwrap_or_default())
            .filter(|text| text.starts_with("/strongroom."))
            .map(str::to_owned)
            .collect();
    let missing = rpcs
        .difference(&rows)
        .map(|rpc| format!("{METHOD_TABLE}: {rpc} has no row"));
    let unknown = rows
        .difference(&rpcs)
        .map(|row| format!("{METHOD_TABLE}: {row} is no rpc"));
    missing.chain(unknown).collect()
}

/// Metrics in the code that the catalogue does not list, and the reverse.
pub fn metrics(sources: &[Source]) -> Vec<String> {
    let code = sources
        .iter()
        .filter(|s| s.is_rust() && s.path.starts_with("src/"));
    let used: BTreeSet<&str> = code
        .flat_map(|s| literals(&s.text))
        .filter(is_metric)
        .collect();
    let listed: BTreeSet<&str> = match sources.iter().find(|source| source.path == METRICS) {
        Some(catalogue) => catalogue.text.split('`').filter(is_metric).collect(),
        None => BTreeSet::new(),
    };
    let missing = used
        .difference(&listed)
        .map(|name| format!("{METRICS}: {name} is not listed"));
    let unknown = listed
        .difference(&used)
        .map(|name| format!("{METRICS}: no code has {name}"));
    missing.chain(unknown).collect()
}

/// Names of errors that callers see and the page of errors does not explain.
pub fn errors(sources: &[Source]) -> Vec<String> {
    let text = |path: &str| {
        sources
            .iter()
            .find(|source| source.path == path)
            .map(|s| &s.text)
    };
    let (Some(code), Some(page)) = (text(ERRORS_IN_CODE), text(ERRORS)) else {
        return vec![format!("{ERRORS_IN_CODE} or {ERRORS} is not there")];
    };
    let arms = code
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::"));
    let names = arms.filter(|arm| arm.contains(" => \"")).flat_map(literals);
    let camel = |name: &&str| name.starts_with(char::is_uppercase);
    let missing = names
        .filter(camel)
        .filter(|name| !page.contains(&format!("| `{name}` |")));
    missing
        .map(|name| format!("{ERRORS}: {name} is not explained"))
        .collect()
}

/// The full paths of the rpcs a proto declares.
fn rpcs(proto: &str) -> Vec<String> {
    let (mut package, mut service, mut paths) = ("", "", Vec::new());
    for line in proto.lines().map(str::trim) {
        let mut words = line.split([' ', '(', '{', ';']);
        match (words.next(), words.next()) {
            (Some("package"), Some(name)) => package = name,
            (Some("service"), Some(name)) => service = name,
            (Some("rpc"), Some(name)) => paths.push(format!("/{package}.{service}/{name}")),
            _ => {}
        }
    }
    paths
}

/// `strongroom_<crate>_<noun>_<unit>`: nothing else looks like it.
fn is_metric(text: &&str) -> bool {
    let word = |part: &str| {
        part.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let parts: Vec<&str> = text.split('_').collect();
    parts.len() >= 4 && parts[0] == "strongroom" && parts.iter().all(|p| !p.is_empty() && word(p))
}

/// The string literals of Rust code, roughly: what stands between quotation marks on one line.
fn literals(code: &str) -> impl Iterator<Item = &str> {
    code.lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[test]
fn an_rpc_is_named_by_its_full_path() {
    let proto = "package a.b.v1;\nservice S {\n  rpc Do(DoRequest) returns (DoResponse);\n}\n";
    assert_eq!(rpcs(proto), ["/a.b.v1.S/Do"]);
}

#[test]
fn a_metric_has_crate_noun_and_unit() {
    assert!(is_metric(&"strongroom_server_requests_total"));
    assert!(!is_metric(&"strongroom_server") && !is_metric(&"strongroom_Server_x"));
}
