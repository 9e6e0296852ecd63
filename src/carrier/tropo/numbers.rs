//! Phone numbers as Tropo writes them: with a plus or without, US numbers often without their country code.
//!
//! Knows spellings only; whose number it is, others ask.

use crate::domain::phone::{PhoneNumber, Refusal};

/// What some networks send for a caller who hides: the word "anonymous" typed on a phone's keys.
const ANONYMOUS: &str = "266696687";

/// Reads a plus and digits. The numbering plan is not asked.
pub(super) fn with_plus(text: &str) -> Option<PhoneNumber> {
    whole(text.strip_prefix('+')?)
}

/// Reads digits with the country code in front but no plus. The numbering plan is not asked.
pub(super) fn whole(digits: &str) -> Option<PhoneNumber> {
    if digits == ANONYMOUS { None } else { PhoneNumber::from_digits(digits.bytes()) }
}

/// Reads the ten digits of a North American number that lacks its country code. The plan is not asked.
pub(super) fn ten_digits(digits: &str) -> Option<PhoneNumber> {
    if digits.len() != 10 {
        return None;
    }
    PhoneNumber::from_digits([b'1'].into_iter().chain(digits.bytes()))
}

/// Reads a number that Tropo rents out. Its word is taken for whatever carries a country code; ten bare digits
/// are a North American number if there is such a one.
pub(super) fn rented(text: &str) -> Option<PhoneNumber> {
    let text = text.trim();
    if text.starts_with('+') {
        return with_plus(text);
    }
    if text.len() == 10 {
        return valid(ten_digits(text)).or_else(|| valid(whole(text)));
    }
    whole(text)
}

/// The number, if some country's numbering plan has such a one, of whatever kind.
pub(super) fn valid(number: Option<PhoneNumber>) -> Option<PhoneNumber> {
    number.filter(|number| !matches!(number.line_kind(true), Err(Refusal::NotValid)))
}
