//! Phone numbers: read what people and carriers write, decide what may be used, show it again.
//!
//! The one place that knows the numbering plans (through Google's metadata in the `phonenumber` crate). It
//! must not know what a number is used for.

mod plan;

use std::fmt;
use std::str::FromStr;

use phonenumber::Mode;
use phonenumber::metadata::{DATABASE, Metadata};

/// The longest text that is looked at as a phone number, in characters.
const LONGEST_INPUT: usize = 64;

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
        DATABASE.by_id(self.code()).map_or(0, Metadata::country_code)
    }

    fn id(self) -> Option<phonenumber::country::Id> {
        self.code().parse().ok()
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let letters: [u8; 2] = text.trim().as_bytes().try_into().map_err(|_| UnknownCountry)?;
        let country = Self(letters.map(|letter| letter.to_ascii_uppercase()));
        if country.id().is_some() && DATABASE.by_id(country.code()).is_some() {
            Ok(country)
        } else {
            Err(UnknownCountry)
        }
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
    /// Reads a number as a person writes it: E.164, `tel:`, or the national way of `default`, with blanks,
    /// brackets, dots, dashes or the digits of other scripts.
    ///
    /// Only the shape and the numbering plan are checked; whether its kind may be used, [`Self::line_kind`]
    /// decides.
    pub fn parse(text: &str, default: Country) -> Result<Self, Refusal> {
        let dialled = dialled(text)?;
        if dialled.len() < 7 {
            return Err(Refusal::ShortCode);
        }
        let parsed = phonenumber::parse(default.id(), &dialled).map_err(|_| Refusal::NotValid)?;
        let number =
            Self::from_e164(&parsed.format().mode(Mode::E164).to_string()).ok_or(Refusal::NotValid)?;
        match number.metadata() {
            Some(_) => Ok(number),
            None => Err(Refusal::NotValid),
        }
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

    /// As people read it, by the habits of its country: `+1 407-555-0123`.
    pub fn grouped(&self) -> String {
        match phonenumber::parse(None, self.e164()) {
            Ok(parsed) => parsed.format().mode(Mode::International).to_string(),
            Err(_) => self.e164(),
        }
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

    /// What the number is for, or why it may not be used. `voip` says whether internet numbers may.
    pub fn line_kind(&self, voip: bool) -> Result<LineKind, Refusal> {
        self.plan()
            .kind
            .and_then(|kind| if kind == LineKind::Voip && !voip { Err(Refusal::Voip) } else { Ok(kind) })
    }

    /// What the numbering plans say of it; they are asked once for a number that was asked for of late.
    fn plan(self) -> plan::Plan {
        plan::remembered(self.0, || self.looked_up())
    }

    fn looked_up(self) -> plan::Plan {
        let Some(metadata) = self.metadata() else {
            return plan::Plan { kind: Err(Refusal::NotValid), country: None };
        };
        let kind = if metadata.id() == "001" {
            Err(Refusal::NoCountry)
        } else {
            match kind_of(metadata, &self.national(metadata)) {
                phonenumber::Type::FixedLine => Ok(LineKind::FixedLine),
                phonenumber::Type::Mobile => Ok(LineKind::Mobile),
                phonenumber::Type::FixedLineOrMobile => Ok(LineKind::FixedLineOrMobile),
                phonenumber::Type::Voip => Ok(LineKind::Voip),
                phonenumber::Type::PremiumRate | phonenumber::Type::SharedCost => Err(Refusal::PremiumRate),
                phonenumber::Type::TollFree => Err(Refusal::TollFree),
                phonenumber::Type::Unknown => Err(Refusal::NotValid),
                _ => Err(Refusal::NotALine),
            }
        };
        plan::Plan { kind, country: metadata.id().parse().ok() }
    }

    fn national(self, metadata: &Metadata) -> String {
        let digits = self.digits();
        digits[metadata.country_code().to_string().len()..].to_owned()
    }

    /// The plan of the first country of the code that has such a number. The library's own look-up drops
    /// leading zeros of the national part, which Italy keeps.
    fn metadata(self) -> Option<&'static Metadata> {
        let digits = self.digits();
        (1..=3).find_map(|length| {
            let code: u16 = digits[..length].parse().ok()?;
            let national = &digits[length..];
            DATABASE.by_code(&code)?.into_iter().find(|metadata| match metadata.leading_digits() {
                Some(leading) => leading.find(national).is_some_and(|found| found.start() == 0),
                None => kind_of(metadata, national) != phonenumber::Type::Unknown,
            })
        })
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PhoneNumber(…)")
    }
}

/// The kind of a national number by a country's plan, the costly kinds first so that none hides behind
/// another.
fn kind_of(metadata: &Metadata, national: &str) -> phonenumber::Type {
    use phonenumber::Type;
    let plan = metadata.descriptors();
    if !plan.general().is_match(national) {
        return Type::Unknown;
    }
    let is = |descriptor: Option<&phonenumber::metadata::Descriptor>| {
        descriptor.is_some_and(|descriptor| descriptor.is_match(national))
    };
    let special = [
        (plan.premium_rate(), Type::PremiumRate),
        (plan.toll_free(), Type::TollFree),
        (plan.shared_cost(), Type::SharedCost),
        (plan.voip(), Type::Voip),
        (plan.personal_number(), Type::PersonalNumber),
        (plan.pager(), Type::Pager),
        (plan.uan(), Type::Uan),
        (plan.voicemail(), Type::Voicemail),
    ];
    if let Some((_, kind)) = special.into_iter().find(|(descriptor, _)| is(*descriptor)) {
        return kind;
    }
    match (is(plan.fixed_line()), is(plan.mobile())) {
        (true, true) => Type::FixedLineOrMobile,
        (true, false) => Type::FixedLine,
        (false, true) => Type::Mobile,
        (false, false) => Type::Unknown,
    }
}

/// The digits of what a person typed, with a leading plus where there was one. The library's own reader never
/// sees anything else: letters, parameters and odd characters stop here.
fn dialled(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::Empty);
    }
    if text.chars().count() > LONGEST_INPUT {
        return Err(Refusal::NotANumber);
    }
    let lower = text.to_lowercase();
    let number = lower.strip_prefix("tel:").unwrap_or(&lower);
    let (number, extension) = split_extension(number);
    let mut dialled = String::with_capacity(number.len());
    for character in number.chars() {
        match character {
            '+' | '＋' if dialled.is_empty() => dialled.push('+'),
            ' '
            | '\u{a0}'
            | '\u{2009}'
            | '\u{202f}'
            | '\u{3000}'
            | '('
            | ')'
            | '（'
            | '）'
            | '.'
            | '-'
            | '/'
            | '\u{2010}'..='\u{2015}'
            | '－' => {}
            other => dialled.push(ascii_digit(other).ok_or(Refusal::NotANumber)?),
        }
    }
    match (dialled.trim_start_matches('+').is_empty(), extension) {
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

/// The ASCII digit of a decimal digit as phones and keyboards write it: ASCII, full-width, Arabic-Indic,
/// Persian, Devanagari.
fn ascii_digit(character: char) -> Option<char> {
    [0x30, 0xff10, 0x660, 0x6f0, 0x966].into_iter().find_map(|zero| {
        let value = u32::from(character).checked_sub(zero).filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Refusal> {
        let number = PhoneNumber::parse(text, Country::US)?;
        number.line_kind(true)?;
        Ok(number.e164())
    }

    #[test]
    fn usual_writings_become_one_e164_number() {
        for text in [
            "+14155550123",
            "tel:+14155550123",
            "+1 (415) 555-0123",
            "415.555.0123",
            "1-415-555-0123",
            "４１５ ５５５ ０１２３",
            "٤١٥٥٥٥٠١٢٣",
            " (415) 555‑0123 ",
        ] {
            assert_eq!(parse(text).as_deref(), Ok("+14155550123"), "{text}");
        }
        assert_eq!(parse("+390612345678").as_deref(), Ok("+390612345678"));
        let london = PhoneNumber::parse("020 7946 0123", "GB".parse().unwrap()).unwrap();
        assert_eq!(london.e164(), "+442079460123");
        let rome = PhoneNumber::parse("06 1234 5678", "IT".parse().unwrap()).unwrap();
        assert_eq!(rome.e164(), "+390612345678");
        assert_eq!(rome.line_kind(false), Ok(LineKind::FixedLine));
    }

    #[test]
    fn countries_are_those_of_the_plan_not_of_the_dialling_code() {
        for (text, country) in [
            ("+14155550123", "US"),
            ("+18095551212", "DO"),
            ("+18765551212", "JM"),
            ("+14735551212", "GD"),
            ("+17875551212", "PR"),
            ("+18675551212", "CA"),
            ("+447911123456", "GG"),
            ("+442079460123", "GB"),
            ("+390612345678", "IT"),
        ] {
            let number = PhoneNumber::from_e164(text).unwrap();
            assert_eq!(
                number.country().map(|country| country.to_string()).as_deref(),
                Some(country),
                "{text}"
            );
        }
    }

    #[test]
    fn lines_that_cost_extra_or_are_no_phones_are_refused_with_the_reason() {
        for (text, refusal) in [
            ("+19005551212", Refusal::PremiumRate),
            ("+448712345678", Refusal::PremiumRate),
            ("+449012345678", Refusal::PremiumRate),
            ("+18005551212", Refusal::TollFree),
            ("+15005550006", Refusal::NotALine),
            ("+447012345678", Refusal::NotALine),
            ("+881612345678", Refusal::NoCountry),
            ("+870773111632", Refusal::NoCountry),
            ("+1911", Refusal::ShortCode),
            ("+112", Refusal::ShortCode),
            ("911", Refusal::ShortCode),
            ("+14155550123;ext=5", Refusal::Extension),
            ("415 555 0123 x5", Refusal::Extension),
            ("+10005550123", Refusal::NotValid),
            ("+999123456789", Refusal::NotValid),
            ("", Refusal::Empty),
            ("   ", Refusal::Empty),
        ] {
            assert_eq!(parse(text), Err(refusal), "{text}");
        }
    }

    #[test]
    fn addresses_parameters_and_odd_characters_are_no_numbers() {
        for text in [
            "sip:1@sip.tropo.com",
            "+14155550123;postd=1234",
            "+1415\u{202e}5550123",
            "+1415555\u{0}0123",
            ".;phone-context=",
            "+dwPAA;phone-context=AA",
            "+14155550123,+14155550124",
            "++14155550123",
            "Unknown",
            &"4".repeat(400),
        ] {
            assert_eq!(parse(text), Err(Refusal::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn a_number_shows_itself_only_when_asked() {
        let number = PhoneNumber::from_e164("+14155550123").unwrap();
        assert_eq!(format!("{number:?}"), "PhoneNumber(…)");
        assert_eq!(number.grouped(), "+1 415-555-0123");
        assert_eq!(number.last_two(), "23");
    }

    #[test]
    fn only_the_strict_form_is_read_back() {
        for text in
            ["14155550123", "+0155550123", "+123456", "+1234567890123456", "+1415555012a", "+1 4155550123"]
        {
            assert!(PhoneNumber::from_e164(text).is_none(), "{text}");
        }
    }
}
