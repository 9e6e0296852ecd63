//! Masks: wished for, labelled, paused, revoked, brought back.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use super::quotas::{MaskLimit, room_to_buy, room_to_restore};
use super::servers::Reach;
use crate::db::audit::{self, Actor};
use crate::db::operations::{self, Kind};
use crate::db::rates::{self, Rule};
use crate::db::{Connection, DbError, masks, numbers, users};
use crate::domain::ids::{MaskId, NumberId, OperationId, UserId};
use crate::domain::limits::Rate;
use crate::domain::mask::{LabelTooLong, Mask, MaskState, StoppedBy, WrongState, label};
use crate::failpoint;
use crate::seal::Place;
use crate::secrets;

/// Where a mask is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedArea {
    /// In the area of the number it hides.
    Same,
    /// In the area of that prefix, digits without plus.
    Prefix(String),
    /// Anywhere in the country of the number it hides.
    Any,
}

/// A wish for a mask.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The proved number that it hides.
    pub number: NumberId,
    /// Where it is wanted.
    pub area: WantedArea,
    /// What its owner calls it.
    pub label: String,
    /// The token of the form, so that one that is sent twice is one wish.
    pub token: String,
}

/// Why a mask was not wished for.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// Not one of the user's numbers.
    #[error("no such number")]
    NoNumber,
    /// The number is not proved.
    #[error("the number is not proved")]
    NotVerified,
    /// The number's seal does not open.
    #[error("the number cannot be read")]
    DoesNotOpen,
    /// No masks are to be had there, or the carrier does not tell where.
    #[error("no such area")]
    NoArea,
    /// The form's token is missing or too long.
    #[error("the form is not whole")]
    NoToken,
    /// The label is too long.
    #[error(transparent)]
    Label(#[from] LabelTooLong),
    /// A limit.
    #[error("a limit of masks was reached")]
    Limit(MaskLimit),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a mask was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Not one of the user's masks.
    #[error("no such mask")]
    NotFound,
    /// Its state does not allow it.
    #[error(transparent)]
    State(#[from] WrongState),
    /// The label is too long.
    #[error(transparent)]
    Label(#[from] LabelTooLong),
    /// It leads nowhere: the number it hid is gone, and no other proved one was named.
    #[error("no proved number to lead to")]
    NoNumber,
    /// A limit.
    #[error("a limit of masks was reached")]
    Limit(MaskLimit),
    /// The user's masks were changed too often.
    #[error("masks were changed too often")]
    TooOften {
        /// When they can be changed again.
        until: DateTime<Utc>,
    },
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How often a user's masks can be named, resumed and restored in an hour: each change is kept, and made known to every
/// server. What stops calls, a pause or a revoke, is always possible.
const CHANGES_AN_HOUR: u32 = 100;

/// What its owner reads of a mask that they cancelled, and of one whose number went before it was set up.
const CANCELLED: &str = "You cancelled it before it was set up.";
const NUMBER_REMOVED: &str = "The number that it was to ring was removed.";

impl App {
    /// Writes down the wish for a mask; the worker asks the carrier. The same form sent twice is one wish.
    pub async fn wish_mask(&self, user: UserId, wish: Wish) -> Result<MaskId, WishError> {
        let label = label(&wish.label)?;
        if !is_token(&wish.token) {
            return Err(WishError::NoToken);
        }
        let number = wish.number;
        let stored = self.db.transaction(move |conn| numbers::find(conn, user, number)).await?;
        let stored = stored.ok_or(WishError::NoNumber)?;
        // The carrier is asked nothing for somebody who has not verified a number.
        stored.verified_at.ok_or(WishError::NotVerified)?;
        let phone =
            self.sealer.open(&stored.sealed, Place::number(number.0)).map_err(|_| WishError::DoesNotOpen)?;
        let (country, wanted_prefix) = self.place(phone, wish.area).await?;
        let (now, limits, id) = (self.now(), self.settings.limits.clone(), MaskId(secrets::random_uuid()));
        let mask = Mask {
            id,
            user,
            number: Some(number),
            country,
            wanted_prefix,
            phone: None,
            elsewhere: false,
            label,
            state: MaskState::Requested,
            requested_at: now,
        };
        let carrier = self.carrier.name();
        let (key, operation) = (operations::buy_key(user, &wish.token), OperationId(secrets::random_uuid()));
        failpoint::here("wish-begun");
        let work = move |conn: &mut _| {
            users::lock(conn, user)?;
            if let Some(known) = operations::mask_of_key(conn, &key)? {
                return Ok(known);
            }
            let stored = numbers::find_to_use(conn, user, number)?.ok_or(WishError::NoNumber)?;
            stored.verified_at.ok_or(WishError::NotVerified)?;
            if masks::is_mask(conn, phone)? {
                return Err(WishError::NoNumber);
            }
            room_to_buy(conn, user, (carrier, country), &limits, now)?.map_err(WishError::Limit)?;
            masks::insert(conn, &mask)?;
            operations::insert(conn, operation, id, Kind::Buy, &key, now, now)?;
            audit::write(conn, now, Actor::User(user), "mask requested", id.0, "")?;
            failpoint::here("wish-written");
            Ok(id)
        };
        let mask = self.db.transaction(work).await?;
        failpoint::here("wish-noted");
        self.wake.notify_one();
        Ok(mask)
    }

    /// Changes what the mask is called.
    pub async fn label_mask(&self, user: UserId, id: MaskId, text: &str) -> Result<(), ChangeError> {
        let (label, now, rule) = (label(text)?, self.now(), self.changes(user));
        let work = move |conn: &mut _| {
            if !masks::set_label(conn, user, id, &label)? {
                return Err(ChangeError::NotFound);
            }
            count_change(conn, rule, now)?;
            Ok(audit::write(conn, now, Actor::User(user), "mask labelled", id.0, "")?)
        };
        self.db.transaction(work).await
    }

    /// The mask turns callers away until it is resumed.
    pub async fn pause_mask(&self, user: UserId, id: MaskId) -> Result<Reach, ChangeError> {
        self.change(user, id, "mask paused", |mask| mask.pause(StoppedBy::Owner)).await
    }

    /// The mask rings again.
    pub async fn resume_mask(&self, user: UserId, id: MaskId) -> Result<Reach, ChangeError> {
        self.change(user, id, "mask resumed", |mask| mask.resume(StoppedBy::Owner)).await
    }

    /// The mask rings nobody from now on, on every server that the change has reached.
    pub async fn revoke_mask(&self, user: UserId, id: MaskId) -> Result<Reach, ChangeError> {
        let (now, rest) = (self.now(), self.settings.limits.rest);
        failpoint::here("revoke-begun");
        let work = move |conn: &mut _| {
            let mask = masks::find_to_change(conn, user, id)?.ok_or(ChangeError::NotFound)?;
            mask.revoke(StoppedBy::Owner, now + rest)?;
            revoke_held(conn, &mask, Actor::User(user), "", now, rest)?;
            failpoint::here("revoke-written");
            Ok::<_, ChangeError>(())
        };
        self.db.transaction(work).await?;
        failpoint::here("revoke-noted");
        Ok(self.reached().await)
    }

    /// The mask that is being set up is not wanted any more.
    pub async fn cancel_mask(&self, user: UserId, id: MaskId) -> Result<(), ChangeError> {
        let now = self.now();
        failpoint::here("cancel-begun");
        let work = move |conn: &mut _| {
            let mask = masks::find_to_change(conn, user, id)?.ok_or(ChangeError::NotFound)?;
            mask.cancel(CANCELLED)?;
            give_up_held(conn, &mask, CANCELLED, Actor::User(user), now)?;
            failpoint::here("cancel-written");
            Ok::<_, ChangeError>(())
        };
        self.db.transaction(work).await?;
        failpoint::here("cancel-noted");
        Ok(())
    }

    /// The mask comes back from its rest, onto the number it led to, or onto another of the owner's.
    pub async fn restore_mask(
        &self,
        user: UserId,
        id: MaskId,
        onto: Option<NumberId>,
    ) -> Result<Reach, ChangeError> {
        let (now, limits, rule) = (self.now(), self.settings.limits.clone(), self.changes(user));
        failpoint::here("restore-begun");
        let work = move |conn: &mut _| {
            users::lock(conn, user)?;
            // The number is held before the mask, as where a number is removed with its masks.
            let led_to = masks::find(conn, user, id)?.ok_or(ChangeError::NotFound)?.number;
            let number = onto.or(led_to).ok_or(ChangeError::NoNumber)?;
            let stored = numbers::find_to_use(conn, user, number)?.ok_or(ChangeError::NoNumber)?;
            stored.verified_at.ok_or(ChangeError::NoNumber)?;
            let mask = masks::find_to_change(conn, user, id)?.ok_or(ChangeError::NotFound)?;
            let state = mask.restore(now)?;
            count_change(conn, rule, now)?;
            room_to_restore(conn, user, &limits, now)?.map_err(ChangeError::Limit)?;
            if !operations::withdraw_release(conn, id, now)? {
                return Err(WrongState::NotResting.into());
            }
            masks::set_number(conn, id, number)?;
            masks::set_state(conn, id, &state, now)?;
            audit::write(conn, now, Actor::User(user), "mask restored", id.0, "")?;
            failpoint::here("restore-written");
            Ok::<_, ChangeError>(())
        };
        self.db.transaction(work).await?;
        failpoint::here("restore-noted");
        Ok(self.reached().await)
    }

    pub(super) fn changes(&self, user: UserId) -> Rule {
        self.rule("changes of masks", &user.to_string(), Rate::per_hour(CHANGES_AN_HOUR))
    }

    async fn change(
        &self,
        user: UserId,
        id: MaskId,
        action: &'static str,
        step: impl FnOnce(&Mask) -> Result<MaskState, WrongState> + Send + 'static,
    ) -> Result<Reach, ChangeError> {
        let (now, rule) = (self.now(), self.changes(user));
        let work = move |conn: &mut _| {
            let mask = masks::find_to_change(conn, user, id)?.ok_or(ChangeError::NotFound)?;
            let state = step(&mask)?;
            if state != mask.state {
                if state == MaskState::Active {
                    count_change(conn, rule, now)?;
                }
                masks::set_state(conn, id, &state, now)?;
                audit::write(conn, now, Actor::User(user), action, id.0, "")?;
            }
            Ok::<_, ChangeError>(())
        };
        self.db.transaction(work).await?;
        Ok(self.reached().await)
    }
}

/// Counts a change of a mask that is held: always in this order, so that two do not wait for each other.
pub(super) fn count_change(conn: &mut Connection, rule: Rule, now: DateTime<Utc>) -> Result<(), ChangeError> {
    rates::take(conn, &[rule], now)?.map_err(|exceeded| ChangeError::TooOften { until: exceeded.until })
}

/// Whether a form's token has only what may stand in an address: ours do, and no other byte reaches a query.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (16..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// Revokes a mask that is held: it rests, and its release is due at the end of the rest. One that rests already goes on
/// to rest as long, though an admin takes it over; one that never came to be, or is over, stays as it is.
pub(super) fn revoke_held(
    conn: &mut Connection,
    mask: &Mask,
    actor: Actor,
    reason: &str,
    now: DateTime<Utc>,
    rest: TimeDelta,
) -> Result<(), DbError> {
    let until = now + rest;
    let by = match actor {
        Actor::User(_) => StoppedBy::Owner,
        Actor::Admin(_) => StoppedBy::Admin,
        Actor::System | Actor::Command => StoppedBy::System,
    };
    let Some(state) = mask.revoke(by, until).ok().filter(|state| *state != mask.state) else { return Ok(()) };
    masks::set_state(conn, mask.id, &state, now)?;
    if matches!(mask.state, MaskState::Resting { .. }) {
        return audit::write(conn, now, actor, "rest taken over", mask.id.0, reason);
    }
    wish_release(conn, mask.id, now, until)?;
    audit::write(conn, now, actor, "mask revoked", mask.id.0, reason)
}

/// The number of the mask goes, or has a new holder: it rings nobody from now on, or does not come to be.
pub(super) fn stop_held(
    conn: &mut Connection,
    mask: &Mask,
    actor: Actor,
    now: DateTime<Utc>,
    rest: TimeDelta,
) -> Result<(), DbError> {
    give_up_held(conn, mask, NUMBER_REMOVED, actor, now)?;
    revoke_held(conn, mask, actor, "its number was removed", now, rest)
}

/// Gives a mask up that is held and being set up. Where nothing was asked of the carrier yet it fails at once. Elsewhere
/// that is found out first, and what was bought rests without ever having rung.
fn give_up_held(
    conn: &mut Connection,
    mask: &Mask,
    reason: &str,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let Ok(failed) = mask.cancel(reason) else { return Ok(()) };
    if operations::is_given_up(conn, mask.id)? {
        return Ok(());
    }
    if operations::give_up(conn, mask.id, now)? {
        masks::set_state(conn, mask.id, &failed, now)?;
    }
    audit::write(conn, now, actor, "mask cancelled", mask.id.0, "")
}

/// Why a mask was given up, in a sentence for its owner.
pub(super) fn why_given_up(mask: &Mask) -> &'static str {
    if mask.number.is_some() { CANCELLED } else { NUMBER_REMOVED }
}

/// Writes the wish to give the mask's number back, due then.
pub(super) fn wish_release(
    conn: &mut Connection,
    id: MaskId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    let operation = OperationId(secrets::random_uuid());
    operations::insert(conn, operation, id, Kind::Release, &format!("release|{operation}"), now, until)
}
