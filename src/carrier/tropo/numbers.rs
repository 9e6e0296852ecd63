//! Phone numbers as Tropo writes them: with a plus or without, US numbers often without their country code.
//!
//! Knows spellings only; whose number it is, others ask.

use std::borrow::Cow;

use crate::domain::phone::{PhoneNumber, dialled_digits};

/// The longest spelling of a number that is looked at, in bytes.
pub(super) const LONGEST_SPELLING: usize = 64;

/// What networks send for a caller who hides: a word as it is typed on a phone's keys. NO CALLER ID is not among them, as
/// its keys are the number of somebody in Mississippi.
const HIDDEN_WORDS: [&str; 8] = [
    "266696687",   // ANONYMOUS
    "7378742833",  // RESTRICTED; a number of Texas with a 1 in front, but networks send it so
    "2562533",     // BLOCKED
    "8656696",     // UNKNOWN
    "86282452253", // UNAVAILABLE
    "7748283",     // PRIVATE
    "94844353",    // WITHHELD
    "688632732",   // OUT OF AREA
];

/// Whether the spelling stands for a caller who hides: a word, or one that was taken for a number of North America.
pub(super) fn is_hidden(spelling: &str) -> bool {
    let digits = spelling.strip_prefix('+').unwrap_or(spelling);
    HIDDEN_WORDS.contains(&digits)
        || digits.strip_prefix('1').is_some_and(|word| HIDDEN_WORDS.contains(&word))
}

/// The digits of a spelling with dashes, brackets or blanks, and a plus where there is one; all else stays as it is.
pub(super) fn bare(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let is_bare = text.strip_prefix('+').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    if is_bare || text.len() > LONGEST_SPELLING {
        return Cow::Borrowed(text);
    }
    dialled_digits(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Reads a plus and digits. The numbering plan is not asked.
pub(super) fn with_plus(text: &str) -> Option<PhoneNumber> {
    whole(text.strip_prefix('+')?)
}

/// Reads digits with the country code in front but no plus. The numbering plan is not asked.
pub(super) fn whole(digits: &str) -> Option<PhoneNumber> {
    PhoneNumber::from_digits(digits.bytes())
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
    number.filter(PhoneNumber::is_valid)
}

/// The number, if somebody may have it, in a plan that is newer than ours.
pub(super) fn possible(number: Option<PhoneNumber>) -> Option<PhoneNumber> {
    number.filter(PhoneNumber::is_possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_that_a_plan_has_is_taken_for_a_word() {
        for word in HIDDEN_WORDS {
            let with_one = format!("1{word}");
            assert!(is_hidden(word) && is_hidden(&with_one) && is_hidden(&format!("+{with_one}")), "{word}");
            for digits in [word, with_one.as_str()] {
                let numbers = [whole(digits), ten_digits(digits)];
                let is_restricted = word == "7378742833";
                assert!(is_restricted || numbers.iter().all(|number| valid(*number).is_none()), "{digits}");
            }
        }
        for number in ["+16622553743", "+6622553743", "6622553743", "+14155550123", "11", "+1", ""] {
            assert!(!is_hidden(number), "{number}");
        }
    }
}
