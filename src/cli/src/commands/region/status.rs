//! `strongroom region status`.

use client::Client;
use client::admin::v1::{ListRegionsRequest, ListRegionsResponse, WatchRegionsRequest};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio_stream::StreamExt;

use super::following::{self, Following, HEADING};
use super::live::Live;
use super::regions_json;
use crate::arguments::region::Status;
use crate::failure::Failure;
use crate::output::{self, Answer, Format};
use crate::signals::Signals;

/// Shows how far regions follow each other, once or until interrupted.
pub async fn status(client: &Client, options: &Status, format: Format) -> Result<(), Failure> {
    if options.watch {
        return watch(client, options.limit, format).await;
    }
    let answer = client.list_regions(ListRegionsRequest {}).await?;
    table(&answer).print(format)
}

async fn watch(client: &Client, limit: Option<u64>, format: Format) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Runtime)?;
    let mut stream = client.watch_regions(WatchRegionsRequest {}).await?;
    let mut live = Live::on_terminal();
    let mut seen = 0;
    while limit.is_none_or(|limit| seen < limit) {
        let message = tokio::select! {
            message = stream.next() => message,
            () = signals.stop() => break,
        };
        let Some(message) = message.transpose()? else {
            break;
        };
        let answer = message.regions.unwrap_or_default();
        match (format, &mut live) {
            (Format::Json, _) => output::print_line(&status_json(&answer).to_string())?,
            (Format::Table, Some(live)) => live.draw(&table(&answer).text.render(false))?,
            (Format::Table, None) => print_lines(&answer)?,
        }
        seen += 1;
    }
    Ok(())
}

/// One line for each feed and follower, with the time.
fn print_lines(answer: &ListRegionsResponse) -> Result<(), Failure> {
    let now = format!("{:.3}", now());
    let rows = following::all(answer);
    rows.iter()
        .map(|row| line(&now, row))
        .chain(waiting(answer).map(|words| format!("{now}  {words}")))
        .try_for_each(|line| output::print_line(&output::plain(&line)))
}

fn line(now: &str, row: &Following) -> String {
    let names = HEADING.iter().map(|name| name.to_lowercase());
    let said = names.zip(row.cells()).filter(|(_, cell)| !cell.is_empty());
    let words: Vec<String> = said.map(|(name, cell)| format!("{name} {cell}")).collect();
    format!("{now}  {}", words.join("  "))
}

fn table(answer: &ListRegionsResponse) -> Answer {
    let rows = following::all(answer);
    let cells = rows.iter().map(Following::cells).collect();
    let table = Answer::rows(HEADING.to_vec(), cells, status_json(answer));
    match waiting(answer) {
        Some(words) => table.noted(words),
        None => table,
    }
}

fn status_json(answer: &ListRegionsResponse) -> Json {
    let following: Vec<Json> = following::all(answer).iter().map(Following::json).collect();
    json!({
        "following": following,
        "regions": regions_json(answer),
        "incomplete_secrets": answer.incomplete_secrets,
        "failed_secrets": answer.failed_secrets,
    })
}

/// Secrets of other regions that are not whole here, in words; none if all are.
fn waiting(answer: &ListRegionsResponse) -> Option<String> {
    let ListRegionsResponse {
        incomplete_secrets,
        failed_secrets,
        ..
    } = answer;
    match (incomplete_secrets, failed_secrets) {
        (0, 0) => None,
        _ => Some(format!(
            "secrets of other regions: {incomplete_secrets} wait for values, \
             {failed_secrets} could not be taken in"
        )),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a line of a log says when it was written"
)]
fn now() -> Timestamp {
    Timestamp::try_from(std::time::SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_only_what_is_known() {
        let row = Following {
            feed: "root".to_owned(),
            primary: "eu-west-1".to_owned(),
            follower: "eu-west-2".to_owned(),
            lag: Some(3),
            ..Following::default()
        };
        let expected = "now  feed root  primary eu-west-1  follower eu-west-2  lag 3";
        assert_eq!(line("now", &row), expected);
    }

    #[test]
    fn secrets_that_are_not_whole_are_counted_below_the_table() {
        let answer = |incomplete_secrets, failed_secrets| ListRegionsResponse {
            incomplete_secrets,
            failed_secrets,
            ..ListRegionsResponse::default()
        };
        assert_eq!(waiting(&answer(0, 0)), None);
        let text = table(&answer(2, 1)).text.render(false);
        assert!(
            text.ends_with("2 wait for values, 1 could not be taken in"),
            "{text}"
        );
    }
}
