//! Where a call goes, and what it says beside its message.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, metadata::MetadataValue};

use super::effect::Effect;
use crate::{endpoints::Endpoints, limits::ANSWER_TIME, token::Bearer};

const MIN_POSITION: &str = "strongroom-min-position";
const CONSISTENCY: &str = "strongroom-consistency";
const MAX_STALENESS_MS: &str = "strongroom-max-staleness-ms";
const REGION: &str = "strongroom-region";

/// Where a call goes, and what it says beside its message.
pub(super) struct Way<'a> {
    pub(super) effect: Effect,
    /// The nodes that may be asked.
    pub(super) endpoints: &'a Endpoints,
    /// When it has to end.
    pub(super) deadline: Instant,
    /// What says who calls, if that is a session.
    pub(super) bearer: Option<&'a Bearer>,
    /// The region it belongs to, if not that of the node.
    pub(super) region: Option<&'a str>,
    /// What a read must show.
    pub(super) shows: Shows,
}

/// What a read must show.
#[derive(Default)]
pub(super) struct Shows {
    /// The local state of a node will do.
    pub(super) eventual: bool,
    /// At least this position.
    pub(super) token: Option<String>,
    /// In a replica region, a state that is not older than this.
    pub(super) max_staleness: Option<Duration>,
}

impl Way<'_> {
    /// The request of an attempt that ends then.
    pub(super) fn request<Q>(&self, message: Q, until: Instant) -> Request<Q> {
        let mut request = Request::new(message);
        identified(&mut request, self.bearer);
        let left = until.saturating_duration_since(Instant::now());
        // Or the node would say why it cannot answer when nobody listens any more: the connection
        // may have to be made first.
        request.set_timeout(left - ANSWER_TIME.min(left / 10));
        if self.effect.is_of_secrets() {
            belongs_to(&mut request, self.region);
        }
        if self.effect != Effect::Reads {
            return request;
        }
        let metadata = request.metadata_mut();
        if self.shows.eventual {
            metadata.insert(CONSISTENCY, MetadataValue::from_static("eventual"));
        }
        if let Some(Ok(token)) = self.shows.token.as_deref().map(str::parse) {
            metadata.insert(MIN_POSITION, token);
        }
        if let Some(staleness) = self.shows.max_staleness {
            let milliseconds = u64::try_from(staleness.as_millis()).unwrap_or(u64::MAX);
            metadata.insert(MAX_STALENESS_MS, MetadataValue::from(milliseconds));
        }
        request
    }
}

/// A request for a stream of a region's secrets, which has no deadline.
pub(crate) fn watch_request<Q>(
    message: Q,
    bearer: Option<&Bearer>,
    region: Option<&str>,
) -> Request<Q> {
    let mut request = Request::new(message);
    identified(&mut request, bearer);
    belongs_to(&mut request, region);
    request
}

fn identified<Q>(request: &mut Request<Q>, bearer: Option<&Bearer>) {
    if let Some(bearer) = bearer {
        bearer.goes_with(request);
    }
}

fn belongs_to<Q>(request: &mut Request<Q>, region: Option<&str>) {
    if let Some(Ok(region)) = region.map(str::parse) {
        request.metadata_mut().insert(REGION, region);
    }
}
