//! Users, groups and roles: made, shown, listed and deleted. `changes` has what changes one.

use std::sync::Arc;

use access::PolicyKind;
use machine::{
    AccountId, Command, CreateIdentity, DeleteIdentity, Entity, EntityKind, EntityName, Identity,
    Nature, Policy, Seen, Uid,
};
use wire::access::v1 as api;

use super::basis::{Basis, On, none};
use super::parse::Named;
use super::{Identities, arn, new_uid, pages, parse, shown};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::{LOOKS_PER_PAGE_MAX, PATH_CHARS_MAX};
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

impl Identities {
    pub(super) async fn create_principal(
        &self,
        ask: Ask<api::CreatePrincipalRequest>,
    ) -> Result<Answer<api::CreatePrincipalResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?;
        let path = parse::path(&message.path)?;
        let tags = parse::tags(message.tags)?;
        let regions = parse::regions(&message.regions)?;
        let nature = nature(
            named.kind,
            &message.trust_policy,
            message.session_max.as_ref(),
        )?;
        let bound = match message.permissions_boundary.as_str() {
            "" => None,
            text => Some(arn::policy_at("permissions_boundary", text)?),
        };
        let acts = !tags.is_empty() || bound.is_some() || !regions.is_empty();
        if named.kind == EntityKind::Group && acts {
            return Err(Refusal::parameter(
                "A group has policies and members, and nothing else.",
            ));
        }
        let view = self.view_to_change(&call, &reading).await?;
        let account = named.account(&view);
        let action = of_kind(
            named.kind,
            "iam:CreateUser",
            "iam:CreateGroup",
            "iam:CreateRole",
        );
        let mut asked = Asked::of(action).with_tags(&tags);
        if bound.is_some() {
            let shown = message.permissions_boundary.as_str();
            asked = asked.with("iam:PermissionsBoundary", shown);
        }
        let on = On::Named(
            arn::named(named.kind, &account, &path, &named.name),
            account.clone(),
        );
        // Whoever may not make it is not told what there is.
        view.permit(&asked, &on)?;
        if !view.has_account(&account) {
            return Err(view.refuse(none(EntityKind::Account)));
        }
        let boundary = match &bound {
            None => None,
            Some(at) => Some(usable(&view, view.policy_at(at), PolicyKind::Boundary)?),
        };
        let command = Command::CreateIdentity(CreateIdentity {
            uid: new_uid()?,
            account,
            path,
            name: named.name,
            nature,
            tags,
            boundary,
            regions,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let principal = Some(self.shown(&call, &done).await?);
        Ok(done.answer(api::CreatePrincipalResponse { principal }))
    }

    /// A principal as a change left it.
    pub(super) async fn shown(
        &self,
        call: &crate::door::Call,
        done: &super::write::Done,
    ) -> Result<api::Principal, Refusal> {
        let Some(Entity::Identity(identity)) = &done.entity else {
            tracing::error!("a command on an identity answered without one");
            return Err(Refusal::internal());
        };
        let view = self.consensus.view_at(done.index, call.deadline).await?;
        Ok(shown::principal(&view, identity))
    }

    pub(super) async fn get_principal(
        &self,
        ask: Ask<api::GetPrincipalRequest>,
    ) -> Result<Answer<api::GetPrincipalResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?;
        let view = self.view(&call, &reading).await?;
        let action = of_kind(named.kind, "iam:GetUser", "iam:GetGroup", "iam:GetRole");
        let asked = Asked::of(action);
        let identity = view.principal(&named, &asked)?;
        view.permit(&asked, &On::Identity(identity.uid))?;
        let principal = Some(shown::principal(&view, identity));
        view.answer(api::GetPrincipalResponse { principal })
    }

    pub(super) async fn list_principals(
        &self,
        ask: Ask<api::ListPrincipalsRequest>,
    ) -> Result<Answer<api::ListPrincipalsResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let kind = parse::kind("kind", message.kind)?;
        let account = parse::account("account", &message.account)?;
        let items = pages::items(message.max_results)?;
        at_most("path_prefix", &message.path_prefix, PATH_CHARS_MAX)?;
        let view = self.view(&call, &reading).await?;
        let account = view.account(account);
        let action = of_kind(kind, "iam:ListUsers", "iam:ListGroups", "iam:ListRoles");
        view.permit(&Asked::of(action), &On::All(account.clone()))?;
        let prefix = message.path_prefix.as_str();
        let parts = [account.as_str(), kind.as_str(), prefix].map(str::as_bytes);
        let query = pages::query(&view, "ListPrincipals", &parts);
        let after = pages::after(&query, &message.next_token, |place| {
            EntityName::new(pages::text(place)?).ok()
        })?;
        let mut principals = Vec::new();
        let mut last = None;
        let found = view.identities_after(&account, kind, after.as_ref());
        for (looked_at, identity) in found.enumerate() {
            if principals.len() == items || looked_at == LOOKS_PER_PAGE_MAX {
                break;
            }
            last = Some(identity.name.clone());
            if identity.path.as_str().starts_with(prefix) {
                principals.push(shown::principal_in_list(&view, identity));
            }
        }
        let more = last.filter(|last| {
            let mut behind = view.identities_after(&account, kind, Some(last));
            behind.next().is_some()
        });
        let next_token = more.map(|last| query.token(last.as_str().as_bytes()));
        view.answer(api::ListPrincipalsResponse {
            principals,
            next_token: next_token.unwrap_or_default(),
        })
    }

    pub(super) async fn delete_principal(
        &self,
        ask: Ask<api::DeletePrincipalRequest>,
    ) -> Result<Answer<api::DeletePrincipalResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?;
        let view = self.view_to_change(&call, &reading).await?;
        let action = of_kind(
            named.kind,
            "iam:DeleteUser",
            "iam:DeleteGroup",
            "iam:DeleteRole",
        );
        let asked = Asked::of(action);
        let uid = view.principal(&named, &asked)?.uid;
        let seen = Seen::default();
        let command = Command::DeleteIdentity(DeleteIdentity { uid, seen });
        let write = view.grant(asked, On::Bounded(uid), command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::DeletePrincipalResponse {}))
    }
}

impl Basis {
    /// Finds a principal. Who may not do this to one that is not there is not told that it is not.
    pub(super) fn principal(
        &self,
        named: &Named,
        asked: &Asked,
    ) -> Result<&Arc<Identity>, Refusal> {
        let account: AccountId = named.account(self);
        let found = self.view.identity_named(&account, named.kind, &named.name);
        self.found(found, asked, (named.missing(self), &account), named.kind)
    }
}

/// Which of three a kind of principal has.
pub(super) fn of_kind(
    kind: EntityKind,
    user: &'static str,
    group: &'static str,
    role: &'static str,
) -> &'static str {
    match kind {
        EntityKind::Group => group,
        EntityKind::Role => role,
        _ => user,
    }
}

/// A managed policy that is to count as one of a kind: as what, its document has to be right too.
pub(super) fn usable(
    view: &Basis,
    found: Option<&Arc<Policy>>,
    kind: PolicyKind,
) -> Result<Uid, Refusal> {
    let policy = found.ok_or_else(|| view.refuse(none(EntityKind::Policy)))?;
    parse::document(policy.document.as_str(), kind)?;
    Ok(policy.uid)
}

fn nature(
    kind: EntityKind,
    trust: &str,
    session_max: Option<&prost_types::Duration>,
) -> Result<Nature, Refusal> {
    match kind {
        EntityKind::Role => Ok(Nature::Role {
            trust: parse::document(trust, PolicyKind::Trust)?.0,
            session_seconds_max: parse::session_seconds(session_max)?,
        }),
        _ if !trust.is_empty() || session_max.is_some() => Err(Refusal::parameter(
            "Only a role has a trust policy and a longest session.",
        )),
        EntityKind::Group => Ok(Nature::Group),
        _ => Ok(Nature::User { groups: Vec::new() }),
    }
}
