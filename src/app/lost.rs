//! Masks whose number the carrier does not have any more: their owners are told, and the very number is bought back.
//!
//! A lost mask keeps the facts of the state it was in, so that it comes back as what it was.

use chrono::{DateTime, TimeDelta, Utc};

use super::quotas::money_to_buy;
use super::{App, texts};
use crate::carrier::CarrierError;
use crate::db::audit::{self, Actor};
use crate::db::operations::{self, Chosen, Claimed, Kind, Next};
use crate::db::{Connection, DbError, masks, reconciliation, users};
use crate::domain::ids::{MaskId, OperationId};
use crate::domain::mask::{Mask, MaskState};
use crate::domain::phone::PhoneNumber;
use crate::domain::user::EmailAddress;
use crate::failpoint;
use crate::secrets;

/// How long a lost number is tried to be bought back.
const PATIENCE: TimeDelta = TimeDelta::days(1);
/// How long lies between two tries while the carrier rents it to nobody, or to somebody else.
const PAUSE: TimeDelta = TimeDelta::hours(1);
/// How long after an unclear answer the carrier's list is read.
const FIRST_LOOK: TimeDelta = TimeDelta::seconds(1);

/// Who is to be told about which mask.
pub(super) struct Told {
    owner: EmailAddress,
    number: PhoneNumber,
    label: String,
    is_back: bool,
}

/// What stands before buying a lost number back.
enum Begin {
    /// The carrier may be asked.
    Ask(PhoneNumber),
    /// It is not to be, for that reason.
    No(&'static str),
    /// Another has claimed the operation, or the lease ran out.
    NotOurs,
}

impl App {
    /// Asks the carrier for the number that the mask lost.
    pub(super) async fn buy_back(&self, claimed: &Claimed) -> Result<(), DbError> {
        failpoint::here("buy-back-begun");
        let number = match self.begin_to_buy_back(claimed).await? {
            Begin::Ask(number) => number,
            Begin::No(reason) => return self.settle(claimed, Next::Failed, Some(reason)).await,
            Begin::NotOurs => return Ok(()),
        };
        failpoint::here("buy-back-noted");
        let bought = self.carrier.buy(number).await;
        failpoint::here("buy-back-asked");
        let error = match bought {
            Ok(()) => return self.bought_back(claimed).await,
            Err(error) => error,
        };
        tracing::warn!(operation = %claimed.id, %error, "a lost number was not bought back");
        let now = self.now();
        let next = match error {
            CarrierError::Unclear(_) => Next::LookFor(now + FIRST_LOOK),
            CarrierError::NoneFree | CarrierError::Unavailable(_) if now - claimed.created_at < PATIENCE => {
                Next::Again(now + PAUSE)
            }
            _ => Next::Failed,
        };
        self.settle(claimed, next, Some(&error.to_string())).await
    }

    /// Writes down what will be asked for, unless it makes no sense any more.
    async fn begin_to_buy_back(&self, claimed: &Claimed) -> Result<Begin, DbError> {
        let (claimed, now) = (claimed.clone(), self.now());
        let (carrier, limits) = (self.carrier.name(), self.settings.limits.clone());
        let work = move |conn: &mut _| {
            let mask = masks::hold(conn, claimed.mask)?.filter(|mask| mask.state == MaskState::Lost);
            let Some((mask, number)) = mask.and_then(|mask| mask.phone.map(|number| (mask, number))) else {
                return Ok(Begin::No("the mask is not wanted any more"));
            };
            if money_to_buy(conn, mask.user, (carrier, mask.country), &limits, now)?.is_err() {
                return Ok(Begin::No("a cap of spending is reached, or spending is stopped"));
            }
            let chosen = operations::chosen_by_others(conn, claimed.id)?;
            if masks::is_mask(conn, number)? || chosen.contains(&Chosen::Number(number)) {
                return Ok(Begin::No("another mask has the number"));
            }
            let ours = operations::set_chosen(conn, &claimed, &Chosen::Number(number))?;
            failpoint::here("buy-back-written");
            Ok::<_, DbError>(if ours { Begin::Ask(number) } else { Begin::NotOurs })
        };
        self.work_db.transaction(work).await
    }

    /// The mask is what it was before, and its owner is told.
    pub(super) async fn bought_back(&self, claimed: &Claimed) -> Result<(), DbError> {
        let (claimed, now, rest) = (claimed.clone(), self.now(), self.settings.limits.rest);
        let work = move |conn: &mut _| {
            let Some(mask) = masks::hold(conn, claimed.mask)? else { return Ok(None) };
            if !operations::hold(conn, &claimed)? {
                return Ok(None);
            }
            operations::settle(conn, claimed.id, &Next::Succeeded, None, now)?;
            let told = regain(conn, &mask, "bought back", now, rest)?;
            failpoint::here("bought-back-written");
            Ok::<_, DbError>(told)
        };
        let told = self.work_db.transaction(work).await?;
        failpoint::here("bought-back-noted");
        self.tell_owner(told);
        Ok(())
    }

    /// Tells the owner by letter.
    pub(super) fn tell_owner(&self, told: Option<Told>) {
        let Some(Told { owner, number, label, is_back }) = told else { return };
        let letter = texts::MaskLost {
            mask: &number.grouped(),
            label: &label,
            is_back,
            public_url: &self.settings.public_url,
        };
        let subject = if is_back { "One of your masks is back" } else { "One of your masks was lost" };
        self.send_later(texts::letter(owner, subject, &letter));
    }
}

/// The carrier does not have the mask's number any more: the mask is lost, and a wish to buy the number back is
/// written.
pub(super) fn lose(conn: &mut Connection, id: MaskId, now: DateTime<Utc>) -> Result<Option<Told>, DbError> {
    let Some(mask) = masks::hold(conn, id)? else { return Ok(None) };
    let holds =
        matches!(mask.state, MaskState::Active | MaskState::Paused { .. } | MaskState::Resting { .. });
    let rests = matches!(mask.state, MaskState::Resting { .. });
    if !holds || rests && !operations::withdraw_release(conn, id, now)? {
        return Ok(None);
    }
    masks::set_state(conn, id, &MaskState::Lost, now)?;
    reconciliation::forget_absence(conn, &[id])?;
    wish_back(conn, id, now)?;
    audit::write(conn, now, Actor::System, "mask lost", id.0, "")?;
    told(conn, &mask, false)
}

/// Writes the wish to buy the lost number back, due at once.
pub(super) fn wish_back(conn: &mut Connection, id: MaskId, now: DateTime<Utc>) -> Result<(), DbError> {
    let operation = OperationId(secrets::random_uuid());
    operations::insert(conn, operation, id, Kind::Buy, &format!("buy back|{operation}"), now, now)
}

/// The carrier has the lost mask's number for us again: the mask is what it was, and rests on to the end of its rest.
pub(super) fn regain(
    conn: &mut Connection,
    mask: &Mask,
    how: &str,
    now: DateTime<Utc>,
    rest: TimeDelta,
) -> Result<Option<Told>, DbError> {
    if mask.state != MaskState::Lost {
        return Ok(None);
    }
    let state = masks::state_before_loss(conn, mask.id)?;
    masks::set_state(conn, mask.id, &state, now)?;
    audit::write(conn, now, Actor::System, "mask regained", mask.id.0, how)?;
    if let MaskState::Resting { until, .. } = state {
        super::masks::wish_release(conn, mask.id, now, until)?;
    } else if mask.number.is_none() {
        let held = Mask { state, ..mask.clone() };
        super::masks::revoke_held(conn, &held, Actor::System, "its number was removed", now, rest)?;
    }
    told(conn, mask, true)
}

fn told(conn: &mut Connection, mask: &Mask, is_back: bool) -> Result<Option<Told>, DbError> {
    let owner = users::find(conn, mask.user)?;
    let parts = owner.zip(mask.phone);
    Ok(parts.map(|(owner, number)| Told { owner: owner.email, number, label: mask.label.clone(), is_back }))
}

/// Its owner is to be told that the mask has this number now.
pub(super) fn told_back(
    conn: &mut Connection,
    mask: &Mask,
    number: PhoneNumber,
) -> Result<Option<Told>, DbError> {
    told(conn, &Mask { phone: Some(number), ..mask.clone() }, true)
}
