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

/// How many digits area codes have at most, the trunk prefix not counted, as in Germany.
const LONGEST_AREA_CODE: usize = 5;

/// How many digits come behind an area code at least.
const SHORTEST_BEHIND_AREA_CODE: usize = 3;

/// What begins a number for calls abroad nearly everywhere, by ITU-T E.123; it is understood where the country's own
/// prefix is another, too.
const ABROAD: &str = "00";

/// Reads the number that a text means to somebody in the default country.
pub(super) fn read(text: &str, default: Country) -> Result<PhoneNumber, Refusal> {
    let Typed { dialled, slash } = typed(text)?;
    if slash.is_some_and(|slash| !is_behind_area_code(&dialled, slash, default)) {
        return Err(Refusal::Ambiguous);
    }
    let is_short = dialled.trim_start_matches('+').len() <= LONGEST_SHORT_CODE;
    let known = meant(&dialled, default, PhoneNumber::is_valid);
    if !known.is_empty() {
        return the_one(known);
    }
    if is_short {
        return Err(Refusal::ShortCode);
    }
    // None that a plan has: one that a plan may come to have.
    the_one(meant(&dialled, default, |number| is_new(*number)))
}

/// Whether a plan may come to have the number. With a zero in front it is not a new one where a plan has it without.
fn is_new(number: PhoneNumber) -> bool {
    let has_surplus_zero = || {
        let digits = number.digits();
        let without =
            tables::split(&digits).and_then(|(code, national)| with_code(code, national.strip_prefix('0')?));
        without.is_some_and(|number| number.is_valid())
    };
    number.is_in_new_range() && !has_surplus_zero()
}

/// Whether a slash with so many characters before it divides an area code from the rest. `1234567/8` is two numbers.
fn is_behind_area_code(dialled: &str, slash: usize, default: Country) -> bool {
    let Some((before, after)) = dialled.split_at_checked(slash) else { return false };
    let region = || tables::of_country(default).map(|(_, region)| region);
    let abroad = before
        .strip_prefix('+')
        .or_else(|| region().and_then(|region| region.abroad(before)))
        .or_else(|| before.strip_prefix(ABROAD));
    let (area, longest) = match abroad.map(tables::split) {
        Some(Some((_, area))) => (area, LONGEST_AREA_CODE),
        Some(None) => return false,
        // Without the zero in front, five digits are a whole number in many places.
        None => (before, if before.starts_with('0') { LONGEST_AREA_CODE } else { LONGEST_AREA_CODE - 1 }),
    };
    area.strip_prefix('0').unwrap_or(area).len() <= longest && after.len() >= SHORTEST_BEHIND_AREA_CODE
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
/// country's trunk prefix behind the code, as in `+44 (0)20 …`, or a zero where the country has none, as people write
/// out of habit: `+34 (0) 912 …`. No prefix but one that begins with zero is taken off.
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
    let shorter = stripped.iter().map(String::as_str).filter(|stripped| stripped.len() < national.len());
    let shorter = shorter.chain(national.strip_prefix('0'));
    shorter.filter_map(|national| with_code(code, national)).filter(holds).collect()
}

fn with_code(code: &CallingCode, national: &str) -> Option<PhoneNumber> {
    PhoneNumber::from_digits(code.digits.bytes().chain(national.bytes()))
}

/// The digits of what a person typed, with a leading plus where there was one.
struct Typed {
    dialled: String,
    /// How many characters of them stand before the slash, where there is one.
    slash: Option<usize>,
}

/// The digits of what is written without a slash, with a leading plus where there is one.
pub(super) fn dialled(text: &str) -> Result<String, Refusal> {
    let Typed { dialled, slash } = typed(text)?;
    if slash.is_some() { Err(Refusal::Ambiguous) } else { Ok(dialled) }
}

/// Reads the digits of what a person typed. Letters, parameters, odd characters and a second number stop here.
fn typed(text: &str) -> Result<Typed, Refusal> {
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
    let (mut slashes, mut tildes) = (Vec::new(), Vec::new());
    for character in number.chars() {
        match character {
            '+' if dialled.is_empty() => dialled.push('+'),
            digit if digit.is_ascii_digit() => dialled.push(digit),
            ' ' | '\t' | '(' | ')' | '[' | ']' | '.' | '-' => {}
            '/' => slashes.push(dialled.len()),
            '~' => tildes.push(dialled.len()),
            _ => return Err(Refusal::NotANumber),
        }
    }
    // In Russia people wait for a tone behind the 8, and write it 8~10.
    let may_wait = tildes.is_empty() || tildes == [1] && dialled.starts_with("810");
    match (dialled.trim_start_matches('+').is_empty(), has_extension) {
        (true, _) => Err(Refusal::NotANumber),
        (false, true) => Err(Refusal::Extension),
        (false, false) if slashes.len() > 1 || !may_wait => Err(Refusal::Ambiguous),
        (false, false) => Ok(Typed { dialled, slash: slashes.first().copied() }),
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
