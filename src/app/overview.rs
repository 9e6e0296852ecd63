//! Masks as their owners see them: the list, and one with its log.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::App;
use super::numbers::OwnNumber;
use crate::db::calls::{self, LoggedCall};
use crate::db::{DbError, masks, numbers, review};
use crate::domain::ids::{MaskId, UserId};
use crate::domain::mask::Mask;
use crate::domain::phone::PhoneNumber;
use crate::seal::Place;

/// A mask with when it was last called.
#[derive(Debug, Clone)]
pub struct ListedMask {
    /// The mask.
    pub mask: Mask,
    /// When it was last called.
    pub last_call: Option<DateTime<Utc>>,
}

/// A call in the log, opened for the mask's owner.
#[derive(Debug, Clone)]
pub struct ShownCall {
    /// The story.
    pub call: LoggedCall,
    /// Who called.
    pub caller: ShownCaller,
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
    /// The number it leads to.
    pub number: Option<OwnNumber>,
    /// A page of its calls, the newest first.
    pub calls: Vec<ShownCall>,
    /// How many calls there are in all.
    pub calls_in_all: i64,
    /// Calls by day, of 30 days, in the owner's zone.
    pub days: Vec<(NaiveDate, i64)>,
}

impl App {
    /// The user's masks that still mean something to them, the newest first.
    pub async fn masks(&self, user: UserId) -> Result<Vec<ListedMask>, DbError> {
        let work = move |conn: &mut _| {
            let list = masks::list(conn, user)?;
            let ids: Vec<MaskId> = list.iter().map(|mask| mask.id).collect();
            Ok::<_, DbError>((list, review::last_calls(conn, &ids)?))
        };
        let (list, last) = self.db.transaction(work).await?;
        let listed = |mask: Mask| {
            let last_call = last.iter().find(|(id, _)| *id == mask.id).map(|(_, at)| *at);
            ListedMask { mask, last_call }
        };
        Ok(list.into_iter().map(listed).collect())
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
        let since = self.now() - TimeDelta::days(30);
        let work = move |conn: &mut _| {
            let Some(mask) = masks::find(conn, user, id)? else { return Ok(None) };
            let number = match mask.number {
                Some(number) => numbers::find(conn, user, number)?,
                None => None,
            };
            let (log, calls_in_all) = calls::log(conn, id, page)?;
            let days = by_day(calls::by_quarter(conn, id, since)?, zone);
            Ok::<_, DbError>(Some((mask, number, log, calls_in_all, days)))
        };
        let found = self.db.transaction(work).await?;
        Ok(found.map(|(mask, number, log, calls_in_all, days)| ShownMask {
            mask,
            number: number.as_ref().map(|stored| self.own_number(stored)),
            calls: log.into_iter().map(|call| self.shown_call(call)).collect(),
            calls_in_all,
            days,
        }))
    }

    fn shown_call(&self, call: LoggedCall) -> ShownCall {
        let caller = match &call.caller_sealed {
            None => ShownCaller::Hidden,
            Some(sealed) => match self.sealer.open(sealed, Place::caller(call.id.0)) {
                Ok(number) => ShownCaller::Known(number),
                Err(_) => ShownCaller::Unreadable,
            },
        };
        ShownCall { call, caller }
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
