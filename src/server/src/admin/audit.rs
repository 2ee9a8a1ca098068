//! SearchAudit and TailAudit: what this node has recorded.
//!
//! Both work without a quorum, with what this node knows: who looks at them then needs them most.
//! They read files, on threads that may wait, and never make who records wait.

use std::pin::Pin;
use std::sync::Arc;

use audit::{Entry, Filter, Hash, Kind, Order, PAGE_RECORDS_MAX, Page, Place, ReadError, Time};
use futures::Stream;
use prost_types::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};
use wire::admin::v1 as api;

use super::Admin;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::limits::{AUDIT_PAGE_DEFAULT, AUDIT_TAIL_PAUSE, AUDIT_TAIL_SILENCE, WATCH_PATIENCE};
use crate::methods::{Method, TAIL_AUDIT};
use crate::trail::Recorder;

/// The messages of one stream.
pub(super) type Messages =
    Pin<Box<dyn Stream<Item = Result<api::TailAuditResponse, Status>> + Send>>;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

impl Admin {
    pub(super) async fn search_audit(
        &self,
        request: api::SearchAuditRequest,
    ) -> Result<api::SearchAuditResponse, Refusal> {
        let order = match request.oldest_first {
            true => Order::OldestFirst,
            false => Order::NewestFirst,
        };
        let count = count(request.max_results)?;
        let place = match request.next_token.as_str() {
            "" => None,
            token => Some(place(token).ok_or_else(unknown_token)?),
        };
        let filter = filter(request)?;
        let search = move |recorder: &Recorder| {
            let reader = recorder.reader();
            reader.search(&filter, order, place, count)
        };
        let page = read(&self.recorder, search).await?;
        let next = page.next.filter(|_| !page.is_end);
        Ok(api::SearchAuditResponse {
            records: records(&page),
            next_token: next.map(token).unwrap_or_default(),
            unreadable: page.unreadable,
            unopened: page.unopened,
        })
    }

    pub(super) async fn tail_audit(
        &self,
        call: Call,
        request: api::TailAuditRequest,
    ) -> Result<Response<Messages>, Refusal> {
        let last = usize::try_from(request.last).ok();
        let last = last.filter(|last| *last <= PAGE_RECORDS_MAX);
        let last = last.ok_or_else(|| Refusal::parameter("last must be from 0 to 1000."))?;
        let room = Arc::clone(&self.tails).try_acquire_owned();
        let room = room.map_err(|_| Refusal::new(Reason::Throttling, "Rate exceeded"))?;
        let page = read(&self.recorder, move |recorder| recorder.reader().tail(last)).await?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(self.clone().tell_records(call, page, sender, room));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn tell_records(
        self,
        call: Call,
        mut page: Page,
        sender: mpsc::Sender<Result<api::TailAuditResponse, Status>>,
        _room: OwnedSemaphorePermit,
    ) {
        let mut told_at: Option<Instant> = None;
        let refusal = loop {
            // The first message says that the stream has begun, and others that it goes on.
            let is_silent = told_at.is_none_or(|at| at.elapsed() >= AUDIT_TAIL_SILENCE);
            if is_silent || !page.found.is_empty() {
                told_at = Some(Instant::now());
                let records = records(&page);
                let message = api::TailAuditResponse { records };
                let told = sender.send_timeout(Ok(message), WATCH_PATIENCE).await;
                if told.is_err() {
                    return;
                }
            }
            let place = page.next;
            if page.is_end {
                tokio::select! {
                    () = sender.closed() => return,
                    () = self.stop.cancelled() => {
                        let stopped = "This node is stopping.";
                        break Refusal::new(Reason::ServiceUnavailable, stopped);
                    }
                    () = tokio::time::sleep(AUDIT_TAIL_PAUSE) => {}
                }
            }
            // Whoever was let in may be nobody by now, or may do less.
            if let Err(refusal) = self.gate.pass(&call, &TAIL).await {
                break refusal;
            }
            let follow = move |recorder: &Recorder| recorder.reader().follow(place);
            page = match read(&self.recorder, follow).await {
                Ok(page) => page,
                Err(refusal) => break refusal,
            };
        };
        // The reader may be gone; then nobody is left to tell.
        let told = sender.send_timeout(Err(refusal.into()), WATCH_PATIENCE);
        let _ = told.await;
    }
}

/// The row of the table that says who may have the stream.
static TAIL: Method = TAIL_AUDIT;

/// Reads on a thread that may wait.
async fn read(
    recorder: &Arc<Recorder>,
    read: impl FnOnce(&Recorder) -> Result<Page, ReadError> + Send + 'static,
) -> Result<Page, Refusal> {
    let recorder = Arc::clone(recorder);
    let page = tokio::task::spawn_blocking(move || read(&recorder)).await;
    let page = page.map_err(|_| Refusal::internal())?;
    page.map_err(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "the audit trail could not be read");
        Refusal::internal()
    })
}

fn count(asked: Option<i32>) -> Result<usize, Refusal> {
    let Some(asked) = asked else {
        return Ok(AUDIT_PAGE_DEFAULT);
    };
    let count = usize::try_from(asked).ok();
    let count = count.filter(|count| (1..=PAGE_RECORDS_MAX).contains(count));
    count.ok_or_else(|| Refusal::parameter("maxResults must be from 1 to 1000."))
}

fn filter(request: api::SearchAuditRequest) -> Result<Filter, Refusal> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let request_id = match request.request_id.len() {
        0 => None,
        _ => {
            let id = <[u8; 16]>::try_from(&*request.request_id);
            Some(id.map_err(|_| Refusal::parameter("requestId must have 16 bytes."))?)
        }
    };
    Ok(Filter {
        from: request.from.map(time).transpose()?,
        until: request.until.map(time).transpose()?,
        caller: given(request.caller),
        method: given(request.method),
        resource: given(request.resource),
        result: given(request.result),
        request: request_id,
    })
}

fn time(at: Timestamp) -> Result<Time, Refusal> {
    let nanos = u64::try_from(at.seconds).ok().and_then(|seconds| {
        let nanos = u64::try_from(at.nanos).ok()?;
        seconds.checked_mul(SECOND)?.checked_add(nanos)
    });
    let nanos = nanos.ok_or_else(|| Refusal::parameter("A time must be from 1970 to 2554."));
    nanos.map(Time)
}

/// A place as a page tells it.
fn token(place: Place) -> String {
    format!("{}-{}", place.file, place.offset)
}

fn place(token: &str) -> Option<Place> {
    let (file, offset) = token.split_once('-')?;
    let found = Place {
        file: file.parse().ok()?,
        offset: offset.parse().ok()?,
    };
    // One spelling each.
    (self::token(found) == token).then_some(found)
}

fn unknown_token() -> Refusal {
    Refusal::new(
        Reason::InvalidNextToken,
        "The next token is not one of this call.",
    )
}

fn records(page: &Page) -> Vec<api::AuditRecord> {
    page.found
        .iter()
        .map(|found| record(&found.entry))
        .collect()
}

fn record(entry: &Entry) -> api::AuditRecord {
    let position = entry.position.as_ref();
    let Hash(hash) = entry.hash;
    api::AuditRecord {
        number: entry.seq,
        time: Some(Timestamp {
            seconds: i64::try_from(entry.time.0 / SECOND).unwrap_or(i64::MAX),
            nanos: i32::try_from(entry.time.0 % SECOND).unwrap_or_default(),
        }),
        internal: entry.kind == Kind::Internal,
        caller: entry.caller.clone(),
        session: entry.session.clone(),
        address: entry
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        listener: entry.listener.clone(),
        method: entry.method.clone(),
        resource: entry.resource.clone(),
        version_id: entry.version.clone(),
        version_stage: entry.stage.clone(),
        result: entry.result.clone(),
        statement: entry.statement.clone(),
        request_id: entry.request.to_vec(),
        region: entry.region.clone(),
        node: entry.node,
        feed: position
            .map(|position| position.feed.clone())
            .unwrap_or_default(),
        epoch: position.map(|position| position.epoch).unwrap_or_default(),
        epoch_region: position
            .map(|position| position.epoch_region.clone())
            .unwrap_or_default(),
        revision: position
            .map(|position| position.revision)
            .unwrap_or_default(),
        hash: hash.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use audit::Place;

    use super::{place, token};

    #[test]
    fn a_token_is_read_as_it_was_told_and_nothing_else_is() {
        let told = Place {
            file: 7,
            offset: 901,
        };
        assert_eq!(place(&token(told)), Some(told));
        for text in [
            "",
            "-",
            "7",
            "7-",
            "07-901",
            "7-+1",
            "7-901-",
            "99999999999999999999-1",
        ] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
