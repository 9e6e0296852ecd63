//! What the worker does: buying and releasing numbers at the carrier, so that it and Postgres agree.
//!
//! No request to the carrier is made inside of a transaction. What is about to be asked for is written down first; an
//! unclear answer is read back before anything else is tried.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::App;
use super::areas::country_of;
use crate::carrier::{Area, CarrierError};
use crate::db::audit::{self, Actor};
use crate::db::operations::{self, Claimed, Kind, Next};
use crate::db::{DbError, masks, numbers};
use crate::domain::ids::MaskId;
use crate::domain::mask::{Mask, MaskState};
use crate::domain::phone::PhoneNumber;

/// How long a wish is tried before its owner is told that it failed, or a person is called.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// How long after an unclear answer the carrier's list is read the first time, and the second.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(1);
const SECOND_LOOK: TimeDelta = TimeDelta::seconds(30);
/// How often the number must be missing from the list until the purchase counts as not made.
const ABSENCES: i32 = 2;
/// How long a number that was given back is not bought again.
const FALLOW: TimeDelta = TimeDelta::days(90);
/// How long other areas are searched within one try; the lease is a minute.
const SEARCH: Duration = Duration::from_secs(30);
/// How many other areas are asked, one by one, before the country as a whole.
const OTHER_AREAS: usize = 12;

/// A number to ask the carrier for.
struct Choice {
    number: PhoneNumber,
    elsewhere: bool,
}

impl App {
    /// Takes the operation that is most overdue and does what can be done about it now; `false` if none is due.
    pub async fn step(&self) -> Result<bool, DbError> {
        let now = self.now();
        let Some(claimed) = self.db.transaction(move |conn| operations::claim(conn, now)).await? else {
            return Ok(false);
        };
        match claimed.kind {
            Kind::Buy if claimed.unclear => self.look_for_purchase(&claimed).await?,
            Kind::Buy => self.buy(&claimed).await?,
            Kind::Release => self.release(&claimed).await?,
        }
        Ok(true)
    }

    async fn buy(&self, claimed: &Claimed) -> Result<(), DbError> {
        let id = claimed.mask;
        let mask = self.db.transaction(move |conn| masks::hold(conn, id)).await?;
        if mask.as_ref().is_some_and(|mask| mask.number.is_none()) {
            return self
                .fail(claimed, "The number that it was to ring was removed.", "the number is gone")
                .await;
        }
        let Some(mask) = mask.filter(|mask| mask.state == MaskState::Requested) else {
            return self.settle(claimed, Next::Failed, Some("the mask is not wanted any more")).await;
        };
        let choice = match self.choose(claimed, &mask).await? {
            Ok(Some(choice)) => choice,
            Ok(None) => {
                return self
                    .fail(claimed, "There is no free number in that country at the moment.", "none free")
                    .await;
            }
            Err(error) => return self.not_done(claimed, &error).await,
        };
        let number = choice.number;
        match self.carrier.buy(number).await {
            Ok(()) => self.bought(claimed, number, choice.elsewhere).await,
            // Somebody else was faster: another number, at once.
            Err(CarrierError::NoneFree | CarrierError::NotFound) => {
                self.settle(claimed, Next::Again(self.now()), Some("the number was taken")).await
            }
            Err(error) => self.not_done(claimed, &error).await,
        }
    }

    /// A free number of the wanted area, or else of another of the country: the same state first.
    async fn choose(
        &self,
        claimed: &Claimed,
        mask: &Mask,
    ) -> Result<Result<Option<Choice>, CarrierError>, DbError> {
        if let Some(prefix) = &mask.wanted_prefix {
            match self.carrier.available(prefix).await {
                Ok(free) => {
                    if let Some(number) = self.first_usable(claimed, free).await? {
                        return Ok(Ok(Some(Choice { number, elsewhere: false })));
                    }
                }
                Err(CarrierError::NoneFree) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        let areas = match self.areas().await {
            Ok(areas) => areas,
            Err(error) => return Ok(Err(error)),
        };
        let elsewhere = mask.wanted_prefix.is_some();
        let until = Instant::now() + SEARCH;
        for prefix in other_prefixes(claimed, mask, &areas) {
            if Instant::now() > until {
                return Ok(Err(CarrierError::Unavailable("the search took too long".into())));
            }
            match self.carrier.available(&prefix).await {
                Ok(mut free) => {
                    free.retain(|number| number.country() == Some(mask.country));
                    if let Some(number) = self.first_usable(claimed, free).await? {
                        return Ok(Ok(Some(Choice { number, elsewhere })));
                    }
                }
                Err(CarrierError::NoneFree) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(None))
    }

    /// The first free number that nobody with us has, had of late, is about to have, or holds as a real number; it is
    /// written down as chosen in the same step, so that no two wishes choose the same.
    async fn first_usable(
        &self,
        claimed: &Claimed,
        free: Vec<PhoneNumber>,
    ) -> Result<Option<PhoneNumber>, DbError> {
        let (operation, since, sealer) = (claimed.id, self.now() - FALLOW, self.sealer.clone());
        let work = move |conn: &mut _| {
            // In this order: a number that turns from chosen to bought meanwhile is seen in one of the two.
            let mut taken = operations::chosen_by_others(conn, operation)?;
            taken.extend(masks::known_of(conn, &free, since)?);
            for number in free.into_iter().filter(|number| !taken.contains(number)) {
                if !numbers::any_of(conn, sealer.number_lookup(number))? {
                    operations::set_chosen(conn, operation, number)?;
                    return Ok(Some(number));
                }
            }
            Ok::<_, DbError>(None)
        };
        self.db.transaction(work).await
    }

    /// Reads back whether a purchase was made, after nobody could tell.
    async fn look_for_purchase(&self, claimed: &Claimed) -> Result<(), DbError> {
        let Some(chosen) = claimed.chosen else {
            // It died before it chose: nothing was asked for.
            return self.settle(claimed, Next::Again(self.now()), None).await;
        };
        match self.carrier.owned().await {
            Ok(owned) if owned.contains(&chosen) => {
                let id = claimed.mask;
                let mask = self.db.transaction(move |conn| masks::hold(conn, id)).await?;
                let wanted = mask.and_then(|mask| mask.wanted_prefix);
                let elsewhere = wanted.is_some_and(|prefix| !chosen.digits().starts_with(&prefix));
                self.bought(claimed, chosen, elsewhere).await
            }
            Ok(_) if claimed.absences + 1 >= ABSENCES => {
                self.settle(claimed, Next::Again(self.now()), Some("the purchase was not made")).await
            }
            Ok(_) => self.settle(claimed, Next::Absent(self.now() + SECOND_LOOK), None).await,
            Err(error) => {
                let next = if self.now() - claimed.created_at > PATIENCE {
                    Next::NeedsPerson
                } else {
                    Next::LookFor(self.now() + pause(claimed.attempts))
                };
                self.settle(claimed, next, Some(&error.to_string())).await
            }
        }
    }

    async fn bought(&self, claimed: &Claimed, number: PhoneNumber, elsewhere: bool) -> Result<(), DbError> {
        let (id, operation, now) = (claimed.mask, claimed.id, self.now());
        let rest = self.settings.limits.rest;
        let work = move |conn: &mut _| {
            masks::hold(conn, id)?;
            masks::set_phone(conn, id, number, elsewhere)?;
            masks::set_state(conn, id, &MaskState::Active, now)?;
            operations::settle(conn, operation, &Next::Succeeded, None, now)?;
            audit::write(conn, now, Actor::System, "mask rented", id.0, "")?;
            // The number that it was to hide was removed meanwhile: it rests at once.
            if let Some(mask) = masks::hold(conn, id)?.filter(|mask| mask.number.is_none()) {
                super::masks::revoke_held(conn, &mask, Actor::System, "its number was removed", now, rest)?;
            }
            Ok(())
        };
        self.db.transaction(work).await
    }

    /// What follows a purchase, or the search before it, that the carrier did not carry out.
    async fn not_done(&self, claimed: &Claimed, error: &CarrierError) -> Result<(), DbError> {
        tracing::warn!(operation = %claimed.id, %error, "a purchase was not done");
        let text = error.to_string();
        match error {
            CarrierError::Unclear(_) => self.settle(claimed, Next::LookFor(self.now() + FIRST_LOOK), Some(&text)).await,
            CarrierError::Unavailable(_) if self.now() - claimed.created_at < PATIENCE => {
                self.settle(claimed, Next::Again(self.now() + pause(claimed.attempts)), Some(&text)).await
            }
            CarrierError::Unavailable(_) => {
                self.fail(claimed, "The phone company could not be reached for an hour. Please try again later.", &text).await
            }
            CarrierError::Refused(_) | CarrierError::NotFound => {
                self.fail(claimed, "The phone company refused to rent out a number. The people who run this service can see why.", &text).await
            }
            CarrierError::NoneFree => {
                self.fail(claimed, "There is no free number in that country at the moment.", &text).await
            }
        }
    }

    async fn fail(&self, claimed: &Claimed, reason: &str, error: &str) -> Result<(), DbError> {
        let (id, operation, now) = (claimed.mask, claimed.id, self.now());
        let (state, error) = (MaskState::Failed { reason: reason.into() }, error.to_owned());
        let work = move |conn: &mut _| {
            masks::hold(conn, id)?;
            masks::set_state(conn, id, &state, now)?;
            operations::settle(conn, operation, &Next::Failed, Some(&error), now)?;
            audit::write(conn, now, Actor::System, "mask failed", id.0, "")
        };
        self.db.transaction(work).await
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), DbError> {
        let Some(number) = self.begin_release(claimed.mask).await? else {
            return self.settle(claimed, Next::Failed, Some("the mask does not rest any more")).await;
        };
        let error = match self.carrier.release(number).await {
            Ok(()) => return self.released(claimed).await,
            Err(error) => error,
        };
        tracing::warn!(operation = %claimed.id, %error, "a release was not done");
        let next = match error {
            CarrierError::Refused(_) => Next::NeedsPerson,
            // Giving back twice is as good as once, so an unclear answer is simply asked again.
            _ => Next::LookFor(self.now() + pause(claimed.attempts)),
        };
        self.settle(claimed, next, Some(&error.to_string())).await
    }

    /// From now on the mask cannot be brought back; `None` if it was, or is not there.
    async fn begin_release(&self, id: MaskId) -> Result<Option<PhoneNumber>, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let Some(mask) = masks::hold(conn, id)? else { return Ok(None) };
            match mask.state {
                MaskState::Releasing => {}
                MaskState::Resting { until } if until <= now => {
                    masks::set_state(conn, id, &MaskState::Releasing, now)?;
                    audit::write(conn, now, Actor::System, "mask releasing", id.0, "")?;
                }
                _ => return Ok(None),
            }
            Ok::<_, DbError>(mask.phone)
        };
        self.db.transaction(work).await
    }

    async fn released(&self, claimed: &Claimed) -> Result<(), DbError> {
        let (id, operation, now) = (claimed.mask, claimed.id, self.now());
        let work = move |conn: &mut _| {
            masks::hold(conn, id)?;
            masks::set_state(conn, id, &MaskState::Released, now)?;
            operations::settle(conn, operation, &Next::Succeeded, None, now)?;
            audit::write(conn, now, Actor::System, "mask released", id.0, "")
        };
        self.db.transaction(work).await
    }

    async fn settle(&self, claimed: &Claimed, next: Next, error: Option<&str>) -> Result<(), DbError> {
        let (operation, now, error) = (claimed.id, self.now(), error.map(str::to_owned));
        self.db
            .transaction(move |conn| operations::settle(conn, operation, &next, error.as_deref(), now))
            .await
    }
}

/// Where to look when nothing is free in the wanted area: the same state first, some areas of the country, the country
/// as a whole, and then whatever is left of it.
fn other_prefixes(claimed: &Claimed, mask: &Mask, areas: &[Area]) -> Vec<String> {
    let wanted = mask.wanted_prefix.as_deref();
    let home = areas.iter().find(|area| Some(area.prefix.as_str()) == wanted);
    let home = home.and_then(|area| area.state.as_ref());
    let mut others: Vec<&Area> = areas
        .iter()
        .filter(|area| Some(area.prefix.as_str()) != wanted && country_of(&area.prefix) == Some(mask.country))
        .collect();
    // A rotation by the mask's own name spreads purchases over the areas without a random draw; one by the tries lets
    // the next try go on where this one ran out of time.
    let tries = usize::try_from(claimed.attempts).unwrap_or_default();
    let turn = usize::from(mask.id.0.as_bytes()[0]) + tries * OTHER_AREAS;
    let turn = turn % others.len().max(1);
    others.rotate_left(turn);
    others.sort_by_key(|area| home.is_none() || area.state.as_ref() != home);
    let mut prefixes: Vec<String> = others.into_iter().map(|area| area.prefix.clone()).collect();
    let whole_country = mask.country.dialling_code().to_string();
    prefixes.insert(prefixes.len().min(OTHER_AREAS), whole_country);
    prefixes
}

/// How long to wait after so many tries: 2, 4, 8 … at most 60 seconds.
fn pause(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(1 << attempts.clamp(1, 6)).min(TimeDelta::seconds(60))
}
