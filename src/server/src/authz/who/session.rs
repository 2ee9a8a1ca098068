//! Sessions: whether one is good in a view, and who it stands for there.

use std::sync::Arc;
use std::time::Duration;

use access::PolicyKind;
use access::session::{Holder, Origin, Revocable, Session, Verifier};
use machine::{AccessKeyId, Identity, Nature, RegionName, Revoked, RowKey, Stamp, State, Uid};

use super::{Gathered, Unknown, Who, counts, is_revoked, meet};
use crate::authz::documents::Documents;
use crate::authz::proven::Bearer;
use crate::clock;
use crate::identities::arn;

/// Policies that confine a session, each with what it is called.
type Confining = Vec<(String, Arc<access::Policy>)>;

/// What is known here of how old the root feed is.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::authz) struct Age {
    /// How old it is: nothing where it is led, [`Duration::MAX`] if nobody knows.
    pub(in crate::authz) root_feed: Duration,
    /// How old it may be for sessions of other regions to be taken.
    pub(in crate::authz) max: Duration,
}

/// Says whether a session is good now: what depends on the time and on revocations, and so is asked
/// for each call.
pub(super) fn check(state: &State, bearer: &Bearer, age: Age) -> Result<(), Unknown> {
    let here = state.region().ok_or(Unknown::NoHolder)?;
    let is_linked = || state.linked(&bearer.signed_by).is_some();
    if bearer.signed_by != *here && !is_linked() {
        return Err(Unknown::NoRegion);
    }
    let holder = holder(state, &bearer.session)?;
    let revoked_before = (holder.revoked_before > Stamp(0)).then_some(holder.revoked_before.0);
    let verifier = Verifier {
        here: here.as_str(),
        signed_by: bearer.signed_by.as_str(),
        root_feed_age: age.root_feed,
        identity_staleness_max: age.max,
        revoked_before_ms: revoked_before.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
    };
    let now_ms = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
    let is_void = |what: Revocable<'_>| match what {
        Revocable::Session(id) => {
            let id = Revoked::Session(id.to_string());
            state.revocation_of(&id).is_some()
        }
        Revocable::Certificate(key) => is_revoked(state, key),
    };
    let checked = bearer.session.check(now_ms, &verifier, is_void);
    checked.map_err(|denied| Unknown::Session(denied.why()))
}

/// Until when the sessions were ended of whoever holds this one.
pub fn revoked_before(state: &State, session: &Session) -> Stamp {
    holder(state, session).map_or(Stamp(0), |holder| holder.revoked_before)
}

/// The user or role that a session is of: the very one, not another of its name.
fn holder<'a>(state: &'a State, session: &Session) -> Result<&'a Arc<Identity>, Unknown> {
    let (id, is_role) = match &session.holder {
        Holder::Role { id, .. } => (id, true),
        Holder::User { id, .. } => (id, false),
    };
    let uid: Uid = id.parse().map_err(|_| Unknown::NoHolder)?;
    let identity = state.identity(&uid).ok_or(Unknown::NoHolder)?;
    match (&identity.nature, is_role) {
        (Nature::Role { .. }, true) | (Nature::User { .. }, false) => Ok(identity),
        _ => Err(Unknown::NoHolder),
    }
}

impl Who {
    /// Who a session stands for, with its policies and the rows that all of it is based on.
    pub(super) fn of_session(
        state: &State,
        documents: &Documents,
        bearer: &Arc<Bearer>,
    ) -> Result<Self, Unknown> {
        let session = &bearer.session;
        let identity = holder(state, session)?;
        if !identity.enabled || !counts(state, &identity.regions) {
            return Err(Unknown::PrincipalOff);
        }
        let mut gathered = Gathered::new(state, documents);
        let origin = gathered.origin(&session.origin)?;
        let boundary = gathered.all_of(identity);
        let boundary = boundary.map_err(|_| Unknown::Unreadable)?;
        let confining = gathered.confining(session)?;
        let named = session.regions.iter().map(|name| RegionName::new(name));
        let named: Result<Vec<RegionName>, _> = named.collect();
        let named = named.map_err(|_| Unknown::NoHolder)?;
        Ok(Self {
            principal: session.principal(),
            account: identity.account.clone(),
            tags: identity.tags.clone(),
            identity: gathered.policies,
            boundary,
            confining,
            regions: meet(&named, &meet(&identity.regions, &origin)),
            credential: None,
            session: Some(Arc::clone(bearer)),
            seen: gathered.seen,
        })
    }
}

impl Gathered<'_> {
    /// Notes what a session was opened with, which has to be there still and to count here; gives
    /// the regions in which it does.
    fn origin(&mut self, origin: &Origin) -> Result<Vec<RegionName>, Unknown> {
        let credential = match origin {
            Origin::AccessKey { id } => {
                let id = AccessKeyId::new(id).map_err(|_| Unknown::NoCredential)?;
                self.state.credential_of_key(&id)
            }
            Origin::Certificate { credential, .. } => {
                let uid: Uid = credential.parse().map_err(|_| Unknown::NoCredential)?;
                self.state.credential(&uid)
            }
            Origin::Provider { id, .. } => {
                let uid: Uid = id.parse().map_err(|_| Unknown::NoCredential)?;
                self.state.provider(&uid).ok_or(Unknown::NoCredential)?;
                self.note(RowKey::Provider(uid));
                return Ok(Vec::new());
            }
        };
        let credential = credential.ok_or(Unknown::NoCredential)?;
        if !credential.active || !counts(self.state, &credential.regions) {
            return Err(Unknown::CredentialOff);
        }
        // Whoever opened a session of a role is somebody else than the role.
        let opener = self.state.identity(&credential.identity);
        let opener = opener.ok_or(Unknown::NoCredential)?;
        if !opener.enabled || !counts(self.state, &opener.regions) {
            return Err(Unknown::PrincipalOff);
        }
        self.note(RowKey::Credential(credential.uid));
        self.note(RowKey::Identity(opener.uid));
        Ok(meet(&credential.regions, &opener.regions))
    }

    /// The policies that a session was issued with, if it was with any. One that is gone may have
    /// denied something: nobody is let past it.
    fn confining(&mut self, session: &Session) -> Result<Option<Confining>, Unknown> {
        if session.policy.is_none() && session.policy_arns.is_empty() {
            return Ok(None);
        }
        let mut policies = Vec::new();
        if let Some(text) = &session.policy {
            let policy = access::Policy::parse(text, PolicyKind::Session);
            let policy = policy.map_err(|_| Unknown::Unreadable)?;
            policies.push(("the policy of the session".to_owned(), Arc::new(policy)));
        }
        for text in &session.policy_arns {
            let at = arn::policy_at("policy_arns", text).map_err(|_| Unknown::Unreadable)?;
            let policy = self.state.policy_named(&at.account, &at.name);
            let policy = policy.filter(|policy| policy.path == at.path);
            let policy = policy.ok_or(Unknown::Unreadable)?;
            let named = self.managed(policy, PolicyKind::Identity);
            policies.push(named.map_err(|_| Unknown::Unreadable)?);
        }
        Ok(Some(policies))
    }
}
