//! Who a caller is, and what it may do: both from the one view that a call is answered from (R9).
//!
//! Invariants: nobody is known but by a row of the view, and nothing is allowed but by a policy of
//! it, or to the root of an account. What a decision used is named, so that a write whose grounds
//! have moved is not made.

mod documents;
mod gate;
mod grants;
mod keys;
mod opened;
mod proven;
mod trust;
mod who;

use access::session::Why;
use access::{Attached, Context, Decision, Effect, Policy, Principal, Request};
use std::sync::Arc;
use std::time::Duration;

use machine::{AccountId, FeedId, Identity, Position, RowKey, Secret, SeenAs, SeenRow, State};

use crate::door::Call;
use crate::errors::Refusal;
use crate::sessions::Sessions;
use crate::staleness::Staleness;

use self::documents::Documents;
use self::opened::Tokens;
use self::who::{Age, Callers};

pub use self::documents::Unreadable;
pub use self::gate::Policies;
pub use self::grants::Grants;
pub use self::keys::{Asked, Surroundings};
pub use self::proven::{Bearer, Certificate, Proven, TokenText};
pub use self::trust::Applicant;
pub use self::who::{Unknown, Who, meet, revoked_before, standing};

/// Knows callers and policies. What it remembers of them is only what the rows of a view still say.
pub struct Authz {
    callers: Callers,
    documents: Documents,
    tokens: Tokens,
    sessions: Arc<Sessions>,
    staleness: Arc<Staleness>,
    staleness_max: Duration,
}

/// What an action is asked on.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A secret, with the ARN by which the request means it.
    Secret(&'a Secret, &'a str),
    /// What is not there, or not yet, by its ARN, in an account.
    Named(&'a str, &'a AccountId),
    /// All there is: actions that have no resource.
    All,
}

/// A decision, and the rows it is based on beside those of the caller.
#[derive(Debug)]
pub struct Decided {
    /// What is decided, and why.
    pub decision: Decision,
    /// The rows that a write has to find as they are here.
    pub seen: Vec<SeenRow>,
}

impl Authz {
    /// Authorization that takes sessions of other regions while the root feed is this old at most.
    #[must_use]
    pub fn new(
        sessions: Arc<Sessions>,
        staleness: Arc<Staleness>,
        staleness_max: Duration,
    ) -> Self {
        Self {
            callers: Callers::default(),
            documents: Documents::default(),
            tokens: Tokens::default(),
            sessions,
            staleness,
            staleness_max,
        }
    }

    /// Finds who makes a call.
    ///
    /// # Errors
    /// The same for every caller that is nobody here; and while nothing is known here of callers.
    pub fn caller(&self, state: &State, call: &Call) -> Result<Arc<Who>, Refusal> {
        if !state.is_founded() {
            return Err(Refusal::not_founded());
        }
        if state.administrator().is_none() {
            return Err(Refusal::no_root_feed());
        }
        let proven = call.proven.as_ref().ok_or_else(Refusal::denied)?;
        let age = match proven {
            Proven::Certificate(_) => Age::default(),
            Proven::Session(_) => self.age(state),
        };
        let who = self.callers.who(state, &self.documents, proven, age);
        let who = who.map_err(|unknown| {
            tracing::warn!(caller = %call.caller, ?unknown, "a caller is nobody here");
            let reason = format!("the caller is nobody here: {unknown:?}");
            call.notes.decided("", false, reason);
            match proven {
                Proven::Certificate(_) => Refusal::denied(),
                Proven::Session(_) => refused(unknown),
            }
        })?;
        let (arn, session) = named(who.principal(), call);
        call.notes.caller(arn, session);
        Ok(who)
    }

    /// Opens a token, whose seal and signature have to be right.
    ///
    /// # Errors
    /// The same for whatever is wrong with it.
    pub fn open(&self, state: &State, token: &str) -> Result<Arc<Bearer>, Refusal> {
        let opened = self.tokens.open(&self.sessions, state, token);
        opened.map_err(|unknown| {
            // Anybody can send these: they must not fill a disk with lines.
            tracing::debug!(%unknown, "a token is not one of a session");
            Refusal::bad_token()
        })
    }

    /// How old what is known here of identities may be.
    fn age(&self, state: &State) -> Age {
        let root = FeedId::Root;
        // Whoever was deposed knows no more than what came before.
        let leads = state.is_primary(&root) && state.fence(&root).is_none();
        let root_feed = match leads {
            true => Duration::ZERO,
            false => self.staleness.known().age(&root).unwrap_or(Duration::MAX),
        };
        Age {
            root_feed,
            max: self.staleness_max,
        }
    }

    /// Who a user, or a session of a role, would be: to say what it might do.
    ///
    /// # Errors
    /// A policy of it cannot be read.
    pub fn imagine(&self, state: &State, identity: &Identity) -> Result<Who, Unreadable> {
        Who::imagined(state, &self.documents, identity)
    }

    /// The row with this key, for a write to find as it is here; none if there is no such row.
    pub fn row(state: &State, key: RowKey) -> Option<SeenRow> {
        documents::seen(state, key)
    }

    /// Lets a caller do something, and gives the rows that a write has to find as they are here.
    ///
    /// # Errors
    /// The same for everything that is not allowed.
    pub fn permit(
        &self,
        state: &State,
        who: &Who,
        asked: &Asked,
        around: &Surroundings,
        target: Target<'_>,
    ) -> Result<Vec<SeenRow>, Refusal> {
        let decided = self.decide(state, who, asked, around, target);
        note(state, around, target, decided.as_ref());
        let Decided { decision, seen } = decided.map_err(|Unreadable| Refusal::denied())?;
        match decision.effect {
            Effect::Allow => Ok(seen),
            Effect::ExplicitDeny | Effect::ImplicitDeny => Err(Refusal::denied()),
        }
    }

    /// Whether a caller may do something with one of many, of which not each is noted.
    pub fn allows(
        &self,
        state: &State,
        who: &Who,
        asked: &Asked,
        around: &Surroundings,
        target: Target<'_>,
    ) -> bool {
        let decided = self.decide(state, who, asked, around, target);
        decided.is_ok_and(|decided| decided.decision.effect == Effect::Allow)
    }

    /// Decides whether a caller may do something.
    ///
    /// # Errors
    /// The policy of the secret cannot be read.
    pub fn decide(
        &self,
        state: &State,
        who: &Who,
        asked: &Asked,
        around: &Surroundings,
        target: Target<'_>,
    ) -> Result<Decided, Unreadable> {
        let own = match target {
            Target::Secret(secret, _) if !is_roots(who, asked, secret) => {
                self.documents.of_secret(state, secret)?
            }
            Target::Secret(..) | Target::Named(..) | Target::All => None,
        };
        let own = own.as_ref().map(|(name, policy)| Attached { name, policy });
        Ok(Self::judge(state, who, asked, around, target, own))
    }

    /// Decides whether a caller might do something with a secret that had this resource policy.
    pub fn decide_under(
        &self,
        state: &State,
        who: &Who,
        asked: &Asked,
        around: &Surroundings,
        (secret, arn): (&Secret, &str),
        policy: &Policy,
    ) -> Decision {
        let own = (!is_roots(who, asked, secret)).then_some(Attached {
            name: "the resource policy",
            policy,
        });
        let target = Target::Secret(secret, arn);
        Self::judge(state, who, asked, around, target, own).decision
    }

    fn judge(
        state: &State,
        who: &Who,
        asked: &Asked,
        around: &Surroundings,
        target: Target<'_>,
        own: Option<Attached<'_>>,
    ) -> Decided {
        let mut context = Context::new();
        who.describe(&mut context);
        around.describe(&mut context);
        asked.describe(&mut context);
        let mut rows = who.seen().to_vec();
        let (resource, account) = match target {
            Target::Secret(secret, arn) => {
                keys::describe_secret(state, secret, &mut context);
                rows.extend(grounds(state, secret));
                (arn, &secret.account)
            }
            Target::Named(arn, account) => (arn, account),
            Target::All => ("*", who.account()),
        };
        context.set("aws:ResourceAccount", account.as_str());
        let (identity, confining) = (who.policies(), who.confining());
        let policies = access::Policies {
            identity: &identity,
            boundary: who.boundary(),
            session: confining.as_deref(),
            resource: own,
            endpoint: None,
        };
        let request = Request {
            principal: who.principal(),
            action: asked.action(),
            resource,
            resource_account: account.as_str(),
            context: &context,
        };
        let decision = access::decide(&policies, &request);
        Decided {
            decision,
            seen: rows,
        }
    }
}

/// What the carrier of a token is told, whose seal and signature are right.
fn refused(unknown: Unknown) -> Refusal {
    match unknown {
        Unknown::Session(Why::Expired) => Refusal::expired_token(),
        // It is the region that knows too little, and another one may know enough.
        Unknown::Session(Why::Stale) => Refusal::too_late(),
        _ => Refusal::bad_token(),
    }
}

/// Notes a decision for the record of the call: who decided, about what, and where that stands.
fn note(
    state: &State,
    around: &Surroundings,
    target: Target<'_>,
    decided: Result<&Decided, &Unreadable>,
) {
    let (resource, secret) = match target {
        Target::Secret(secret, arn) => (arn, Some(secret)),
        Target::Named(arn, _) => (arn, None),
        Target::All => ("*", None),
    };
    let (is_allowed, reason) = match decided {
        Ok(Decided { decision, .. }) => (
            decision.effect == Effect::Allow,
            decision.reason.to_string(),
        ),
        Err(Unreadable) => (false, "the policy of the secret cannot be read".to_owned()),
    };
    around.notes.decided(resource, is_allowed, reason);
    let feed = secret.and_then(|secret| state.feed_of_secret(&secret.uid));
    let feed = feed.and_then(|feed| state.feed(feed)?.state());
    if let Some(feed) = feed {
        around.notes.position(Position {
            feed: feed.feed.clone(),
            epoch: feed.epoch.clone(),
            revision: feed.revision,
        });
    }
}

/// Who a caller is, and by what it proved that: the id of its session, by which that is revoked, or
/// its certificate.
fn named(principal: &Principal, call: &Call) -> (String, String) {
    let shown = match &call.proven {
        Some(Proven::Session(bearer)) => bearer.session.id.to_string(),
        Some(Proven::Certificate(_)) | None => call.caller.to_string(),
    };
    let arn = match principal {
        Principal::Session { arn, .. } | Principal::User { arn, .. } => arn.clone(),
        Principal::Root { account } => format!("arn:aws:iam::{account}:root"),
        // None of these calls.
        Principal::Service { name } | Principal::Federated { provider: name, .. } => name.clone(),
        Principal::Anonymous => String::new(),
    };
    (arn, shown)
}

/// A secret with what decisions about it look at. Before identities are known nothing is decided by
/// that: the root of the account may do everything.
fn grounds(state: &State, secret: &Secret) -> Option<SeenRow> {
    let knows_identities = state.machine_version() >= Some(machine::ACCESS);
    knows_identities.then(|| SeenRow {
        key: RowKey::Secret(secret.uid),
        seen: SeenAs::Grounds(secret.grounds()),
    })
}

/// Whether the root of a secret's account asks for the policy of the secret: what that policy says
/// does not count then, so that no policy locks everybody out for good.
fn is_roots(who: &Who, asked: &Asked, secret: &Secret) -> bool {
    let own = secret.account.as_str();
    let is_root = matches!(who.principal(), Principal::Root { account } if account == own);
    is_root && OF_POLICIES.contains(&asked.action())
}

/// The actions on the policy of a secret.
const OF_POLICIES: [&str; 3] = [
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
];

#[cfg(test)]
mod tests {
    use access::session::Why;

    use super::refused;
    use super::who::Unknown;
    use crate::errors::Reason;

    #[test]
    fn the_carrier_of_a_token_is_told_that_it_has_expired_and_no_other_reason() {
        let reason = |unknown| refused(unknown).reason();
        assert_eq!(reason(Unknown::Session(Why::Expired)), Reason::ExpiredToken);
        for unknown in [
            Unknown::Session(Why::RevokedSession),
            Unknown::Session(Why::Region),
            Unknown::Session(Why::Signer),
            Unknown::NoHolder,
            Unknown::NoRegion,
            Unknown::PrincipalOff,
            Unknown::CredentialOff,
        ] {
            assert_eq!(reason(unknown), Reason::UnrecognizedClient, "{unknown:?}");
        }
    }
}
