//! AssumeRoleWithWebIdentity: sessions for strangers that bring a token of an issuer that the
//! account of a role trusts (R34).
//!
//! Every refusal is the same, and takes about the same time: the reason is in the log alone.

use access::jwt::{self, Claims};
use access::session::{Origin, RoleArn};
use access::{Principal, jwt::Why};
use machine::{AccountId, FeedId, Identity, IssuerUrl, Provider, State};
use wire::access::v1 as api;
use zeroize::Zeroizing;

use super::mint::{self, Asks, Mint};
use super::{Identities, arn};
use crate::authz::{Applicant, Asked, Surroundings};
use crate::clock;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::issuers::decoy;
use crate::secrets::ask::{Answer, Ask};

/// Why a token opens no session: for the log, not for whoever brought it.
#[derive(Debug, thiserror::Error)]
enum Denied {
    #[error("the token names no issuer: {0}")]
    NoIssuer(Why),
    #[error("the account of the role does not trust the issuer")]
    NoProvider,
    #[error("the keys of the issuer are not here yet")]
    NoKeys,
    #[error("the token is not accepted: {0}")]
    Token(Why),
    #[error("there is no such role that counts here")]
    NoRole,
    #[error("the role does not trust whom the token is of")]
    Trust,
    #[error("the request is not accepted: {0}")]
    Request(Refusal),
}

impl Denied {
    /// Whether somebody brought a token that an issuer has signed which is trusted here. Anybody
    /// can bring about the others: they must not fill a disk with lines.
    fn is_of_ours(&self) -> bool {
        matches!(self, Denied::NoRole | Denied::Trust | Denied::Request(_))
            || matches!(
                self,
                Denied::Token(Why::Audience | Why::Expired | Why::NotYet | Why::Lifetime)
            )
    }
}

/// A token that was found right.
struct Brought<'a> {
    provider: &'a Provider,
    claims: Claims,
}

impl Identities {
    pub(super) async fn assume_role_with_web_identity(
        &self,
        ask: Ask<api::AssumeRoleWithWebIdentityRequest>,
    ) -> Result<Answer<api::AssumeRoleWithWebIdentityResponse>, Refusal> {
        let Ask {
            call, mut message, ..
        } = ask;
        let token = Zeroizing::new(std::mem::take(&mut message.web_identity_token));
        if !self.logins.may_try(call.source) {
            return Err(Refusal::new(
                Reason::Throttling,
                "Too many attempts: wait a minute.",
            ));
        }
        // A position is not waited for: strangers would learn of it, and hold their place.
        let view = self.consensus.read(call.deadline).await?;
        if !view.is_founded() {
            return Err(Refusal::not_founded());
        }
        if view.administrator().is_none() {
            return Err(Refusal::no_root_feed());
        }
        let granted = self.grant_session(&view, &call, &token, &message);
        let granted = granted.map_err(|denied| {
            match denied.is_of_ours() {
                true => tracing::warn!(%denied, source = ?call.source, "a login was refused"),
                false => tracing::debug!(%denied, source = ?call.source, "a login was refused"),
            }
            // What the trust policy says is noted where it is asked.
            if !matches!(denied, Denied::Trust) {
                call.notes.decided("", false, denied.to_string());
            }
            Refusal::denied()
        })?;
        let session = Some(self.mint(&view, &call, granted)?);
        if let Some(epoch) = self.fence.over(&view, &FeedId::Root) {
            return Err(Refusal::taken_over(&epoch).with_addresses(&view));
        }
        Ok(Answer {
            message: api::AssumeRoleWithWebIdentityResponse { session },
            position: view.token(),
            age: None,
            staleness: None,
        })
    }

    /// What session a token opens. Whatever else is wrong, a signature is checked.
    fn grant_session(
        &self,
        state: &State,
        call: &Call,
        token: &str,
        message: &api::AssumeRoleWithWebIdentityRequest,
    ) -> Result<Mint, Denied> {
        let named: Option<RoleArn> = message.role_arn.parse().ok();
        let account = named
            .as_ref()
            .and_then(|named| AccountId::new(named.account()).ok());
        let brought = self.brought(state, account.as_ref(), token)?;
        let asks = Asks::of(
            &message.role_arn,
            &message.role_session_name,
            message.duration.as_ref(),
            &message.policy,
            &message.policy_arns,
        );
        let asks = asks.map_err(Denied::Request)?;
        let role = mint::role(state, &asks.role).ok_or(Denied::NoRole)?;
        self.trusted(state, call, role, &brought, &asks)?;
        let Brought { provider, claims } = brought;
        Ok(Mint {
            seconds: asks.seconds(role, false).map_err(Denied::Request)?,
            policies: asks.policies(state, role).map_err(Denied::Request)?,
            holder: asks.holder(role),
            origin: Origin::Provider {
                id: provider.uid.to_string(),
                issuer: claims.issuer,
                subject: claims.subject,
            },
            chain: Vec::new(),
            regions: role.regions.clone(),
            tags: claims.tags,
            source_identity: claims.source_identity,
        })
    }

    /// Verifies a token by the keys of its issuer, or of nobody if that is not trusted.
    fn brought<'a>(
        &self,
        state: &'a State,
        account: Option<&AccountId>,
        token: &str,
    ) -> Result<Brought<'a>, Denied> {
        let now_ms = i64::try_from(clock::now().0).unwrap_or(i64::MAX);
        let found = jwt::unverified_issuer(token)
            .map_err(|denied| Denied::NoIssuer(denied.why()))
            .and_then(|issuer| {
                let issuer = IssuerUrl::new(&issuer).map_err(|_| Denied::NoProvider)?;
                let provider = account.and_then(|account| state.provider_of(account, &issuer));
                let provider = provider.ok_or(Denied::NoProvider)?;
                let trusted = self.issuers.trusted(state, provider);
                if trusted.is_none() {
                    self.issuers.want(provider);
                }
                Ok((provider, trusted.ok_or(Denied::NoKeys)?))
            });
        let (provider, trusted) = match found {
            Ok(found) => found,
            Err(denied) => {
                decoy::check(token, now_ms);
                return Err(denied);
            }
        };
        let claims = jwt::verify(token, &trusted, now_ms).map_err(|denied| {
            if denied.why() == Why::Key {
                decoy::check(token, now_ms);
                self.issuers.want(provider);
            }
            Denied::Token(denied.why())
        })?;
        Ok(Brought { provider, claims })
    }

    /// Asks the trust policy of a role about whoever a token is of.
    fn trusted(
        &self,
        state: &State,
        call: &Call,
        role: &Identity,
        brought: &Brought<'_>,
        asks: &Asks,
    ) -> Result<(), Denied> {
        let Brought { provider, claims } = brought;
        let region = state.region().ok_or(Denied::NoRole)?;
        let around = Surroundings::of(call, region);
        let of_role = |action| Asked::of(action).with("sts:RoleSessionName", asks.name.as_str());
        let mut asked = vec![of_role("sts:AssumeRoleWithWebIdentity")];
        if !claims.tags.as_slice().is_empty() {
            asked.push(of_role("sts:TagSession"));
        }
        if claims.source_identity.is_some() {
            asked.push(of_role("sts:SetSourceIdentity"));
        }
        let principal = Principal::Federated {
            account: role.account.to_string(),
            provider: arn::provider(provider),
        };
        let applicant = Applicant::Federated(&principal, claims);
        let allowed = self
            .authz
            .may_become(state, applicant, role, &asked, &around);
        allowed.map_err(|_| Denied::Trust)
    }
}
