//! The decision, layer by layer.

mod across;
mod denies;
mod statements;
mod within;

use super::{Attached, Decision, Effect, Policies, Request, decide};
use crate::context::Context;
use crate::document::{Policy, PolicyKind};
use crate::principal::Principal;
use crate::reason::Layer;

const HOME: &str = "111122223333";
const AWAY: &str = "444455556666";
const READ: &str = "secretsmanager:GetSecretValue";
const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-AbCdEf";

/// Allows everything to whoever the policy is attached to.
const ALLOW_ALL: &str = r#""Effect": "Allow", "Action": "*", "Resource": "*""#;
/// Allows what no test asks for.
const ALLOW_OTHER: &str = r#""Effect": "Allow", "Action": "iam:*", "Resource": "*""#;
const DENY_ALL: &str = r#""Effect": "Deny", "Action": "*", "Resource": "*""#;

/// The documents of a request, each as the inside of one statement.
#[derive(Clone, Default)]
struct Case {
    identity: Vec<String>,
    boundary: Option<String>,
    session: Option<Vec<String>>,
    resource: Option<String>,
    trust: bool,
    endpoint: Option<String>,
    context: Context,
}

impl Case {
    fn identity(mut self, statement: &str) -> Case {
        self.identity.push(statement.to_owned());
        self
    }

    fn boundary(mut self, statement: &str) -> Case {
        self.boundary = Some(statement.to_owned());
        self
    }

    fn session(mut self, statement: &str) -> Case {
        self.session
            .get_or_insert_default()
            .push(statement.to_owned());
        self
    }

    fn resource(mut self, statement: &str) -> Case {
        self.resource = Some(statement.to_owned());
        self
    }

    /// The policy of the resource allows reading to these principals.
    fn grants(self, principal: &str) -> Case {
        self.resource(&format!(r#"{ALLOW_ALL}, "Principal": {principal}"#))
    }

    /// The trust policy of the resource, which is a role, allows these principals.
    fn trusts(mut self, principal: &str) -> Case {
        let statement = r#""Effect": "Allow", "Action": "sts:AssumeRole""#;
        self.resource = Some(format!(r#"{statement}, "Principal": {principal}"#));
        self.trust = true;
        self
    }

    fn endpoint(mut self, statement: &str) -> Case {
        self.endpoint = Some(statement.to_owned());
        self
    }

    fn decide_for(&self, caller: &Principal) -> Decision {
        self.decide(caller, READ, SECRET)
    }

    fn decide(&self, caller: &Principal, action: &str, resource: &str) -> Decision {
        let of_resource = if self.trust {
            PolicyKind::Trust
        } else {
            PolicyKind::Resource
        };
        let identity: Vec<Policy> = parse_all(&self.identity, PolicyKind::Identity);
        let session = self
            .session
            .as_ref()
            .map(|texts| parse_all(texts, PolicyKind::Session));
        let boundary = self
            .boundary
            .as_ref()
            .map(|text| parse(text, PolicyKind::Boundary));
        let resource_policy = self.resource.as_ref().map(|text| parse(text, of_resource));
        let endpoint = self
            .endpoint
            .as_ref()
            .map(|text| parse(text, PolicyKind::Endpoint));
        let identity: Vec<Attached<'_>> =
            identity.iter().map(|policy| named("own", policy)).collect();
        let session: Option<Vec<Attached<'_>>> = session.as_ref().map(|policies| {
            policies
                .iter()
                .map(|policy| named("session", policy))
                .collect()
        });
        let policies = Policies {
            identity: &identity,
            boundary: boundary.as_ref().map(|policy| named("boundary", policy)),
            session: session.as_deref(),
            resource: resource_policy
                .as_ref()
                .map(|policy| named("resource", policy)),
            endpoint: endpoint.as_ref().map(|policy| named("endpoint", policy)),
        };
        let request = Request {
            principal: caller,
            action,
            resource,
            resource_account: HOME,
            context: &self.context,
        };
        decide(&policies, &request)
    }

    #[track_caller]
    fn allows(&self, caller: &Principal) -> &Case {
        let decision = self.decide_for(caller);
        assert_eq!(
            decision.effect,
            Effect::Allow,
            "{} {caller:?}",
            decision.reason
        );
        self
    }

    /// Nothing allows it, and the first to lack an allow is this layer.
    #[track_caller]
    fn lacks(&self, layer: Layer, caller: &Principal) -> &Case {
        let decision = self.decide_for(caller);
        assert_eq!(
            decision.effect,
            Effect::ImplicitDeny,
            "{} {caller:?}",
            decision.reason
        );
        assert_eq!(decision.reason.layer(), layer, "{caller:?}");
        assert_eq!(decision.reason.statement(), None);
        self
    }

    #[track_caller]
    fn denies(&self, layer: Layer, caller: &Principal) -> &Case {
        let decision = self.decide_for(caller);
        assert_eq!(
            decision.effect,
            Effect::ExplicitDeny,
            "{} {caller:?}",
            decision.reason
        );
        assert_eq!(decision.reason.layer(), layer, "{caller:?}");
        self
    }
}

fn case() -> Case {
    Case::default()
}

fn named<'a>(name: &'a str, policy: &'a Policy) -> Attached<'a> {
    Attached { name, policy }
}

fn parse_all(texts: &[String], kind: PolicyKind) -> Vec<Policy> {
    texts.iter().map(|text| parse(text, kind)).collect()
}

/// A policy of one statement; of several, if they are parted by `}, {`.
fn parse(statement: &str, kind: PolicyKind) -> Policy {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#);
    Policy::parse(&text, kind).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn root(account: &str) -> Principal {
    let account = account.to_owned();
    Principal::Root { account }
}

fn user(account: &str) -> Principal {
    Principal::User {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/ann"),
        id: "AIDAEXAMPLE1234567890".to_owned(),
    }
}

fn session(account: &str) -> Principal {
    Principal::Session {
        account: account.to_owned(),
        role: format!("arn:aws:iam::{account}:role/app/reader"),
        arn: format!("arn:aws:sts::{account}:assumed-role/reader/one"),
        id: "AROAEXAMPLE1234567890:one".to_owned(),
    }
}

fn service() -> Principal {
    let name = "rotation.strongroom.internal".to_owned();
    Principal::Service { name }
}

fn federated() -> Principal {
    Principal::Federated {
        account: HOME.to_owned(),
        provider: "token.example.com".to_owned(),
    }
}

/// The principals of a statement, by the forms that name a user or session.
fn account_of(account: &str) -> String {
    format!(r#"{{"AWS": "{account}"}}"#)
}

fn user_of(account: &str) -> String {
    format!(r#"{{"AWS": "arn:aws:iam::{account}:user/ann"}}"#)
}

fn role_of(account: &str) -> String {
    format!(r#"{{"AWS": "arn:aws:iam::{account}:role/app/reader"}}"#)
}

fn session_of(account: &str) -> String {
    format!(r#"{{"AWS": "arn:aws:sts::{account}:assumed-role/reader/one"}}"#)
}
