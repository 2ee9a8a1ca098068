//! `strongroom audit`.

use std::path::Path;

use client::Client;
use client::admin::v1::{AuditRecord, SearchAuditRequest, TailAuditRequest};
use serde_json::{Value as Json, json};
use tokio_stream::StreamExt;

use super::connect;
use super::principal::show::when;
use super::secret::show::object;
use crate::arguments::audit::{Audit, Search, Tail, Verb};
use crate::failure::Failure;
use crate::limits::PAGE_MAX;
use crate::output::{self, Answer, Format};
use crate::signals::Signals;

/// Carries out one verb.
pub fn run(audit: &Audit, format: Format) -> Result<(), Failure> {
    match &audit.verb {
        Verb::Verify(options) => verify(&options.dir, format),
        Verb::Tail(options) => super::block_on(async {
            let client = connect::client(&audit.connection)?;
            tail(&client, options, format).await
        }),
        Verb::Search(options) => super::block_on(async {
            let client = connect::client(&audit.connection)?;
            search(&client, options, format).await
        }),
    }
}

/// Prints records, one line each.
async fn tail(client: &Client, options: &Tail, format: Format) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let request = TailAuditRequest { last: options.last };
    let mut stream = client.tail_audit(request).await?;
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = signals.stop() => return Ok(()),
        };
        let Some(message) = message.transpose()? else {
            return Ok(());
        };
        for record in &message.records {
            output::print_line(&line(record, format))?;
        }
        // The first message has all that is there.
        if !options.follow {
            return Ok(());
        }
    }
}

/// Prints what is found page by page: there may be much of it.
async fn search(client: &Client, options: &Search, format: Format) -> Result<(), Failure> {
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut request = SearchAuditRequest {
        from: options.since,
        until: options.until,
        caller: given(&options.caller),
        method: given(&options.method),
        resource: given(&options.resource),
        result: given(&options.result),
        oldest_first: options.oldest_first,
        ..SearchAuditRequest::default()
    };
    let (mut left, mut left_out) = (options.limit, 0);
    while left > 0 {
        request.max_results = i32::try_from(left.min(PAGE_MAX)).ok();
        let page = client.search_audit(request.clone()).await?;
        left_out += page.unreadable + page.unopened;
        for record in &page.records {
            output::print_line(&line(record, format))?;
        }
        left = left.saturating_sub(u32::try_from(page.records.len()).unwrap_or(u32::MAX));
        if page.next_token.is_empty() {
            break;
        }
        request.next_token = page.next_token;
    }
    if left_out > 0 {
        let words = format!("{left_out} records could not be read; `audit verify` says more");
        output::note(&words, format);
    }
    Ok(())
}

fn verify(dir: &Path, format: Format) -> Result<(), Failure> {
    let verified = ::server::verify_audit(dir)?;
    let place = |broken: &::server::AuditBreak| {
        format!(
            "file {} at byte {}: {}",
            broken.file,
            broken.offset,
            broken.why.name()
        )
    };
    let first = verified.broken.as_ref().map(place).unwrap_or_default();
    let noted = verified.noted.as_ref().map(place).unwrap_or_default();
    let hash = verified
        .hash
        .map(|hash| hash.to_string())
        .unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let fields = vec![
        ("Files", verified.files.to_string()),
        ("Records", verified.records.to_string()),
        ("First", number(verified.first)),
        ("Last", number(verified.last)),
        ("Hash", hash.clone()),
        ("Breaks", verified.breaks.to_string()),
        ("First break", first.clone()),
        ("Breaks noted", verified.breaks_noted.to_string()),
        ("Last noted", noted.clone()),
    ];
    let json = object(vec![
        ("Files", json!(verified.files)),
        ("Records", json!(verified.records)),
        ("First", json!(verified.first)),
        ("Last", json!(verified.last)),
        ("Hash", json!(hash)),
        ("Breaks", json!(verified.breaks)),
        ("FirstBreak", json!(first)),
        ("BreaksNoted", json!(verified.breaks_noted)),
        ("LastNoted", json!(noted)),
    ]);
    Answer::fields(fields, json).print(format)?;
    match verified.breaks {
        0 => Ok(()),
        count => Err(Failure::AuditBroken { count }),
    }
}

fn line(record: &AuditRecord, format: Format) -> String {
    let node = format!("{}/{}", record.region, record.node);
    match format {
        Format::Table => {
            let about = match record.resource.as_str() {
                "" => "-",
                resource => resource,
            };
            let words = [
                &*when(record.time),
                &node,
                &record.result,
                &record.method,
                &record.caller,
                about,
                &record.statement,
            ];
            // A line of it is one record, whatever stands in it.
            output::plain(&words.join("  ")).replace('\n', "\\n")
        }
        Format::Json => record_json(record).to_string(),
    }
}

fn record_json(record: &AuditRecord) -> Json {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let position = (!record.feed.is_empty()).then(|| {
        object(vec![
            ("Feed", json!(record.feed)),
            ("Epoch", json!(record.epoch)),
            ("EpochRegion", json!(record.epoch_region)),
            ("Revision", json!(record.revision)),
        ])
    });
    object(vec![
        ("Number", json!(record.number)),
        ("Time", json!(when(record.time))),
        ("Internal", json!(record.internal)),
        ("Caller", json!(record.caller)),
        ("Session", json!(record.session)),
        ("Address", json!(record.address)),
        ("Listener", json!(record.listener)),
        ("Method", json!(record.method)),
        ("Resource", json!(record.resource)),
        ("VersionId", json!(record.version_id)),
        ("VersionStage", json!(record.version_stage)),
        ("Result", json!(record.result)),
        ("Statement", json!(record.statement)),
        ("RequestId", json!(hex(&record.request_id))),
        ("Region", json!(record.region)),
        ("Node", json!(record.node)),
        ("Position", json!(position)),
        ("Hash", json!(hex(&record.hash))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_it_says() {
        let record = AuditRecord {
            region: "eu-west-1".to_owned(),
            node: 2,
            result: "denied".to_owned(),
            method: "GetSecretValue".to_owned(),
            caller: "a\nb\u{1b}[2J".to_owned(),
            ..AuditRecord::default()
        };
        for format in [Format::Table, Format::Json] {
            let line = line(&record, format);
            assert!(!line.contains(['\n', '\u{1b}']), "{line}");
            assert!(line.contains("denied"), "{line}");
        }
    }
}
