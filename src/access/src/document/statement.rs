//! One statement of a policy.

use std::sync::Arc;

use super::error::{Flaw, PolicyError};
use super::json::{Json, Path};
use super::principal::Principals;
use super::{PolicyKind, list, text, wrong_type};
use crate::arn;
use crate::condition::{Condition, Operator};
use crate::limits::{CONDITIONS_MAX, VALUE_BYTES_MAX};
use crate::pattern::{Case, Dialect, Pattern};

/// A statement, parsed.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<Arc<str>>,
    pub(crate) allows: bool,
    /// In policies that name principals.
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Patterns,
    /// None in trust policies, whose statements speak of their role only.
    pub(crate) resources: Option<Patterns>,
    pub(crate) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug)]
pub(crate) struct Patterns {
    /// It was the one with `Not`.
    pub(crate) negated: bool,
    pub(crate) patterns: Vec<Pattern>,
}

/// The elements of a statement as they stand in the text.
#[derive(Default)]
struct Elements<'a> {
    sid: Option<&'a Json>,
    effect: Option<&'a Json>,
    principal: Option<&'a Json>,
    not_principal: Option<&'a Json>,
    action: Option<&'a Json>,
    not_action: Option<&'a Json>,
    resource: Option<&'a Json>,
    not_resource: Option<&'a Json>,
    condition: Option<&'a Json>,
}

/// What a statement's kind of policy and version say about it.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) kind: PolicyKind,
    /// The version knows variables.
    pub(super) variables: bool,
}

impl Statement {
    pub(super) fn parse(
        json: &Json,
        rules: Rules,
        path: &Path<'_>,
    ) -> Result<Statement, PolicyError> {
        let elements = Elements::of(json, path)?;
        let effect = elements.effect.ok_or(Flaw::Missing("Effect"));
        let effect = effect.map_err(|flaw| path.error(flaw))?;
        let allows = match text(effect, &path.key("Effect"))? {
            "Allow" => true,
            "Deny" => false,
            _ => return Err(path.key("Effect").error(Flaw::Effect)),
        };
        Ok(Statement {
            sid: elements.sid(rules, path)?,
            allows,
            principals: elements.principals(rules, allows, path)?,
            actions: elements.actions(path)?,
            resources: elements.resources(rules, path)?,
            conditions: elements.conditions(rules, path)?,
        })
    }
}

impl Patterns {
    /// Whether a statement that allows, or denies, covers what these patterns match, or with `Not`
    /// do not match. They say none if a variable has no value: that one matches nothing, but with
    /// `Not` it takes all from an allow and excepts nothing from a deny.
    pub(crate) fn cover(&self, allows: bool, matches: impl Fn(&Pattern) -> Option<bool>) -> bool {
        let mut is_told = true;
        for pattern in &self.patterns {
            match matches(pattern) {
                Some(true) => return !self.negated,
                Some(false) => {}
                None => is_told = false,
            }
        }
        self.negated && (is_told || !allows)
    }
}

impl<'a> Elements<'a> {
    fn of(json: &'a Json, path: &Path<'_>) -> Result<Elements<'a>, PolicyError> {
        let Json::Map(entries) = json else {
            return Err(wrong_type(path, "a statement, which is an object,", json));
        };
        let mut elements = Elements::default();
        for (name, value) in entries {
            let place = match name.as_str() {
                "Sid" => &mut elements.sid,
                "Effect" => &mut elements.effect,
                "Principal" => &mut elements.principal,
                "NotPrincipal" => &mut elements.not_principal,
                "Action" => &mut elements.action,
                "NotAction" => &mut elements.not_action,
                "Resource" => &mut elements.resource,
                "NotResource" => &mut elements.not_resource,
                "Condition" => &mut elements.condition,
                _ => return Err(path.key(name).error(Flaw::UnknownElement)),
            };
            *place = Some(value);
        }
        Ok(elements)
    }

    fn sid(&self, rules: Rules, path: &Path<'_>) -> Result<Option<Arc<str>>, PolicyError> {
        let Some(json) = self.sid else {
            return Ok(None);
        };
        let path = path.key("Sid");
        let sid = text(json, &path)?;
        let is_plain = sid.bytes().all(|b| b.is_ascii_alphanumeric());
        let (found, max) = (sid.len(), VALUE_BYTES_MAX);
        match rules.kind {
            _ if found > max => Err(path.error(Flaw::ValueTooLong { found, max })),
            PolicyKind::Resource | PolicyKind::Endpoint => Ok(named(sid)),
            _ if is_plain => Ok(named(sid)),
            _ => Err(path.error(Flaw::Sid)),
        }
    }

    fn principals(
        &self,
        rules: Rules,
        allows: bool,
        path: &Path<'_>,
    ) -> Result<Option<Principals>, PolicyError> {
        let found = one_of(
            ("Principal", self.principal),
            ("NotPrincipal", self.not_principal),
            path,
        )?;
        let Some((name, json, negated)) = found else {
            return match rules.kind.names_principals() {
                true => Err(path.error(Flaw::Missing("Principal"))),
                false => Ok(None),
            };
        };
        let path = path.key(name);
        if !rules.kind.names_principals() || (negated && rules.kind == PolicyKind::Trust) {
            return Err(path.error(Flaw::Misplaced(name)));
        }
        if negated && allows {
            return Err(path.error(Flaw::NotPrincipalAllows));
        }
        Principals::parse(json, negated, rules.kind, &path).map(Some)
    }

    fn actions(&self, path: &Path<'_>) -> Result<Patterns, PolicyError> {
        let found = one_of(
            ("Action", self.action),
            ("NotAction", self.not_action),
            path,
        )?;
        let (name, json, negated) = found.ok_or_else(|| path.error(Flaw::Missing("Action")))?;
        let dialect = Dialect {
            wildcards: true,
            variables: false,
            case: Case::Ascii,
        };
        let parse = |text: &str| match is_action(text) {
            true => Pattern::parse(text, dialect),
            false => Err(Flaw::Action),
        };
        let patterns = patterns(json, &path.key(name), parse)?;
        Ok(Patterns { negated, patterns })
    }

    fn resources(&self, rules: Rules, path: &Path<'_>) -> Result<Option<Patterns>, PolicyError> {
        let found = one_of(
            ("Resource", self.resource),
            ("NotResource", self.not_resource),
            path,
        )?;
        let Some((name, json, negated)) = found else {
            return match rules.kind {
                PolicyKind::Trust => Ok(None),
                _ => Err(path.error(Flaw::Missing("Resource"))),
            };
        };
        let path = path.key(name);
        if rules.kind == PolicyKind::Trust {
            return Err(path.error(Flaw::Misplaced(name)));
        }
        let dialect = Dialect {
            wildcards: true,
            variables: rules.variables,
            case: Case::Exact,
        };
        let parse = |text: &str| {
            if rules.variables && arn::head(text).contains("${") {
                return Err(Flaw::VariablePlace);
            }
            match arn::is_resource(text) {
                true => Pattern::parse(text, dialect),
                false => Err(Flaw::Resource),
            }
        };
        let patterns = patterns(json, &path, parse)?;
        Ok(Some(Patterns { negated, patterns }))
    }

    fn conditions(&self, rules: Rules, path: &Path<'_>) -> Result<Vec<Condition>, PolicyError> {
        let path = path.key("Condition");
        let Some(json) = self.condition else {
            return Ok(Vec::new());
        };
        let operators = map(json, &path)?;
        let keys = operators.iter().map(|(_, keys)| match keys {
            Json::Map(keys) => keys.len(),
            _ => 0,
        });
        let (found, max) = (keys.sum(), CONDITIONS_MAX);
        if found > max {
            return Err(path.error(Flaw::TooMany { found, max }));
        }
        let (mut conditions, mut seen) = (Vec::new(), Vec::<&String>::new());
        for (name, keys) in operators {
            let path = path.key(name);
            let operator = Operator::parse(name).ok_or_else(|| path.error(Flaw::Operator))?;
            for (key, json) in map(keys, &path)? {
                let path = path.key(key);
                if !is_condition_key(key) {
                    return Err(path.error(Flaw::ConditionKey));
                }
                let is_twin = |other: &&String| *other != key && other.eq_ignore_ascii_case(key);
                if seen.iter().any(is_twin) {
                    return Err(path.error(Flaw::ConditionKeyCase));
                }
                seen.push(key);
                let values = list::of_values(json, &path)?;
                let parsed = Condition::parse(operator, key, &values, rules.variables);
                conditions.push(parsed.map_err(|(at, flaw)| list::at(json, &path, at, flaw))?);
            }
        }
        Ok(conditions)
    }
}

/// The element that is given, of one and its negation: its name, what it holds, whether it is the
/// negation.
fn one_of<'a>(
    (plain, json): (&'static str, Option<&'a Json>),
    (negation, negated): (&'static str, Option<&'a Json>),
    path: &Path<'_>,
) -> Result<Option<(&'static str, &'a Json, bool)>, PolicyError> {
    match (json, negated) {
        (Some(_), Some(_)) => Err(path.error(Flaw::Both(negation))),
        (Some(json), None) => Ok(Some((plain, json, false))),
        (None, Some(json)) => Ok(Some((negation, json, true))),
        (None, None) => Ok(None),
    }
}

fn patterns(
    json: &Json,
    path: &Path<'_>,
    parse: impl Fn(&str) -> Result<Pattern, Flaw>,
) -> Result<Vec<Pattern>, PolicyError> {
    let texts = list::of_texts(json, path)?;
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(at, text)| parse(text).map_err(|flaw| list::at(json, path, at, flaw)))
        .collect()
}

fn map<'a>(json: &'a Json, path: &Path<'_>) -> Result<&'a [(String, Json)], PolicyError> {
    match json {
        Json::Map(entries) => Ok(entries),
        other => Err(wrong_type(path, "an object", other)),
    }
}

/// An empty Sid is none.
fn named(sid: &str) -> Option<Arc<str>> {
    (!sid.is_empty()).then(|| sid.into())
}

/// `*`, or a service, a colon and a name that may have wildcards.
fn is_action(text: &str) -> bool {
    let Some((service, name)) = text.split_once(':') else {
        return text == "*";
    };
    let is_service = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"*?-_".contains(&b);
    let is_filled = !service.is_empty() && !name.is_empty();
    is_filled && service.bytes().all(is_service) && name.bytes().all(is_name)
}

fn is_condition_key(text: &str) -> bool {
    let is_named = text
        .split_once(':')
        .is_some_and(|(prefix, name)| !prefix.is_empty() && !name.is_empty());
    is_named && text.len() <= VALUE_BYTES_MAX && !text.contains(char::is_control)
}
