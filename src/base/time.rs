//! Times as they are read: of events, and as an operator writes them.

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;

/// Milliseconds since 1970-01-01 UTC of an RFC 3339 time (`2023-07-04T16:42:20.54Z`), or of the
/// beginning of one, from the day on: what is missing is zero, and without a zone it is UTC.
pub fn instant(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let mut number = |digits: usize, before: &[u8]| {
        let after = rest.strip_prefix(before)?;
        let (digits, after) = after.split_at_checked(digits)?;
        let value = digits.iter().try_fold(0, |value, digit| {
            digit
                .is_ascii_digit()
                .then(|| value * 10 + i64::from(digit - b'0'))
        })?;
        rest = after;
        Some(value)
    };
    let (year, month, day) = (number(4, b"")?, number(2, b"-")?, number(2, b"-")?);
    let hour = number(2, b"T").or_else(|| number(2, b" "));
    let minute = hour.and_then(|_| number(2, b":"));
    let second = minute.and_then(|_| number(2, b":"));
    if hour.is_some() && minute.is_none() {
        return None;
    }
    let mut milliseconds = 0;
    if second.is_some()
        && let Some(fraction) = rest.strip_prefix(b".")
    {
        let length = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        for place in 0..3 {
            let digit = fraction[..length].get(place).map_or(0, |byte| byte - b'0');
            milliseconds = milliseconds * 10 + i64::from(digit);
        }
        rest = &fraction[length..];
    }
    let (hour, minute) = (hour.unwrap_or(0), minute.unwrap_or(0));
    let second = second.unwrap_or(0);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let of_day = (hour * 60 + minute) * 60 + second;
    let zone = zone(rest)?;
    Some(days(year, month, day) * DAY + (of_day - zone) * SECOND + milliseconds)
}

/// Seconds east of UTC.
fn zone(text: &[u8]) -> Option<i64> {
    match text {
        b"" | b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let two = |a: &u8, b: &u8| {
                (a.is_ascii_digit() && b.is_ascii_digit())
                    .then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
            };
            let seconds = two(a, b)? * 3600 + two(c, d)? * 60;
            Some(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

/// Days since 1970-01-01, the inverse of [`crate::base::date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// What an operator writes: a time as [`instant`] takes it, the beginning of a day in UTC (`today`, `yesterday`), or how
/// long ago (`90s`, `15m`, `2h`, `7d`), counted from `now` in milliseconds since 1970-01-01.
pub fn moment(text: &str, now: i64) -> Option<i64> {
    let today = now - now.rem_euclid(DAY);
    match text {
        "today" => return Some(today),
        "yesterday" => return Some(today.saturating_sub(DAY)),
        _ => {}
    }
    let units = [
        ('s', SECOND),
        ('m', 60 * SECOND),
        ('h', 3600 * SECOND),
        ('d', DAY),
    ];
    let ago = units.iter().find_map(|(letter, unit)| {
        let count: i64 = text.strip_suffix(*letter)?.parse().ok()?;
        (count >= 0).then(|| now.saturating_sub(count.saturating_mul(*unit)))
    });
    ago.or_else(|| instant(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_written() {
        let second = 1_000_000_000_000;
        assert_eq!(instant("2001-09-09T01:46:40.000Z"), Some(second));
        assert_eq!(instant("2001-09-09T01:46:40.5Z"), Some(second + 500));
        assert_eq!(
            instant("2001-09-09T01:46:40.123456789Z"),
            Some(second + 123)
        );
        assert_eq!(instant("2001-09-09T03:46:40+02:00"), Some(second));
        assert_eq!(instant("2001-09-08T20:16:40-05:30"), Some(second));
        assert_eq!(instant("2001-09-09 01:46"), Some(second - 40_000));
        assert_eq!(instant("1970-01-02"), Some(DAY));
        assert_eq!(instant("2001-09-09T01:46:40z"), Some(second));
        assert_eq!(instant("2001-09-09T13:31:40+11:45"), Some(second));
        // A leap second is the first one of the next minute.
        let leap = instant("2001-12-31T23:59:60Z");
        assert!(leap.is_some() && leap == instant("2002-01-01"));
        for wrong in [
            "",
            "2001",
            "2001-13-01",
            "2001-00-01",
            "2001-01-32",
            "2001-01-01T",
            "2001-01-01T1",
            "2001-01-01T10",
            "2001-01-01T24:00",
            "2001-01-01T10:60",
            "2001-01-01T10:00:61",
            "2001-01-01T10:00:00+a0:00",
            "2001-01-01T10:00:00+0a:00",
            "2001-01-01T10:00:00+00:a0",
            "2001-01-01T10:00:00+00:0a",
            "2001-01-01T10:00:00.1X",
            "2001-01-01x",
            "é001-01-01",
            "2001-01-01T10:00:00+0100",
        ] {
            assert_eq!(instant(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_is_the_one_that_the_writer_meant() {
        for count in 0..60_000 {
            let (year, month, day) = crate::base::date(count);
            assert_eq!(days(year as i64, month as i64, day as i64), count as i64);
        }
    }

    #[test]
    fn moments_may_be_ages() {
        assert_eq!(moment("90s", 100_000), Some(10_000));
        assert_eq!(moment("2h", 0), Some(-7_200_000));
        assert_eq!(moment("15m", 0), Some(-900_000));
        assert_eq!(moment("7d", 0), Some(-604_800_000));
        assert_eq!(moment("0s", 5), Some(5));
        assert_eq!(moment("9223372036854775807d", 0), Some(-i64::MAX));
        assert_eq!(moment("-2h", 0), None);
        assert_eq!(moment("today", 3 * DAY + 5), Some(3 * DAY));
        assert_eq!(moment("yesterday", 3 * DAY), Some(2 * DAY));
        assert_eq!(moment("tomorrow", 0), None);
        assert_eq!(moment("1970-01-02", 0), Some(DAY));
    }
}
