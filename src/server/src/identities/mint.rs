//! What all sessions have in common: what is asked of one, and its token.

use access::limits::{SESSION_CHAINED_MS_MAX, SESSION_LEEWAY_MS, SESSION_MS_MAX};
use access::session::{
    DurationError, Holder, Origin, RoleArn, Session, SessionId, Tags, duration_seconds,
    is_session_name,
};
use access::{Policy, PolicyKind};
use machine::{AccountId, EntityKind, EntityName, Identity, Nature, RegionName, Stamp, State};
use prost_types::Duration;
use wire::access::v1 as api;

use super::{Identities, arn};
use crate::authz::revoked_before;
use crate::clock;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::times::timestamp;

/// What is asked of a session of a role.
pub(super) struct Asks {
    pub(super) role: RoleArn,
    pub(super) name: String,
    seconds: Option<u32>,
    policy: Option<String>,
    policy_arns: Vec<String>,
}

/// A session that is to be issued.
pub(super) struct Mint {
    pub(super) seconds: u32,
    /// The document and the ARNs of the policies that bound it.
    pub(super) policies: (Option<String>, Vec<String>),
    pub(super) holder: Holder,
    pub(super) origin: Origin,
    pub(super) chain: Vec<SessionId>,
    /// Where it counts; empty for everywhere.
    pub(super) regions: Vec<RegionName>,
    pub(super) tags: Tags,
    pub(super) source_identity: Option<String>,
}

impl Asks {
    /// What a request says, as far as it can be read without knowing the role.
    pub(super) fn of(
        role: &str,
        name: &str,
        duration: Option<&Duration>,
        policy: &str,
        policy_arns: &[String],
    ) -> Result<Self, Refusal> {
        let role = role.parse();
        let role = role.map_err(|_| {
            Refusal::constraint(
                "role_arn",
                "be an ARN such as arn:aws:iam::ACCOUNT:role/NAME",
            )
        })?;
        if !is_session_name(name) {
            return Err(Refusal::constraint(
                "role_session_name",
                "have 2 to 64 letters, digits and _+=,.@-",
            ));
        }
        let policy = (!policy.is_empty()).then_some(policy);
        if let Some(text) = policy {
            let parsed = Policy::parse(text, PolicyKind::Session);
            parsed.map_err(|error| Refusal::new(Reason::MalformedDocument, error.to_string()))?;
        }
        for text in policy_arns {
            arn::policy_at("policy_arns", text)?;
        }
        Ok(Self {
            role,
            name: name.to_owned(),
            seconds: seconds(duration)?,
            policy: policy.map(str::to_owned),
            policy_arns: policy_arns.to_vec(),
        })
    }

    /// How long it lasts, in seconds. `chained`: who asks is a session already.
    pub(super) fn seconds(&self, role: &Identity, chained: bool) -> Result<u32, Refusal> {
        let Nature::Role {
            session_seconds_max,
            ..
        } = role.nature
        else {
            return Err(Refusal::denied());
        };
        duration_seconds(self.seconds, session_seconds_max, chained).map_err(|error| too(&error))
    }

    /// The policies that bound it. Managed ones are of the role's account, and there.
    pub(super) fn policies(
        &self,
        state: &State,
        role: &Identity,
    ) -> Result<(Option<String>, Vec<String>), Refusal> {
        for text in &self.policy_arns {
            let at = arn::policy_at("policy_arns", text)?;
            let policy = state.policy_named(&at.account, &at.name);
            let is_there = policy.is_some_and(|policy| {
                (&policy.path, &policy.name, &policy.account) == (&at.path, &at.name, &role.account)
            });
            if !is_there {
                let none = "Each policy must be a managed policy of the role's account.";
                return Err(Refusal::parameter(none));
            }
        }
        Ok((self.policy.clone(), self.policy_arns.clone()))
    }
}

impl Identities {
    /// Issues a session for a call, which begins now.
    pub(super) fn mint(
        &self,
        state: &State,
        call: &Call,
        mint: Mint,
    ) -> Result<api::Session, Refusal> {
        let region = state.region().ok_or_else(Refusal::not_founded)?;
        let now = clock::now();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Refusal::internal())?;
        let longest_ms = match mint.chain.is_empty() {
            true => SESSION_MS_MAX,
            false => SESSION_CHAINED_MS_MAX,
        };
        let (policy, policy_arns) = mint.policies;
        let mut session = Session {
            id: SessionId(id),
            holder: mint.holder,
            origin: mint.origin,
            chain: mint.chain,
            issued_ms: 0,
            expires_ms: 0,
            region: region.to_string(),
            regions: mint.regions.iter().map(RegionName::to_string).collect(),
            policy,
            policy_arns,
            tags: mint.tags,
            source_identity: mint.source_identity,
        };
        let ms = |stamp: Stamp| i64::try_from(stamp.0).unwrap_or(i64::MAX);
        session.issued_ms = ms(issued(state, now, revoked_before(state, &session)));
        let expires_ms = ms(now).saturating_add(i64::from(mint.seconds) * 1000);
        session.expires_ms = expires_ms.min(session.issued_ms.saturating_add(longest_ms));
        let expires = Stamp(u64::try_from(session.expires_ms).unwrap_or(0));
        let mut token = self.sessions.issue(state, &session)?;
        let arn = match session.principal() {
            access::Principal::Session { arn, .. } | access::Principal::User { arn, .. } => arn,
            _ => return Err(Refusal::internal()),
        };
        let brought_by = match &session.origin {
            Origin::Provider {
                issuer, subject, ..
            } => format!(" for {subject} of {issuer}"),
            _ => String::new(),
        };
        call.notes
            .opened(&arn, &session.id.to_string(), &brought_by);
        Ok(api::Session {
            token: std::mem::take(&mut *token),
            arn,
            expires: Some(timestamp(expires)),
            id: session.id.to_string(),
        })
    }
}

/// When a session counts as opened. Sessions are ended by the stamp of an entry, which is the
/// leader's time, and so that is taken, not this node's, which may be ahead: no session that was
/// opened before such an entry outlives it. One opened behind it is not taken for an older one.
fn issued(state: &State, now: Stamp, revoked_before: Stamp) -> Stamp {
    let leeway = u64::try_from(SESSION_LEEWAY_MS).unwrap_or(0);
    let earliest = Stamp(now.0.saturating_sub(leeway));
    state
        .last_stamp()
        .min(now)
        .max(earliest)
        .max(revoked_before)
}

/// The role of an ARN, letter for letter, if it may be assumed in this region.
pub(super) fn role<'a>(state: &'a State, named: &RoleArn) -> Option<&'a std::sync::Arc<Identity>> {
    let account = AccountId::new(named.account()).ok()?;
    let name = EntityName::new(named.name()).ok()?;
    let role = state.identity_named(&account, EntityKind::Role, &name)?;
    let counts = role.regions.is_empty()
        || role
            .regions
            .iter()
            .any(|region| Some(region) == state.region());
    let is_meant = arn::identity(role) == named.to_string();
    (is_meant && role.enabled && counts).then_some(role)
}

/// How many seconds a request asks for; none if it does not say.
pub(super) fn seconds(asked: Option<&Duration>) -> Result<Option<u32>, Refusal> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let whole = (asked.nanos == 0).then(|| u32::try_from(asked.seconds).ok());
    let seconds = whole.flatten();
    seconds
        .map(Some)
        .ok_or_else(|| Refusal::constraint("duration", "be whole seconds"))
}

/// Refuses a session that is too short or too long.
pub(super) fn within(seconds: u32, max: u32) -> Result<(), Refusal> {
    let lasts = duration_seconds(Some(seconds), max, false);
    lasts.map(drop).map_err(|error| too(&error))
}

fn too(error: &DurationError) -> Refusal {
    Refusal::new(
        Reason::Validation,
        format!("The duration is not accepted: {error}."),
    )
}
