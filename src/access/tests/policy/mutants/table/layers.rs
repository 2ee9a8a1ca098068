//! Mistakes of who and of which layer decides.

use crate::mutants::Mutant;

/// One a row.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a deny behind an allow is overlooked",
        file: "evaluate/layer.rs",
        text: "if !statement.allows {",
        replacement: r#"if !statement.allows && said.allowed.is_some() {
                continue;
            }
            if !statement.allows {"#,
    },
    Mutant {
        name: "NotAction and NotResource cover what they list too",
        file: "document/statement.rs",
        text: "Some(true) => return !self.negated,",
        replacement: "Some(true) => return true,",
    },
    Mutant {
        name: "NotAction is read without its Not",
        file: "document/statement.rs",
        text: "Ok(Patterns { negated, patterns })",
        replacement: "Ok(Patterns { negated: negated && name.is_empty(), patterns })",
    },
    Mutant {
        name: "NotResource with a variable without a value allows all",
        file: "document/statement.rs",
        text: "self.negated && (is_told || !allows)",
        replacement: "self.negated",
    },
    Mutant {
        name: "NotResource with a variable without a value denies nothing",
        file: "document/statement.rs",
        text: "self.negated && (is_told || !allows)",
        replacement: "self.negated && is_told",
    },
    Mutant {
        name: "ARNs of resources are compared as texts",
        file: "evaluate/layer.rs",
        text: "one.matches_arn(request.resource, context)",
        replacement: "one.matches(request.resource, context)",
    },
    Mutant {
        name: "NotPrincipal denies whom it names",
        file: "evaluate/layer.rs",
        text: "if !self.negated {",
        replacement: "if !self.negated || self.grant(caller).is_some() {",
    },
    Mutant {
        name: "NotPrincipal spares who has a boundary",
        file: "evaluate/layer.rs",
        text: "self.exempts(caller) && !(has_boundary && is_entity)",
        replacement: "self.exempts(caller) && (!has_boundary || is_entity)",
    },
    Mutant {
        name: "NotPrincipal spares a user without its account",
        file: "document/principal.rs",
        text: "Principal::User { .. } => names_account && names(Grant::Caller),",
        replacement: "Principal::User { .. } => names(Grant::Caller),",
    },
    Mutant {
        name: "NotPrincipal spares all users of an account",
        file: "document/principal.rs",
        text: "Principal::User { .. } => names_account && names(Grant::Caller),",
        replacement: "Principal::User { .. } => names_account,",
    },
    Mutant {
        name: "a deny of the endpoint is ignored",
        file: "evaluate/mod.rs",
        text: "(Layer::Endpoint, self.endpoint),",
        replacement: "(Layer::Endpoint, None),",
    },
    Mutant {
        name: "the endpoint need not allow",
        file: "evaluate/mod.rs",
        text: "said.endpoint.is_none_or(|said| said.allowed.is_some())",
        replacement: "said.endpoint.is_none_or(|said| said.denied.is_none())",
    },
    Mutant {
        name: "a deny of the boundary is ignored",
        file: "evaluate/mod.rs",
        text: r#"(Layer::Identity, Some(self.identity)),
            (Layer::Boundary, self.boundary),"#,
        replacement: r#"(Layer::Identity, Some(self.identity)),
            (Layer::Boundary, None),"#,
    },
    Mutant {
        name: "the boundary need not allow",
        file: "evaluate/mod.rs",
        text: r#"let limits = [
            (Layer::Boundary, self.boundary),"#,
        replacement: r#"let limits = [
            (Layer::Boundary, None),"#,
    },
    Mutant {
        name: "session policies need not allow",
        file: "evaluate/mod.rs",
        text: r#"            (Layer::Session, self.session),
        ];"#,
        replacement: r#"            (Layer::Session, None),
        ];"#,
    },
    Mutant {
        name: "another account needs its own policy only",
        file: "evaluate/mod.rs",
        text: "granted.map(|_| allowed).ok_or(Layer::Resource)",
        replacement: "Ok(allowed)",
    },
    Mutant {
        name: "another account needs the policy of the resource only",
        file: "evaluate/mod.rs",
        text: "let allowed = self.allowed_by_caller(request)?;",
        replacement: "let allowed = granted.map(Allowed::Resource).ok_or(Layer::Resource)?;",
    },
    Mutant {
        name: "an account that is named need not grant it on in another account",
        file: "evaluate/mod.rs",
        text: "let allowed = self.allowed_by_caller(request)?;",
        replacement: r#"let whole = granted.filter(|found| found.grant == Grant::Account);
                if let Some(found) = whole {
                    return Ok(Allowed::Resource(found));
                }
                let allowed = self.allowed_by_caller(request)?;"#,
    },
    Mutant {
        name: "an account that is named need not grant it on within itself",
        file: "evaluate/mod.rs",
        text: "Some(found) if found.grant != Grant::Account => {",
        replacement: "Some(found) if found.grant >= Grant::Account => {",
    },
    Mutant {
        name: "accounts are not told apart",
        file: "evaluate/mod.rs",
        text: "Some(account) if account == request.resource_account => {",
        replacement: "Some(account) if account.len() == request.resource_account.len() => {",
    },
    Mutant {
        name: "boundary and session policies do not limit a role that is named",
        file: "evaluate/mod.rs",
        text: "Some(found) if found.grant == Grant::Caller &&",
        replacement: "Some(found) if found.grant != Grant::Account &&",
    },
    Mutant {
        name: "boundary and session policies limit a caller that is named",
        file: "evaluate/mod.rs",
        text: "Some(found) if found.grant == Grant::Caller &&",
        replacement: "Some(found) if found.grant < Grant::Account &&",
    },
    Mutant {
        name: "an identity policy lets a role be assumed that does not trust",
        file: "evaluate/mod.rs",
        text: "if self.is_trust && granted.is_none() {",
        replacement: "if self.is_trust && granted.is_none() && self.identity.allowed.is_none() {",
    },
    Mutant {
        name: "the root user needs a policy",
        file: "evaluate/mod.rs",
        text: "(Principal::Root { .. }, _) => Allowed::Root,",
        replacement: "(Principal::Root { .. }, Some(_)) => Allowed::Root,",
    },
    Mutant {
        name: "a service that is named is every service",
        file: "document/principal.rs",
        text: "=> (ours == name, Grant::Caller),",
        replacement: "=> (ours.len() + name.len() > 0, Grant::Caller),",
    },
    Mutant {
        name: "a role is known without its path",
        file: "document/principal.rs",
        text: "=> (ours == role, Grant::Role),",
        replacement: r#"=> {
                (ours.rsplit('/').next() == role.rsplit('/').next(), Grant::Role)
            }"#,
    },
    Mutant {
        name: "a session that is named is every session of its role",
        file: "document/principal.rs",
        text: "(Named::Session(ours), Principal::Session { arn, .. }) =>",
        replacement: r#"(Named::Session(ours), Principal::Session { arn, .. })
                if ours.rsplit_once('/').unzip().0 == arn.rsplit_once('/').unzip().0 =>
            {
                (true, Grant::Caller)
            }
            (Named::Session(ours), Principal::Session { arn, .. }) =>"#,
    },
];
