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

fn expected() -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let mut add = |group, name: String| rows.push((group, name));
    for outcome in ["Allow", "ExplicitDeny", "ImplicitDeny", "Invalid"] {
        add("outcome", outcome.into());
    }
    for (operator, _) in OPERATORS {
        for quantifier in QUANTIFIERS {
            for suffix in SUFFIXES {
                add("operator", format!("{quantifier}{operator}{suffix}"));
            }
        }
    }
    add("operator", "Null".into());
    for key in KEYS {
        let count = if key.multi { "several" } else { "one" };
        for state in ["given", "missing"] {
            add("key", format!("{} {count} {state}", key.of.name()));
        }
        if key.multi {
            add("key", format!("{} {count} empty", key.of.name()));
        }
    }
    for place in ["resource", "condition"] {
        for kind in text::VARIABLES {
            add("variable", format!("{place} {kind}"));
        }
        add("variable", format!("{place} before its version"));
    }
    for place in ["action", "resource", "condition"] {
        for form in text::FORMS {
            add("wildcard", format!("{place} {form}"));
        }
    }
    add("wildcard", "condition in the service".into());
    let callers = [
        CallerKind::Root,
        CallerKind::User,
        CallerKind::Session,
        CallerKind::Service,
        CallerKind::Federated,
        CallerKind::Anonymous,
    ];
    for caller in callers {
        add("caller", format!("{caller:?}"));
    }
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
    for form in forms {
        add("principal", form.into());
    }
    let layers = [
        Layer::Identity,
        Layer::Boundary,
        Layer::Session,
        Layer::Resource,
        Layer::Trust,
        Layer::Endpoint,
    ];
    for layer in layers {
        add("layer", format!("{layer:?}"));
    }
    let elements = [
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
    ];
    for element in elements {
        add("element", element.into());
    }
    for way in broken::WAYS {
        add("refused", (*way).into());
    }
    rows
}
