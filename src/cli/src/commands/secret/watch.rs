//! `strongroom secret watch`.

use client::secrets::v1::{
    DescribeSecretRequest, SecretChange, SecretState, WatchRequest, watch_response,
};
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::Code;

use super::Session;
use super::show::{date, object, stages, stages_json};
use crate::arguments::secret::Watch;
use crate::failure::Failure;
use crate::output::{self, Format};
use crate::signals::Signals;

/// Prints changes, one line each, until there were enough or somebody interrupts.
pub async fn watch(session: &Session, options: &Watch) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let request = WatchRequest {
        resume_token: options.after.clone().unwrap_or_default(),
        secret_ids: options.names.clone(),
    };
    let mut stream = session.client.watch(request).await?;
    output::note("watching; Ctrl-C ends it", session.format);
    tokio::select! {
        () = note_missing(session, &options.names) => {}
        () = signals.stop() => return Ok(()),
    }
    let mut seen = 0;
    while options.limit.is_none_or(|limit| seen < limit) {
        let message = tokio::select! {
            message = stream.next() => message,
            () = signals.stop() => break,
        };
        let Some(message) = message.transpose()? else {
            break;
        };
        if let Some(watch_response::Item::Change(change)) = message.item {
            output::print_line(&line(&change, &message.resume_token, session.format))?;
            seen += 1;
        }
    }
    Ok(())
}

/// Tells people which secrets are not there, which is no reason not to wait for them.
async fn note_missing(session: &Session, names: &[String]) {
    let told = names.iter().filter(|_| session.format == Format::Table);
    for name in told {
        let request = DescribeSecretRequest {
            secret_id: name.clone(),
        };
        let described = session.client.describe_secret(request).await;
        if described.is_err_and(|error| error.code() == Code::NotFound) {
            output::note(&format!("there is no secret {name} now"), session.format);
        }
    }
}

fn line(change: &SecretChange, token: &str, format: Format) -> String {
    let changed = change
        .last_changed_date
        .map(|at| date(at.seconds, at.nanos))
        .unwrap_or_default();
    let state = match change.state() {
        SecretState::Active => "active",
        SecretState::ScheduledForDeletion => "scheduled-for-deletion",
        SecretState::Purged => "purged",
        SecretState::Unspecified => "unknown",
    };
    match format {
        Format::Table => {
            let versions = stages(&change.version_ids_to_stages);
            output::plain(&format!("{changed}  {state}  {}  {versions}", change.name))
        }
        Format::Json => object(vec![
            ("ARN", json!(change.arn)),
            ("Name", json!(change.name)),
            ("State", json!(state)),
            (
                "VersionIdsToStages",
                stages_json(&change.version_ids_to_stages),
            ),
            ("LastChangedDate", json!(changed)),
            ("ResumeToken", json!(token)),
        ])
        .to_string(),
    }
}
