//! Where numbers can be had: the carrier's areas, and which of them a wish means.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use super::masks::{WantedArea, WishError};
use crate::carrier::{Area, CarrierError};
use crate::domain::phone::{Country, PhoneNumber};

/// How long the carrier's list of areas is believed.
const AREAS_LIFE: TimeDelta = TimeDelta::minutes(10);

/// What the carrier said of its areas, and when.
pub(super) struct KnownAreas {
    at: DateTime<Utc>,
    areas: Arc<Vec<Area>>,
}

impl App {
    /// The areas in which the carrier rents out numbers in the countries of masks.
    pub async fn areas(&self) -> Result<Arc<Vec<Area>>, CarrierError> {
        let now = self.now();
        if let Some(known) = &*self.areas.lock().unwrap_or_else(PoisonError::into_inner)
            && now - known.at < AREAS_LIFE
        {
            return Ok(known.areas.clone());
        }
        let mut areas = self.carrier.areas().await?;
        areas.retain(|area| {
            !area.toll_free
                && country_of(&area.prefix)
                    .is_some_and(|country| self.settings.mask_countries.contains(&country))
        });
        let areas = Arc::new(areas);
        *self.areas.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(KnownAreas { at: now, areas: areas.clone() });
        Ok(areas)
    }

    /// The country and the prefix that a wish means.
    pub(super) async fn place(
        &self,
        number: PhoneNumber,
        area: WantedArea,
    ) -> Result<(Country, Option<String>), WishError> {
        let own = number.country().ok_or(WishError::NoArea)?;
        let served = |country: &Country| self.settings.mask_countries.contains(country);
        match area {
            WantedArea::Any => Ok((Some(own).filter(served).ok_or(WishError::NoArea)?, None)),
            WantedArea::Prefix(prefix) => {
                let areas = self.areas().await.map_err(|_| WishError::NoArea)?;
                let known = areas.iter().find(|area| area.prefix == prefix).ok_or(WishError::NoArea)?;
                let country = country_of(&known.prefix).filter(served).ok_or(WishError::NoArea)?;
                Ok((country, Some(prefix)))
            }
            WantedArea::Same => {
                let country = Some(own).filter(served).ok_or(WishError::NoArea)?;
                let areas = self.areas().await.unwrap_or_default();
                Ok((country, own_prefix(number, &areas)))
            }
        }
    }
}

/// The area of a number: the longest prefix of an area that begins it. Where the carrier tells none, North America's
/// three digits are known.
pub fn own_prefix(number: PhoneNumber, areas: &[Area]) -> Option<String> {
    let digits = number.digits();
    let of_carrier = areas.iter().filter(|area| digits.starts_with(&area.prefix));
    let longest = of_carrier.max_by_key(|area| area.prefix.len()).map(|area| area.prefix.clone());
    longest.or_else(|| digits.starts_with('1').then(|| digits[..4].to_owned()))
}

/// The country of an area, by what a number there would be.
pub fn country_of(prefix: &str) -> Option<Country> {
    let filled = |length: usize| {
        let digits: String = prefix.chars().chain("5550150".repeat(2).chars()).take(length).collect();
        PhoneNumber::from_e164(&format!("+{digits}")).and_then(|number| number.country())
    };
    if prefix.starts_with('1') { filled(11) } else { (9..=13).find_map(filled) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_country_of_an_area_is_that_of_its_numbers() {
        for (prefix, country) in
            [("1407", "US"), ("1416", "CA"), ("1809", "DO"), ("4420", "GB"), ("44161", "GB"), ("31", "NL")]
        {
            assert_eq!(
                country_of(prefix).map(|country| country.to_string()).as_deref(),
                Some(country),
                "{prefix}"
            );
        }
    }

    #[test]
    fn the_area_of_a_number_is_the_longest_prefix_that_begins_it() {
        let area = |prefix: &str| Area {
            prefix: prefix.into(),
            city: None,
            state: None,
            country: None,
            texts: None,
            toll_free: false,
        };
        let number = PhoneNumber::from_e164("+442079460123").unwrap();
        let areas = [area("44"), area("4420"), area("1407")];
        assert_eq!(own_prefix(number, &areas).as_deref(), Some("4420"));
        assert_eq!(own_prefix(number, &[]), None);
        let orlando = PhoneNumber::from_e164("+14075550101").unwrap();
        assert_eq!(own_prefix(orlando, &[]).as_deref(), Some("1407"));
    }
}
