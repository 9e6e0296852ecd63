//! Every numbering plan of the tables: its example numbers, and numbers drawn from its patterns.

use phonenumber::metadata::{DATABASE, Descriptor, Metadata};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::super::tables;
use super::*;

/// Countries that dial in ways of their own: no trunk prefix, 0, 1, 8, 06, carriers' codes, 011, 010, short numbers.
const DEFAULTS: [&str; 20] = [
    "US", "GB", "DE", "IT", "RU", "JP", "KR", "BR", "AR", "HU", "FI", "AX", "CN", "CI", "SG", "IN", "CV",
    "FO", "AU", "UY",
];

fn plans() -> impl Iterator<Item = &'static Metadata> {
    (1..1000_u16).filter_map(|code| DATABASE.by_code(&code)).flatten()
}

fn descriptors(plan: &'static Metadata) -> impl Iterator<Item = &'static Descriptor> {
    let all = plan.descriptors();
    [
        all.fixed_line(),
        all.mobile(),
        all.toll_free(),
        all.premium_rate(),
        all.shared_cost(),
        all.personal_number(),
        all.voip(),
        all.pager(),
        all.uan(),
        all.voicemail(),
    ]
    .into_iter()
    .flatten()
}

/// A number of the plan, if it is of a length that E.164 numbers have.
fn number(plan: &Metadata, national: &str) -> Option<PhoneNumber> {
    PhoneNumber::from_e164(&format!("+{}{national}", plan.country_code()))
}

/// Reads what is typed in the default country as the number itself.
fn reads(typed: &str, default: Country, number: PhoneNumber) {
    let parsed = PhoneNumber::parse(typed, default);
    assert_eq!(parsed.map(|parsed| parsed.e164()), Ok(number.e164()), "{default}: {typed}");
}

/// Reads what is typed at home as the number itself. Where it may also be a call abroad, or the country's code without
/// its plus, none is read.
fn reads_at_home(typed: &str, home: Country, number: PhoneNumber) {
    let (code, region) = tables::of_country(home).unwrap();
    let may_be_abroad = region.abroad(typed).is_some() || typed.starts_with("00");
    let may_be_code = region.has_trunk() && typed.starts_with(&code.digits);
    if !(may_be_abroad || may_be_code) || PhoneNumber::parse(typed, home) != Err(Refusal::Ambiguous) {
        reads(typed, home, number);
    }
}

/// The four ways: as it is stored, as it is shown, from abroad, and at home.
fn reads_in_four_ways(plan: &Metadata, national: &str, number: PhoneNumber, default: Country) {
    let shown = number.grouped();
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits, number.digits(), "shown and stored differ");
    reads(&number.e164(), default, number);
    reads(&shown, default, number);
    reads(&format!("00 {}", number.digits()), country("DE"), number);
    reads(&format!("011 {}", number.digits()), Country::US, number);
    let Ok(home) = plan.id().parse::<Country>() else { return };
    let (code, _) = tables::of_country(home).unwrap();
    if number.line_kind(Allowed { voip: true, new_ranges: false }).is_ok() {
        reads_at_home(national, home, number);
        let trunk = plan.national_prefix().unwrap_or_default();
        reads_at_home(&format!("{trunk}{national}"), home, number);
        let with_zero = self::number(plan, &format!("0{national}")).filter(PhoneNumber::is_valid);
        reads(&format!("+{} (0) {national}", code.digits), default, with_zero.unwrap_or(number));
    }
}

#[test]
fn the_example_numbers_of_every_plan_and_kind_come_back_as_themselves() {
    let defaults: Vec<Country> = DEFAULTS.map(country).to_vec();
    let mut tried = 0;
    for plan in plans() {
        for national in descriptors(plan).filter_map(Descriptor::example) {
            let Some(number) = number(plan, national) else { continue };
            assert!(number.is_valid(), "{}: {national}", plan.id());
            for default in &defaults {
                reads_in_four_ways(plan, national, number, *default);
            }
            tried += 1;
        }
    }
    assert!(tried > 900, "{tried}");
}

#[test]
fn a_digit_more_or_less_is_another_number_or_none() {
    for plan in plans() {
        for national in descriptors(plan).filter_map(Descriptor::example) {
            for changed in
                [format!("{national}0"), national[1..].to_owned(), national[..national.len() - 1].to_owned()]
            {
                let Some(number) = number(plan, &changed) else { continue };
                match PhoneNumber::parse(&number.e164(), Country::US) {
                    Ok(parsed) => {
                        assert!(parsed == number || changed.starts_with('0'), "{}", number.e164());
                    }
                    Err(refusal) => assert!(!number.is_valid(), "{}: {refusal}", number.e164()),
                }
            }
        }
    }
}

#[test]
fn numbers_drawn_from_every_plan_come_back_as_themselves() {
    let mut draw = Draw(0x4d61_736b_6c69_6e65);
    for plan in plans() {
        for descriptor in descriptors(plan) {
            let pattern = format!("(?x:{})", descriptor.national_number().as_str());
            let pattern = regex_syntax::parse(&pattern).unwrap();
            for _ in 0..12 {
                let mut national = String::new();
                draw.text(&pattern, &mut national);
                let default = country(DEFAULTS[draw.below(DEFAULTS.len())]);
                let drawn = number(plan, &national).filter(PhoneNumber::is_valid);
                if let Some(number) = drawn {
                    reads_in_four_ways(plan, &national, number, default);
                }
            }
        }
    }
}

/// Draws texts that patterns describe; the same ones each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn text(&mut self, pattern: &Hir, text: &mut String) {
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).unwrap()),
            HirKind::Class(Class::Unicode(class)) => {
                let digits: Vec<char> = ('0'..='9')
                    .filter(|digit| {
                        class.ranges().iter().any(|range| (range.start()..=range.end()).contains(digit))
                    })
                    .collect();
                text.push(digits[self.below(digits.len())]);
            }
            HirKind::Class(Class::Bytes(_)) => panic!("plans are text"),
            HirKind::Repetition(repeated) => {
                let most = repeated.max.unwrap_or(repeated.min + 3);
                let times = repeated.min as usize + self.below((most - repeated.min) as usize + 1);
                (0..times).for_each(|_| self.text(&repeated.sub, text));
            }
            HirKind::Capture(capture) => self.text(&capture.sub, text),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.text(part, text)),
            HirKind::Alternation(branches) => {
                let branch = self.below(branches.len());
                self.text(&branches[branch], text);
            }
        }
    }
}
