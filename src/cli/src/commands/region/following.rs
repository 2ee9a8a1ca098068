//! How far regions follow each other, as the region that was asked knows: one row for each feed and
//! each region that follows it.

use client::Duration;
use client::admin::v1::{FeedPosition, ListRegionsResponse, RegionEntry, RegionFeed};
use serde_json::{Value as Json, json};

use super::words::{age, bytes, milliseconds};

/// The headings of the columns.
pub const HEADING: [&str; 9] = [
    "FEED",
    "PRIMARY",
    "FOLLOWER",
    "LAG",
    "POSITION",
    "STALENESS",
    "HEARD",
    "TROUBLE",
    "RECEIVED",
];

/// How one region follows one feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Following {
    /// `root`, or the region whose home feed it is.
    pub feed: String,
    /// The region that leads it.
    pub primary: String,
    /// The region that follows it; empty if there is no other.
    pub follower: String,
    /// Changes that the primary has announced and the follower does not have; none if that cannot
    /// be known: nothing was announced, or the two are in different epochs.
    pub lag: Option<u64>,
    /// Where the follower is.
    pub position: Option<FeedPosition>,
    /// How much older than the primary's the follower's state may be; only the follower knows.
    pub staleness: Option<Duration>,
    /// How long ago the one of the two that was not asked was heard.
    pub heard: Option<Duration>,
    /// Changes and bytes that came from the other region in the last second; none of a feed that
    /// is led here.
    pub received: Option<(u64, u64)>,
    /// What is wrong; empty if nothing is.
    pub trouble: String,
}

/// Everything that is followed, from here and to here.
pub fn all(answer: &ListRegionsResponse) -> Vec<Following> {
    let here = answer.regions.iter().find(|entry| entry.here);
    let own = here.map_or("", |entry| entry.name.as_str());
    let mut rows = Vec::new();
    for entry in &answer.regions {
        for feed in &entry.leads {
            if entry.here {
                rows.extend(followers(answer, entry, feed));
            } else {
                rows.push(followed(own, entry, feed));
            }
        }
    }
    rows
}

/// A feed of another region, as it is here.
fn followed(own: &str, entry: &RegionEntry, feed: &RegionFeed) -> Following {
    let mut trouble = Vec::new();
    if !feed.trouble.is_empty() {
        trouble.push(feed.trouble.clone());
    } else if !entry.connected {
        trouble.push("not connected".to_owned());
    }
    if feed.differs {
        trouble.push("rows differ and are put right".to_owned());
    }
    Following {
        feed: feed.feed.clone(),
        primary: entry.name.clone(),
        follower: own.to_owned(),
        lag: lag(feed.announced.as_ref(), feed.here.as_ref()),
        position: feed.here.clone(),
        staleness: feed.staleness,
        heard: entry.last_heard,
        received: Some((
            entry.received_changes_per_second,
            entry.received_bytes_per_second,
        )),
        trouble: trouble.join("; "),
    }
}

/// A feed that is led here, as every other region last said that it has it.
fn followers(
    answer: &ListRegionsResponse,
    here: &RegionEntry,
    feed: &RegionFeed,
) -> Vec<Following> {
    let trouble = match (&feed.fenced_by_region, feed.fenced_by_epoch) {
        (Some(region), Some(epoch)) => {
            let taken = format!("taken over by {region} in epoch {epoch}; writes are refused");
            let why = Some(feed.trouble.clone()).filter(|why| !why.is_empty());
            [taken]
                .into_iter()
                .chain(why)
                .collect::<Vec<_>>()
                .join("; ")
        }
        _ => String::new(),
    };
    // It says why itself.
    let is_apart = |other: &RegionEntry, position: Option<&FeedPosition>| {
        trouble.is_empty() && other.last_heard.is_some() && position.is_none()
    };
    let row = Following {
        feed: feed.feed.clone(),
        primary: here.name.clone(),
        trouble: trouble.clone(),
        ..Following::default()
    };
    let others = answer.regions.iter();
    let others = others.filter(|other| !other.here && !other.unlinked);
    let mut rows: Vec<Following> = others
        .map(|other| {
            let acknowledged = other.acknowledged.iter();
            let position = acknowledged.into_iter().find(|at| at.feed == feed.feed);
            Following {
                follower: other.name.clone(),
                lag: lag(feed.here.as_ref(), position),
                position: position.cloned(),
                heard: other.last_heard,
                trouble: match is_apart(other, position) {
                    true => format!(
                        "follows nothing of it yet; see `region status` in {}",
                        other.name
                    ),
                    false => trouble.clone(),
                },
                ..row.clone()
            }
        })
        .collect();
    if rows.is_empty() {
        rows.push(Following {
            position: feed.here.clone(),
            ..row
        });
    }
    rows
}

fn lag(announced: Option<&FeedPosition>, have: Option<&FeedPosition>) -> Option<u64> {
    let (announced, have) = (announced?, have?);
    let same = (announced.epoch, &announced.epoch_region) == (have.epoch, &have.epoch_region);
    same.then(|| announced.revision.saturating_sub(have.revision))
}

impl Following {
    /// One cell for each heading.
    pub fn cells(&self) -> Vec<String> {
        let received = self
            .received
            .map(|(changes, size)| format!("{changes}/s, {}/s", bytes(size)));
        vec![
            self.feed.clone(),
            self.primary.clone(),
            self.follower.clone(),
            self.lag.map(|lag| lag.to_string()).unwrap_or_default(),
            self.position.as_ref().map(place).unwrap_or_default(),
            self.staleness.as_ref().map(age).unwrap_or_default(),
            self.heard.as_ref().map(age).unwrap_or_default(),
            self.trouble.clone(),
            received.unwrap_or_default(),
        ]
    }

    /// The same for programs.
    pub fn json(&self) -> Json {
        json!({
            "feed": self.feed,
            "primary": self.primary,
            "follower": self.follower,
            "lag_changes": self.lag,
            "position": self.position.as_ref().map(position_json),
            "staleness_ms": self.staleness.as_ref().map(milliseconds),
            "last_heard_ms": self.heard.as_ref().map(milliseconds),
            "received_changes_per_second": self.received.map(|(changes, _)| changes),
            "received_bytes_per_second": self.received.map(|(_, size)| size),
            "trouble": self.trouble,
        })
    }
}

/// A place in a feed, as people read it: epoch and revision.
pub fn place(position: &FeedPosition) -> String {
    format!("{}/{}", position.epoch, position.revision)
}

/// A place in a feed, for programs.
pub fn position_json(position: &FeedPosition) -> Json {
    json!({
        "epoch": position.epoch,
        "epoch_region": position.epoch_region,
        "revision": position.revision,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(feed: &str, epoch: u64, revision: u64) -> FeedPosition {
        FeedPosition {
            feed: feed.to_owned(),
            epoch,
            epoch_region: "eu-west-1".to_owned(),
            revision,
            feed_hash: Vec::new(),
        }
    }

    fn region(name: &str, leads: Vec<RegionFeed>) -> RegionEntry {
        RegionEntry {
            name: name.to_owned(),
            leads,
            ..RegionEntry::default()
        }
    }

    #[test]
    fn what_is_followed_here_has_its_lag_and_its_trouble() {
        let feed = |announced, trouble: &str| RegionFeed {
            feed: "eu-west-1".to_owned(),
            here: Some(at("eu-west-1", 1, 40)),
            announced,
            staleness: Some(Duration {
                seconds: 0,
                nanos: 120_000_000,
            }),
            trouble: trouble.to_owned(),
            ..RegionFeed::default()
        };
        let of = |feed, connected| {
            let first = RegionEntry {
                connected,
                received_changes_per_second: 3,
                received_bytes_per_second: 4_096,
                ..region("eu-west-1", vec![feed])
            };
            let second = RegionEntry {
                here: true,
                ..region("eu-west-2", Vec::new())
            };
            let regions = vec![first, second];
            let rows = all(&ListRegionsResponse {
                regions,
                ..ListRegionsResponse::default()
            });
            assert_eq!(rows.len(), 1);
            rows[0].cells()
        };
        let near = of(feed(Some(at("eu-west-1", 1, 43)), ""), true);
        let expected = [
            "eu-west-1",
            "eu-west-1",
            "eu-west-2",
            "3",
            "1/40",
            "120 ms",
            "",
            "",
            "3/s, 4 KiB/s",
        ];
        assert_eq!(near, expected);
        let moved = of(feed(Some(at("eu-west-1", 2, 50)), ""), false);
        assert_eq!(
            (moved[3].as_str(), moved[7].as_str()),
            ("", "not connected")
        );
        let apart = of(feed(None, "history set aside; needs Return"), false);
        assert_eq!(apart[7], "history set aside; needs Return");
    }

    #[test]
    fn what_is_led_here_has_a_row_for_every_region_that_may_follow_it() {
        let feed = |fenced: Option<&str>| RegionFeed {
            feed: "root".to_owned(),
            here: Some(at("root", 1, 9)),
            fenced_by_epoch: fenced.map(|_| 2),
            fenced_by_region: fenced.map(str::to_owned),
            trouble: fenced.map(|_| "set aside".to_owned()).unwrap_or_default(),
            ..RegionFeed::default()
        };
        let rows = |others: Vec<RegionEntry>, fenced| {
            let first = RegionEntry {
                here: true,
                ..region("eu-west-1", vec![feed(fenced)])
            };
            let regions = std::iter::once(first).chain(others).collect();
            all(&ListRegionsResponse {
                regions,
                ..ListRegionsResponse::default()
            })
        };
        let follows = RegionEntry {
            acknowledged: vec![at("eu-west-1", 1, 1), at("root", 1, 7)],
            ..region("eu-west-2", Vec::new())
        };
        let gone = RegionEntry {
            unlinked: true,
            ..region("eu-west-4", Vec::new())
        };
        let found = rows(vec![follows, region("eu-west-3", Vec::new()), gone], None);
        let lags: Vec<_> = found
            .iter()
            .map(|row| (row.follower.as_str(), row.lag))
            .collect();
        assert_eq!(lags, [("eu-west-2", Some(2)), ("eu-west-3", None)]);
        let apart = RegionEntry {
            last_heard: Some(Duration::default()),
            ..region("eu-west-2", Vec::new())
        };
        let apart = rows(vec![apart], None);
        assert!(
            apart[0].trouble.contains("`region status` in eu-west-2"),
            "{apart:?}"
        );
        let alone = rows(Vec::new(), Some("eu-west-2"));
        assert_eq!(alone[0].follower, "");
        assert!(
            alone[0].trouble.contains("taken over by eu-west-2"),
            "{alone:?}"
        );
        assert!(alone[0].trouble.ends_with("; set aside"), "{alone:?}");
    }
}
