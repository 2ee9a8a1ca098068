//! Requests parsed into the machine's types, once; refusals in the words of the service.

use std::time::Duration;

use access::{Policy, PolicyKind};
use machine::limits::{IDENTITY_NAME_CHARS_MAX, SESSION_SECONDS_MAX, SESSION_SECONDS_MIN};
use machine::{
    AccountId, Document, EntityKind, EntityName, EntityPath, NameError, RegionName, Tag,
};
use wire::access::v1 as api;

use super::arn;
use super::basis::Basis;
use crate::errors::{Reason, Refusal};
use crate::limits::{COUNTED_REGIONS_MAX, SESSION_DEFAULT};
use crate::secrets::parse;

/// A principal that is named.
pub(super) struct Named {
    pub(super) kind: EntityKind,
    account: Option<AccountId>,
    pub(super) name: EntityName,
}

impl Named {
    /// The name in a request.
    pub(super) fn of(asked: Option<api::PrincipalName>) -> Result<Self, Refusal> {
        let asked = asked.ok_or_else(|| Refusal::parameter("You must provide a principal."))?;
        Ok(Self {
            kind: kind("principal.kind", asked.kind)?,
            account: account("principal.account", &asked.account)?,
            name: name_of_identity("principal.name", &asked.name)?,
        })
    }

    /// Its account: the caller's own if none was named.
    pub(super) fn account(&self, view: &Basis) -> AccountId {
        view.account(self.account.clone())
    }

    /// The ARN of one that is not there, as far as its name tells.
    pub(super) fn missing(&self, view: &Basis) -> String {
        arn::named(
            self.kind,
            &self.account(view),
            &EntityPath::root(),
            &self.name,
        )
    }

    /// It, where a request is about a user or a role.
    pub(super) fn that_acts(self) -> Result<Self, Refusal> {
        match self.kind {
            EntityKind::User | EntityKind::Role => Ok(self),
            _ => Err(Refusal::parameter(
                "The principal must be a user or a role.",
            )),
        }
    }
}

/// What a principal is.
pub(super) fn kind(place: &str, asked: i32) -> Result<EntityKind, Refusal> {
    match api::PrincipalKind::try_from(asked) {
        Ok(api::PrincipalKind::User) => Ok(EntityKind::User),
        Ok(api::PrincipalKind::Group) => Ok(EntityKind::Group),
        Ok(api::PrincipalKind::Role) => Ok(EntityKind::Role),
        Ok(api::PrincipalKind::Unspecified) | Err(_) => Err(Refusal::constraint(
            place,
            "satisfy enum value set: [user, group, role]",
        )),
    }
}

/// An account; none if none is named.
pub(super) fn account(place: &str, text: &str) -> Result<Option<AccountId>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let account = AccountId::new(text);
    account
        .map(Some)
        .map_err(|_| Refusal::constraint(place, "have 12 digits"))
}

/// The name of a user, a group or a role.
pub(super) fn name_of_identity(place: &str, text: &str) -> Result<EntityName, Refusal> {
    if text.len() > IDENTITY_NAME_CHARS_MAX {
        let constraint = format!("have length less than or equal to {IDENTITY_NAME_CHARS_MAX}");
        return Err(Refusal::constraint(place, &constraint));
    }
    name(text)
}

/// The name of a policy, or anything with a name.
pub(super) fn name(text: &str) -> Result<EntityName, Refusal> {
    EntityName::new(text).map_err(|error| invalid(&error))
}

/// Where something is kept; empty for the root.
pub(super) fn path(text: &str) -> Result<EntityPath, Refusal> {
    match text {
        "" => Ok(EntityPath::root()),
        text => EntityPath::new(text).map_err(|error| invalid(&error)),
    }
}

/// A refusal of a name, in the words of the name.
pub(super) fn invalid(error: &NameError) -> Refusal {
    Refusal::new(Reason::Validation, error.to_string())
}

/// The regions in which something counts, each once.
pub(super) fn regions(texts: &[String]) -> Result<Vec<RegionName>, Refusal> {
    if texts.len() > COUNTED_REGIONS_MAX {
        let constraint = format!("have length less than or equal to {COUNTED_REGIONS_MAX}");
        return Err(Refusal::constraint("regions", &constraint));
    }
    let mut regions: Vec<RegionName> = Vec::with_capacity(texts.len());
    for text in texts {
        let region = RegionName::new(text).map_err(|error| invalid(&error))?;
        if regions.contains(&region) {
            let twice = format!("Region {region} is named twice.");
            return Err(Refusal::parameter(twice));
        }
        regions.push(region);
    }
    Ok(regions)
}

/// Tags, each within its bounds.
pub(super) fn tags(asked: Vec<api::Tag>) -> Result<Vec<Tag>, Refusal> {
    let tags = asked.into_iter().map(|tag| wire::secrets::v1::Tag {
        key: tag.key,
        value: tag.value,
    });
    parse::tags(tags.collect())
}

/// A policy that was given, with what it says.
pub(super) fn document(text: &str, kind: PolicyKind) -> Result<(Document, Policy), Refusal> {
    let policy = Policy::parse(text, kind)
        .map_err(|error| Refusal::new(Reason::MalformedDocument, error.to_string()))?;
    Ok((Document::new(text), policy))
}

/// The longest session of a role, in seconds.
pub(super) fn session_seconds(asked: Option<&prost_types::Duration>) -> Result<u32, Refusal> {
    let longest = match asked {
        None => Ok(SESSION_DEFAULT),
        Some(asked) => Duration::try_from(*asked),
    };
    let bounds = SESSION_SECONDS_MIN..=SESSION_SECONDS_MAX;
    let seconds = longest.ok().filter(|longest| longest.subsec_nanos() == 0);
    let seconds = seconds.and_then(|longest| u32::try_from(longest.as_secs()).ok());
    seconds
        .filter(|seconds| bounds.contains(seconds))
        .ok_or_else(|| {
            let constraint =
                format!("be whole seconds between {SESSION_SECONDS_MIN} and {SESSION_SECONDS_MAX}");
            Refusal::constraint("session_max", &constraint)
        })
}
