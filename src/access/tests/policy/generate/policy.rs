//! Documents, made with a request in view.

use serde_json::{Map, Value, json};

use super::words::{
    ACCOUNTS, ON_NOTHING, ON_SECRETS, PROVIDERS, REGIONS, ROLES, SERVICES, SESSIONS, USERS,
};
use super::{Dice, Report, condition, request, text};
use crate::case::{CallerKind, Case};

/// What a document is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Identity,
    Boundary,
    Session,
    Resource,
    Trust,
    Endpoint,
}

/// Makes documents for one request.
pub struct Maker<'a> {
    pub dice: &'a mut Dice,
    pub report: &'a mut Report,
    pub request: Case,
    /// Whether the document that is being made has variables.
    variables: bool,
}

impl<'a> Maker<'a> {
    pub fn new(dice: &'a mut Dice, report: &'a mut Report, request: &Case) -> Maker<'a> {
        Maker {
            dice,
            report,
            request: request.clone(),
            variables: false,
        }
    }

    /// A document.
    pub fn document(&mut self, layer: Layer) -> Value {
        self.report.count("layer", format!("{layer:?}"));
        let version = match self.dice.below(100) {
            0..8 => None,
            8..16 => Some("2008-10-17"),
            _ => Some("2012-10-17"),
        };
        self.report.count("version", version.unwrap_or("none"));
        self.variables = version == Some("2012-10-17");
        let count = 1 + self.dice.below(3);
        let mut statements: Vec<Value> = (0..count).map(|_| self.statement(layer)).collect();
        let single = count == 1 && self.dice.percent(50);
        let statements = match single.then(|| statements.pop()).flatten() {
            Some(statement) => statement,
            None => Value::Array(statements),
        };
        let mut document = json!({ "Statement": statements });
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        document
    }

    /// A document in which all hangs on one pattern or one condition.
    pub fn sharp(&mut self) -> Value {
        self.report.count("layer", "one thing");
        self.variables = true;
        let denies = self.dice.percent(50);
        let effect = if denies { "Deny" } else { "Allow" };
        let mut statement = json!({ "Effect": effect, "Action": "*", "Resource": "*" });
        match self.dice.below(4) {
            0 => {
                let action = self.action();
                text::count(self.report, "action", name_in("action", &action));
                statement["Action"] = json!(action);
            }
            1 => {
                let resource = self.resource();
                text::count(self.report, "resource", name_in("resource", &resource));
                statement["Resource"] = json!(resource);
            }
            _ => statement["Condition"] = condition::element(self, 1),
        }
        let mut statements = vec![statement];
        if denies {
            statements.push(json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
        }
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    fn statement(&mut self, layer: Layer) -> Value {
        let limits = [Layer::Boundary, Layer::Session, Layer::Endpoint].contains(&layer);
        let denies = self.dice.percent(if limits { 12 } else { 24 });
        let open = !denies && self.dice.percent(if limits { 60 } else { 35 });
        let mut statement = Map::new();
        let effect = if denies { "Deny" } else { "Allow" };
        statement.insert("Effect".into(), json!(effect));
        self.report.count("effect", effect);
        if [Layer::Resource, Layer::Trust, Layer::Endpoint].contains(&layer) {
            self.principal(&mut statement, layer, denies);
        }
        self.list(&mut statement, "Action", open, Maker::action);
        if layer != Layer::Trust {
            self.list(&mut statement, "Resource", open, Maker::resource);
        }
        let conditions = if open {
            0
        } else {
            [0, 0, 0, 1, 1, 1, 2, 3][self.dice.below(8)]
        };
        if conditions > 0 {
            let element = condition::element(self, conditions);
            statement.insert("Condition".into(), element);
        }
        Value::Object(statement)
    }

    /// Action or NotAction, Resource or NotResource, of one or several patterns.
    fn list(
        &mut self,
        statement: &mut Map<String, Value>,
        name: &str,
        open: bool,
        one: impl Fn(&mut Self) -> String,
    ) {
        let not = !open && self.dice.percent(12);
        let element = if not {
            format!("Not{name}")
        } else {
            name.to_string()
        };
        self.report.count("element", element.as_str());
        let place = name.to_ascii_lowercase();
        let count = [1, 1, 1, 2, 3][self.dice.below(5)];
        let patterns: Vec<String> = match open {
            true => vec!["*".into()],
            false => (0..count).map(|_| one(self)).collect(),
        };
        for pattern in &patterns {
            text::count(self.report, &place, name_in(&place, pattern));
        }
        let single = patterns.len() == 1 && self.dice.percent(60);
        let value = if single {
            json!(patterns[0])
        } else {
            json!(patterns)
        };
        statement.insert(element, value);
    }

    fn action(&mut self) -> String {
        let aimed = self.dice.percent(78);
        let action = match aimed {
            true => self.request.action.clone(),
            false if self.dice.percent(70) => self.dice.pick(ON_SECRETS).to_string(),
            false => self.dice.pick(ON_NOTHING).to_string(),
        };
        let (service, name) = action.split_once(':').unwrap_or(("x", "x"));
        let name = match self.dice.below(100) {
            0..20 => "*".to_string(),
            20..70 => word(&text::pattern(self.dice, name)),
            _ => name.to_string(),
        };
        match self.dice.below(100) {
            0..12 => "*".into(),
            12..30 => text::in_some_case(self.dice, &format!("{service}:{name}")),
            _ => format!("{service}:{name}"),
        }
    }

    fn resource(&mut self) -> String {
        if self.dice.percent(20) {
            return "*".into();
        }
        let aimed = self.dice.percent(80) && self.request.resource != "*";
        let resource = match aimed {
            true => self.request.resource.clone(),
            false => request::secret(self.dice),
        };
        let mut parts: Vec<String> = resource.splitn(6, ':').map(str::to_string).collect();
        if self.dice.percent(3) {
            parts[1] = "*".into();
        }
        match self.dice.below(20) {
            0..4 => parts[3] = "*".into(),
            4 => parts[3] = self.dice.pick(REGIONS).to_string(),
            5 => parts[3] = text::pattern(self.dice, &parts[3]),
            _ => {}
        }
        match self.dice.below(20) {
            0..4 => parts[4] = "*".into(),
            4 => parts[4] = self.dice.pick(ACCOUNTS).to_string(),
            5 => parts[4] = text::pattern(self.dice, &parts[4]),
            _ => {}
        }
        if self.dice.percent(75) {
            parts[5] = match parts[5].strip_prefix("secret:") {
                Some(name) if self.dice.percent(80) => {
                    format!("secret:{}", text::pattern(self.dice, name))
                }
                _ => text::pattern(self.dice, &parts[5]),
            };
        }
        if parts[5].is_empty() {
            parts[5] = "*".into();
        }
        parts[5] = self.with_variable("resource", parts[5].clone());
        // A star instead of two parts, which it must not reach over.
        if parts[5].contains(':') && self.dice.percent(3) {
            parts.remove(4);
            parts[3] = "*".into();
        }
        parts.join(":")
    }

    /// Puts a variable into some texts, of documents that have them and of some that have not.
    pub fn with_variable(&mut self, place: &str, text: String) -> String {
        let chance = if self.variables { 20 } else { 40 };
        if !self.dice.percent(chance) {
            return text;
        }
        if !self.variables {
            let key = text::in_some_case(self.dice, "aws:username");
            self.report
                .count("variable", format!("{place} before its version"));
            return text.replacen("alice", &format!("${{{key}}}"), 1);
        }
        text::with_variable(self.dice, self.report, place, &text, &self.request)
    }

    fn principal(&mut self, statement: &mut Map<String, Value>, layer: Layer, denies: bool) {
        let wide = if layer == Layer::Endpoint { 55 } else { 14 };
        let element = match denies && layer != Layer::Trust && self.dice.percent(25) {
            true => "NotPrincipal",
            false => "Principal",
        };
        self.report.count("element", element);
        if element == "Principal" && self.dice.percent(wide) {
            let form = if layer == Layer::Trust || self.dice.percent(50) {
                ("{AWS: *}", json!({ "AWS": "*" }))
            } else {
                ("*", json!("*"))
            };
            self.report.count("principal", form.0);
            statement.insert(element.into(), form.1);
            return;
        }
        let mut map: Map<String, Value> = Map::new();
        for at in 0..1 + self.dice.below(3) {
            let aimed = self.dice.percent(70);
            let chain = element == "NotPrincipal" && at > 0;
            let (form, kind, name) = self.entry(layer, aimed || chain);
            self.report.count("principal", form);
            let list = map.entry(kind).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(json!(name));
            }
        }
        for value in map.values_mut() {
            let single = value.as_array().filter(|list| list.len() == 1);
            if let Some(single) = single.and_then(|list| list.first()).cloned() {
                *value = single;
            }
        }
        statement.insert(element.into(), Value::Object(map));
    }

    /// One principal: of the caller if it is aimed at, else any.
    fn entry(&mut self, layer: Layer, aimed: bool) -> (&'static str, &'static str, String) {
        let caller = self.request.principal.clone();
        let account = match aimed && !caller.account.is_empty() {
            true => caller.account.clone(),
            false => self.dice.pick(ACCOUNTS).to_string(),
        };
        let dice = &mut *self.dice;
        let choice = dice.below(10);
        match (aimed, caller.kind) {
            (true, CallerKind::Service) => ("service", "Service", caller.name),
            (true, CallerKind::Federated) if layer == Layer::Trust => {
                ("federated", "Federated", caller.provider)
            }
            (true, CallerKind::User) if choice < 6 => ("user", "AWS", caller.arn),
            (true, CallerKind::Session) if choice < 3 => ("session", "AWS", caller.arn),
            (true, CallerKind::Session) if choice < 7 => ("role", "AWS", caller.role),
            (true, _) if choice < 8 => ("account", "AWS", account),
            (true, _) => ("root ARN", "AWS", format!("arn:aws:iam::{account}:root")),
            _ => match choice {
                0..3 => ("user", "AWS", request::user(&account, dice.pick(USERS))),
                3..5 => ("role", "AWS", request::role(&account, dice.pick(ROLES))),
                5..7 => {
                    let (role, name) = (dice.pick(ROLES), dice.pick(SESSIONS));
                    ("session", "AWS", request::session(&account, role, name))
                }
                7 => ("service", "Service", dice.pick(SERVICES).to_string()),
                8 if layer == Layer::Trust => {
                    ("federated", "Federated", dice.pick(PROVIDERS).to_string())
                }
                _ => ("account", "AWS", account),
            },
        }
    }
}

/// A pattern of letters that actions have, and not of none.
fn word(pattern: &str) -> String {
    if pattern.is_empty() {
        return "*".into();
    }
    let known = |each: char| each.is_ascii_alphanumeric() || ['*', '?', '-'].contains(&each);
    let letters = pattern.chars();
    letters
        .map(|each| if known(each) { each } else { 'x' })
        .collect()
}

/// What is named in the service, by an action or an ARN.
fn name_in<'a>(place: &str, pattern: &'a str) -> &'a str {
    let behind = if place == "action" { 1 } else { 5 };
    match pattern.splitn(behind + 1, ':').nth(behind) {
        Some(name) => name.strip_prefix("secret:").unwrap_or(name),
        None => pattern,
    }
}
