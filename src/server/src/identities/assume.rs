//! AssumeRole and GetSessionToken: sessions for whoever is known already.

use std::sync::Arc;

use access::Principal;
use access::session::{Holder, Origin, Tag, Tags, is_source_identity};
use machine::Identity;
use wire::access::v1 as api;

use super::Identities;
use super::mint::{self, Asks, Mint};
use crate::authz::{Applicant, Asked, Proven, Who, meet};
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::{EXTERNAL_ID_CHARS, SESSION_LONGEST};
use crate::secrets::ask::{Answer, Ask};

impl Identities {
    pub(super) async fn assume_role(
        &self,
        ask: Ask<api::AssumeRoleRequest>,
    ) -> Result<Answer<api::AssumeRoleResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let asks = Asks::of(
            &message.role_arn,
            &message.role_session_name,
            message.duration.as_ref(),
            &message.policy,
            &message.policy_arns,
        )?;
        let tags = tags(&message)?;
        let source_identity = source_identity(&message.source_identity)?;
        external_id(&message.external_id)?;
        let view = self.view(&call, &reading).await?;
        let (who, origin) = (Arc::clone(&view.who), origin(&call, &view.who)?);
        let role = mint::role(&view, &asks.role).ok_or_else(|| view.refuse(Refusal::denied()))?;
        let inherited = who.session().and_then(|held| held.source_identity.clone());
        if let (Some(held), Some(asked)) = (&inherited, &source_identity)
            && held != asked
        {
            return Err(view.refuse(Refusal::denied()));
        }
        let mut asked = vec![of_role("sts:AssumeRole", &asks, &message)];
        if !tags.as_slice().is_empty() {
            asked.push(of_role("sts:TagSession", &asks, &message));
        }
        if source_identity.is_some() {
            asked.push(of_role("sts:SetSourceIdentity", &asks, &message));
        }
        let applicant = Applicant::Known(&who, &tags);
        let allowed = view
            .authz
            .may_become(&view, applicant, role, &asked, &view.around);
        allowed.map_err(|refusal| view.refuse(refusal))?;
        let chained = is_session(&who);
        let session = Mint {
            seconds: asks.seconds(role, chained)?,
            policies: asks.policies(&view, role)?,
            holder: asks.holder(role),
            origin,
            chain: chain(&who),
            regions: meet(&role.regions, who.regions()),
            tags: inherited_tags(&who, tags)?,
            source_identity: source_identity.or(inherited),
        };
        let session = Some(self.mint(&view, &call, session)?);
        view.answer(api::AssumeRoleResponse { session })
    }

    pub(super) async fn session_token(
        &self,
        ask: Ask<api::GetSessionTokenRequest>,
    ) -> Result<Answer<api::GetSessionTokenResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let longest = u32::try_from(SESSION_LONGEST.as_secs()).unwrap_or(u32::MAX);
        let seconds = mint::seconds(message.duration.as_ref())?;
        let seconds = seconds.unwrap_or(longest);
        mint::within(seconds, longest)?;
        let view = self.view(&call, &reading).await?;
        let Principal::User { account, arn, id } = view.who.principal() else {
            return Err(view.refuse(Refusal::denied()));
        };
        if view.who.session().is_some() {
            return Err(view.refuse(Refusal::denied()));
        }
        let session = Mint {
            seconds,
            policies: (None, Vec::new()),
            holder: Holder::User {
                account: account.clone(),
                arn: arn.clone(),
                id: id.clone(),
            },
            origin: origin(&call, &view.who)?,
            chain: Vec::new(),
            regions: view.who.regions().to_vec(),
            tags: Tags::default(),
            source_identity: None,
        };
        let session = Some(self.mint(&view, &call, session)?);
        view.answer(api::GetSessionTokenResponse { session })
    }
}

/// What was proved when the first session of a chain was opened. The root of an account opens none.
fn origin(call: &Call, who: &Who) -> Result<Origin, Refusal> {
    if let Some(session) = who.session() {
        return Ok(session.origin.clone());
    }
    match (&call.proven, who.credential()) {
        (Some(Proven::Certificate(shown)), Some(credential)) => Ok(Origin::Certificate {
            credential: credential.to_string(),
            key_hash: shown.public_key,
        }),
        _ => Err(Refusal::denied()),
    }
}

/// Whether who asks is a session already, by a token or because its certificate stands for a role.
fn is_session(who: &Who) -> bool {
    who.session().is_some() || matches!(who.principal(), Principal::Session { .. })
}

fn chain(who: &Who) -> Vec<access::session::SessionId> {
    let held = who.session().into_iter();
    held.flat_map(|held| held.chain.iter().chain([&held.id]))
        .copied()
        .collect()
}

/// The tags of the new session: its own, and those that the caller's hands on.
fn inherited_tags(who: &Who, tags: Tags) -> Result<Tags, Refusal> {
    let held = who.session().map(|held| held.tags.clone());
    let chained = held.unwrap_or_default().chained(tags);
    chained.map_err(|error| Refusal::parameter(format!("The tags are not accepted: {error}.")))
}

/// One action on a role, with what the request says of the session.
fn of_role(action: &'static str, asks: &Asks, message: &api::AssumeRoleRequest) -> Asked {
    let mut asked = Asked::of(action).with("sts:RoleSessionName", asks.name.as_str());
    if !message.external_id.is_empty() {
        asked = asked.with("sts:ExternalId", message.external_id.as_str());
    }
    if !message.source_identity.is_empty() {
        asked = asked.with("sts:SourceIdentity", message.source_identity.as_str());
    }
    asked
}

fn tags(message: &api::AssumeRoleRequest) -> Result<Tags, Refusal> {
    let transitive = &message.transitive_tag_keys;
    let is_tag = |key: &String| message.tags.iter().any(|tag| tag.key == *key);
    if !transitive.iter().all(is_tag) {
        let stray = "Each transitive tag key must be the key of a tag of the request.";
        return Err(Refusal::parameter(stray));
    }
    let tags = message.tags.iter().map(|tag| Tag {
        key: tag.key.clone(),
        value: tag.value.clone(),
        transitive: transitive.contains(&tag.key),
    });
    Tags::new(tags.collect())
        .map_err(|error| Refusal::parameter(format!("The tags are not accepted: {error}.")))
}

fn source_identity(text: &str) -> Result<Option<String>, Refusal> {
    match text {
        "" => Ok(None),
        text if is_source_identity(text) => Ok(Some(text.to_owned())),
        _ => Err(Refusal::constraint(
            "source_identity",
            "have 2 to 64 letters, digits and _+=,.@-",
        )),
    }
}

fn external_id(text: &str) -> Result<(), Refusal> {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    let is_one = EXTERNAL_ID_CHARS.contains(&text.len()) && text.bytes().all(is_char);
    match text.is_empty() || is_one {
        true => Ok(()),
        false => Err(Refusal::constraint(
            "external_id",
            "have 2 to 1224 letters, digits and _+=,.@:/-",
        )),
    }
}

impl Asks {
    /// The role as a session of it has it.
    pub(super) fn holder(&self, role: &Identity) -> Holder {
        Holder::Role {
            arn: self.role.clone(),
            id: role.uid.to_string(),
            name: self.name.clone(),
        }
    }
}
