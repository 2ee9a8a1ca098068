//! Ages and sizes in words.

use client::Duration;

/// How long ago, or how old, in two or three digits.
pub fn age(time: &Duration) -> String {
    match milliseconds(time) {
        short @ ..1_000 => format!("{short} ms"),
        some @ ..60_000 => format!("{}.{} s", some / 1_000, some % 1_000 / 100),
        long @ ..3_600_000 => format!("{} min", long / 60_000),
        longer @ ..172_800_000 => format!("{} h", longer / 3_600_000),
        days => format!("{} d", days / 86_400_000),
    }
}

/// A time in milliseconds; 0 for one below zero.
pub fn milliseconds(time: &Duration) -> u64 {
    let whole = u64::try_from(time.seconds)
        .unwrap_or(0)
        .saturating_mul(1_000);
    let rest = u64::try_from(time.nanos).unwrap_or(0) / 1_000_000;
    whole.saturating_add(rest)
}

/// A number of bytes in two to four digits.
pub fn bytes(count: u64) -> String {
    match (count >> 10, count >> 20) {
        (0, _) => format!("{count} B"),
        (kibibytes, 0) => format!("{kibibytes} KiB"),
        (_, mebibytes) => format!("{mebibytes} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_short() {
        let of = |milliseconds: i64| {
            age(&Duration {
                seconds: milliseconds / 1_000,
                nanos: i32::try_from(milliseconds % 1_000 * 1_000_000).unwrap(),
            })
        };
        let ages = [0, 999, 1_000, 12_340, 60_000, 3_600_000, 172_800_000].map(of);
        assert_eq!(
            ages,
            ["0 ms", "999 ms", "1.0 s", "12.3 s", "1 min", "1 h", "2 d"]
        );
        let below = Duration {
            seconds: -1,
            nanos: -5,
        };
        assert_eq!(milliseconds(&below), 0);
        let sizes = [0, 1_023, 1_024, 1_048_576].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1 KiB", "1 MiB"]);
    }
}
