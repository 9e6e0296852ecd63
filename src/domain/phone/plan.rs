//! What the numbering plans say of a number, remembered for those that were asked for of late.
//!
//! The plans are patterns, and to ask them takes longer than all else that is decided about a call. What is remembered is
//! the outcome of a pure function: it changes no answer, only its time. A number has few places in the table, so that the
//! next one there takes one over; nothing is ever waited for.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Country, LineKind, Refusal};

/// What the plans say: what the number is for, and its country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) kind: Result<LineKind, Refusal>,
    pub(super) country: Option<Country>,
}

/// Every kind that a plan may name, in the order of their codes.
const KINDS: [Result<LineKind, Refusal>; 10] = [
    Ok(LineKind::FixedLine),
    Ok(LineKind::Mobile),
    Ok(LineKind::FixedLineOrMobile),
    Ok(LineKind::Voip),
    Err(Refusal::PremiumRate),
    Err(Refusal::TollFree),
    Err(Refusal::NotValid),
    Err(Refusal::NotALine),
    Err(Refusal::NoCountry),
    Err(Refusal::NotInPlan),
];

/// How many bits a code of a kind takes, and a letter of a country.
const KIND_BITS: u32 = 4;
const LETTER_BITS: u32 = 5;
/// How many bits stand behind the number: it has fifteen digits at most, which is less than 50 bits.
const PLAN_BITS: u32 = KIND_BITS + 2 * LETTER_BITS;

/// How many places a number may take: as many as the processor reads at once.
const CHOICE: usize = 8;
/// How many such lines there are, as a power of two: with half a megabyte, 65,536 numbers are remembered.
const LINES: u32 = 13;

#[repr(align(64))]
struct Line([AtomicU64; CHOICE]);

static TABLE: [Line; 1 << LINES] = [const { Line([const { AtomicU64::new(0) }; CHOICE]) }; 1 << LINES];

/// The plan of the number, remembered or looked up.
pub(super) fn remembered(number: u64, look_up: impl FnOnce() -> Plan) -> Plan {
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let Line(places) = &TABLE[usize::try_from(hash >> (64 - LINES)).unwrap_or(0)];
    let known = places.iter().map(|place| place.load(Ordering::Relaxed));
    if let Some(plan) = known.clone().find(|known| known >> PLAN_BITS == number).and_then(unpacked) {
        return plan;
    }
    let plan = look_up();
    if let Some(packed) = packed(plan) {
        // Where all places are taken, whichever the digits choose is given up.
        let free = known.clone().position(|known| known == 0);
        let place = free.unwrap_or_else(|| usize::try_from(number).unwrap_or(0) % CHOICE);
        places[place].store(number << PLAN_BITS | packed, Ordering::Relaxed);
    }
    plan
}

fn packed(plan: Plan) -> Option<u64> {
    let kind = KINDS.iter().position(|kind| *kind == plan.kind)? as u64;
    let letters = match &plan.country {
        Some(country) => {
            country.code().bytes().map(|letter| u64::from(letter - b'A' + 1)).collect::<Vec<_>>()
        }
        None => vec![0, 0],
    };
    let [first, second] = letters[..] else { return None };
    Some(kind << (2 * LETTER_BITS) | first << LETTER_BITS | second)
}

fn unpacked(bits: u64) -> Option<Plan> {
    let letter = |bits: u64| u8::try_from(bits & 0b1_1111).unwrap_or(0);
    let kind = KINDS.get(usize::try_from(bits >> (2 * LETTER_BITS) & 0b1111).ok()?)?;
    let letters = [letter(bits >> LETTER_BITS), letter(bits)];
    let country = match letters {
        [0, 0] => None,
        letters => Some(Country(letters.map(|letter| letter + b'A' - 1))),
    };
    Some(Plan { kind: *kind, country })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_looked_up() {
        let mut number = 999_999_999_999_000;
        for kind in KINDS {
            for country in [None, Some(Country(*b"AA")), Some(Country(*b"US")), Some(Country(*b"ZZ"))] {
                number += 1;
                let plan = Plan { kind, country };
                assert_eq!(remembered(number, || plan), plan);
                assert_eq!(remembered(number, || unreachable!("it is remembered")), plan);
            }
        }
    }

    #[test]
    fn a_number_that_takes_anothers_place_is_not_taken_for_it() {
        let us = Plan { kind: Ok(LineKind::Mobile), country: Some(Country::US) };
        let none = Plan { kind: Err(Refusal::NotValid), country: None };
        for number in 1..200_000 {
            let plan = if number % 2 == 0 { us } else { none };
            assert_eq!(remembered(number, || plan), plan);
            assert_eq!(remembered(number, || plan), plan);
        }
    }
}
