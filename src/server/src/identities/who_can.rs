//! WhoCan: everybody who may take an action on a secret.

use std::sync::Arc;

use access::Effect;
use machine::{AccountId, EntityKind, EntityName, Identity, Secret};
use tokio::time::Instant;
use wire::access::v1 as api;

use super::basis::Basis;
use super::question::Thing;
use super::{Identities, arn, pages, question};
use crate::authz::{Asked, Surroundings, Target, Who};
use crate::errors::Refusal;
use crate::limits::JUDGED_PER_PAGE_MAX;
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::page::ListQuery;
use crate::secrets::parse;

impl Identities {
    pub(super) async fn who_can(
        &self,
        ask: Ask<api::WhoCanRequest>,
    ) -> Result<Answer<api::WhoCanResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        parse::secret_id(&message.secret_id)?;
        let asked = question::asked(&message.action, &message.context)?;
        let items = pages::items(message.max_results)?;
        let view = self.view(&call, &reading).await?;
        let secret = Arc::clone(view.secret_to_ask_about(&message.secret_id)?);
        let mut parts = vec![secret.uid.0.as_slice(), message.action.as_bytes()];
        for entry in &message.context {
            parts.push(entry.key.as_bytes());
            parts.extend(entry.values.iter().map(String::as_bytes));
        }
        let query = pages::query(&view, "WhoCan", &parts);
        let after = pages::after(&query, &message.next_token, Place::read)?;
        let began = Instant::now();
        let time = call.deadline.saturating_duration_since(began) / 2;
        let search = move || {
            let search = Search {
                arn: view.arn_of(&secret, &view.around.region).to_string(),
                around: view.nowhere(),
                secret: &secret,
                asked: &asked,
                view: &view,
            };
            view.answer(search.page(&query, after, items, began + time))
        };
        let found = tokio::task::spawn_blocking(search).await;
        found.map_err(|_| Refusal::internal())?
    }
}

impl Basis {
    fn secret_to_ask_about(&self, id: &str) -> Result<&Arc<Secret>, Refusal> {
        let asked = Asked::of("strongroom:WhoCan");
        let thing = self.thing(self.who.account(), id)?;
        let account = match &thing {
            Thing::Secret(secret, _) => &secret.account,
            Thing::Other(_, account) => account,
            Thing::All => self.who.account(),
        };
        let root = self.who.root_in(account);
        let who = root.as_ref().unwrap_or(&self.who);
        self.authz
            .permit(&self.view, who, &asked, &self.around, thing.target())?;
        let found = match &thing {
            Thing::Secret(secret, _) => self.view.secret(&secret.uid),
            Thing::Other(..) | Thing::All => None,
        };
        found.ok_or_else(|| self.refuse(Refusal::no_secret()))
    }
}

/// Where the list stands: behind the root, or behind a user or role.
struct Place {
    account: AccountId,
    kind: EntityKind,
    /// None for the beginning of the list.
    name: Option<EntityName>,
}

impl Place {
    fn written(&self) -> Vec<u8> {
        let name = self
            .name
            .as_ref()
            .map(EntityName::as_str)
            .unwrap_or_default();
        format!("{}/{}/{name}", self.account, self.kind.as_str()).into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = pages::text(bytes)?.splitn(3, '/');
        let account = AccountId::new(parts.next()?).ok()?;
        let kind = match parts.next()? {
            "user" => EntityKind::User,
            "role" => EntityKind::Role,
            _ => return None,
        };
        let name = match parts.next()? {
            "" => None,
            name => Some(EntityName::new(name).ok()?),
        };
        Some(Self {
            account,
            kind,
            name,
        })
    }
}

/// A search of everybody for those who may.
struct Search<'a> {
    view: &'a Basis,
    secret: &'a Secret,
    arn: String,
    asked: &'a Asked,
    around: Surroundings,
}

impl Search<'_> {
    /// The page behind a place. It ends early where it is late.
    fn page(
        &self,
        query: &ListQuery,
        after: Option<Place>,
        items: usize,
        late: Instant,
    ) -> api::WhoCanResponse {
        let mut principals = Vec::new();
        if after.is_none() {
            principals.extend(self.root());
        }
        let mut lists = self.lists().into_iter().peekable();
        let mut behind = None;
        if let Some(place) = after {
            while lists
                .next_if(|(account, kind)| *account != place.account || *kind != place.kind)
                .is_some()
            {}
            behind = place.name;
        }
        let mut judged = 0;
        for (account, kind) in lists {
            let found = self.view.identities_after(&account, kind, behind.as_ref());
            for identity in found {
                let is_late = judged > 0 && Instant::now() >= late;
                if principals.len() >= items || judged == JUDGED_PER_PAGE_MAX || is_late {
                    let place = Place {
                        account,
                        kind,
                        name: behind,
                    };
                    let next_token = query.token(&place.written());
                    return api::WhoCanResponse {
                        principals,
                        next_token,
                    };
                }
                judged += 1;
                principals.extend(self.able(identity));
                behind = Some(identity.name.clone());
            }
            behind = None;
        }
        api::WhoCanResponse {
            principals,
            next_token: String::new(),
        }
    }

    /// The lists of those who might: in other accounts only if the secret has a policy, because
    /// nothing else lets them.
    fn lists(&self) -> Vec<(AccountId, EntityKind)> {
        let own = &self.secret.account;
        let others = self.view.accounts().map(|(_, account)| &account.id);
        let others = others.filter(|account| *account != own && self.secret.policy.is_some());
        let accounts = std::iter::once(own).chain(others);
        let lists = accounts.flat_map(|account| {
            [EntityKind::User, EntityKind::Role].map(|kind| (account.clone(), kind))
        });
        lists.collect()
    }

    /// The root of the account that the cluster began with: no other one is anybody.
    fn root(&self) -> Option<api::Able> {
        let account = self.view.view.account()?;
        let reason = self.allows(&Who::root_of(account))?;
        let arn = format!("arn:aws:iam::{account}:root");
        Some(api::Able { arn, reason })
    }

    fn able(&self, identity: &Identity) -> Option<api::Able> {
        let own = self.view.region();
        let mut regions = identity.regions.iter();
        let counts = identity.regions.is_empty() || regions.any(|region| Some(region) == own);
        if !identity.enabled || !counts {
            return None;
        }
        let who = self.view.authz.imagine(self.view, identity).ok()?;
        let reason = self.allows(&who)?;
        let arn = arn::identity(identity);
        Some(api::Able { arn, reason })
    }

    fn allows(&self, who: &Who) -> Option<String> {
        let target = Target::Secret(self.secret, &self.arn);
        let decided = self
            .view
            .authz
            .decide(self.view, who, self.asked, &self.around, target);
        let decision = decided.ok()?.decision;
        (decision.effect == Effect::Allow).then(|| decision.reason.to_string())
    }
}
