//! Masks as their owners see them: the list, and one with its log.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::App;
use super::numbers::OwnNumber;
use crate::db::calls::{self, LoggedCall};
use crate::db::{DbError, directory, masks, numbers, operations, review, spend};
use crate::domain::ids::{MaskId, UserId};
use crate::domain::mask::Mask;
use crate::domain::phone::PhoneNumber;
use crate::seal::Place;

/// A mask in a list of its owner's.
#[derive(Debug, Clone)]
pub struct ListedMask {
    /// The mask.
    pub mask: Mask,
    /// When it was last called.
    pub last_call: Option<DateTime<Utc>>,
    /// Whether every server that routes calls knows what it is now.
    pub is_confirmed: bool,
    /// Whether it was cancelled, and nobody knows yet whether it was bought all the same.
    pub is_given_up: bool,
}

impl From<Mask> for ListedMask {
    /// One of which only what it is, is shown.
    fn from(mask: Mask) -> Self {
        Self { mask, last_call: None, is_confirmed: true, is_given_up: false }
    }
}

/// A page of a user's masks.
#[derive(Debug, Clone)]
pub struct MaskList {
    /// The masks, the newest first.
    pub masks: Vec<ListedMask>,
    /// How many there are on all pages.
    pub total: i64,
    /// The newest that has a number.
    pub working: Option<MaskId>,
    /// Whether any of them was ever called.
    pub was_called: bool,
}

/// How many masks a page of the list holds, so that it stays small.
pub const MASKS_OF_PAGE: i64 = 20;
/// How long a mask that never came to be is listed, with the reason.
const FAILED_LISTED: TimeDelta = TimeDelta::days(7);

/// A call in the log, opened for the mask's owner.
#[derive(Debug, Clone)]
pub struct ShownCall {
    /// The story.
    pub call: LoggedCall,
    /// Who called.
    pub caller: ShownCaller,
    /// Whether they are refused now, and can be let in again.
    pub is_barred: bool,
}

/// Who called, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownCaller {
    /// They hid their number.
    Hidden,
    /// Their number.
    Known(PhoneNumber),
    /// Their number, but its seal does not open.
    Unreadable,
}

/// A mask with everything its owner sees.
#[derive(Debug, Clone)]
pub struct ShownMask {
    /// The mask.
    pub mask: Mask,
    /// Whether it was cancelled, and nobody knows yet whether it was bought all the same.
    pub is_given_up: bool,
    /// The number it leads to.
    pub number: Option<OwnNumber>,
    /// A page of its calls, the newest first.
    pub calls: Vec<ShownCall>,
    /// How many entries its log has in all.
    pub calls_in_all: i64,
    /// How many refused calls of 30 days were only counted.
    pub calls_counted: i64,
    /// Calls by day, of 30 days, in the owner's zone.
    pub days: Vec<(NaiveDate, i64)>,
    /// Seconds talked in this calendar month (by UTC).
    pub talked: i64,
    /// Whether every server that routes calls knows what it is now.
    pub is_confirmed: bool,
}

impl App {
    /// A page of the user's masks that still mean something to them, from 0, the newest first.
    pub async fn masks(&self, user: UserId, page: i64) -> Result<MaskList, DbError> {
        let failed_since = self.now() - FAILED_LISTED;
        let work = move |conn: &mut _| {
            let (list, total) = masks::list(conn, user, failed_since, (page, MASKS_OF_PAGE))?;
            let ids: Vec<MaskId> = list.iter().map(|mask| mask.id).collect();
            let last = review::last_calls(conn, &ids)?;
            let given_up = operations::given_up_of(conn, &ids)?;
            let working = masks::newest_with_number(conn, user)?;
            let was_called = !last.is_empty() || calls::any_of_user(conn, user)?;
            let unconfirmed = directory::unconfirmed(conn, list.iter().filter_map(|mask| mask.phone))?;
            let listed = |mask: Mask| {
                let last_call = last.iter().find(|(id, _)| *id == mask.id).map(|(_, at)| *at);
                let is_confirmed = !mask.phone.is_some_and(|phone| unconfirmed.contains(&phone));
                let is_given_up = given_up.contains(&mask.id);
                ListedMask { mask, last_call, is_confirmed, is_given_up }
            };
            let masks = list.into_iter().map(listed).collect();
            Ok::<_, DbError>(MaskList { masks, total, working, was_called })
        };
        self.db.transaction(work).await
    }

    /// One of the user's masks.
    pub async fn mask(&self, user: UserId, id: MaskId) -> Result<Option<Mask>, DbError> {
        self.db.transaction(move |conn| masks::find(conn, user, id)).await
    }

    /// One of the user's masks with a page of its log, the days by the clocks of `zone`.
    pub async fn shown_mask(
        &self,
        user: UserId,
        id: MaskId,
        page: i64,
        zone: chrono_tz::Tz,
    ) -> Result<Option<ShownMask>, DbError> {
        let now = self.now();
        let since = now - TimeDelta::days(30);
        let work = move |conn: &mut _| {
            let Some(mask) = masks::find(conn, user, id)? else { return Ok(None) };
            let number = match mask.number {
                Some(number) => numbers::find(conn, user, number)?,
                None => None,
            };
            let (log, calls_in_all) = calls::log(conn, id, page)?;
            let counted = calls::counted(conn, id, since)?;
            let days = by_day(calls::by_quarter(conn, id, since)?, zone);
            let talked = spend::talked(conn, id, now)?;
            let is_given_up = operations::is_given_up(conn, id)?;
            let is_confirmed = directory::unconfirmed(conn, mask.phone.into_iter())?.is_empty();
            let figures = ((calls_in_all, counted), talked, is_confirmed, is_given_up);
            Ok::<_, DbError>(Some((mask, number, log, figures, days)))
        };
        let found = self.db.transaction(work).await?;
        Ok(found.map(|(mask, number, log, figures, days)| {
            let ((calls_in_all, calls_counted), talked, is_confirmed, is_given_up) = figures;
            ShownMask {
                is_given_up,
                number: number.as_ref().map(|stored| self.own_number(stored)),
                calls: log.into_iter().map(|call| self.shown_call(&mask, call)).collect(),
                calls_in_all,
                calls_counted,
                days,
                talked,
                is_confirmed,
                mask,
            }
        }))
    }

    fn shown_call(&self, mask: &Mask, call: LoggedCall) -> ShownCall {
        let caller = match &call.caller_sealed {
            None => ShownCaller::Hidden,
            Some(sealed) => match self.sealer.open(sealed, Place::caller(call.id.0)) {
                Ok(number) => ShownCaller::Known(number),
                Err(_) => ShownCaller::Unreadable,
            },
        };
        let refused = call.caller_lookup.filter(|_| call.decided.is_too_often());
        let is_barred = refused.is_some_and(|caller| self.is_barred((mask.id, mask.user), &caller));
        ShownCall { call, caller, is_barred }
    }
}

/// Calls by the days of a zone, as our own tables of zones know them: the database's may be others.
fn by_day(quarters: Vec<(DateTime<Utc>, i64)>, zone: chrono_tz::Tz) -> Vec<(NaiveDate, i64)> {
    let mut days = BTreeMap::new();
    for (quarter, calls) in quarters {
        *days.entry(quarter.with_timezone(&zone).date_naive()).or_default() += calls;
    }
    days.into_iter().collect()
}
