//! What a call is answered from: one view, who asks, and what that one may do.

use std::ops::Deref;
use std::sync::Arc;

use consensus::View;
use machine::{
    AccountId, EntityKind, FeedId, Identity, Policy, Provider, Rejection, RowKey, Seen, State, Uid,
};

use super::{Identities, arn};
use crate::authz::{Asked, Authz, Surroundings, Target, Who};
use crate::door::Call;
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::holding::view_holding;
use crate::secrets::ask::{Answer, Reading};

/// The view of one call.
pub(super) struct Basis {
    pub(super) view: View,
    /// Who asks, as the view has it.
    pub(super) who: Arc<Who>,
    pub(super) around: Surroundings,
    pub(super) authz: Arc<Authz>,
    fence: Fence,
}

/// What something is asked on.
#[derive(Clone, Debug)]
pub(super) enum On {
    /// The cluster, which belongs to the account that it began with.
    Cluster,
    /// All of an account.
    All(AccountId),
    /// What is not there, or not yet, by its ARN, in an account.
    Named(String, AccountId),
    /// A user, a group or a role, to do something that has nothing to do with its boundary.
    Identity(Uid),
    /// One that is to be changed in a way that its boundary may be asked for.
    Bounded(Uid),
}

impl Deref for Basis {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Identities {
    /// The view a call is answered from: after a barrier, and as new as the caller has seen.
    pub(super) async fn view(&self, call: &Call, reading: &Reading) -> Result<Basis, Refusal> {
        let view = self.consensus.read(call.deadline).await?;
        let view = match &reading.min_position {
            None => view,
            Some(token) => view_holding(&self.consensus, call, view, token).await?,
        };
        let who = self.authz.caller(&view, call)?;
        let region = view.region().ok_or_else(Refusal::not_founded)?;
        Ok(Basis {
            around: Surroundings::of(call, region),
            authz: Arc::clone(&self.authz),
            fence: self.fence.clone(),
            who,
            view,
        })
    }

    /// The view of a call that changes something, which the region that leads the root feed does.
    pub(super) async fn view_to_change(
        &self,
        call: &Call,
        reading: &Reading,
    ) -> Result<Basis, Refusal> {
        let view = self.view(call, reading).await?;
        match view.primary_of(&FeedId::Root) {
            Some(primary) if view.region() != Some(primary) => {
                let rejection = Rejection::NotPrimary {
                    feed: FeedId::Root,
                    region: primary.clone(),
                };
                Err(refused(&view, &rejection))
            }
            _ => Ok(view),
        }
    }
}

/// A rejection in the words of this service.
pub(super) fn refused(state: &State, rejection: &Rejection) -> Refusal {
    let refusal = match rejection {
        Rejection::NotPrimary { region, .. } => Refusal::parameter(format!(
            "Region {region} is primary of what is known of identities: make this call there."
        ))
        .with_primary(region),
        rejection => rejection.clone().into(),
    };
    refusal.with_addresses(state)
}

/// `NoSuchEntity`.
pub(super) fn none(kind: EntityKind) -> Refusal {
    Rejection::NoSuchEntity(kind).into()
}

impl Basis {
    /// Says whether something may be done, and gives the rows that a write has to find as they are
    /// here.
    pub(super) fn permit(&self, asked: &Asked, on: &On) -> Result<Seen, Refusal> {
        let of_cluster = || {
            self.view
                .account()
                .cloned()
                .ok_or_else(Refusal::not_founded)
        };
        match on {
            On::Cluster => self.decide(asked, "*", &of_cluster()?, None),
            On::All(account) => self.decide(asked, "*", account, None),
            On::Named(arn, account) => self.decide(asked, arn, account, None),
            On::Identity(uid) | On::Bounded(uid) => {
                let identity = self.view.identity(uid);
                let identity = identity.ok_or_else(|| none(EntityKind::User))?;
                let mut described = asked.clone();
                for tag in &identity.tags {
                    let key = format!("aws:ResourceTag/{}", tag.key);
                    described = described.with(&key, tag.value.as_str());
                }
                let boundary = identity.boundary.filter(|_| matches!(on, On::Bounded(_)));
                let boundary = boundary.and_then(|boundary| self.view.policy(&boundary));
                if let Some(boundary) = boundary {
                    described = described.with("iam:PermissionsBoundary", arn::policy(boundary));
                }
                let arn = arn::identity(identity);
                self.decide(&described, &arn, &identity.account, Some(identity))
            }
        }
    }

    fn decide(
        &self,
        asked: &Asked,
        arn: &str,
        account: &AccountId,
        identity: Option<&Arc<Identity>>,
    ) -> Result<Seen, Refusal> {
        let root = self.who.root_in(account);
        let who = root.as_ref().unwrap_or(&self.who);
        let target = Target::Named(arn, account);
        let seen = self
            .authz
            .permit(&self.view, who, asked, &self.around, target);
        let mut seen = seen.map_err(|refusal| self.refuse(refusal))?;
        let row =
            identity.and_then(|identity| Authz::row(&self.view, RowKey::Identity(identity.uid)));
        seen.extend(row);
        Ok(Seen(seen))
    }

    /// Finds what may be acted on: who may not is not told whether it is there.
    pub(super) fn found<T>(
        &self,
        found: Option<T>,
        asked: &Asked,
        (arn, account): (String, &AccountId),
        kind: EntityKind,
    ) -> Result<T, Refusal> {
        match found {
            Some(found) => Ok(found),
            None => {
                self.permit(asked, &On::Named(arn, account.clone()))?;
                Err(self.refuse(none(kind)))
            }
        }
    }

    /// The account that a request names; the caller's own if it names none.
    pub(super) fn account(&self, named: Option<AccountId>) -> AccountId {
        named.unwrap_or_else(|| self.who.account().clone())
    }

    /// The managed policy that an ARN means, letter for letter: conditions compare it so.
    pub(super) fn policy_at(&self, at: &arn::At) -> Option<&Arc<Policy>> {
        let policy = self.view.policy_named(&at.account, &at.name);
        policy.filter(|policy| policy.path == at.path && policy.name == at.name)
    }

    /// The provider that an ARN means.
    pub(super) fn provider_at(&self, at: &arn::Issued) -> Option<&Arc<Provider>> {
        let mut issuers = at.issuers.iter();
        issuers.find_map(|issuer| self.view.provider_of(&at.account, issuer))
    }

    /// The answer made from this view, unless another region has taken over meanwhile.
    pub(super) fn answer<T>(&self, message: T) -> Result<Answer<T>, Refusal> {
        self.pass()?;
        Ok(Answer {
            message,
            position: self.view.token(),
            age: None,
            staleness: None,
        })
    }

    /// A refusal made from this view, unless another region has taken over meanwhile.
    pub(super) fn refuse(&self, refusal: Refusal) -> Refusal {
        self.pass().err().unwrap_or(refusal)
    }

    fn pass(&self) -> Result<(), Refusal> {
        match self.fence.over(&self.view, &FeedId::Root) {
            None => Ok(()),
            Some(epoch) => Err(Refusal::taken_over(&epoch).with_addresses(&self.view)),
        }
    }
}
