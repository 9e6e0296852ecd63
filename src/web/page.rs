//! What every page shows, and how times, numbers and errors of forms are put into words.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

use askama::Template;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::assets;
use crate::app::numbers::OwnNumber;
use crate::domain::phone::PhoneNumber;

/// Who looks at a page.
#[derive(Clone)]
pub(super) struct UserView {
    pub(super) email: String,
    pub(super) admin: bool,
}

/// Something that is said once.
pub(super) struct FlashView {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// The frame of a page.
pub(super) struct Page {
    pub(super) title: String,
    pub(super) csrf: String,
    pub(super) user: Option<UserView>,
    pub(super) flash: Option<FlashView>,
    pub(super) path: String,
    pub(super) simulator_url: Option<String>,
}

impl Page {
    /// The frame for nobody in particular.
    pub(super) fn bare() -> Self {
        Self {
            title: String::new(),
            csrf: String::new(),
            user: None,
            flash: None,
            path: String::new(),
            simulator_url: None,
        }
    }
}

#[expect(clippy::unused_self, reason = "a template asks its page for everything")]
impl Page {
    pub(super) fn static_css(&self) -> &'static str {
        &assets::STYLE.path
    }

    pub(super) fn static_js(&self) -> &'static str {
        &assets::SCRIPT.path
    }

    pub(super) fn favicon(&self) -> &'static str {
        &assets::ICON.path
    }
}

/// What went wrong, and a way on.
#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage {
    pub(super) page: Page,
    pub(super) status: u16,
    pub(super) heading: &'static str,
    pub(super) text: String,
    pub(super) reference: Option<String>,
    pub(super) next_href: &'static str,
    pub(super) next_label: &'static str,
}

/// What is wrong with a form, field by field.
#[derive(Default)]
pub(super) struct Errors(Vec<(&'static str, String)>);

impl Errors {
    /// One error.
    pub(super) fn one(field: &'static str, text: impl Into<String>) -> Self {
        Self(vec![(field, text.into())])
    }

    pub(super) fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, text)| text.as_str())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn list(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// A number as programs take it and as people read it.
#[derive(Clone)]
pub(super) struct Number {
    pub(super) e164: String,
    pub(super) shown: String,
}

impl From<PhoneNumber> for Number {
    fn from(number: PhoneNumber) -> Self {
        Self { e164: number.e164(), shown: number.grouped() }
    }
}

impl From<&OwnNumber> for Number {
    fn from(own: &OwnNumber) -> Self {
        match own.number {
            Some(number) => number.into(),
            None => Self { e164: String::new(), shown: "A number that we cannot read".to_owned() },
        }
    }
}

/// A time as people say it, with the exact one behind it.
pub(super) struct Moment {
    pub(super) iso: String,
    pub(super) words: String,
    pub(super) exact: String,
}

/// A time in words, by the clocks of `zone`.
pub(super) fn moment(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> Moment {
    let (there, here) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let days = (here.date_naive() - there.date_naive()).num_days();
    let ago = now - at;
    let clock = there.format("%H:%M");
    let words = if ago < TimeDelta::zero() {
        in_words_of_day(at, now, zone)
    } else if ago < TimeDelta::minutes(1) {
        "a moment ago".to_owned()
    } else if ago < TimeDelta::hours(1) {
        let minutes = ago.num_minutes();
        format!("{minutes} minute{} ago", if minutes == 1 { "" } else { "s" })
    } else {
        match days {
            0 => format!("today, {clock}"),
            1 => format!("yesterday, {clock}"),
            2..=6 => there.format("%A, %H:%M").to_string(),
            _ => in_words_of_day(at, now, zone),
        }
    };
    Moment {
        iso: at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        words,
        exact: there.format("%A, %-d %B %Y, %H:%M:%S %Z").to_string(),
    }
}

/// The time of a call in words, which has the time of day however long ago it was: several calls may fall on one day.
pub(super) fn moment_of_call(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> Moment {
    let told = moment(at, now, zone);
    let there = at.with_timezone(&zone);
    if (now.with_timezone(&zone).date_naive() - there.date_naive()).num_days() < 7 {
        return told;
    }
    Moment { words: format!("{}, {}", told.words, there.format("%H:%M")), ..told }
}

/// A day in words: `6 January`, with the year where it is another.
pub(super) fn in_words_of_day(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let (there, here) = (at.with_timezone(&zone), now.with_timezone(&zone));
    if there.year() == here.year() {
        there.format("%-d %B").to_string()
    } else {
        there.format("%-d %B %Y").to_string()
    }
}

/// Until when somebody has to wait, in words.
pub(super) fn wait(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let left = until - now;
    let plural = |count: i64, unit: &str| format!("in {count} {unit}{}", if count == 1 { "" } else { "s" });
    if left < TimeDelta::minutes(1) {
        "in less than a minute".to_owned()
    } else if left < TimeDelta::hours(1) {
        plural((left.num_seconds() + 59) / 60, "minute")
    } else {
        plural((left.num_minutes() + 59) / 60, "hour")
    }
}

/// Seconds in words: `2 min 40 s`.
pub(super) fn duration(seconds: u32) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// A count as people read it: `197,970`.
pub(super) fn thousands(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut shown = String::from(if count < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Which page of a list an address asks for, from 1. A number that is too large for any list is the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageNumber(i64);

impl PageNumber {
    /// More pages than any list has, few enough to be counted with.
    const MOST: i64 = 1_000_000_000;

    /// The number, from 1.
    pub(super) fn get(self) -> i64 {
        self.0
    }
}

impl Default for PageNumber {
    fn default() -> Self {
        Self(1)
    }
}

impl FromStr for PageNumber {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let number = match text.parse::<i64>() {
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Self::MOST,
            Err(error) if *error.kind() == IntErrorKind::NegOverflow => 1,
            number => number?,
        };
        Ok(Self(number.clamp(1, Self::MOST)))
    }
}

impl<'de> Deserialize<'de> for PageNumber {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

/// Links to the pages before and behind.
pub(super) struct Pages {
    pub(super) words: String,
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
}

/// Links around page `page` (from 1; one that is not there is the last) of `total` things, `size` to a page; `href` makes
/// the address of a page.
pub(super) fn pages(what: &str, page: i64, size: i64, total: i64, href: impl Fn(i64) -> String) -> Pages {
    let page = page.min((total - 1).max(0) / size + 1);
    let (first, last) = ((page - 1) * size + 1, (page * size).min(total));
    Pages {
        words: if total > size { format!("{what} {first} to {last} of {total}") } else { String::new() },
        newer: (page > 1).then(|| href(page - 1)),
        older: (page * size < total).then(|| href(page + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;

    #[test]
    fn times_are_said_as_people_say_them_where_they_live() {
        let now = Utc.with_ymd_and_hms(2026, 11, 23, 9, 30, 0).unwrap();
        let said = |at: DateTime<Utc>, zone: Tz| moment(at, now, zone).words;
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        assert_eq!(said(now - TimeDelta::seconds(10), Tz::UTC), "a moment ago");
        assert_eq!(said(now - TimeDelta::minutes(1), Tz::UTC), "1 minute ago");
        assert_eq!(said(now - TimeDelta::hours(2), berlin), "today, 08:30");
        // Half past midnight in Berlin is still the day before in UTC.
        assert_eq!(said(Utc.with_ymd_and_hms(2026, 11, 22, 23, 30, 0).unwrap(), berlin), "today, 00:30");
        assert_eq!(said(Utc.with_ymd_and_hms(2026, 11, 22, 23, 30, 0).unwrap(), Tz::UTC), "yesterday, 23:30");
        assert_eq!(said(now - TimeDelta::days(3), Tz::UTC), "Friday, 09:30");
        assert_eq!(said(now - TimeDelta::days(20), Tz::UTC), "3 November");
        assert_eq!(said(now - TimeDelta::days(400), Tz::UTC), "19 October 2025");
        assert_eq!(said(now + TimeDelta::days(45), Tz::UTC), "7 January 2027");
    }

    #[test]
    fn a_call_of_long_ago_still_has_its_time_of_day() {
        let now = Utc.with_ymd_and_hms(2026, 11, 23, 9, 30, 0).unwrap();
        let said = |days| moment_of_call(now - TimeDelta::days(days), now, Tz::UTC).words;
        assert_eq!(said(3), "Friday, 09:30");
        assert_eq!(said(20), "3 November, 09:30");
    }

    #[test]
    fn counts_have_a_comma_before_each_thousand() {
        let counts = [0, 999, 1_000, 97_970, 1_000_000, -1_234];
        assert_eq!(counts.map(thousands), ["0", "999", "1,000", "97,970", "1,000,000", "-1,234"]);
    }

    #[test]
    fn a_page_that_is_not_there_is_the_last() {
        let links = |text: &str| {
            let page = text.parse::<PageNumber>().unwrap().get();
            let Pages { words, newer, older } = pages("Masks", page, 20, 45, |page| page.to_string());
            (words, newer.unwrap_or_default(), older.unwrap_or_default())
        };
        let pages = |words: &str, newer: &str, older: &str| (words.into(), newer.into(), older.into());
        for text in ["1", "0", "-7", "-99999999999999999999"] {
            assert_eq!(links(text), pages("Masks 1 to 20 of 45", "", "2"), "{text}");
        }
        for text in ["3", "4", "9223372036854775807", "99999999999999999999"] {
            assert_eq!(links(text), pages("Masks 41 to 45 of 45", "2", ""), "{text}");
        }
        for text in ["", "many", "1e3", "0x1", "1.5", " 1"] {
            assert!(text.parse::<PageNumber>().is_err(), "{text:?}");
        }
        let none = super::pages("Masks", 7, 20, 0, |page| page.to_string());
        assert!(none.words.is_empty() && none.newer.is_none() && none.older.is_none());
    }

    #[test]
    fn waits_are_rounded_up_so_that_nobody_comes_too_early() {
        let now = DateTime::UNIX_EPOCH;
        let said = |seconds| wait(now + TimeDelta::seconds(seconds), now);
        assert_eq!(said(20), "in less than a minute");
        assert_eq!(said(60), "in 1 minute");
        assert_eq!(said(61), "in 2 minutes");
        assert_eq!(said(3601), "in 1 hour");
        assert_eq!(said(86_400), "in 24 hours");
    }
}
