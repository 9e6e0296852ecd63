//! Buying: a free number is chosen, the choice is written down, and only then the carrier is asked for it.
//!
//! Whoever claimed an operation may ask the carrier only under a lease that has not run out, and what they note counts
//! only while nobody else has claimed it.

use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::App;
use super::areas::country_of;
use super::operations::pause;
use crate::carrier::{Area, CarrierError};
use crate::db::audit::{self, Actor};
use crate::db::operations::{self, Chosen, Claimed, Next};
use crate::db::{DbError, masks, numbers, orphans, stops};
use crate::domain::ids::OperationId;
use crate::domain::mask::{Mask, MaskState};
use crate::domain::phone::PhoneNumber;
use crate::domain::stop::{Spending, stops_purchases};
use crate::failpoint;

/// How long a wish is tried before its owner is told that it failed, or a person is called.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// How long after an unclear answer the carrier's list is read the first time, and the second.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(1);
const SECOND_LOOK: TimeDelta = TimeDelta::seconds(30);
/// How often the number must be missing from the list until the purchase counts as not made.
const ABSENCES: i32 = 2;
/// How long a number that was given back is not bought again.
const FALLOW: TimeDelta = TimeDelta::days(90);
/// How long after a choice was written down the carrier may still be asked for it: one who stood still in between would
/// otherwise ask while another looks whether they had.
const FRESH: Duration = Duration::from_secs(15);
/// How long other areas are searched within one try; the lease is a minute.
const SEARCH: Duration = Duration::from_secs(30);
/// How many other areas are asked, one by one, before the country as a whole.
const OTHER_AREAS: usize = 12;

/// What its owner reads where there is nothing to be had.
const NONE_FREE: &str = "There is no free number in that country at the moment.";

/// What its owner reads where a switch was thrown after they asked.
const STOPPED: &str = "The people who run this service have stopped new masks for now.";

/// What a search for a number came to.
enum Found {
    /// This was chosen, and written down after then.
    Chosen(Chosen, Instant),
    /// There is none in the whole country.
    Nothing,
    /// The carrier did not answer as it should.
    Trouble(CarrierError),
    /// Another has claimed the operation, or the lease ran out.
    NotOurs,
}

impl App {
    pub(super) async fn buy(&self, claimed: &Claimed) -> Result<(), DbError> {
        failpoint::here("purchase-begun");
        let id = claimed.mask;
        let work = move |conn: &mut _| {
            Ok::<_, DbError>((masks::find_any(conn, id)?, operations::is_given_up(conn, id)?))
        };
        let (mask, is_given_up) = self.work_db.transaction(work).await?;
        if is_given_up {
            return self.fail(claimed, "", "it was given up").await;
        }
        if mask.as_ref().is_some_and(|mask| mask.state == MaskState::Lost) {
            return self.buy_back(claimed).await;
        }
        let Some(mask) = mask.filter(|mask| mask.state == MaskState::Requested) else {
            return self.settle(claimed, Next::Failed, Some("the mask is not wanted any more")).await;
        };
        if self.purchases_are_stopped(&mask).await? {
            return self.fail(claimed, STOPPED, "purchases are stopped").await;
        }
        let chosen = self.choose(claimed, &mask).await?;
        failpoint::here("choice-noted");
        let bought = match chosen {
            Found::Chosen(_, at) if at.elapsed() > FRESH => {
                return self.settle(claimed, Next::Again(self.now()), Some("it stood still")).await;
            }
            Found::Chosen(Chosen::Number(number), _) => self.carrier.buy(number).await.map(|()| number),
            Found::Chosen(Chosen::Prefix(prefix), _) => self.carrier.buy_any(&prefix).await,
            Found::Nothing => return self.fail(claimed, NONE_FREE, "none free").await,
            Found::Trouble(error) => return self.not_done(claimed, &error).await,
            Found::NotOurs => return Ok(()),
        };
        failpoint::here("purchase-asked");
        match bought {
            Ok(number) => self.bought(claimed, &mask, number).await,
            // Somebody else was faster: another number, soon.
            Err(CarrierError::NoneFree) if self.now() - claimed.created_at < PATIENCE => {
                let soon = self.now() + pause(claimed.attempts);
                self.settle(claimed, Next::Again(soon), Some("the number was taken")).await
            }
            Err(error) => self.not_done(claimed, &error).await,
        }
    }

    async fn purchases_are_stopped(&self, mask: &Mask) -> Result<bool, DbError> {
        let (carrier, country, user) = (self.carrier.name(), mask.country, mask.user);
        let work = move |conn: &mut _| {
            let spending = Spending { carrier, countries: &[country], user };
            Ok::<_, DbError>(stops_purchases(&stops::all(conn)?, spending))
        };
        self.work_db.transaction(work).await
    }

    /// Chooses a free number of the wanted area, or else of another of the country: the same state first.
    async fn choose(&self, claimed: &Claimed, mask: &Mask) -> Result<Found, DbError> {
        if let Some(prefix) = &mask.wanted_prefix
            && let Some(found) = self.choose_in(claimed, mask, prefix).await?
        {
            return Ok(found);
        }
        let areas = match self.areas().await {
            Ok(areas) => areas,
            Err(error) => return Ok(Found::Trouble(error)),
        };
        let until = Instant::now() + SEARCH;
        for prefix in other_prefixes(claimed, mask, &areas) {
            if Instant::now() > until {
                return Ok(Found::Trouble(CarrierError::Unavailable("the search took too long".into())));
            }
            if let Some(found) = self.choose_in(claimed, mask, &prefix).await? {
                return Ok(found);
            }
        }
        Ok(Found::Nothing)
    }

    /// Chooses in one area; `None` where nothing is free there.
    async fn choose_in(
        &self,
        claimed: &Claimed,
        mask: &Mask,
        prefix: &str,
    ) -> Result<Option<Found>, DbError> {
        match self.carrier.available(prefix).await {
            Ok(mut free) => {
                free.retain(|number| number.country() == Some(mask.country));
                self.choose_of(claimed, free).await
            }
            Err(CarrierError::NoneFree) => Ok(None),
            // The carrier does not list what is free: then any number of the area is asked for.
            Err(CarrierError::Refused(_) | CarrierError::NotFound) => {
                self.choose_prefix(claimed, prefix).await
            }
            Err(error) => Ok(Some(Found::Trouble(error))),
        }
    }

    /// Chooses the first free number that nobody with us has, had of late, is about to have, or holds as a real number;
    /// in the same step it is written down, so that no two wishes choose the same.
    async fn choose_of(&self, claimed: &Claimed, free: Vec<PhoneNumber>) -> Result<Option<Found>, DbError> {
        failpoint::here("choice-begun");
        let (claimed, since, sealer) = (claimed.clone(), self.now() - FALLOW, self.sealer.clone());
        let code_sender = self.settings.code_sender;
        let begun = Instant::now();
        let work = move |conn: &mut _| {
            // In this order: a number that turns from chosen to bought meanwhile is seen in one of the two.
            let chosen = operations::chosen_by_others(conn, claimed.id)?;
            let mut known = masks::known_of(conn, &free, since)?;
            known.extend(orphans::known_of(conn, &free, since)?);
            for number in free {
                let choice = Chosen::Number(number);
                if known.contains(&number)
                    || code_sender == Some(number)
                    || chosen.contains(&choice)
                    || numbers::any_of(conn, &sealer.number_lookups(number))?
                {
                    continue;
                }
                let ours = operations::set_chosen(conn, &claimed, &choice)?;
                failpoint::here("choice-written");
                return Ok(Some(if ours { Found::Chosen(choice, begun) } else { Found::NotOurs }));
            }
            Ok::<_, DbError>(None)
        };
        self.work_db.transaction(work).await
    }

    /// Chooses any number of a prefix. What came of it can be read back only if nobody else does so meanwhile.
    async fn choose_prefix(&self, claimed: &Claimed, prefix: &str) -> Result<Option<Found>, DbError> {
        let (claimed, prefix) = (claimed.clone(), prefix.to_owned());
        let choice = Chosen::Prefix(prefix.clone());
        let begun = Instant::now();
        let work = move |conn: &mut _| {
            let others = operations::chosen_by_others(conn, claimed.id)?;
            if others.iter().any(|chosen| matches!(chosen, Chosen::Prefix(_))) {
                let busy = CarrierError::Unavailable("another purchase by area is under way".into());
                return Ok(Some(Found::Trouble(busy)));
            }
            if orphans::is_one_going_back(conn, &prefix)? || masks::is_one_leaving(conn, &prefix)? {
                let busy = CarrierError::Unavailable("a number of that area is being given back".into());
                return Ok(Some(Found::Trouble(busy)));
            }
            let ours = operations::set_chosen(conn, &claimed, &choice)?;
            failpoint::here("choice-written");
            Ok::<_, DbError>(Some(if ours { Found::Chosen(choice, begun) } else { Found::NotOurs }))
        };
        self.work_db.transaction(work).await
    }

    /// Reads back whether a purchase was made, after nobody could tell.
    pub(super) async fn look_for_purchase(&self, claimed: &Claimed) -> Result<(), DbError> {
        let Some(chosen) = claimed.chosen.clone() else {
            // It ended before a choice was written down, so nothing was asked for.
            return self.settle(claimed, Next::Again(self.now()), None).await;
        };
        failpoint::here("look-begun");
        let owned = self.believable_list().await?;
        failpoint::here("look-answered");
        let owned = match owned {
            Ok(owned) => owned,
            Err(error) => {
                let next = if self.now() - claimed.created_at > PATIENCE {
                    Next::NeedsPerson
                } else {
                    Next::LookFor(self.now() + pause(claimed.attempts))
                };
                return self.settle(claimed, next, Some(&error.to_string())).await;
            }
        };
        let id = claimed.mask;
        let mask = self.work_db.transaction(move |conn| masks::find_any(conn, id)).await?;
        let found = self.purchase_among(claimed.id, chosen, owned).await?;
        failpoint::here("look-compared");
        match (found, mask) {
            (Some(number), Some(mask)) => self.bought(claimed, &mask, number).await,
            _ if claimed.absences + 1 >= ABSENCES => {
                self.settle(claimed, Next::Again(self.now()), Some("the purchase was not made")).await
            }
            _ => self.settle(claimed, Next::Absent(self.now() + SECOND_LOOK), None).await,
        }
    }

    /// The number among those we own that was bought for the choice.
    async fn purchase_among(
        &self,
        id: OperationId,
        chosen: Chosen,
        mut owned: Vec<PhoneNumber>,
    ) -> Result<Option<PhoneNumber>, DbError> {
        let prefix = match chosen {
            Chosen::Number(number) => return Ok(owned.contains(&number).then_some(number)),
            Chosen::Prefix(prefix) => prefix,
        };
        owned.retain(|number| number.digits().starts_with(&prefix));
        let since = self.now() - FALLOW;
        let work = move |conn: &mut _| {
            // What another wish has asked for by name is that one's, though its answer was lost.
            let chosen = operations::chosen_by_others(conn, id)?;
            let mut known = masks::known_of(conn, &owned, since)?;
            known.extend(orphans::open_of(conn, &owned)?);
            let is_free =
                |number: &PhoneNumber| !known.contains(number) && !chosen.contains(&Chosen::Number(*number));
            Ok::<_, DbError>(owned.into_iter().find(is_free))
        };
        self.work_db.transaction(work).await
    }

    async fn bought(&self, claimed: &Claimed, mask: &Mask, number: PhoneNumber) -> Result<(), DbError> {
        if mask.state == MaskState::Lost {
            return self.bought_back(claimed).await;
        }
        let (claimed, now, rest) = (claimed.clone(), self.now(), self.settings.limits.rest);
        let elsewhere =
            mask.wanted_prefix.as_ref().is_some_and(|prefix| !number.digits().starts_with(prefix));
        let work = move |conn: &mut _| {
            let id = claimed.mask;
            masks::hold(conn, id)?;
            if !operations::hold(conn, &claimed)? {
                return Ok(());
            }
            let is_given_up = operations::is_given_up(conn, id)?;
            masks::set_phone(conn, id, number, elsewhere)?;
            masks::set_state(conn, id, &MaskState::Active, now)?;
            operations::settle(conn, claimed.id, &Next::Succeeded, None, now)?;
            audit::write(conn, now, Actor::System, "mask rented", id.0, "")?;
            if let Some(mask) = masks::hold(conn, id)?.filter(|_| is_given_up) {
                super::masks::revoke_held(conn, &mask, Actor::System, "it was given up", now, rest)?;
            }
            failpoint::here("purchase-written");
            Ok::<_, DbError>(())
        };
        self.work_db.transaction(work).await?;
        failpoint::here("purchase-noted");
        Ok(())
    }

    /// What follows a purchase, or the search before it, that the carrier did not carry out.
    async fn not_done(&self, claimed: &Claimed, error: &CarrierError) -> Result<(), DbError> {
        tracing::warn!(operation = %claimed.id, %error, "a purchase was not done");
        let text = error.to_string();
        let is_early = self.now() - claimed.created_at < PATIENCE;
        let reason = match error {
            CarrierError::Unclear(_) => {
                return self.settle(claimed, Next::LookFor(self.now() + FIRST_LOOK), Some(&text)).await;
            }
            CarrierError::Unavailable(_) if is_early => {
                let later = self.now() + pause(claimed.attempts);
                return self.settle(claimed, Next::Again(later), Some(&text)).await;
            }
            CarrierError::Unavailable(_) => {
                "The phone company could not be reached for an hour. Please try again later."
            }
            CarrierError::Refused(_) | CarrierError::NotFound => {
                "The phone company refused to rent out a number. The people who run this service can see why."
            }
            CarrierError::NoneFree => NONE_FREE,
        };
        self.fail(claimed, reason, &text).await
    }

    async fn fail(&self, claimed: &Claimed, reason: &str, error: &str) -> Result<(), DbError> {
        let (claimed, now) = (claimed.clone(), self.now());
        let (reason, error) = (reason.to_owned(), error.to_owned());
        let work = move |conn: &mut _| {
            let id = claimed.mask;
            let mask = masks::hold(conn, id)?;
            if !operations::hold(conn, &claimed)? {
                return Ok(());
            }
            let is_given_up = operations::is_given_up(conn, id)?;
            let given_up = mask.filter(|_| is_given_up);
            let reason = given_up.map_or(reason, |mask| super::masks::why_given_up(&mask).to_owned());
            masks::set_state(conn, id, &MaskState::Failed { reason }, now)?;
            operations::settle(conn, claimed.id, &Next::Failed, Some(&error), now)?;
            audit::write(conn, now, Actor::System, "mask failed", id.0, "")?;
            failpoint::here("failure-written");
            Ok::<_, DbError>(())
        };
        self.work_db.transaction(work).await?;
        failpoint::here("failure-noted");
        Ok(())
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
