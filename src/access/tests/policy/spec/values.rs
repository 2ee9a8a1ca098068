//! The types of values that conditions compare: numbers, times, addresses, bytes.
//! https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html

use std::cmp::Ordering;
use std::net::IpAddr;

/// An integer or decimal number, by its digits, so that none is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Decimal {
    /// Reads `-12.50`; no exponent.
    pub fn read(text: &str) -> Option<Decimal> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        if !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_string();
        let fraction = fraction.trim_end_matches('0').to_string();
        let zero = whole.is_empty() && fraction.is_empty();
        let negative = text.starts_with('-') && !zero;
        Some(Decimal {
            negative,
            whole,
            fraction,
        })
    }

    /// Which is more.
    pub fn compare(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (true, true) => other.size(self),
            (false, false) => self.size(other),
        }
    }

    fn size(&self, other: &Decimal) -> Ordering {
        let longer = self.whole.len().cmp(&other.whole.len());
        let whole = longer.then_with(|| self.whole.cmp(&other.whole));
        whole.then_with(|| self.fraction.cmp(&other.fraction))
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A moment: seconds since 1970 and nanoseconds after them.
pub type Moment = (i64, u32);

/// Reads a moment: ISO 8601 in the profile of the W3C, or seconds since 1970. Four digits are a
/// year, which is a date in that profile.
/// https://www.w3.org/TR/NOTE-datetime
pub fn moment(text: &str) -> Option<Moment> {
    if digits(text) && text.len() != 4 {
        return Some((text.parse().ok()?, 0));
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let year: i64 = field(fields.next()?, 4)?;
    let month: i64 = fields.next().map_or(Some(1), |month| field(month, 2))?;
    let day: i64 = fields.next().map_or(Some(1), |day| field(day, 2))?;
    let known = fields.next().is_none() && (1..=12).contains(&month);
    if !known || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    let (seconds, nanoseconds) = match time {
        Some(time) if date.len() == 10 => time_of_day(time)?,
        Some(_) => return None,
        None => (0, 0),
    };
    Some((days * 86_400 + seconds, nanoseconds))
}

fn field(text: &str, width: usize) -> Option<i64> {
    (digits(text) && text.len() == width).then(|| text.parse().ok())?
}

/// Reads `hh:mm`, `hh:mm:ss` or `hh:mm:ss.s` with `Z` or an offset, as seconds after midnight UTC.
fn time_of_day(text: &str) -> Option<(i64, u32)> {
    let (clock, offset) = match text.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = text.rfind(['+', '-'])?;
            let (hours, minutes) = text[at + 1..].split_once(':')?;
            let size = within(field(hours, 2)?, 23)? * 3600 + within(field(minutes, 2)?, 59)? * 60;
            let sign = if text[at..].starts_with('-') { -1 } else { 1 };
            (&text[..at], sign * size)
        }
    };
    let mut fields = clock.split(':');
    let hours = within(field(fields.next()?, 2)?, 23)?;
    let minutes = within(field(fields.next()?, 2)?, 59)?;
    let (seconds, nanoseconds) = match fields.next() {
        Some(seconds) => {
            let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
            let padded = format!("{fraction:0<9}");
            let nanoseconds = digits(fraction).then(|| padded.get(..9)?.parse().ok())??;
            (within(field(seconds, 2)?, 59)?, nanoseconds)
        }
        None => (0, 0),
    };
    let seconds = hours * 3600 + minutes * 60 + seconds - offset;
    fields.next().is_none().then_some((seconds, nanoseconds))
}

fn within(number: i64, most: i64) -> Option<i64> {
    (number <= most).then_some(number)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Days from 1970 to the first of a month, counted.
fn days_before(year: i64, month: i64) -> i64 {
    let after: i64 = (1970..year).map(days_of_year).sum();
    let before: i64 = (year..1970).map(days_of_year).sum();
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    after - before + months
}

/// A range of addresses.
#[derive(Clone, Debug)]
pub struct Range {
    bits: Vec<bool>,
    prefix: usize,
}

/// Reads `203.0.113.0/24` or `2001:db8::/32`. Without a prefix it is the one address; the page says
/// `/32`, which for IPv6 would be a quarter of the Internet.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IPAddress
pub fn range(text: &str) -> Option<Range> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let bits = bits(address.parse().ok()?);
    let prefix = match prefix {
        Some(prefix) if digits(prefix) => prefix.parse().ok()?,
        Some(_) => return None,
        None => bits.len(),
    };
    (prefix <= bits.len()).then_some(Range { bits, prefix })
}

/// Whether an address is in a range.
pub fn is_within(address: &str, range: &Range) -> bool {
    let Ok(address) = address.parse() else {
        return false;
    };
    let bits = bits(address);
    let same_family = bits.len() == range.bits.len();
    same_family && bits[..range.prefix] == range.bits[..range.prefix]
}

fn bits(address: IpAddr) -> Vec<bool> {
    let bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let each = |byte: u8| (0..8).rev().map(move |bit| (byte >> bit) & 1 == 1);
    bytes.into_iter().flat_map(each).collect()
}

/// Reads base64 with its padding.
/// https://www.rfc-editor.org/rfc/rfc4648#section-4
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let unpadded = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - unpadded.len() > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for character in unpadded.chars() {
        let number = alphabet.find(character)?;
        bits.extend((0..6).rev().map(|bit| (number >> bit) & 1 == 1));
    }
    let (whole, rest) = bits.split_at(bits.len() / 8 * 8);
    let byte = |bits: &[bool]| {
        bits.iter()
            .fold(0, |byte, bit| (byte << 1) | u8::from(*bit))
    };
    (!rest.contains(&true)).then(|| whole.chunks(8).map(byte).collect())
}
