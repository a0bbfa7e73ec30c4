//! Times as RFC 3339 text, to and from microseconds since 1970.

use jiff::civil::Date;
use quipu::Timestamp;

use crate::print::shorten_within;

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;
/// The first second of the year 1 and the last one of 9999.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// Letters of what is no time that are shown.
const LETTERS_SHOWN: usize = 48;

/// What becomes of a time that is finer than a microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finer {
    Refused,
    Cut,
}

/// The instant that an RFC 3339 text names.
pub(crate) fn parse(text: &str, finer: Finer) -> Result<Timestamp, String> {
    let usual = parse_usual(text.as_bytes()).or_else(|| parse_wide(text.as_bytes()));
    match usual {
        Some(time) => Ok(time),
        None => parse_any(text, finer),
    }
}

/// The instant of an RFC 3339 text, or midnight UTC of a bare date: for the command line.
pub(crate) fn parse_argument(text: &str) -> Result<Timestamp, String> {
    match text.parse::<Date>() {
        Ok(date) if text.len() == "2013-01-31".len() => {
            parse(&format!("{date}T00:00:00Z"), Finer::Refused)
        }
        _ => parse(text, Finer::Refused),
    }
}

/// Every layout that RFC 3339 allows, and what jiff adds to it.
fn parse_any(text: &str, finer: Finer) -> Result<Timestamp, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    // Both may be as long as a line.
    let text = &*shorten_within(text, LETTERS_SHOWN);
    let time = parsed.map_err(|error| {
        let error = error.to_string();
        let error = shorten_within(&error, 2 * LETTERS_SHOWN);
        format!("{text:?} is no RFC 3339 time with an offset: {error}")
    })?;
    if is_leap_second(text) {
        return Err(format!(
            "{text:?} is a leap second, which no store can tell from the one before"
        ));
    }
    let micros = time.as_nanosecond().div_euclid(1_000);
    if finer == Finer::Refused && micros * 1_000 != time.as_nanosecond() {
        return Err(format!("{text:?} is finer than a microsecond"));
    }
    i64::try_from(micros).map(Timestamp).map_err(|_| format!("{text:?} is out of range"))
}

/// Whether the second of a time that was understood is the sixty-first of its minute.
fn is_leap_second(text: &str) -> bool {
    let time = text.split_once(['T', 't', ' ']).map_or("", |(_, time)| time);
    let time = time.split(['Z', 'z', '+', '-', '.', ',', '[']).next().unwrap_or_default();
    let digits: String = time.chars().filter(char::is_ascii_digit).collect();
    digits.get(4..6) == Some("60")
}

/// The usual layouts, in a fifth of the time: `2013-01-01T05:17:00-05:00`, `Z`, and up to six digits
/// of a fraction. `None` for any other, whether it is valid or not.
fn parse_usual(text: &[u8]) -> Option<Timestamp> {
    let (year, rest) = text.split_at_checked(4)?;
    let time = instant(number(year, 1, 9999)?, rest)?;
    // Of what lies in no year from 1 to 9999 in UTC, jiff says why not.
    let is_usual = (FIRST_SECOND..=LAST_SECOND).contains(&time.0.div_euclid(MICROS));
    is_usual.then_some(time)
}

/// As [`write`] shows years that four digits do not: six of them, and a sign. Also beyond what jiff knows.
fn parse_wide(text: &[u8]) -> Option<Timestamp> {
    let (sign, rest) = text.split_first()?;
    let (year, rest) = rest.split_at_checked(6)?;
    let year = match (sign, number(year, 0, 999_999)?) {
        (b'+', year) => year,
        (b'-', year @ 1..) => -year,
        _ => return None,
    };
    instant(year, rest)
}

/// The instant that a year and what follows it name: `-01-01T05:17:00-05:00`.
fn instant(year: i64, text: &[u8]) -> Option<Timestamp> {
    let (front, rest) = text.split_at_checked(15)?;
    if [front[0], front[3], front[6], front[9], front[12]] != *b"--T::" {
        return None;
    }
    let month = number(&front[1..3], 1, 12)?;
    let day = number(&front[4..6], 1, days_in(year, month))?;
    let hour = number(&front[7..9], 0, 23)?;
    let minute = number(&front[10..12], 0, 59)?;
    let second = number(&front[13..15], 0, 59)?;
    let (micros, rest) = parse_fraction(rest)?;
    let offset = parse_offset(rest)?;
    let seconds =
        days_since_1970(year, month, day) * DAY_SECONDS + hour * 3_600 + minute * 60 + second
            - offset;
    let time = i128::from(seconds) * i128::from(MICROS) + i128::from(micros);
    i64::try_from(time).ok().map(Timestamp)
}

/// Microseconds of `.123456`, and what follows.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else { return Some((0, text)) };
    let len = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    if !(1..=6).contains(&len) {
        return None;
    }
    let mut micros = number(&digits[..len], 0, MICROS)?;
    for _ in len..6 {
        micros *= 10;
    }
    Some((micros, &digits[len..]))
}

/// Seconds that `-05:00` or `Z` is ahead of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match *text {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let seconds = number(&[h1, h2], 0, 23)? * 3_600 + number(&[m1, m2], 0, 59)? * 60;
            Some(if sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

/// The number that these digits write, if it lies in these bounds.
fn number(digits: &[u8], least: i64, most: i64) -> Option<i64> {
    let mut value = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    (least..=most).contains(&value).then_some(value)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to this date of the Gregorian calendar; after Hinnant,
/// *chrono-Compatible Low-Level Date Algorithms*.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01; the inverse of the above.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Appends the time in UTC as RFC 3339, with as many digits of a fraction as it has. A year that does
/// not fit into four digits, which no clock shows, is written with its sign and six; [`parse`] takes it so.
pub(crate) fn write(text: &mut Vec<u8>, time: Timestamp) {
    let micros = time.0.rem_euclid(MICROS);
    let seconds = time.0.div_euclid(MICROS);
    let (year, month, day) = date_of(seconds.div_euclid(DAY_SECONDS));
    let second_of_day = seconds.rem_euclid(DAY_SECONDS);
    if (0..=9_999).contains(&year) {
        digits(text, year, 4);
    } else {
        text.push(if year < 0 { b'-' } else { b'+' });
        digits(text, year.abs(), 6);
    }
    let parts = [
        (b'-', month),
        (b'-', day),
        (b'T', second_of_day / 3_600),
        (b':', second_of_day / 60 % 60),
        (b':', second_of_day % 60),
    ];
    for (sign, part) in parts {
        text.push(sign);
        digits(text, part, 2);
    }
    if micros != 0 {
        text.push(b'.');
        digits(text, micros, 6);
        while text.last() == Some(&b'0') {
            text.pop();
        }
    }
    text.push(b'Z');
}

fn digits(text: &mut Vec<u8>, number: i64, width: usize) {
    let mut figures = [b'0'; 20];
    let mut rest = number.unsigned_abs();
    for figure in figures.iter_mut().rev() {
        *figure = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text.extend_from_slice(&figures[figures.len() - width..]);
}

/// The time in UTC as RFC 3339.
pub(crate) fn show(time: Timestamp) -> String {
    let mut text = Vec::with_capacity(32);
    write(&mut text, time);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests;
