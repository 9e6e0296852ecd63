//! The limits as settings: one table from a name to the field of [`Limits`] that it sets.
//!
//! The defaults stand in `domain::limits` alone.

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use super::reader::Reader;
use crate::domain::limits::Limits;
use crate::domain::money::Money;

/// A limit can be put off by a high number, but not off: what is 0 would lock everybody out.
const COUNTS: RangeInclusive<u32> = 1..=1_000_000;
/// Ten years of minutes.
const TIMES: RangeInclusive<u32> = 1..=5_256_000;
/// More waits than codes a day make no sense.
const MOST_WAITS: usize = 50;

/// A limit that can be set.
pub(super) struct Limit {
    /// The setting.
    pub(super) name: &'static str,
    field: Field,
}

/// Where the limit is kept, and in what it is counted.
enum Field {
    Count(fn(&mut Limits) -> &mut u32),
    Time(fn(i64) -> TimeDelta, fn(&mut Limits) -> &mut TimeDelta),
    MinuteList(fn(&mut Limits) -> &mut Vec<TimeDelta>),
    /// What may be nothing.
    Price(fn(&mut Limits) -> &mut Money),
    /// What may not: it would stop everything.
    Cap(fn(&mut Limits) -> &mut Money),
}

const fn count(name: &'static str, field: fn(&mut Limits) -> &mut u32) -> Limit {
    Limit { name, field: Field::Count(field) }
}

const fn time(
    name: &'static str,
    unit: fn(i64) -> TimeDelta,
    field: fn(&mut Limits) -> &mut TimeDelta,
) -> Limit {
    Limit { name, field: Field::Time(unit, field) }
}

const fn price(name: &'static str, field: fn(&mut Limits) -> &mut Money) -> Limit {
    Limit { name, field: Field::Price(field) }
}

const fn cap(name: &'static str, field: fn(&mut Limits) -> &mut Money) -> Limit {
    Limit { name, field: Field::Cap(field) }
}

/// All limits.
pub(super) const LIMITS: &[Limit] = &[
    time("MASKLINE_LIMIT_LINK_MINUTES", TimeDelta::minutes, |limits| &mut limits.link_life),
    time("MASKLINE_LIMIT_CODE_MINUTES", TimeDelta::minutes, |limits| &mut limits.code_life),
    count("MASKLINE_LIMIT_CODE_TRIES", |limits| &mut limits.code_tries),
    Limit {
        name: "MASKLINE_LIMIT_CODE_WAIT_MINUTES",
        field: Field::MinuteList(|limits| &mut limits.code_waits),
    },
    count("MASKLINE_LIMIT_CODES_PER_USER_AND_NUMBER_A_DAY", |limits| &mut limits.codes_per_user_and_number),
    count("MASKLINE_LIMIT_CODES_PER_NUMBER_A_DAY", |limits| &mut limits.codes_per_number),
    count("MASKLINE_LIMIT_CODES_PER_USER_AN_HOUR", |limits| &mut limits.codes_per_user.0),
    count("MASKLINE_LIMIT_CODES_PER_USER_A_DAY", |limits| &mut limits.codes_per_user.1),
    count("MASKLINE_LIMIT_CODES_PER_ADDRESS_AN_HOUR", |limits| &mut limits.codes_per_address.0),
    count("MASKLINE_LIMIT_CODES_PER_ADDRESS_A_DAY", |limits| &mut limits.codes_per_address.1),
    count("MASKLINE_LIMIT_CODES_PER_AREA_AN_HOUR", |limits| &mut limits.codes_per_area),
    count("MASKLINE_LIMIT_CODES_IN_ALL_AN_HOUR", |limits| &mut limits.codes_in_all),
    count("MASKLINE_LIMIT_NUMBERS_PER_USER", |limits| &mut limits.numbers_per_user),
    count("MASKLINE_LIMIT_MASKS_PER_USER_ALIVE", |limits| &mut limits.masks_per_user.0),
    count("MASKLINE_LIMIT_MASKS_PER_USER_A_DAY", |limits| &mut limits.masks_per_user.1),
    count("MASKLINE_LIMIT_MASKS_PER_USER_IN_30_DAYS", |limits| &mut limits.masks_per_user.2),
    count("MASKLINE_LIMIT_MASKS_IN_ALL_ALIVE", |limits| &mut limits.masks_in_all.0),
    count("MASKLINE_LIMIT_MASKS_IN_ALL_AN_HOUR", |limits| &mut limits.masks_in_all.1),
    count("MASKLINE_LIMIT_CALLS_PER_MASK_AN_HOUR", |limits| &mut limits.calls_per_mask.0),
    count("MASKLINE_LIMIT_CALLS_PER_MASK_A_DAY", |limits| &mut limits.calls_per_mask.1),
    count("MASKLINE_LIMIT_CALLS_PER_MASK_AT_ONCE", |limits| &mut limits.calls_per_mask.2),
    count("MASKLINE_LIMIT_CALLS_PER_CALLER_IN_10_MINUTES", |limits| &mut limits.calls_per_caller.0),
    count("MASKLINE_LIMIT_CALLS_PER_CALLER_A_DAY", |limits| &mut limits.calls_per_caller.1),
    count("MASKLINE_LIMIT_CALLS_IN_A_LOOP", |limits| &mut limits.calls_in_a_loop),
    time("MASKLINE_LIMIT_RINGING_SECONDS", TimeDelta::seconds, |limits| &mut limits.ringing),
    time("MASKLINE_LIMIT_TALKING_MINUTES", TimeDelta::minutes, |limits| &mut limits.talking),
    count("MASKLINE_LIMIT_FAILED_SIGN_INS_PER_ACCOUNT", |limits| &mut limits.failures_per_account),
    count("MASKLINE_LIMIT_SIGN_INS_PER_ACCOUNT", |limits| &mut limits.sign_ins_per_account),
    count("MASKLINE_LIMIT_FAILED_SIGN_INS_PER_ADDRESS", |limits| &mut limits.failures_per_address),
    count("MASKLINE_LIMIT_PASSWORD_TRIES_AN_HOUR", |limits| &mut limits.password_tries),
    count("MASKLINE_LIMIT_LETTERS_PER_MAILBOX_AN_HOUR", |limits| &mut limits.letters_per_mailbox.0),
    count("MASKLINE_LIMIT_LETTERS_PER_MAILBOX_A_DAY", |limits| &mut limits.letters_per_mailbox.1),
    count("MASKLINE_LIMIT_LETTERS_IN_ALL_AN_HOUR", |limits| &mut limits.letters_in_all),
    count("MASKLINE_LIMIT_SIGN_UPS_PER_ADDRESS_AN_HOUR", |limits| &mut limits.sign_ups_per_address),
    count("MASKLINE_LIMIT_RESETS_PER_ADDRESS_AN_HOUR", |limits| &mut limits.resets_per_address),
    time("MASKLINE_LIMIT_REQUEST_SECONDS", TimeDelta::seconds, |limits| &mut limits.request_time),
    count("MASKLINE_LIMIT_REQUEST_BYTES_A_SECOND", |limits| &mut limits.request_bytes_a_second),
    count("MASKLINE_LIMIT_MINUTES_PER_MASK_A_MONTH", |limits| &mut limits.minutes_a_month.0),
    count("MASKLINE_LIMIT_MINUTES_PER_USER_A_MONTH", |limits| &mut limits.minutes_a_month.1),
    time("MASKLINE_LIMIT_REST_DAYS", TimeDelta::days, |limits| &mut limits.rest),
    price("MASKLINE_PRICE_NUMBER_A_MONTH", |limits| &mut limits.prices.number_a_month),
    price("MASKLINE_PRICE_MINUTE", |limits| &mut limits.prices.minute),
    price("MASKLINE_PRICE_CODE", |limits| &mut limits.prices.code),
    cap("MASKLINE_LIMIT_CODES_SPEND_A_DAY", |limits| &mut limits.codes_spend_a_day),
    cap("MASKLINE_LIMIT_SPEND_A_DAY", |limits| &mut limits.spend.0),
    cap("MASKLINE_LIMIT_SPEND_A_MONTH", |limits| &mut limits.spend.1),
];

/// The limits of the settings, and the defaults where there are none.
pub(super) fn read(reader: &mut Reader) -> Limits {
    let mut limits = Limits::default();
    for limit in LIMITS {
        limit.read(reader, &mut limits);
    }
    limits
}

impl Limit {
    fn read(&self, reader: &mut Reader, limits: &mut Limits) {
        match self.field {
            Field::Count(field) => {
                let expected = "a whole number from 1 to 1000000";
                if let Some(count) = reader.optional(self.name, expected, |text| within(text, &COUNTS)) {
                    *field(limits) = count;
                }
            }
            Field::Time(unit, field) => {
                let expected = "a whole number from 1 to 5256000";
                if let Some(count) = reader.optional(self.name, expected, |text| within(text, &TIMES)) {
                    *field(limits) = unit(count.into());
                }
            }
            Field::Price(field) => {
                let expected = "an amount such as 0.03, with at most four digits behind the point";
                if let Some(price) = reader.optional(self.name, expected, |text| text.parse().ok()) {
                    *field(limits) = price;
                }
            }
            Field::Cap(field) => {
                let expected = "an amount such as 25 or 12.50, more than 0";
                let positive = |text: &str| text.parse().ok().filter(|cap: &Money| !cap.is_zero());
                if let Some(cap) = reader.optional(self.name, expected, positive) {
                    *field(limits) = cap;
                }
            }
            Field::MinuteList(field) => {
                let expected = "minutes with commas between them, such as 1,2,5,15";
                if let Some(waits) = reader.optional(self.name, expected, waits) {
                    *field(limits) = waits;
                }
            }
        }
    }
}

fn within(text: &str, range: &RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn waits(text: &str) -> Option<Vec<TimeDelta>> {
    let range = 0..=*TIMES.end();
    let minutes = |part: &str| within(part.trim(), &range).map(|minutes| TimeDelta::minutes(minutes.into()));
    let waits: Vec<TimeDelta> = text.split(',').map(minutes).collect::<Option<_>>()?;
    (waits.len() <= MOST_WAITS).then_some(waits)
}
