//! Where numbers can be had: the carrier's areas, and which of them a wish means.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use super::App;
use super::masks::{WantedArea, WishError};
use crate::carrier::{Area, CarrierError};
use crate::domain::phone::{Country, PhoneNumber};

/// How long the carrier's list of areas is believed; where it cannot be asked, longer.
const AREAS_LIFE: TimeDelta = TimeDelta::minutes(10);
/// How long a page waits for the carrier's list.
const PATIENCE: Duration = Duration::from_secs(2);

type Asking = Shared<BoxFuture<'static, Result<Arc<Vec<Area>>, CarrierError>>>;

/// What the carrier said of its areas, and when; and the request that is under way.
#[derive(Default)]
pub(super) struct KeptAreas {
    known: Option<(DateTime<Utc>, Arc<Vec<Area>>)>,
    asking: Option<Asking>,
}

fn opened(kept: &Mutex<KeptAreas>) -> MutexGuard<'_, KeptAreas> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// The areas in which the carrier rents out numbers in the countries of masks. Everybody who wants to know waits
    /// for the same request, and not for long; where it fails, what was known before counts.
    pub async fn areas(&self) -> Result<Arc<Vec<Area>>, CarrierError> {
        let now = self.now();
        let asking = {
            let mut kept = opened(&self.areas);
            if let Some((at, areas)) = &kept.known
                && now - *at < AREAS_LIFE
            {
                return Ok(areas.clone());
            }
            kept.asking.get_or_insert_with(|| self.ask_for_areas(now)).clone()
        };
        let late = || CarrierError::Unavailable("it takes too long to tell its areas".into());
        match tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(late())) {
            Ok(areas) => Ok(areas),
            Err(error) => opened(&self.areas).known.as_ref().map(|(_, areas)| areas.clone()).ok_or(error),
        }
    }

    /// Asks behind the back of whoever waits, so that a slow answer still helps the next.
    fn ask_for_areas(&self, now: DateTime<Utc>) -> Asking {
        let (carrier, kept, served) =
            (self.carrier.clone(), self.areas.clone(), self.settings.mask_countries.clone());
        let asked = self.behind(async move {
            let answer = carrier.areas().await.map(|mut areas| {
                let is_served = |area: &Area| country_of(&area.prefix).is_some_and(|of| served.contains(&of));
                areas.retain(|area| !area.toll_free && is_served(area));
                Arc::new(areas)
            });
            let mut kept = opened(&kept);
            kept.asking = None;
            if let Ok(areas) = &answer {
                kept.known = Some((now, areas.clone()));
            }
            answer
        });
        let broken = || CarrierError::Unavailable("asking for its areas broke off".into());
        async move { asked.await.unwrap_or_else(|_| Err(broken())) }.boxed().shared()
    }

    /// Whether the carrier says that numbers in the area of this one take no texts.
    pub async fn area_takes_no_texts(&self, number: PhoneNumber) -> bool {
        let areas = self.areas().await.unwrap_or_default();
        let own = own_prefix(number, &areas);
        areas.iter().any(|area| Some(&area.prefix) == own.as_ref() && area.texts == Some(false))
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
                // Where the carrier cannot be asked now, the worker finds out whether there is such an area.
                let is_known = match self.areas().await {
                    Ok(areas) => areas.iter().any(|area| area.prefix == prefix),
                    Err(_) => is_prefix(&prefix),
                };
                let country = country_of(&prefix).filter(|country| is_known && served(country));
                Ok((country.ok_or(WishError::NoArea)?, Some(prefix)))
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

/// Whether the text may be the digits that an area's numbers begin with.
pub fn is_prefix(text: &str) -> bool {
    (2..=7).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What numbers may go on with after an area's digits; no single one fits every country's plan.
const REST: [&str; 3] = ["55501505550150", "79460150794601", "23456782345678"];

/// The country of an area, by what a number there would be.
pub fn country_of(prefix: &str) -> Option<Country> {
    let filled = |rest: &str, length: usize| {
        let digits: String = prefix.chars().chain(rest.chars()).take(length).collect();
        PhoneNumber::from_e164(&format!("+{digits}")).and_then(|number| number.country())
    };
    let lengths = if prefix.starts_with('1') { 11..=11 } else { 9..=13 };
    REST.iter().find_map(|rest| lengths.clone().find_map(|length| filled(rest, length)))
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
