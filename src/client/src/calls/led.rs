//! Writes, which only the region takes that leads what they change.
//!
//! A region that does not lead it refuses, and says which one does. If the client was given nodes
//! of that region, the write is sent to them within the time of the call; else the refusal tells
//! where to send it. It must mean the same there: a name is another secret's in another region, so
//! the write goes with the ARN of the secret that was meant.

use tonic::{Request, Response, Status};
use wire::{Channel, secrets::v1::DescribeSecretRequest};

use super::{
    course::Failed,
    effect::Effect,
    secrets::service,
    way::{Shows, Way},
};
use crate::{
    Client,
    endpoints::Endpoints,
    error::{Error, Retry},
    shown::Shown,
};

/// What a write means in another region than the one it was first sent to.
pub(super) enum Means<Q> {
    /// The same.
    TheSame,
    /// Another secret, but for its ARN: the member that names it.
    Secret(fn(&mut Q) -> &mut String),
    /// A secret of another region, unless the client says which region its calls belong to.
    NewSecret,
}

impl Client {
    /// Sends a write to the region, and if another one leads what it changes, to that.
    pub(super) async fn write<Q, A, F, S>(
        &self,
        effect: Effect,
        message: Q,
        means: Means<Q>,
        send: F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> S,
        S: Future<Output = Result<Response<A>, Status>>,
    {
        let deadline = self.deadline();
        let before = self.shared.positions.before();
        let way = self.way(effect, deadline);
        let failed = match self.send(&way, message.clone(), &send).await {
            Ok(answer) => return Ok(self.learn(effect, &before, answer)),
            Err(failed) => failed,
        };
        let Some((region, endpoints)) = self.led_by(effect, &failed) else {
            return Err(failed.error);
        };
        let way = Way {
            effect,
            endpoints,
            deadline,
            bearer: self.shared.bearer.as_ref(),
            region: self.region.as_deref(),
            shows: Shows::default(),
        };
        let Some((way, message)) = self.meant(message, means, way).await else {
            return Err(failed.error);
        };
        let before = self.shared.positions.before();
        let answer = self.send(&way, message, &send).await;
        let answer = answer.map_err(|failed| failed.error)?;
        let shown = Shown::of(answer.metadata());
        if let (true, Some(token)) = (effect.is_of_secrets(), &shown.position) {
            self.shared.positions.saw_elsewhere(region, &before, token);
        }
        self.show(shown);
        Ok(answer.into_inner())
    }

    /// The region that leads what a failed write changes, if its nodes are known. A write that may
    /// have been made already is made there only if its token makes both one write.
    fn led_by(&self, effect: Effect, failed: &Failed) -> Option<(&str, &Endpoints)> {
        let primary = failed.primary.as_deref()?;
        let may_be_sent = failed.error.retry() != Retry::Unknown || effect.is_once();
        let (region, endpoints) = self.elsewhere.get_key_value(primary)?;
        may_be_sent.then_some((region.as_str(), &**endpoints))
    }

    /// What a write has to say in another region to mean what it meant in this one; `None` if that
    /// cannot be said.
    async fn meant<'a, Q>(
        &self,
        mut message: Q,
        means: Means<Q>,
        mut way: Way<'a>,
    ) -> Option<(Way<'a>, Q)> {
        match means {
            Means::TheSame => {}
            Means::NewSecret if way.region.is_none() => return None,
            Means::NewSecret => {}
            Means::Secret(id) => {
                way.region = None;
                let id = id(&mut message);
                if !id.starts_with("arn:") {
                    *id = self.arn(id.clone(), &way).await?;
                }
            }
        }
        Some((way, message))
    }

    /// The ARN of the secret that an id means in this region.
    async fn arn(&self, secret_id: String, way: &Way<'_>) -> Option<String> {
        let here = self.way(Effect::Reads, way.deadline);
        let request = DescribeSecretRequest { secret_id };
        let described = self.send(&here, request, &|channel, request| async move {
            service(channel).describe_secret(request).await
        });
        match described.await {
            Ok(described) => Some(described.into_inner().arn),
            Err(failed) => {
                tracing::debug!(error = %failed.error, "a secret led elsewhere has no ARN here");
                None
            }
        }
    }
}
