//! What the pretend Tropo could rent out: the areas and the numbers of each.
//!
//! The numbers are those that numbering plans set aside for stories, so that none is anybody's. It must not
//! know who has rented which.

use std::sync::LazyLock;

/// The last three digits that the numbers of an area run through.
const LINES: std::ops::Range<usize> = 150..200;

/// How many numbers an area has at most.
pub(crate) const MOST_PER_AREA: usize = LINES.end - LINES.start;

/// An area in which numbers can be had: Tropo calls it an exchange.
#[derive(Debug)]
pub(crate) struct Area {
    /// Country code and area code, digits only: `1407`.
    pub(crate) prefix: &'static str,
    /// The digits between the prefix and the last three.
    lead: &'static str,
    /// How many numbers it begins with; some areas are listed but empty.
    pub(crate) numbers: usize,
    /// The city; empty for toll-free numbers.
    pub(crate) city: &'static str,
    /// The state or province in two letters, where there are such.
    pub(crate) state: &'static str,
    /// The country's English name.
    pub(crate) country: &'static str,
}

static AREAS: LazyLock<Vec<Area>> =
    LazyLock::new(|| include_str!("stock.tsv").lines().filter_map(read_area).collect());

fn read_area(line: &'static str) -> Option<Area> {
    let mut columns = line.split('\t');
    Some(Area {
        prefix: columns.next()?,
        lead: columns.next()?,
        numbers: columns.next()?.parse().ok()?,
        city: columns.next()?,
        state: columns.next()?,
        country: columns.next()?,
    })
}

impl Area {
    /// Whether callers pay nothing for its numbers.
    pub(crate) fn toll_free(&self) -> bool {
        self.city.is_empty()
    }

    /// Whether its numbers take and send texts.
    pub(crate) fn texts(&self) -> bool {
        self.calling_code() == "1" && !self.toll_free()
    }

    /// The country's dialling code.
    pub(crate) fn calling_code(&self) -> &'static str {
        if self.prefix.starts_with('1') { "1" } else { &self.prefix[..2] }
    }

    /// The area code as people of that country write it.
    pub(crate) fn area_code(&self) -> &'static str {
        &self.prefix[self.calling_code().len()..]
    }

    /// The first `count` of its numbers, in E.164.
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = String> + '_ {
        LINES.take(count).map(|line| format!("+{}{}{line}", self.prefix, self.lead))
    }

    /// Whether the number is one of this area's.
    pub(crate) fn has(&self, number: &str) -> bool {
        self.first(MOST_PER_AREA).any(|own| own == number)
    }

    /// Whether a purchase by `prefix` may take a number here; `1` alone means any of the United States.
    pub(crate) fn answers_to(&self, prefix: &str) -> bool {
        if prefix == "1" {
            return self.country == "United States" && !self.toll_free();
        }
        self.prefix.starts_with(prefix)
    }
}

/// Every area, the United States first.
pub(crate) fn areas() -> &'static [Area] {
    &AREAS
}

/// The area whose stock holds the number.
pub(crate) fn area_of(number: &str) -> Option<&'static Area> {
    let digits = number.strip_prefix('+')?;
    areas().iter().find(|area| digits.starts_with(area.prefix) && area.has(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phone::{Allowed, PhoneNumber};

    #[test]
    fn the_numbers_of_every_area_can_be_rented_in_its_country() {
        let mut unusable = Vec::new();
        for area in areas().iter().filter(|area| !area.toll_free()) {
            let country = match area.country {
                "Canada" => "CA",
                "United Kingdom" => "GB",
                _ if area.prefix == "1671" => "GU",
                _ => "US",
            };
            let fits = |number: &String| {
                let parsed = PhoneNumber::from_e164(number).unwrap();
                parsed.line_kind(Allowed::default()).is_ok()
                    && parsed.country().is_some_and(|found| found.code() == country)
                    && area_of(number).is_some_and(|found| found.prefix == area.prefix)
            };
            let numbers: Vec<String> = area.first(MOST_PER_AREA).collect();
            if numbers.len() != 50 || ![&numbers[0], &numbers[49]].into_iter().all(fits) {
                unusable.push(area.prefix);
            }
        }
        assert_eq!(unusable, Vec::<&str>::new());
    }

    #[test]
    fn the_stock_is_wide_and_some_areas_are_listed_but_empty() {
        assert!(areas().len() > 350, "{}", areas().len());
        let empty: Vec<_> = areas()
            .iter()
            .filter(|area| area.numbers == 0 && !area.toll_free())
            .map(|area| area.prefix)
            .collect();
        assert_eq!(empty, ["1671", "1808", "1907"]);
        let any_us: Vec<_> = areas().iter().filter(|area| area.answers_to("1")).collect();
        assert!(any_us.iter().all(|area| area.country == "United States"));
        assert_eq!(areas().iter().filter(|area| area.answers_to("1407")).count(), 1);
        assert!(areas().iter().any(|area| area.answers_to("44")));
        assert!(area_of("+14075550149").is_none());
    }
}
