//! Phone numbers: read what people and carriers write, decide what may be used, show it again.
//!
//! The one place that knows the numbering plans: `tables` holds them, `reading` reads what people write by them, `plan`
//! remembers what they say. It must not know what a number is used for.

mod plan;
mod reading;
mod tables;

use std::fmt;
use std::str::FromStr;

/// A country as two letters of ISO 3166-1, such as `US`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// The United States, where the original service began.
    pub const US: Self = Self(*b"US");

    /// The two letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    /// The country of two letters that were read as one before; the numbering plans are not asked.
    pub fn of_code(code: &str) -> Option<Self> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }

    /// The digits dialled before a number of this country, without plus: `1` for `US`.
    pub fn dialling_code(&self) -> u16 {
        tables::of_country(*self).map_or(0, |(code, _)| code.digits.parse().unwrap_or(0))
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let letters: [u8; 2] = text.trim().as_bytes().try_into().map_err(|_| UnknownCountry)?;
        let country = Self(letters.map(|letter| letter.to_ascii_uppercase()));
        tables::of_country(country).map(|_| country).ok_or(UnknownCountry)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

/// The text is not the two-letter code of a country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a two-letter country code")]
pub struct UnknownCountry;

/// A phone number in the form of ITU-T E.164: a plus and 7 to 15 digits, the first not zero.
///
/// It hides itself in `Debug` and has no `Display`: whoever shows one says how, by [`PhoneNumber::e164`],
/// [`PhoneNumber::grouped`] or [`PhoneNumber::last_two`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(u64);

/// What a number that may be used is for, by its numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A landline, which as a rule cannot take texts.
    FixedLine,
    /// A mobile phone.
    Mobile,
    /// Either: plans such as North America's do not tell.
    FixedLineOrMobile,
    /// A number of an internet phone service.
    Voip,
}

/// Which kinds of numbers an operator allows beside landlines and mobile phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Numbers of internet phone services.
    pub voip: bool,
    /// Numbers that are possible but not in the numbering plans, which may be older than they are.
    pub new_ranges: bool,
}

/// Why a text is no number that Maskline takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was typed.
    #[error("Type a phone number.")]
    Empty,
    /// Letters, control characters or other things that numbers do not hold.
    #[error("That is not a phone number. Use digits, with the country code or the way you dial it at home.")]
    NotANumber,
    /// The digits do not make a number of any country.
    #[error("No country has a number like that. Check the digits and the country code.")]
    NotValid,
    /// A number may come to look like that, but no plan has it.
    #[error("We do not know numbers that begin like that. Check the digits and the country code.")]
    NotInPlan,
    /// More than one number may be meant.
    #[error("That could be more than one number. Type it with a plus and the country code.")]
    Ambiguous,
    /// A number with an extension behind it.
    #[error("Extensions cannot be called directly. Use a number without one.")]
    Extension,
    /// Three to six digits: an emergency number or a short code.
    #[error("Emergency numbers and short codes cannot be used. Type your full phone number.")]
    ShortCode,
    /// The caller pays extra.
    #[error("That is a premium-rate or shared-cost number. Calls to it cost extra, so it cannot be used.")]
    PremiumRate,
    /// The callee pays.
    #[error("That is a toll-free number. Use the number of a phone of your own.")]
    TollFree,
    /// Personal numbers (`+1 500`, `+44 70`), pagers, voicemail access and company-wide numbers.
    #[error(
        "That kind of number (personal, pager, voicemail or company-wide) cannot be used. Use a landline or mobile number."
    )]
    NotALine,
    /// An internet phone number where those are not allowed.
    #[error("Internet phone (VoIP) numbers are not accepted here. Use a landline or mobile number.")]
    Voip,
    /// Satellite phones and other numbers of no country.
    #[error("Satellite and other numbers outside of any country cannot be used.")]
    NoCountry,
}

impl PhoneNumber {
    /// Reads a number as a person writes it: E.164, `tel:`, or the way it is dialled in `default`, with blanks, brackets,
    /// dots, dashes or the digits of any script.
    ///
    /// Only the shape and the numbering plan are checked; whether its kind may be used, [`Self::line_kind`]
    /// decides.
    pub fn parse(text: &str, default: Country) -> Result<Self, Refusal> {
        reading::read(text, default)
    }

    /// Reads `+` and 7 to 15 digits, nothing else; the numbering plan is not asked.
    pub fn from_e164(text: &str) -> Option<Self> {
        Self::from_digits(text.strip_prefix('+')?.bytes())
    }

    /// Reads 7 to 15 digits with the country code in front, as ASCII; the numbering plan is not asked.
    pub fn from_digits(digits: impl Iterator<Item = u8>) -> Option<Self> {
        let (mut number, mut length) = (0, 0);
        for digit in digits {
            if !digit.is_ascii_digit() || length == 15 || (length == 0 && digit == b'0') {
                return None;
            }
            number = number * 10 + u64::from(digit - b'0');
            length += 1;
        }
        (length >= 7).then_some(Self(number))
    }

    /// `+` and digits, as carriers take it.
    pub fn e164(&self) -> String {
        format!("+{}", self.0)
    }

    /// The digits without the plus.
    pub fn digits(&self) -> String {
        self.0.to_string()
    }

    /// As people read it, by the habits of its country: `+1 407-555-0123`. A number that no plan has, and one that would
    /// not be shown digit by digit, is shown in E.164.
    pub fn grouped(&self) -> String {
        let digits = self.digits();
        let grouped = tables::split(&digits).filter(|_| self.is_valid()).map(|(code, national)| {
            let grouped = code.grouped(national);
            format!("+{} {}", code.digits, grouped.as_deref().unwrap_or(national))
        });
        grouped
            .filter(|grouped| grouped.chars().filter(char::is_ascii_digit).eq(digits.chars()))
            .unwrap_or_else(|| self.e164())
    }

    /// The last two digits, the most that an admin sees.
    pub fn last_two(&self) -> String {
        format!("{:02}", self.0 % 100)
    }

    /// The country by the numbering plan (`+1 809…` is `DO`, not `US`); `None` for satellites and unknown
    /// codes.
    pub fn country(&self) -> Option<Country> {
        self.plan().country
    }

    /// Whether it may be a number of one of the countries. Some countries share numbers: `+358 40…` is a mobile phone of
    /// Finland or of Åland.
    pub fn is_in(&self, countries: &[Country]) -> bool {
        let plan = self.plan();
        if plan.country.is_some_and(|country| countries.contains(&country)) {
            return true;
        }
        let digits = self.digits();
        tables::split(&digits).is_some_and(|(code, national)| {
            let mut regions = code.regions.iter();
            regions.any(|region| {
                let may_be_there = match plan.kind {
                    Err(Refusal::NotInPlan) => region.may_have(national),
                    _ => region.kind(national).is_some(),
                };
                may_be_there && region.country.is_some_and(|country| countries.contains(&country))
            })
        })
    }

    /// What the number is for, or why it may not be used.
    pub fn line_kind(&self, allowed: Allowed) -> Result<LineKind, Refusal> {
        match self.plan().kind {
            Ok(LineKind::Voip) if !allowed.voip => Err(Refusal::Voip),
            Err(Refusal::NotInPlan) if allowed.new_ranges => Ok(LineKind::FixedLineOrMobile),
            kind => kind,
        }
    }

    /// Whether some country's numbering plan has it, of whatever kind.
    pub fn is_valid(&self) -> bool {
        !matches!(self.plan().kind, Err(Refusal::NotValid | Refusal::NotInPlan))
    }

    /// Whether somebody may have it: the plans have it, or it is as long as numbers of its country are, and begins as they
    /// may. Plans get older than numbers that are given out.
    pub fn is_possible(&self) -> bool {
        self.is_valid() || self.is_in_new_range() || {
            let digits = self.digits();
            tables::split(&digits).is_some_and(|(code, national)| code.is_possible(national))
        }
    }

    fn is_in_new_range(self) -> bool {
        self.plan().kind == Err(Refusal::NotInPlan)
    }

    /// What the numbering plans say of it; they are asked once for a number that was asked for of late.
    fn plan(self) -> plan::Plan {
        plan::remembered(self.0, || self.looked_up())
    }

    fn looked_up(self) -> plan::Plan {
        let digits = self.digits();
        let Some((code, national)) = tables::split(&digits) else {
            return plan::Plan { kind: Err(Refusal::NotValid), country: None };
        };
        let known = code.find(national);
        let new = || code.find_new(national).map(|region| (region, Err(Refusal::NotInPlan)));
        match known.or_else(new) {
            Some((region, kind)) => plan::Plan { kind, country: region.country },
            None => plan::Plan { kind: Err(Refusal::NotValid), country: None },
        }
    }
}

/// The digits of a number in any writing, with a plus where there is one, as [`PhoneNumber::parse`] begins to read it;
/// `None` where other things stand among them.
pub fn dialled_digits(text: &str) -> Option<String> {
    reading::dialled(text).ok()
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PhoneNumber(…)")
    }
}

#[cfg(test)]
mod tests;
