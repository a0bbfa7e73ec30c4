use proptest::prelude::*;

use super::*;

/// Jiff takes a leap second for the one before.
fn jiff_micros(text: &str) -> Option<i64> {
    if is_leap_second(text) {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond().div_euclid(1_000)).ok()
}

#[test]
fn usual_layouts_take_the_fast_way_and_agree_with_jiff() {
    for text in [
        "2013-01-01T05:17:00-05:00",
        "2013-01-01T05:17:00Z",
        "2012-02-29T23:59:59.999999+14:00",
        "1969-12-31T23:59:59.5Z",
        "0001-01-01T00:00:00Z",
        "9998-12-31T23:59:59-23:59",
        "1900-03-01T00:00:00.000001+00:00",
    ] {
        let fast = parse_usual(text.as_bytes());
        assert!(fast.is_some(), "{text}");
        assert_eq!(fast.map(|time| time.0), jiff_micros(text), "{text}");
    }
}

#[test]
fn rarer_layouts_are_left_to_jiff() {
    for text in ["2013-01-01 05:17:00Z", "2013-01-01t05:17:00z", "2013-01-01T05:17:00.123456789Z"] {
        assert_eq!(parse_usual(text.as_bytes()), None, "{text}");
        assert_eq!(parse(text, Finer::Cut).ok().map(|time| time.0), jiff_micros(text), "{text}");
    }
}

#[test]
fn what_is_finer_than_a_microsecond_is_refused_unless_it_may_be_cut() {
    for text in ["2013-01-01T05:17:00.1234567Z", "1969-12-31T23:59:59.999999999Z"] {
        assert!(parse(text, Finer::Refused).unwrap_err().contains("finer than a microsecond"));
        assert_eq!(parse(text, Finer::Cut).ok().map(|time| time.0), jiff_micros(text), "{text}");
    }
    assert!(parse("2013-01-01T05:17:00.123456000Z", Finer::Refused).is_ok());
}

#[test]
fn the_last_day_that_can_be_written_is_taken() {
    for text in ["9999-12-31T23:59:59.999999Z", "9999-12-30T23:00:00Z", "0001-01-01T00:00:00Z"] {
        assert_eq!(parse(text, Finer::Refused).map(show).as_deref(), Ok(text));
    }
    assert_eq!(parse_argument("9999-12-31").map(show).as_deref(), Ok("9999-12-31T00:00:00Z"));
    for text in ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"] {
        assert_eq!(parse_usual(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "yesterday",
        "2013-01-01",
        "2013-01-01T05:17:00",
        "2013-02-29T05:17:00Z",
        "1900-02-29T05:17:00Z",
        "2013-13-01T05:17:00Z",
        "2013-00-01T05:17:00Z",
        "2013-01-01T24:00:00Z",
        "2013-01-01T05:17:00.Z",
        "2013-01-01T05:17:00+5:00",
        "2013-01-01T05:17:00-05:00 ",
        "２013-01-01T05:17:00Z",
    ] {
        assert!(parse(text, Finer::Cut).is_err(), "{text}");
        assert_eq!(parse_usual(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn finer_than_a_microsecond_is_cut_off_on_both_sides_of_1970() {
    for (text, micros) in [
        ("1970-01-01T00:00:00.0000019Z", 1),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("1969-12-31T23:59:59.9999981Z", -2),
    ] {
        assert_eq!(parse(text, Finer::Cut).ok().map(|time| time.0), Some(micros), "{text}");
    }
}

#[test]
fn an_argument_may_be_a_bare_date() {
    let date = parse_argument("2013-01-31").ok();
    assert_eq!(date, parse("2013-01-31T00:00:00Z", Finer::Refused).ok());
    assert_eq!(parse_argument("2013-01-31T01:00:00+01:00").ok(), date);
    for text in ["2013-1-31", "20130131", "tomorrow", "2013-01-31T01:00:00[Europe/Paris]"] {
        assert!(parse_argument(text).is_err(), "{text}");
    }
}

#[test]
fn times_beyond_four_digits_of_a_year_are_written_with_their_sign() {
    assert_eq!(show(Timestamp(i64::MAX)), "+294247-01-10T04:00:54.775807Z");
    assert_eq!(show(Timestamp(i64::MIN)), "-290308-12-21T19:59:05.224192Z");
    for time in [i64::MIN, i64::MIN + 1, -1, i64::MAX] {
        assert_eq!(parse(&show(Timestamp(time)), Finer::Refused), Ok(Timestamp(time)));
    }
    let beyond = ["+294247-01-10T04:00:54.775808Z", "-290308-12-21T19:59:05.224191Z"];
    for text in beyond.into_iter().chain(["-000000-01-01T00:00:00Z", "+999999-01-01T00:00:00Z"]) {
        assert!(parse(text, Finer::Refused).is_err(), "{text}");
    }
    assert_eq!(parse("+001970-01-01T00:00:00Z", Finer::Refused), Ok(Timestamp(0)));
    assert_eq!(show(Timestamp(0)), "1970-01-01T00:00:00Z");
    assert_eq!(show(Timestamp(-1)), "1969-12-31T23:59:59.999999Z");
    assert_eq!(show(Timestamp(1_500_000)), "1970-01-01T00:00:01.5Z");
}

proptest! {
    #[test]
    fn any_usual_text_means_what_jiff_says(
        date in (1i64..=9999, 1i64..=12, 1i64..=31),
        clock in (0i64..=24, 0i64..=60, 0i64..=60),
        fraction in proptest::option::of("[0-9]{1,7}"),
        offset in prop_oneof![
            Just("Z".to_owned()),
            ("[+-]", 0i64..=26, 0i64..=60).prop_map(|(sign, h, m)| format!("{sign}{h:02}:{m:02}")),
        ],
    ) {
        let fraction = fraction.map_or(String::new(), |digits| format!(".{digits}"));
        let text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{offset}",
            date.0, date.1, date.2, clock.0, clock.1, clock.2
        );
        // The last two days that jiff does not know.
        prop_assume!((date.0, date.1) != (9999, 12) || date.2 < 30);
        let by_jiff = jiff_micros(&text);
        if let Some(fast) = parse_usual(text.as_bytes()) {
            prop_assert_eq!(Some(fast.0), by_jiff, "{}", text);
        }
        prop_assert_eq!(parse(&text, Finer::Cut).ok().map(|time| time.0), by_jiff, "{}", text);
    }

    #[test]
    fn any_text_is_taken_or_refused_as_jiff_does(text in "[0-9TZ:.+ -]{0,32}") {
        prop_assert_eq!(parse(&text, Finer::Cut).ok().map(|time| time.0), jiff_micros(&text));
    }

    #[test]
    fn any_time_that_is_written_reads_back(micros: i64) {
        prop_assert_eq!(parse(&show(Timestamp(micros)), Finer::Refused), Ok(Timestamp(micros)));
        prop_assert_eq!(parse_argument(&show(Timestamp(micros))), Ok(Timestamp(micros)));
    }

    #[test]
    fn what_is_written_reads_back(micros in -62_000_000_000_000_000i64..=250_000_000_000_000_000) {
        prop_assert_eq!(parse(&show(Timestamp(micros)), Finer::Refused).ok(), Some(Timestamp(micros)));
        let by_jiff = jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string());
        prop_assert_eq!(Some(show(Timestamp(micros))), by_jiff.ok());
    }
}

#[test]
fn a_leap_second_is_not_taken_for_the_one_before() {
    for text in ["2016-12-31T23:59:60Z", "2016-12-31 18:59:60.5-05:00", "2016-12-31T235960Z"] {
        let refused = parse(text, Finer::Cut).unwrap_err();
        assert!(refused.contains("leap second"), "{refused}");
    }
    for text in ["2016-12-31T23:59:59.605Z", "2060-06-06T06:06:06Z", "2016-12-31T23:60:00Z"] {
        let told = parse(text, Finer::Cut).err().unwrap_or_default();
        assert!(!told.contains("leap second"), "{told}");
    }
}
