//! UpdatePrincipal: one thing of a user, a group or a role.

use access::PolicyKind;
use machine::{Command, EntityKind, Identity, IdentityChange, InlinePolicy, Seen, UpdateIdentity};
use wire::access::v1 as api;
use wire::access::v1::update_principal_request::Change;

use super::basis::{Basis, On, none};
use super::parse::Named;
use super::principals::{of_kind, usable};
use super::{Identities, arn, parse};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::{TAG_KEY_CHARS_MAX, TAGS_MAX};
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

/// A change as it was asked for, before anything is looked up.
enum Asking {
    /// One that says all there is to it.
    Ready(IdentityChange),
    /// Attaches the managed policy with this ARN.
    Attach(arn::At),
    /// Detaches it.
    Detach(arn::At),
    /// Is bounded by it, or by nothing.
    Bound(Option<arn::At>),
    /// Joins the group of this name.
    Join(machine::EntityName),
    /// Leaves it.
    Leave(machine::EntityName),
}

impl Identities {
    pub(super) async fn update_principal(
        &self,
        ask: Ask<api::UpdatePrincipalRequest>,
    ) -> Result<Answer<api::UpdatePrincipalResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?;
        let change = message.change;
        let change = change.ok_or_else(|| Refusal::parameter("You must provide a change."))?;
        let asked = asked(named.kind, &change);
        fits(named.kind, &change)?;
        let asking = asking(change)?;
        let view = self.view_to_change(&call, &reading).await?;
        let identity = view.principal(&named, &asked)?;
        let on = on(&view, identity, &asking)?;
        // Whoever may not change it is not told what there is.
        view.permit(&asked, &on)?;
        let change = change_of(&view, identity, asking)?;
        let command = Command::UpdateIdentity(UpdateIdentity {
            uid: identity.uid,
            change,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let principal = Some(self.shown(&call, &done).await?);
        Ok(done.answer(api::UpdatePrincipalResponse { principal }))
    }
}

/// The action that makes a change, and what conditions may ask for of it.
fn asked(kind: EntityKind, change: &Change) -> Asked {
    let by_kind = |user, group, role| Asked::of(of_kind(kind, user, group, role));
    match change {
        Change::AttachPolicy(arn) => by_kind(
            "iam:AttachUserPolicy",
            "iam:AttachGroupPolicy",
            "iam:AttachRolePolicy",
        )
        .with("iam:PolicyARN", arn.as_str()),
        Change::DetachPolicy(arn) => by_kind(
            "iam:DetachUserPolicy",
            "iam:DetachGroupPolicy",
            "iam:DetachRolePolicy",
        )
        .with("iam:PolicyARN", arn.as_str()),
        Change::PutInlinePolicy(_) => by_kind(
            "iam:PutUserPolicy",
            "iam:PutGroupPolicy",
            "iam:PutRolePolicy",
        ),
        Change::DeleteInlinePolicy(_) => by_kind(
            "iam:DeleteUserPolicy",
            "iam:DeleteGroupPolicy",
            "iam:DeleteRolePolicy",
        ),
        Change::PermissionsBoundary(arn) if arn.is_empty() => by_kind(
            "iam:DeleteUserPermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
        ),
        Change::PermissionsBoundary(arn) => by_kind(
            "iam:PutUserPermissionsBoundary",
            "iam:PutUserPermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
        )
        .with("iam:PermissionsBoundary", arn.as_str()),
        Change::JoinGroup(_) => Asked::of("iam:AddUserToGroup"),
        Change::LeaveGroup(_) => Asked::of("iam:RemoveUserFromGroup"),
        Change::Regions(_) | Change::Enabled(_) => Asked::of("strongroom:UpdatePrincipal"),
        Change::Tag(tags) => {
            let mut asked = by_kind("iam:TagUser", "iam:TagUser", "iam:TagRole");
            for tag in &tags.tags {
                asked = asked.with(&format!("aws:RequestTag/{}", tag.key), tag.value.as_str());
            }
            asked.with_tag_keys(tags.tags.iter().map(|tag| tag.key.clone()))
        }
        Change::Untag(keys) => by_kind("iam:UntagUser", "iam:UntagUser", "iam:UntagRole")
            .with_tag_keys(keys.keys.iter().cloned()),
        Change::TrustPolicy(_) => Asked::of("iam:UpdateAssumeRolePolicy"),
        Change::SessionMax(_) => Asked::of("iam:UpdateRole"),
        Change::RevokeSessions(_) => Asked::of("strongroom:RevokeSessions"),
    }
}

/// Refuses a change that a kind of principal does not have.
fn fits(kind: EntityKind, change: &Change) -> Result<(), Refusal> {
    let (fits, message) = match change {
        Change::JoinGroup(_) | Change::LeaveGroup(_) => {
            (kind == EntityKind::User, "Only a user is in groups.")
        }
        Change::TrustPolicy(_) | Change::SessionMax(_) => (
            kind == EntityKind::Role,
            "Only a role has a trust policy and a longest session.",
        ),
        Change::AttachPolicy(_)
        | Change::DetachPolicy(_)
        | Change::PutInlinePolicy(_)
        | Change::DeleteInlinePolicy(_) => (true, ""),
        Change::PermissionsBoundary(_)
        | Change::Regions(_)
        | Change::Tag(_)
        | Change::Untag(_)
        | Change::Enabled(_)
        | Change::RevokeSessions(_) => (
            kind != EntityKind::Group,
            "A group has policies and members, and nothing else.",
        ),
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::parameter(message)),
    }
}

/// Parses a change.
fn asking(change: Change) -> Result<Asking, Refusal> {
    let change = match change {
        Change::AttachPolicy(text) => {
            return Ok(Asking::Attach(arn::policy_at("attach_policy", &text)?));
        }
        Change::DetachPolicy(text) => {
            return Ok(Asking::Detach(arn::policy_at("detach_policy", &text)?));
        }
        Change::PermissionsBoundary(text) if text.is_empty() => return Ok(Asking::Bound(None)),
        Change::PermissionsBoundary(text) => {
            let at = arn::policy_at("permissions_boundary", &text)?;
            return Ok(Asking::Bound(Some(at)));
        }
        Change::JoinGroup(name) => {
            return Ok(Asking::Join(parse::name_of_identity("join_group", &name)?));
        }
        Change::LeaveGroup(name) => {
            return Ok(Asking::Leave(parse::name_of_identity(
                "leave_group",
                &name,
            )?));
        }
        Change::PutInlinePolicy(policy) => IdentityChange::PutInline(InlinePolicy {
            name: parse::name(&policy.name)?,
            document: parse::document(&policy.document, PolicyKind::Identity)?.0,
        }),
        Change::DeleteInlinePolicy(name) => IdentityChange::DeleteInline(parse::name(&name)?),
        Change::Regions(regions) => IdentityChange::Regions(parse::regions(&regions.names)?),
        Change::Tag(tags) => IdentityChange::Tag(parse::tags(tags.tags)?),
        Change::Untag(keys) => IdentityChange::Untag(tag_keys(keys.keys)?),
        Change::Enabled(enabled) => IdentityChange::Enabled(enabled),
        Change::TrustPolicy(text) => {
            IdentityChange::Trust(parse::document(&text, PolicyKind::Trust)?.0)
        }
        Change::SessionMax(max) => {
            IdentityChange::SessionSecondsMax(parse::session_seconds(Some(&max))?)
        }
        Change::RevokeSessions(true) => IdentityChange::RevokeSessions,
        Change::RevokeSessions(false) => {
            return Err(Refusal::parameter("revoke_sessions must be true."));
        }
    };
    Ok(Asking::Ready(change))
}

fn tag_keys(keys: Vec<String>) -> Result<Vec<String>, Refusal> {
    if keys.len() > TAGS_MAX {
        let constraint = format!("have length less than or equal to {TAGS_MAX}");
        return Err(Refusal::constraint("untag", &constraint));
    }
    for key in &keys {
        at_most("untag", key, TAG_KEY_CHARS_MAX)?;
    }
    Ok(keys)
}

/// What a change is asked on: a group whose members change, else the principal itself.
fn on(view: &Basis, identity: &Identity, asking: &Asking) -> Result<On, Refusal> {
    match asking {
        Asking::Join(name) | Asking::Leave(name) => {
            let account = &identity.account;
            let group = view.identity_named(account, EntityKind::Group, name);
            Ok(match group {
                Some(group) => On::Identity(group.uid),
                None => {
                    let root = machine::EntityPath::root();
                    let arn = arn::named(EntityKind::Group, account, &root, name);
                    On::Named(arn, account.clone())
                }
            })
        }
        // What is asked for there is the boundary that it is to have.
        Asking::Bound(Some(_)) => Ok(On::Identity(identity.uid)),
        _ => Ok(On::Bounded(identity.uid)),
    }
}

/// The change, with what it names looked up.
fn change_of(view: &Basis, identity: &Identity, asking: Asking) -> Result<IdentityChange, Refusal> {
    let no = |kind| view.refuse(none(kind));
    let group = |name: &machine::EntityName| {
        let group = view.identity_named(&identity.account, EntityKind::Group, name);
        group
            .map(|group| group.uid)
            .ok_or_else(|| no(EntityKind::Group))
    };
    Ok(match asking {
        Asking::Ready(change) => change,
        Asking::Attach(at) => {
            IdentityChange::Attach(usable(view, view.policy_at(&at), PolicyKind::Identity)?)
        }
        Asking::Detach(at) => {
            let policy = view.policy_at(&at).ok_or_else(|| no(EntityKind::Policy))?;
            IdentityChange::Detach(policy.uid)
        }
        Asking::Bound(None) => IdentityChange::Boundary(None),
        Asking::Bound(Some(at)) => {
            let policy = usable(view, view.policy_at(&at), PolicyKind::Boundary)?;
            IdentityChange::Boundary(Some(policy))
        }
        Asking::Join(name) => IdentityChange::Join(group(&name)?),
        Asking::Leave(name) => IdentityChange::Leave(group(&name)?),
    })
}
