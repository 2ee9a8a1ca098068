//! `strongroom region promote`: what is known before, the question, and what may be missing after.

use std::io::Write;

use client::Client;
use client::admin::v1::{
    ListRegionsRequest, ListRegionsResponse, PromoteRegionRequest, PromoteRegionResponse,
    PromotedFeed,
};
use serde_json::{Value as Json, json};

use super::following::{self, place, position_json};
use super::words::{age, milliseconds};
use crate::arguments::region::Promote;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format, Text, plain};

/// Says what is known, asks, promotes, and reports.
pub async fn promote(client: &Client, options: &Promote, format: Format) -> Result<(), Failure> {
    // What is known is told if it is; that it is not must not keep anybody from promoting.
    let known = client.list_regions(ListRegionsRequest {}).await.ok();
    let known = known.unwrap_or_default();
    let lost = &options.lost;
    if !options.yes.yes {
        let _ = writeln!(std::io::stderr(), "{}", plain(&before(lost, &known)));
    }
    let question = format!("Promote this region over what {lost} leads?");
    confirm(&question, options.yes.yes)?;
    let request = PromoteRegionRequest {
        lost: lost.clone(),
        force: options.force,
    };
    let answer = client.promote_region(request).await?;
    let report = Report {
        lost,
        here: here(&known),
        endpoints: endpoints(&known),
        answer: &answer,
    };
    Answer {
        json: report.json(),
        text: Text::Line(report.text()),
    }
    .print(format)?;
    match answer.left.len() {
        0 => Ok(()),
        count => Err(Failure::FeedsLeft { count }),
    }
}

/// What this region has of the lost one, in a line a feed.
fn before(lost: &str, known: &ListRegionsResponse) -> String {
    let rows = following::all(known);
    let lines: Vec<String> = rows
        .iter()
        .filter(|row| row.primary == lost)
        .map(|row| {
            let lag = match row.lag {
                Some(lag) => format!("{lag} announced changes behind"),
                None => "nobody knows how far behind".to_owned(),
            };
            let heard = row
                .heard
                .as_ref()
                .map_or("never".into(), |heard| format!("{} ago", age(heard)));
            let trouble = match row.trouble.as_str() {
                "" => String::new(),
                trouble => format!("; {trouble}"),
            };
            format!("  {}: {lag}, last heard {heard}{trouble}", row.feed)
        })
        .collect();
    match lines.is_empty() {
        true => format!("This region knows of no feed that {lost} leads."),
        false => format!("{lost} leads, and this region has:\n{}", lines.join("\n")),
    }
}

fn here(known: &ListRegionsResponse) -> &str {
    let here = known.regions.iter().find(|entry| entry.here);
    here.map_or("this region", |entry| entry.name.as_str())
}

fn endpoints(known: &ListRegionsResponse) -> String {
    let here = known.regions.iter().filter(|entry| entry.here);
    let nodes = here.flat_map(|entry| &entry.nodes);
    let addresses: Vec<&str> = nodes.map(|node| node.api_address.as_str()).collect();
    addresses.join(",")
}

/// What a promotion did.
struct Report<'a> {
    lost: &'a str,
    here: &'a str,
    endpoints: String,
    answer: &'a PromoteRegionResponse,
}

impl Report<'_> {
    fn json(&self) -> Json {
        let answer = self.answer;
        let feeds: Vec<Json> = answer.feeds.iter().map(feed_json).collect();
        json!({
            "promoted": self.here,
            "lost": self.lost,
            "feeds": feeds,
            "left": answer.left,
            "unreached": answer.unreached,
            "took_ms": answer.took.as_ref().map(milliseconds),
        })
    }

    fn text(&self) -> String {
        let Self {
            lost, here, answer, ..
        } = self;
        let took = answer
            .took
            .as_ref()
            .map_or(String::new(), |took| format!("; it took {}", age(took)));
        let count = answer.feeds.len();
        let feeds = if count == 1 { "feed" } else { "feeds" };
        let mut lines = vec![format!("{here} leads {count} {feeds} of {lost} now{took}.")];
        if count > 0 {
            lines.push(String::new());
            lines.push(self.table());
        }
        let losses = answer.feeds.iter().map(|feed| self.missing(feed));
        let further = answer.feeds.iter().filter_map(|feed| self.further(feed));
        let withheld = answer.feeds.iter().filter_map(|feed| self.withheld(feed));
        let said: Vec<String> = losses
            .chain(further)
            .chain(withheld)
            .chain(self.left())
            .chain(self.unreached())
            .collect();
        if !said.is_empty() {
            lines.push(String::new());
            lines.extend(said);
        }
        lines.push(String::new());
        lines.push(self.next());
        lines.join("\n")
    }

    fn table(&self) -> String {
        let rows = self.answer.feeds.iter().map(|feed| {
            vec![
                feed.feed.clone(),
                feed.epoch.to_string(),
                feed.last.as_ref().map(place).unwrap_or_default(),
                match (feed.missing_changes, &feed.unheard) {
                    (0, None) => "unknown".to_owned(),
                    (changes, _) => changes.to_string(),
                },
                feed.unheard
                    .as_ref()
                    .map(age)
                    .unwrap_or("never heard".into()),
                feed.withheld_secrets.to_string(),
            ]
        });
        let heading = vec![
            "FEED",
            "NEW EPOCH",
            "STOOD AT",
            "MISSING",
            "UNHEARD",
            "WITHHELD",
        ];
        Text::Rows {
            heading,
            rows: rows.collect(),
        }
        .render(false)
    }

    fn missing(&self, feed: &PromotedFeed) -> String {
        let count = feed.missing_changes;
        let unknown = match &feed.unheard {
            Some(time) => format!("an unknown number from the last {}", age(time)),
            None => "nobody knows how many more, as nothing was ever heard".to_owned(),
        };
        let feed = &feed.feed;
        format!("{feed}: changes missing here: at least {count}, and {unknown}.")
    }

    fn further(&self, feed: &PromotedFeed) -> Option<String> {
        let region = &feed.further;
        (!region.is_empty()).then(|| {
            format!(
                "{}: {region} is further, by {} changes. To keep them, promote it now, before more \
                 is written here: `strongroom region promote {}` in {region}.",
                feed.feed, feed.further_changes, self.lost
            )
        })
    }

    fn withheld(&self, feed: &PromotedFeed) -> Option<String> {
        let count = feed.withheld_secrets;
        (count > 0).then(|| {
            format!(
                "{}: secrets that were not replicated here: {count}. They can be neither read nor \
                 written until a region that has them leads the feed. Keep the disks of {}: they \
                 may be nowhere else.",
                feed.feed, self.lost
            )
        })
    }

    fn left(&self) -> Option<String> {
        let left = &self.answer.left;
        (!left.is_empty()).then(|| {
            format!(
                "Left: {}. Only a region of scope all may lead that: `strongroom region promote \
                 {}` in one.",
                left.join(", "),
                self.lost
            )
        })
    }

    fn unreached(&self) -> Option<String> {
        // That the lost one was not is no news.
        let unreached = self.answer.unreached.iter();
        let unreached: Vec<&str> = unreached
            .map(String::as_str)
            .filter(|region| *region != self.lost)
            .collect();
        (!unreached.is_empty()).then(|| {
            format!(
                "Not reached: {}. What is there was not compared with what is here.",
                unreached.join(", ")
            )
        })
    }

    fn next(&self) -> String {
        let Self {
            lost, endpoints, ..
        } = self;
        let callers = match endpoints.as_str() {
            "" => "Send writers here.".to_owned(),
            endpoints => format!("Send writers here: STRONGROOM_ENDPOINTS={endpoints}"),
        };
        format!(
            "Next:\n  \
             1. If any caller may still reach {lost}, keep it away: cut off, {lost} goes on by \
             itself until it hears of this.\n  \
             2. {callers}\n  \
             3. `strongroom region status --watch` shows who follows.\n\
             docs/regions.md says what to do when {lost} comes back, and when it does not."
        )
    }
}

fn feed_json(feed: &PromotedFeed) -> Json {
    let further = (!feed.further.is_empty())
        .then(|| json!({ "region": feed.further, "changes": feed.further_changes }));
    json!({
        "feed": feed.feed,
        "epoch": feed.epoch,
        "last": feed.last.as_ref().map(position_json),
        "missing_changes_min": feed.missing_changes,
        "unheard_ms": feed.unheard.as_ref().map(milliseconds),
        "further": further,
        "withheld_secrets": feed.withheld_secrets,
    })
}

#[cfg(test)]
mod tests {
    use client::Duration;
    use client::admin::v1::{FeedPosition, LinkedNode, RegionEntry, RegionFeed};

    use super::*;

    fn at(revision: u64) -> Option<FeedPosition> {
        Some(FeedPosition {
            feed: "eu-west-1".to_owned(),
            epoch: 1,
            epoch_region: "eu-west-1".to_owned(),
            revision,
            feed_hash: Vec::new(),
        })
    }

    fn seconds(seconds: i64) -> Option<Duration> {
        Some(Duration { seconds, nanos: 0 })
    }

    fn known() -> ListRegionsResponse {
        let feed = RegionFeed {
            feed: "eu-west-1".to_owned(),
            here: at(39),
            announced: at(42),
            ..RegionFeed::default()
        };
        let lost = RegionEntry {
            name: "eu-west-1".to_owned(),
            leads: vec![feed],
            last_heard: seconds(12),
            ..RegionEntry::default()
        };
        let node = LinkedNode {
            api_address: "10.0.2.1:7420".to_owned(),
            ..LinkedNode::default()
        };
        let here = RegionEntry {
            name: "eu-west-2".to_owned(),
            here: true,
            nodes: vec![node],
            ..RegionEntry::default()
        };
        ListRegionsResponse {
            regions: vec![lost, here],
            ..ListRegionsResponse::default()
        }
    }

    fn text(answer: &PromoteRegionResponse) -> String {
        let known = known();
        Report {
            lost: "eu-west-1",
            here: here(&known),
            endpoints: endpoints(&known),
            answer,
        }
        .text()
    }

    #[test]
    fn before_the_question_stands_what_is_behind_and_how_long_nothing_was_heard() {
        let said = before("eu-west-1", &known());
        let expected = "eu-west-1 leads, and this region has:\n  eu-west-1: 3 announced changes \
                        behind, last heard 12.0 s ago; not connected";
        assert_eq!(said, expected);
        let said = before("eu-west-9", &known());
        assert_eq!(said, "This region knows of no feed that eu-west-9 leads.");
    }

    #[test]
    fn a_report_says_in_numbers_what_may_be_missing_and_what_to_do() {
        let feed = PromotedFeed {
            feed: "eu-west-1".to_owned(),
            last: at(39),
            epoch: 2,
            missing_changes: 3,
            unheard: seconds(12),
            further: "eu-west-3".to_owned(),
            further_changes: 2,
            withheld_secrets: 1,
        };
        let said = text(&PromoteRegionResponse {
            feeds: vec![feed],
            left: vec!["root".to_owned()],
            unreached: vec!["eu-west-1".to_owned(), "eu-west-4".to_owned()],
            took: Some(Duration {
                seconds: 0,
                nanos: 212_000_000,
            }),
        });
        for expected in [
            "eu-west-2 leads 1 feed of eu-west-1 now; it took 212 ms.",
            "missing here: at least 3, and an unknown number from the last 12.0 s.",
            "eu-west-3 is further, by 2 changes.",
            "secrets that were not replicated here: 1.",
            "Left: root.",
            "Not reached: eu-west-4.",
            "STRONGROOM_ENDPOINTS=10.0.2.1:7420",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }

    #[test]
    fn a_report_of_a_region_that_was_never_heard_claims_nothing() {
        let feed = PromotedFeed {
            feed: "root".to_owned(),
            ..PromotedFeed::default()
        };
        let said = text(&PromoteRegionResponse {
            feeds: vec![feed],
            ..PromoteRegionResponse::default()
        });
        let expected = "missing here: at least 0, and nobody knows how many more";
        assert!(said.contains(expected), "{said}");
        assert!(
            !said.contains("Left") && !said.contains("Not reached"),
            "{said}"
        );
    }
}
