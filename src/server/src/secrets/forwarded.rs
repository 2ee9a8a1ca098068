//! Writes that are handed on to another region, and those of another region that are made here.

use bytes::Bytes;
use machine::RegionName;
use prost::Message;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::ask::{Answer, Ask, Reading};
use super::{Secrets, parse, regions};
use crate::door::{Call, call_of};
use crate::errors::{Reason, Refusal};
use crate::forward::{Forwarded, Kept};

/// The writes that may be handed on: of what other regions lead, and of nothing that belongs to a
/// region itself.
pub(super) const CREATE: &str = "/strongroom.secrets.v1.SecretsService/CreateSecret";
pub(super) const PUT: &str = "/strongroom.secrets.v1.SecretsService/PutSecretValue";
pub(super) const UPDATE: &str = "/strongroom.secrets.v1.SecretsService/UpdateSecret";
pub(super) const STAGE: &str = "/strongroom.secrets.v1.SecretsService/UpdateSecretVersionStage";
pub(super) const DELETE: &str = "/strongroom.secrets.v1.SecretsService/DeleteSecret";
pub(super) const RESTORE: &str = "/strongroom.secrets.v1.SecretsService/RestoreSecret";
pub(super) const TAG: &str = "/strongroom.secrets.v1.SecretsService/TagResource";
pub(super) const UNTAG: &str = "/strongroom.secrets.v1.SecretsService/UntagResource";
pub(super) const REPLICATE: &str = "/strongroom.secrets.v1.SecretsService/ReplicateSecretToRegions";
pub(super) const REMOVE_REGIONS: &str =
    "/strongroom.secrets.v1.SecretsService/RemoveRegionsFromReplication";
pub(super) const PUT_POLICY: &str = "/strongroom.secrets.v1.SecretsService/PutResourcePolicy";
pub(super) const DELETE_POLICY: &str = "/strongroom.secrets.v1.SecretsService/DeleteResourcePolicy";

/// A write as it came, kept to be handed on.
pub(super) struct Write<Q> {
    kept: Kept,
    /// How it calls the secret it is about, and where it does; none of one that makes a secret.
    named: Option<(String, SecretId<Q>)>,
}

/// The member of a request that names the secret it is about.
pub(super) type SecretId<Q> = fn(&mut Q) -> &mut String;

/// The member of an answer that shows the secret's ARN.
pub(super) type ShownArn<T> = fn(&mut T) -> &mut String;

impl Secrets {
    /// Keeps a write to hand it on, if this region does that.
    pub(super) fn kept<Q: Message>(
        &self,
        method: &'static str,
        request: &mut Request<Q>,
        secret_id: Option<SecretId<Q>>,
    ) -> Result<Option<Write<Q>>, Status> {
        if self.forwarder.is_none() {
            return Ok(None);
        }
        let call = call_of(request)?;
        let reading = Reading::of(request.metadata())?;
        let view = self.consensus.local_view();
        let kept = Kept {
            call,
            method,
            region: regions::of_request(&view, reading.region.as_ref())?,
            request: Zeroizing::new(request.get_ref().encode_to_vec()),
        };
        let named = secret_id.map(|member| (member(request.get_mut()).clone(), member));
        Ok(Some(Write { kept, named }))
    }

    /// What a caller is told of a write: if another region leads what it is about, what that one
    /// says, to which it is handed on if it was kept.
    pub(super) async fn told<Q: Message + Default, T: Message + Default>(
        &self,
        kept: Option<Write<Q>>,
        outcome: Result<Answer<T>, Refusal>,
        shows: Option<ShownArn<T>>,
    ) -> Result<Response<T>, Status> {
        let primary = outcome.as_ref().err().and_then(Refusal::led_by);
        let (Some(kept), Some(primary), Some(forwarder)) = (kept, primary, &self.forwarder) else {
            return Answer::reply(outcome);
        };
        let Some((kept, meant)) = self.meant(kept) else {
            return Answer::reply(outcome);
        };
        let forwarded = forwarder.forward(&primary, &kept).await?;
        let mut message = T::decode(forwarded.reply).map_err(|_| unread(&primary))?;
        if let (Some(shows), Some(meant)) = (shows, meant) {
            *shows(&mut message) = meant;
        }
        Answer::reply(Ok(Answer {
            message,
            position: forwarded.position,
            age: None,
            staleness: None,
        }))
    }

    /// A write as it means the same in another region, where a name may be another secret's: it
    /// goes with the ARN of the secret that is meant here, which the answer is to show, because
    /// that region does not know who has the name here. None if the secret is gone meanwhile.
    fn meant<Q: Message + Default>(
        &self,
        Write { kept, named }: Write<Q>,
    ) -> Option<(Kept, Option<String>)> {
        let Some((id, member)) = named else {
            return Some((kept, None));
        };
        let id = parse::secret_id(&id).ok()?;
        let view = self.consensus.local_view();
        let who = self.authz.caller(&view, &kept.call).ok()?;
        let secret = regions::find(&view, &kept.region, who.account(), &id).ok()?;
        let arn = view.arn_of(secret, &kept.region).to_string();
        let mut naming = Q::default();
        member(&mut naming).clone_from(&arn);
        let naming = naming.encode_to_vec();
        // Of two encoded messages behind one another the later counts, where it says something.
        // They are not appended: a vector that grows leaves its plaintext behind.
        let request = Zeroizing::new([&**kept.request, &naming].concat());
        Some((Kept { request, ..kept }, Some(arn)))
    }

    /// Makes a write that another region has handed on, as one of that region's requests.
    ///
    /// # Errors
    /// As the call itself; `UnknownOperationException` for any other call.
    pub async fn perform(
        &self,
        method: &str,
        call: Call,
        region: RegionName,
        request: Bytes,
    ) -> Result<Forwarded, Refusal> {
        let reading = Reading {
            region: Some(region),
            ..Reading::default()
        };
        let context = (call, reading);
        match method {
            CREATE => encoded(self.create(ask(context, request)?).await),
            PUT => encoded(self.put(ask(context, request)?).await),
            UPDATE => encoded(self.update(ask(context, request)?).await),
            STAGE => encoded(self.update_stage(ask(context, request)?).await),
            DELETE => encoded(self.delete(ask(context, request)?).await),
            RESTORE => encoded(self.restore(ask(context, request)?).await),
            TAG => encoded(self.tag(ask(context, request)?).await),
            UNTAG => encoded(self.untag(ask(context, request)?).await),
            REPLICATE => encoded(self.replicate(ask(context, request)?).await),
            REMOVE_REGIONS => encoded(self.remove_regions(ask(context, request)?).await),
            PUT_POLICY => encoded(self.put_policy(ask(context, request)?).await),
            DELETE_POLICY => encoded(self.delete_policy(ask(context, request)?).await),
            _ => Err(Refusal::new(
                Reason::UnknownOperation,
                "This operation is not served.",
            )),
        }
    }
}

/// A call that was made, with an answer that says nothing.
fn unread(region: &RegionName) -> Refusal {
    let unread = format!("The answer of region {region} cannot be read.");
    Refusal::new(Reason::OutcomeUnknown, unread).with_primary(region)
}

fn ask<T: Message + Default>(
    (call, reading): (Call, Reading),
    request: Bytes,
) -> Result<Ask<T>, Refusal> {
    let message = T::decode(request).map_err(|_| {
        Refusal::new(
            Reason::Serialization,
            "The request is not a valid message of this operation.",
        )
    })?;
    Ok(Ask {
        call,
        reading,
        message,
    })
}

fn encoded<T: Message>(outcome: Result<Answer<T>, Refusal>) -> Result<Forwarded, Refusal> {
    let answer = outcome?;
    Ok(Forwarded {
        reply: answer.message.encode_to_vec().into(),
        position: answer.position,
    })
}
