//! The numbering plans, and all that is read from the `phonenumber` crate: its tables.
//!
//! The tables are Google's. What the crate's own functions make of them is not used, as it is wrong in ways that ring a
//! stranger's phone (seen in 0.3.10):
//!
//! - its reader takes the trunk prefix of the default country off numbers of other countries (`+49 152…` with US: `+49 52…`);
//! - its patterns match the beginning of a number, so that one with surplus digits is valid;
//! - it drops zeros that belong to a number, and its formatter what looks like a trunk prefix (`+7 812…`);
//! - its look-up knows one plan for the code `001`, where there are nine;
//! - a country without an entry for reading its trunk prefix (Hungary's `06`) has none.
//!
//! Here patterns hold from the first digit to the last, and each is compiled when it is first asked. A new release of
//! the crate brings newer plans; the tests beside this file try every example number of every one.

use std::sync::{LazyLock, OnceLock};

use phonenumber::metadata::{DATABASE, Descriptor, Format, Metadata};
use regex_lite::{Captures, Regex, RegexBuilder};

use super::{Country, LineKind, Refusal};

/// What a number is for, or why numbers of its kind may not be used.
pub(super) type Kind = Result<LineKind, Refusal>;

/// A country calling code, and the plans of those who share it, its main country first.
pub(super) struct CallingCode {
    /// One to three digits.
    pub(super) digits: String,
    pub(super) regions: Vec<Region>,
    /// A bit for each length that landlines, mobiles and internet numbers have by any of the plans.
    lengths: u32,
    formats: Vec<(Shape, &'static Format)>,
}

/// The plan of one country, or of one service of no country.
pub(super) struct Region {
    /// `None` for satellites and the like.
    pub(super) country: Option<Country>,
    metadata: &'static Metadata,
    general: Pattern,
    leading: Option<Pattern>,
    international: Option<Pattern>,
    trunk: Option<Pattern>,
    kinds: Vec<(Shape, Kind)>,
}

/// A pattern and the lengths that go with it; none means any.
struct Shape {
    pattern: Pattern,
    lengths: u32,
}

/// A pattern of the tables, compiled when it is first asked.
struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

/// The calling codes, each at its own number.
static CODES: LazyLock<Vec<Option<CallingCode>>> =
    LazyLock::new(|| (0..1000).map(CallingCode::read).collect());

/// The calling code that digits in international order begin with, and the national number behind it.
pub(super) fn split(digits: &str) -> Option<(&'static CallingCode, &str)> {
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code = CODES.get(code.parse::<usize>().ok()?)?.as_ref()?;
        (code.digits.len() == length).then_some((code, national))
    })
}

/// The plan of a country, and its calling code.
pub(super) fn of_country(country: Country) -> Option<(&'static CallingCode, &'static Region)> {
    let metadata = DATABASE.by_id(country.code())?;
    let code = CODES.get(usize::from(metadata.country_code()))?.as_ref()?;
    Some((code, code.regions.iter().find(|region| region.country == Some(country))?))
}

impl CallingCode {
    fn read(code: u16) -> Option<Self> {
        let plans = DATABASE.by_code(&code)?;
        let main = plans.first()?;
        let formats = if main.international_formats().is_empty() {
            main.formats()
        } else {
            main.international_formats()
        };
        let shape =
            |format: &Format| Shape { pattern: Pattern::whole(format.pattern().as_str()), lengths: 0 };
        let regions: Vec<Region> = plans.iter().map(|metadata| Region::read(metadata)).collect();
        let lengths = regions.iter().flat_map(|region| &region.kinds).filter(|(_, kind)| kind.is_ok());
        Some(Self {
            digits: code.to_string(),
            lengths: lengths.fold(0, |all, (shape, _)| all | shape.lengths),
            formats: formats.iter().map(|format| (shape(format), format)).collect(),
            regions,
        })
    }

    /// The plan that has such a national number, and its kind.
    pub(super) fn find(&self, national: &str) -> Option<(&Region, Kind)> {
        self.regions_of(national).find_map(|region| Some((region, region.kind(national)?)))
    }

    /// A plan that may come to have such a national number: it is of the general shape, and as long as phones of people.
    /// Countries whose numbers all begin alike come before those whose do not.
    pub(super) fn find_new(&self, national: &str) -> Option<&Region> {
        let may_have = |region: &&Region| region.may_have(national);
        let alike = self.regions_of(national).filter(|region| region.leading.is_some()).find(may_have);
        alike.or_else(|| self.regions_of(national).find(may_have))
    }

    fn regions_of(&self, national: &str) -> impl Iterator<Item = &Region> {
        self.regions
            .iter()
            .filter(|region| region.leading.as_ref().is_none_or(|leading| leading.is_match(national)))
    }

    /// Whether numbers of people have that length, and do not begin as this one does only to be dialled at home.
    pub(super) fn is_possible(&self, national: &str) -> bool {
        let trunk = self.regions[0].metadata.national_prefix().unwrap_or("0");
        let is_long_enough = self.lengths & bit(national.len()) != 0;
        is_long_enough && !national.starts_with('0') && !national.starts_with(trunk)
            || self.find_new(national).is_some()
    }

    /// The national number in groups, by the habits of its main country; `None` where it has none for it.
    pub(super) fn grouped(&self, national: &str) -> Option<String> {
        let (shape, format) = self.formats.iter().find(|(shape, format)| {
            // The last of them tells most.
            let leading = format.leading_digits().last();
            leading.is_none_or(|leading| leading.find(national).is_some_and(|found| found.start() == 0))
                && shape.holds(national)
        })?;
        Some(filled(format.format(), &shape.pattern.captures(national)?))
    }
}

impl Region {
    fn read(metadata: &'static Metadata) -> Self {
        let plan = metadata.descriptors();
        // What costs extra first, so that none of it hides behind another kind.
        let kinds: [(Option<&Descriptor>, Kind); 10] = [
            (plan.premium_rate(), Err(Refusal::PremiumRate)),
            (plan.toll_free(), Err(Refusal::TollFree)),
            (plan.shared_cost(), Err(Refusal::PremiumRate)),
            (plan.voip(), Ok(LineKind::Voip)),
            (plan.personal_number(), Err(Refusal::NotALine)),
            (plan.pager(), Err(Refusal::NotALine)),
            (plan.uan(), Err(Refusal::NotALine)),
            (plan.voicemail(), Err(Refusal::NotALine)),
            (plan.fixed_line(), Ok(LineKind::FixedLine)),
            (plan.mobile(), Ok(LineKind::Mobile)),
        ];
        let for_parsing = metadata.national_prefix_for_parsing();
        let trunk = for_parsing.map_or(metadata.national_prefix(), |pattern| Some(pattern.as_str()));
        Self {
            country: Country::of_code(metadata.id()),
            metadata,
            general: Pattern::whole(plan.general().national_number().as_str()),
            leading: metadata.leading_digits().map(|pattern| Pattern::beginning(pattern.as_str())),
            international: metadata
                .international_prefix()
                .map(|pattern| Pattern::beginning(pattern.as_str())),
            trunk: trunk.map(Pattern::beginning),
            kinds: kinds.into_iter().filter_map(|(plan, kind)| Some((Shape::read(plan?), kind))).collect(),
        }
    }

    /// The kind of a national number by this plan; `None` where the plan has no such number.
    pub(super) fn kind(&self, national: &str) -> Option<Kind> {
        if !self.general.is_match(national) {
            return None;
        }
        let mut kinds = self.kinds.iter().filter(|(shape, _)| shape.holds(national)).map(|(_, kind)| *kind);
        let first = kinds.next()?;
        if self.country.is_none() {
            return Some(Err(Refusal::NoCountry));
        }
        let is_either = first == Ok(LineKind::FixedLine) && kinds.next() == Some(Ok(LineKind::Mobile));
        Some(if is_either { Ok(LineKind::FixedLineOrMobile) } else { first })
    }

    /// Whether a national number that the plan does not have yet is of its general shape, and as long as its landlines,
    /// mobiles or internet numbers are.
    pub(super) fn may_have(&self, national: &str) -> bool {
        let lengths = self.kinds.iter().filter(|(_, kind)| kind.is_ok());
        lengths.fold(0, |all, (shape, _)| all | shape.lengths) & bit(national.len()) != 0
            && self.general.is_match(national)
    }

    /// Whether a digit is dialled in front of national numbers.
    pub(super) fn has_trunk(&self) -> bool {
        self.metadata.national_prefix().is_some()
    }

    /// What is dialled behind the prefix for calls abroad.
    pub(super) fn abroad<'a>(&self, dialled: &'a str) -> Option<&'a str> {
        let captures = self.international.as_ref()?.captures(dialled)?;
        Some(&dialled[captures.get(0)?.end()..])
    }

    /// The national numbers that may be meant by one with a trunk prefix, a carrier's code or without its area code in
    /// front, as people dial at home.
    pub(super) fn without_trunk(&self, dialled: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(captures) = self.trunk.as_ref().and_then(|trunk| trunk.captures(dialled)) {
            let rest = &dialled[captures.get(0).map_or(0, |found| found.end())..];
            let rule = self.metadata.national_prefix_transform_rule();
            let last = captures.get(captures.len() - 1).filter(|_| captures.len() > 1);
            found.push(match rule.zip(last) {
                Some((rule, _)) => filled(rule, &captures) + rest,
                None => rest.to_owned(),
            });
        }
        let plain = self.metadata.national_prefix().and_then(|prefix| dialled.strip_prefix(prefix));
        found.extend(plain.map(str::to_owned));
        found.retain(|national| national != dialled);
        found
    }
}

impl Shape {
    fn read(descriptor: &Descriptor) -> Self {
        let lengths = descriptor.possible_length().iter().map(|length| bit(usize::from(*length)));
        Self {
            pattern: Pattern::whole(descriptor.national_number().as_str()),
            lengths: lengths.fold(0, |all, length| all | length),
        }
    }

    fn holds(&self, national: &str) -> bool {
        (self.lengths == 0 || self.lengths & bit(national.len()) != 0) && self.pattern.is_match(national)
    }
}

impl Pattern {
    /// Holds for a text that it describes from the first character to the last.
    fn whole(source: &str) -> Self {
        Self { source: format!("^(?:{source})$"), compiled: OnceLock::new() }
    }

    /// Holds for a text whose beginning it describes.
    fn beginning(source: &str) -> Self {
        Self { source: format!("^(?:{source})"), compiled: OnceLock::new() }
    }

    fn regex(&self) -> Option<&Regex> {
        let compile = || RegexBuilder::new(&self.source).ignore_whitespace(true).build().ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    fn is_match(&self, text: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(text)
    }
}

/// A rule of the tables such as `$1 $2-$3`, with the groups that were found.
fn filled(rule: &str, captures: &Captures) -> String {
    let mut filled = String::with_capacity(rule.len() + 16);
    let mut rest = rule.chars();
    while let Some(character) = rest.next() {
        match character {
            '$' => {
                let group = rest.next().and_then(|digit| digit.to_digit(10)).unwrap_or(0);
                filled.push_str(captures.get(group as usize).map_or("", |found| found.as_str()));
            }
            other => filled.push(other),
        }
    }
    filled
}

fn bit(length: usize) -> u32 {
    u32::try_from(length).ok().and_then(|length| 1_u32.checked_shl(length)).unwrap_or(0)
}
