//! What people type and paste as a phone number, read: first as digits, then as the one number that they mean.
//!
//! What begins with a plus or a prefix for calls abroad is read by the plan of its own country alone. All else is read as
//! somebody at home in the default country dials. Where more than one number may be meant, none is taken.

use super::tables::{self, CallingCode};
use super::{Allowed, Country, PhoneNumber, Refusal};
use crate::domain::typed;

/// The longest text that is looked at as a phone number, in characters.
const LONGEST_INPUT: usize = 64;

/// How many digits emergency numbers and short codes have at most.
const LONGEST_SHORT_CODE: usize = 6;

/// What begins a number for calls abroad nearly everywhere, by ITU-T E.123; it is understood where the country's own
/// prefix is another, too.
const ABROAD: &str = "00";

/// Reads the number that a text means to somebody in the default country.
pub(super) fn read(text: &str, default: Country) -> Result<PhoneNumber, Refusal> {
    let dialled = dialled(text)?;
    let is_short = dialled.trim_start_matches('+').len() <= LONGEST_SHORT_CODE;
    let known = meant(&dialled, default, PhoneNumber::is_valid);
    if !known.is_empty() {
        return the_one(known);
    }
    if is_short {
        return Err(Refusal::ShortCode);
    }
    // None that a plan has: one that a plan may come to have.
    the_one(meant(&dialled, default, |number| number.is_in_new_range()))
}

/// The one number of several readings; where they differ, the one that is a phone of people.
fn the_one(mut meant: Vec<PhoneNumber>) -> Result<PhoneNumber, Refusal> {
    meant.sort_unstable();
    meant.dedup();
    let of_people = |number: &PhoneNumber| number.line_kind(Allowed { voip: true, new_ranges: true }).is_ok();
    if meant.len() > 1 {
        meant.retain(of_people);
        return if let [number] = meant[..] { Ok(number) } else { Err(Refusal::Ambiguous) };
    }
    meant.first().copied().ok_or(Refusal::NotValid)
}

type Holds = fn(&PhoneNumber) -> bool;

fn meant(dialled: &str, default: Country, holds: Holds) -> Vec<PhoneNumber> {
    if let Some(digits) = dialled.strip_prefix('+') {
        return international(digits, holds);
    }
    let Some((code, region)) = tables::of_country(default) else { return Vec::new() };
    let abroad: Vec<&str> =
        [region.abroad(dialled), dialled.strip_prefix(ABROAD)].into_iter().flatten().collect();
    let mut meant: Vec<PhoneNumber> = abroad.iter().flat_map(|digits| international(digits, holds)).collect();
    // What begins like a call abroad is a number at home only where a plan has it.
    let is_at_home = |number: &PhoneNumber| holds(number) && (abroad.is_empty() || number.is_valid());
    let national = |national: &str| with_code(code, national).filter(is_at_home);
    let at_home = region.without_trunk(dialled);
    let mut at_home: Vec<PhoneNumber> = at_home.iter().filter_map(|digits| national(digits)).collect();
    if !region.has_trunk() {
        at_home.extend(national(dialled));
    }
    if at_home.is_empty() && dialled.starts_with(&code.digits) {
        // Without the plus, unless that is how people dial at home.
        meant.extend(international(dialled, holds));
    }
    meant.extend(at_home);
    meant.extend(national(dialled));
    meant
}

/// The numbers that digits in international order may mean. Those that do not hold as they stand may have their own
/// country's trunk prefix behind the code, as in `+44 (0)20 …`; none but a zero is taken off.
fn international(digits: &str, holds: Holds) -> Vec<PhoneNumber> {
    let as_typed = PhoneNumber::from_digits(digits.bytes()).filter(holds);
    if as_typed.is_some() {
        return as_typed.into_iter().collect();
    }
    let Some((code, national)) = tables::split(digits).filter(|(_, national)| national.starts_with('0'))
    else {
        return Vec::new();
    };
    let stripped = code.regions.first().map(|region| region.without_trunk(national)).unwrap_or_default();
    let shorter = stripped.iter().filter(|stripped| stripped.len() < national.len());
    shorter.filter_map(|national| with_code(code, national)).filter(holds).collect()
}

fn with_code(code: &CallingCode, national: &str) -> Option<PhoneNumber> {
    PhoneNumber::from_digits(code.digits.bytes().chain(national.bytes()))
}

/// The digits of what a person typed, with a leading plus where there was one: letters, parameters and odd characters
/// stop here.
pub(super) fn dialled(text: &str) -> Result<String, Refusal> {
    if text.chars().count() > LONGEST_INPUT {
        return Err(Refusal::NotANumber);
    }
    let plain = typed::plain(text).to_lowercase();
    let plain = plain.trim();
    if plain.is_empty() {
        return Err(Refusal::Empty);
    }
    let number = plain.strip_prefix("tel:").unwrap_or(plain);
    let (number, has_extension) = split_extension(number);
    let mut dialled = String::with_capacity(number.len());
    for character in number.chars() {
        match character {
            '+' if dialled.is_empty() => dialled.push('+'),
            digit if digit.is_ascii_digit() => dialled.push(digit),
            ' ' | '\t' | '(' | ')' | '[' | ']' | '.' | '-' | '/' | '~' => {}
            _ => return Err(Refusal::NotANumber),
        }
    }
    match (dialled.trim_start_matches('+').is_empty(), has_extension) {
        (true, _) => Err(Refusal::NotANumber),
        (false, true) => Err(Refusal::Extension),
        (false, false) => Ok(dialled),
    }
}

/// Cuts `;ext=5`, `ext. 5`, `x5` and `#5` from the end, and tells whether there was one.
fn split_extension(number: &str) -> (&str, bool) {
    for mark in [";ext=", "extension", "ext.", "ext", "x", "#"] {
        if let Some((before, after)) = number.split_once(mark) {
            let digits = after.trim();
            if !digits.is_empty() && digits.chars().all(|character| character.is_ascii_digit()) {
                return (before.trim_end(), true);
            }
        }
    }
    (number, false)
}
