//! What was generated, counted: how often each thing came that a disagreement could hide in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::condition::{OPERATORS, QUANTIFIERS, SUFFIXES};
use super::policy::Layer;
use super::words::KEYS;
use super::{broken, text};
use crate::case::{CallerKind, Outcome};

/// Of a million cases so many must have a thing.
const TIMES_IN_A_MILLION_MIN: u64 = 1_000;
/// Of a hundred cases so many must be allowed, and as many denied explicitly.
const PERCENT_MIN: u64 = 20;

/// Counts by group and name.
pub struct Report(BTreeMap<(&'static str, String), u64>);

impl Report {
    /// A report of nothing yet, which has a row for all that must come.
    pub fn new() -> Report {
        let mut report = Report(BTreeMap::new());
        for (group, name) in expected() {
            report.0.insert((group, name), 0);
        }
        report
    }

    /// Counts a thing once.
    pub fn count(&mut self, group: &'static str, name: impl Into<String>) {
        *self.0.entry((group, name.into())).or_default() += 1;
    }

    /// Counts what came of a case.
    pub fn outcome(&mut self, outcome: Outcome) {
        self.count("outcome", format!("{outcome:?}"));
    }

    /// The counts, a row each.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for ((group, name), count) in &self.0 {
            let _ = writeln!(table, "{group:<10} {name:<42} {count:>10}");
        }
        table
    }

    /// What was generated, in one line.
    pub fn summary(&self, cases: u64) -> String {
        let percent = |outcome: &str| {
            let count = self.0.get(&("outcome", outcome.to_string())).copied();
            count.unwrap_or_default() as f64 * 100.0 / cases as f64
        };
        let rarest = self.0.iter().min_by_key(|(_, count)| **count);
        let rarest = rarest.map(|((group, name), count)| format!("{group} {name}, {count} times"));
        format!(
            "{cases} cases, engine and specification agree in each; {:.1} % allowed, {:.1} % \
             denied explicitly; the rarest of {} things was {}",
            percent("Allow"),
            percent("ExplicitDeny"),
            self.0.len(),
            rarest.unwrap_or_default()
        )
    }

    /// What came too rarely in so many cases.
    pub fn rare(&self, cases: u64) -> Vec<String> {
        let mut rare = Vec::new();
        for ((group, name), count) in &self.0 {
            let decided = *group == "outcome" && ["Allow", "ExplicitDeny"].contains(&name.as_str());
            let least = match decided {
                true => cases * PERCENT_MIN / 100,
                false => cases * TIMES_IN_A_MILLION_MIN / 1_000_000,
            };
            if *count < least {
                rare.push(format!("{group} {name}: {count} of at least {least}"));
            }
        }
        rare
    }
}

/// Every row that must come.
fn expected() -> Vec<(&'static str, String)> {
    let outcomes = ["Allow", "ExplicitDeny", "ImplicitDeny", "Invalid"];
    let forms = [
        "*",
        "{AWS: *}",
        "account",
        "root ARN",
        "user",
        "role",
        "session",
        "service",
        "federated",
    ];
    let elements = [
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
    ];
    let plain: [(&'static str, &[&str]); 4] = [
        ("outcome", &outcomes),
        ("principal", &forms),
        ("element", &elements),
        ("refused", broken::WAYS),
    ];
    let mut rows = Vec::new();
    for (group, names) in plain {
        rows.extend(names.iter().map(|name| (group, name.to_string())));
    }
    let callers = [
        CallerKind::Root,
        CallerKind::User,
        CallerKind::Session,
        CallerKind::Service,
        CallerKind::Federated,
        CallerKind::Anonymous,
    ];
    rows.extend(callers.map(|caller| ("caller", format!("{caller:?}"))));
    let layers = [
        Layer::Identity,
        Layer::Boundary,
        Layer::Session,
        Layer::Resource,
        Layer::Trust,
        Layer::Endpoint,
    ];
    rows.extend(layers.map(|layer| ("layer", format!("{layer:?}"))));
    rows.extend(operators().map(|name| ("operator", name)));
    rows.extend(texts());
    rows
}

fn operators() -> impl Iterator<Item = String> {
    let quantified = OPERATORS.iter().flat_map(|(operator, _)| {
        let each = move |quantifier: &&str| format!("{quantifier}{operator}");
        QUANTIFIERS.iter().map(each)
    });
    let suffixed = quantified.flat_map(|name| {
        let each = move |suffix: &&str| format!("{name}{suffix}");
        SUFFIXES.iter().map(each)
    });
    suffixed.chain(["Null".to_string()])
}

/// Rows of keys, variables and wildcards.
fn texts() -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    for key in KEYS {
        let count = if key.multi { "several" } else { "one" };
        let states: &[&str] = match key.multi {
            true => &["given", "missing", "empty"],
            false => &["given", "missing"],
        };
        let of = key.of.name();
        rows.extend(
            states
                .iter()
                .map(|state| ("key", format!("{of} {count} {state}"))),
        );
    }
    for (_, of) in OPERATORS {
        rows.push(("key", format!("of another type to {}", of.name())));
    }
    for place in ["resource", "condition"] {
        let kinds = text::VARIABLES.iter().chain(&["before its version"]);
        rows.extend(kinds.map(|kind| ("variable", format!("{place} {kind}"))));
    }
    for place in ["action", "resource", "condition"] {
        let forms = text::FORMS.iter();
        rows.extend(forms.map(|form| ("wildcard", format!("{place} {form}"))));
    }
    rows.push(("wildcard", "condition in the service".into()));
    rows
}
