//! Dates and times: ISO 8601 as W3C profiles it, or seconds since 1970.

use crate::document::Flaw;

/// A moment. Its order is that of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Seconds since 1970, UTC.
    seconds: i64,
    nanoseconds: u32,
}

const DAY_SECONDS: i64 = 86_400;

impl Moment {
    /// Parses `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, a date with `Thh:mm`, `:ss`, `.s…` and `Z` or an
    /// offset, or seconds since 1970. Four digits are a year. Digits of a second beyond the ninth
    /// are dropped.
    pub(super) fn parse(text: &str) -> Result<Moment, Flaw> {
        let parsed = match text.split_once('T') {
            Some((date, time)) => with_time(date, time),
            None => epoch(text).or_else(|| {
                let seconds = midnight(text)?;
                Some(Moment {
                    seconds,
                    nanoseconds: 0,
                })
            }),
        };
        parsed.ok_or(Flaw::ConditionValue(
            "a date such as 2027-01-31T12:00:00Z, or seconds since 1970",
        ))
    }
}

/// Seconds since 1970, if the text is no year.
fn epoch(text: &str) -> Option<Moment> {
    if text.len() == 4 && !text.contains('.') {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let seconds = number(digits, 1..=12)?;
    let nanoseconds = nanoseconds(fraction)?;
    if digits.len() == whole.len() {
        return Some(Moment {
            seconds,
            nanoseconds,
        });
    }
    match nanoseconds {
        0 => Some(Moment {
            seconds: -seconds,
            nanoseconds,
        }),
        _ => Some(Moment {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        }),
    }
}

/// Seconds from 1970 to the beginning of a year, month or day.
fn midnight(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let month = parts.next().map_or(Some(1), |part| number(part, 2..=2))?;
    let day = parts.next().map_or(Some(1), |part| number(part, 2..=2))?;
    let is_day = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_day || parts.next().is_some() {
        return None;
    }
    Some(days_since_1970(year, month, day) * DAY_SECONDS)
}

fn with_time(date: &str, time: &str) -> Option<Moment> {
    // A time needs a whole date before it.
    let midnight = midnight(date).filter(|_| date.len() == 10)?;
    let (clock, offset) = match time.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (clock, offset) = time.split_at_checked(at)?;
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            (clock, sign * clock_seconds(hours, minutes, "00")?)
        }
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) if clock.len() == 8 => (clock, fraction),
        Some(_) => return None,
        None => (clock, "0"),
    };
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (parts.next()?, parts.next()?);
    let seconds = clock_seconds(hours, minutes, parts.next().unwrap_or("00"))?;
    Some(Moment {
        seconds: midnight + seconds - offset,
        nanoseconds: nanoseconds(fraction)?,
    })
}

fn clock_seconds(hours: &str, minutes: &str, seconds: &str) -> Option<i64> {
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    let seconds = number(seconds, 2..=2)?;
    let is_clock = hours < 24 && minutes < 60 && seconds < 60;
    is_clock.then_some(hours * 3600 + minutes * 60 + seconds)
}

/// A number of so many digits, which have to fit.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    let is_number = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    let nine = format!("{fraction:0<9}");
    nine.get(..9)?.parse().ok().filter(|_| is_number)
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days in the Gregorian calendar, with years that begin in March: a leap day is a year's last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = if month > 2 { month - 3 } else { month + 9 };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + leap_days + days_before_month + day - 1 - DAYS_TO_1970
}

/// Days from 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: i64 = 719_468;
