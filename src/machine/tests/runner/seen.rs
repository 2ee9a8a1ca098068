//! What a script may ask about several regions.

use std::fmt::Write as _;

use strongroom_machine::{Label, RegionName, Row, RowKey, RowRef, State};

use crate::net::{Net, Site};
use crate::runner::{Arguments, feeds, print};
use crate::support::{Failure, letter, region, uid_name};

/// Answers a question; none if it is none.
pub fn answer(
    net: &Net,
    at: &RegionName,
    name: &str,
    of: &Arguments<'_>,
) -> Result<Option<String>, Failure> {
    let site = || net.site(at);
    Ok(Some(match name {
        "feeds" => feeds::standing(site()?)?,
        "regions" => {
            let regions = site()?.state.regions().map(print::region);
            regions.collect::<Vec<String>>().join(", ")
        }
        "same" => same(site()?, net.site(&region(of.word(0)?)?)?, of)?,
        "canary" => canary(&site()?.state, of.word(0)?),
        "trouble" => trouble(&site()?.state)?,
        "statuses" => statuses(&site()?.state, of)?,
        "holders" => holders(&site()?.state, of)?,
        _ => return Ok(None),
    }))
}

/// `same b home`: whether two regions have the same of a feed, but for what one may not see.
fn same(one: &Site, other: &Site, of: &Arguments<'_>) -> Result<String, Failure> {
    let feed = of.feed(1)?;
    if one.cursor(&feed) != other.cursor(&feed) {
        return Ok("they stand elsewhere".to_owned());
    }
    let hash = |site: &Site| site.state.feed(&feed).map(|feed| feed.hash());
    let hashes = hash(one) == hash(other);
    let rows =
        |site: &Site| -> Vec<(RowKey, Option<Row>)> { site.state.rows_of(&feed, None).collect() };
    let (mine, theirs) = (rows(one), rows(other));
    let keys = mine.iter().zip(&theirs).all(|(a, b)| a.0 == b.0) && mine.len() == theirs.len();
    let both = mine.iter().zip(&theirs);
    let differing = both.filter(|((_, a), (_, b))| {
        let (Some(a), Some(b)) = (a, b) else {
            return false;
        };
        !a.is_withheld() && !b.is_withheld() && a.encode() != b.encode()
    });
    let withheld = |rows: &[(RowKey, Option<Row>)]| {
        let withheld = rows.iter();
        withheld
            .filter(|(_, row)| row.as_ref().is_some_and(Row::is_withheld))
            .count()
    };
    Ok(format!(
        "same hash: {hashes}, same keys: {keys}, {} rows differ, {} and {} of {} withheld",
        differing.count(),
        withheld(&mine),
        withheld(&theirs),
        mine.len(),
    ))
}

/// `canary word`: which rows hold it; `canary value`: which hold the bytes of a test's values.
fn canary(state: &State, word: &str) -> String {
    let sought = match word {
        "value" => vec![5; 16],
        word => word.as_bytes().to_vec(),
    };
    let holds = |row: &RowRef| match row {
        RowRef::Here(row) => {
            let bytes = row.encode();
            bytes.windows(sought.len()).any(|bytes| bytes == sought)
        }
        RowRef::Evicted => false,
    };
    let found = state.rows().filter(|(_, row)| holds(row));
    let keys: Vec<String> = found.map(|(key, _)| print::key(&key)).collect();
    match keys.is_empty() {
        true => "nowhere".to_owned(),
        false => keys.join(", "),
    }
}

fn trouble(state: &State) -> Result<String, Failure> {
    let mut output = String::new();
    for (uid, problem) in state.problems() {
        let (kind, message) = (problem.kind, &problem.message);
        writeln!(output, "problem {}: {kind:?} {message:?}", uid_name(*uid))?;
    }
    for uid in state.incomplete() {
        let lacking: Vec<String> = state.lacking(*uid).map(|key| print::key(&key)).collect();
        writeln!(
            output,
            "secret {} lacks {}",
            uid_name(*uid),
            lacking.join(", ")
        )?;
    }
    for uid in state.all_detached() {
        writeln!(output, "secret {} is detached", uid_name(*uid))?;
    }
    Ok(match output.is_empty() {
        true => "none".to_owned(),
        false => output,
    })
}

fn statuses(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let uid = of.uid()?;
    let secret = state.secret(&uid).ok_or("no such secret")?;
    let mut output = String::new();
    for replica in &secret.replicas {
        let short = letter(&replica.region);
        match state.replica_status(&uid, &replica.region) {
            None => writeln!(output, "{short}: nothing said")?,
            Some(status) => {
                let (state, message, day) = (status.state, &status.message, status.access_day);
                writeln!(output, "{short}: {state:?} {message:?} read on day {day}")?;
            }
        }
    }
    Ok(output)
}

fn holders(state: &State, of: &Arguments<'_>) -> Result<String, Failure> {
    let uid = of.uid()?;
    let secret = state.secret(&uid).ok_or("no such secret")?;
    let feed = state.feed_of_secret(&uid).ok_or("no feed")?;
    let holders = state.holders(feed, secret);
    let letters: Vec<&str> = holders.iter().map(letter).collect();
    let current = secret.labelled(Label::CURRENT).is_some();
    Ok(format!("{}, current {current}", letters.join(" ")))
}
