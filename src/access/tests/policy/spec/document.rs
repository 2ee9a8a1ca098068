//! The grammar of documents, and what AWS refuses beyond it.
//! https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
//! https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html

use serde_json::{Map, Value};

use super::condition::{Condition, OPERATORS, Quantifier};
use super::json;
use super::pattern::{self, Scene};
use super::principal::{Entry, Who};
use super::values;

/// What a document is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Identity,
    Resource,
    Trust,
    Session,
    Boundary,
    Endpoint,
}

impl Kind {
    fn names_principals(self) -> bool {
        [Kind::Resource, Kind::Trust, Kind::Endpoint].contains(&self)
    }

    /// Whether IAM keeps it, which is stricter about statement ids.
    fn is_of_iam(self) -> bool {
        ![Kind::Resource, Kind::Endpoint].contains(&self)
    }
}

/// A document.
pub struct Document {
    /// Whether `${…}` is a variable: by version 2012-10-17 only.
    pub variables: bool,
    pub statements: Vec<Statement>,
}

/// A statement.
pub struct Statement {
    pub allow: bool,
    pub who: Option<Who>,
    pub actions: List,
    pub resources: Option<List>,
    pub conditions: Vec<Condition>,
}

/// Action or NotAction, Resource or NotResource.
pub struct List {
    pub not: bool,
    patterns: Vec<String>,
}

impl List {
    /// Whether one of the patterns matches; with `Not`, whether none does.
    pub fn covers(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| matches(pattern)) != self.not
    }

    /// Whether every variable of the patterns has a value.
    pub fn has_values(&self, scene: &Scene<'_>) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.all(|pattern| pattern::pieces(pattern, true, scene).is_some())
    }
}

/// Reads a document, or says why it is refused.
pub fn parse(text: &str, kind: Kind) -> Result<Document, String> {
    size(text, kind)?;
    let value = json::read(text)?;
    let document = value.as_object().ok_or("a policy is an object")?;
    known(document, &["Version", "Id", "Statement"])?;
    // "The id_block … must not be included in identity-based policies."
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html#policies-grammar-notes
    if document.get("Id").is_some_and(|id| !id.is_string()) {
        return Err("Id is a string".into());
    }
    if document.contains_key("Id") && !kind.names_principals() {
        return Err("an identity-based policy has no Id".into());
    }
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    let variables = match document.get("Version") {
        None => false,
        Some(Value::String(version)) if version == "2008-10-17" => false,
        Some(Value::String(version)) if version == "2012-10-17" => true,
        Some(_) => return Err("Version is 2012-10-17 or 2008-10-17".into()),
    };
    let list = match document.get("Statement") {
        Some(Value::Array(list)) if !list.is_empty() => list.as_slice(),
        Some(single @ Value::Object(_)) => std::slice::from_ref(single),
        _ => return Err("Statement is an object, or a list of them".into()),
    };
    let statements: Result<Vec<Statement>, String> = list
        .iter()
        .map(|each| statement(each, kind, variables))
        .collect();
    sids(list, kind)?;
    Ok(Document {
        variables,
        statements: statements?,
    })
}

/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
/// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
/// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
/// https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
fn size(text: &str, kind: Kind) -> Result<(), String> {
    let all = text.chars().count();
    let dense = text.chars().filter(|each| !each.is_whitespace()).count();
    let (size, most) = match kind {
        Kind::Identity | Kind::Boundary => (dense, 6144),
        Kind::Trust => (dense, 4096),
        Kind::Session => (all, 2048),
        Kind::Resource | Kind::Endpoint => (all, 20_480),
    };
    if size > most {
        return Err(format!("{size} characters, {most} are the limit"));
    }
    Ok(())
}

fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{key} is no element")),
        None => Ok(()),
    }
}

fn statement(value: &Value, kind: Kind, variables: bool) -> Result<Statement, String> {
    let object = value.as_object().ok_or("a statement is an object")?;
    let names = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    known(object, &names)?;
    let allow = match object.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Effect is Allow or Deny".into()),
    };
    let actions = list(object, "Action", "NotAction")?.ok_or("Action or NotAction is missing")?;
    actions.patterns.iter().try_for_each(|each| action(each))?;
    let resources = list(object, "Resource", "NotResource")?;
    match &resources {
        Some(_) if kind == Kind::Trust => return Err("a trust policy has no Resource".into()),
        None if kind != Kind::Trust => return Err("Resource or NotResource is missing".into()),
        None => {}
        Some(list) => list
            .patterns
            .iter()
            .try_for_each(|each| resource(each, variables))?,
    }
    let conditions = match object.get("Condition") {
        Some(value) => conditions(value, variables)?,
        None => Vec::new(),
    };
    Ok(Statement {
        allow,
        who: who(object, kind, allow)?,
        actions,
        resources,
        conditions,
    })
}

/// "In IAM, the Sid value must be unique within a JSON policy", of letters and digits.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
fn sids(statements: &[Value], kind: Kind) -> Result<(), String> {
    let mut seen = Vec::new();
    for sid in statements.iter().filter_map(|each| each.get("Sid")) {
        let sid = sid.as_str().ok_or("Sid is a string")?;
        if kind.is_of_iam() && !sid.chars().all(|each| each.is_ascii_alphanumeric()) {
            return Err("Sid has letters and digits only".into());
        }
        if kind.is_of_iam() && !sid.is_empty() && seen.contains(&sid) {
            return Err(format!("Sid {sid} is there twice"));
        }
        seen.push(sid);
    }
    Ok(())
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    let list = match value {
        Value::Array(list) if !list.is_empty() => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let texts = list.iter().map(|each| each.as_str().map(str::to_string));
    let texts: Option<Vec<String>> = texts.collect();
    texts.ok_or_else(|| "a string, or a list of at least one".to_string())
}

/// One of two elements: both are refused.
fn list(object: &Map<String, Value>, plain: &str, not: &str) -> Result<Option<List>, String> {
    let (value, not) = match (object.get(plain), object.get(not)) {
        (Some(_), Some(_)) => return Err(format!("{plain} and {not} exclude each other")),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) => return Ok(None),
    };
    let patterns = strings(value)?;
    Ok(Some(List { not, patterns }))
}

/// "Consists of a service namespace, a colon, and the name of an action. Action names can include
/// wildcards." So its service cannot.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html#policies-grammar-notes-strings
fn action(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let named = parts.len() == 2 && parts.iter().all(|part| !part.is_empty());
    if text != "*" && (!named || parts[0].contains(['*', '?']) || text.contains("${")) {
        return Err(format!("{text} is no action"));
    }
    Ok(())
}

/// A star, or an ARN with all its fields. Variables may stand after the fifth colon.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-resourceelement
fn resource(text: &str, variables: bool) -> Result<(), String> {
    if text == "*" {
        return Ok(());
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() < 6 || parts[0] != "arn" {
        return Err(format!("{text} is no ARN"));
    }
    // "You can't use a wildcard in the service segment that identifies the AWS product."
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html#reference_policies_elements_resource_wildcards
    if parts[2].contains(['*', '?']) {
        return Err("the service of an ARN has no wildcard".into());
    }
    if variables && parts[..5].iter().any(|part| part.contains("${")) {
        return Err("a variable stands in the last part of an ARN only".into());
    }
    variables_of(text, variables)
}

/// A variable has a name, its brace, and its default in quotes.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-missing-brace-in-variable
fn variables_of(text: &str, variables: bool) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find("${").filter(|_| variables) {
        let inside = &rest[at + 2..];
        let end = inside.find('}').ok_or("a variable lacks its brace")?;
        let (name, default) = match inside[..end].split_once(',') {
            Some((name, default)) => (name.trim(), Some(default.trim())),
            None => (inside[..end].trim(), None),
        };
        if name.is_empty() || name.contains(' ') {
            return Err("a variable has a name without spaces".into());
        }
        let quoted = |text: &str| text.len() > 1 && text.starts_with('\'') && text.ends_with('\'');
        if default.is_some_and(|default| !quoted(default)) {
            return Err("the default of a variable is in quotes".into());
        }
        rest = &inside[end + 1..];
    }
    Ok(())
}

/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
fn who(object: &Map<String, Value>, kind: Kind, allow: bool) -> Result<Option<Who>, String> {
    let (value, not) = match (object.get("Principal"), object.get("NotPrincipal")) {
        (Some(_), Some(_)) => return Err("Principal and NotPrincipal exclude each other".into()),
        (None, None) if kind.names_principals() => return Err("Principal is missing".into()),
        (None, None) => return Ok(None),
        _ if !kind.names_principals() => {
            return Err("an identity-based policy names no principal".into());
        }
        (Some(value), None) => (value, false),
        (None, Some(_)) if kind == Kind::Trust => {
            return Err("a trust policy has no NotPrincipal".into());
        }
        (None, Some(_)) if allow => return Err("NotPrincipal is for Deny only".into()),
        (None, Some(value)) => (value, true),
    };
    let mut entries = Vec::new();
    match value {
        // "Principal": "*" is not supported in trust policies, {"AWS": "*"} is.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-role-trust-policy-unsupported-wildcard-in-principal
        Value::String(star) if star == "*" && kind != Kind::Trust => entries.push(Entry::Everyone),
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                for text in strings(value)? {
                    entries.push(entry(key, text, kind)?);
                }
            }
        }
        _ => return Err("Principal is a star or a map".into()),
    }
    Ok(Some(Who { not, entries }))
}

/// "You cannot use a wildcard to match part of a principal name or ARN."
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#Principal_specifying
fn entry(key: &str, text: String, kind: Kind) -> Result<Entry, String> {
    if key == "AWS" && text == "*" {
        return Ok(Entry::Everyone);
    }
    if text.is_empty() || text.contains(['*', '?']) || text.contains("${") {
        return Err(format!("{text} is no principal"));
    }
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match key {
        "Service" => Ok(Entry::Service(text)),
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-federated-principal-not-supported
        "Federated" if kind == Kind::Trust => Ok(Entry::Federated(text)),
        "AWS" if is_account(&text) => Ok(Entry::Account(text)),
        "AWS" => {
            let parts: Vec<&str> = text.split(':').collect();
            let [arn, _, service, region, account, name] = parts[..] else {
                return Err(format!("{text} is no principal"));
            };
            if arn != "arn" || !region.is_empty() || !is_account(account) {
                return Err(format!("{text} is no principal"));
            }
            let (of, rest) = name.split_once('/').unwrap_or((name, ""));
            match (service, of) {
                ("iam", "root") if name == "root" => Ok(Entry::Account(account.to_string())),
                ("iam", "user" | "role") if !rest.is_empty() => Ok(Entry::Arn(text)),
                ("sts", "assumed-role") if rest.contains('/') => Ok(Entry::Arn(text)),
                ("sts", "federated-user") if !rest.is_empty() => Ok(Entry::Arn(text)),
                _ => Err(format!("{text} is no principal")),
            }
        }
        _ => Err(format!("{key} is no kind of principal here")),
    }
}

fn conditions(value: &Value, variables: bool) -> Result<Vec<Condition>, String> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (name, keys) in value.as_object().ok_or("Condition is an object")? {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
            Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
            _ => (None, name.as_str()),
        };
        let (operator, if_exists) = match rest.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (rest, false),
        };
        let known = OPERATORS.iter().any(|(known, _)| *known == operator);
        if !known || (operator == "Null" && if_exists) {
            return Err(format!("{name} is no operator"));
        }
        for (key, values) in keys.as_object().ok_or("an operator has keys")? {
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-duplicate-keys-with-different-case
            let twin = |other: &Condition| other.key != *key && other.key.eq_ignore_ascii_case(key);
            if !key.contains(':') || conditions.iter().any(twin) {
                return Err(format!("{key} has no service, or is there in another case"));
            }
            let values = condition_values(values)?;
            values
                .iter()
                .try_for_each(|value| condition_value(operator, value, variables))?;
            conditions.push(Condition {
                quantifier,
                operator: operator.to_string(),
                if_exists,
                key: key.clone(),
                values,
            });
        }
    }
    Ok(conditions)
}

/// "Quotation marks are optional for numeric and Boolean values."
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html#policies-grammar-json
fn condition_values(value: &Value) -> Result<Vec<String>, String> {
    let list = match value {
        Value::Array(list) if !list.is_empty() => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let texts = list.iter().map(|each| match each {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    });
    let texts: Option<Vec<String>> = texts.collect();
    texts.ok_or_else(|| "a condition value is a string, a number or a Boolean".to_string())
}

/// A value is of the operator's type, and has variables with operators of strings and ARNs only.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-invalid-variable-for-operator
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-error-data-type-mismatch
fn condition_value(operator: &str, text: &str, variables: bool) -> Result<(), String> {
    let sound = match operator {
        "Bool" | "Null" => ["true", "false"].contains(&text),
        "BinaryEquals" => values::bytes(text).is_some(),
        "IpAddress" | "NotIpAddress" => values::range(text).is_some(),
        _ if operator.starts_with("Numeric") => values::Decimal::read(text).is_some(),
        _ if operator.starts_with("Date") => values::moment(text).is_some(),
        _ => return variables_of(text, variables),
    };
    sound
        .then_some(())
        .ok_or_else(|| format!("{text} is no value for {operator}"))
}
