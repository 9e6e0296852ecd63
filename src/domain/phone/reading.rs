//! What people type and paste as a phone number, read: first as digits, then as the one number that they mean.
//!
//! What begins with a plus or a prefix for calls abroad is read by the plan of its own country alone. All else is read as
//! somebody at home in the default country dials. Where more than one number may be meant, none is taken.

use super::tables::{self, CallingCode};
use super::{Country, PhoneNumber, Refusal};
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
    // A number that a plan has comes before one that a plan may come to have.
    for holds in [PhoneNumber::is_valid as Holds, |number| number.is_in_new_range()] {
        let mut meant = meant(&dialled, default, holds);
        meant.sort_unstable();
        meant.dedup();
        match meant[..] {
            [] => {}
            [number] => return Ok(number),
            _ => return Err(Refusal::Ambiguous),
        }
        if dialled.trim_start_matches('+').len() <= LONGEST_SHORT_CODE {
            return Err(Refusal::ShortCode);
        }
    }
    Err(Refusal::NotValid)
}

type Holds = fn(&PhoneNumber) -> bool;

fn meant(dialled: &str, default: Country, holds: Holds) -> Vec<PhoneNumber> {
    if let Some(digits) = dialled.strip_prefix('+') {
        return international(digits, holds);
    }
    let Some((code, region)) = tables::of_country(default) else { return Vec::new() };
    let abroad = [region.abroad(dialled), dialled.strip_prefix(ABROAD)];
    let mut meant: Vec<PhoneNumber> =
        abroad.into_iter().flatten().flat_map(|digits| international(digits, holds)).collect();
    let national = region.without_trunk(dialled).into_iter().chain([dialled.to_owned()]);
    meant.extend(national.filter_map(|national| with_code(code, &national)).filter(holds));
    if meant.is_empty() && dialled.starts_with(&code.digits) {
        meant = international(dialled, holds);
    }
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
