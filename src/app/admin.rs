//! What admins see and do: every mask from the outside, never a real number.

use super::{App, texts};
use crate::db::audit::Actor;
use crate::db::review::{self, AdminMask, Search};
use crate::db::{DbError, masks, numbers, users};
use crate::domain::ids::{MaskId, UserId};
use crate::domain::mask::{Mask, MaskState, StoppedBy, WrongState};
use crate::domain::phone::PhoneNumber;

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 200;

/// Why a mask was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No such mask.
    #[error("no such mask")]
    NotFound,
    /// No reason was given, or too long a one.
    #[error("Give a reason of at most {LONGEST_REASON} characters: the owner of the mask reads it.")]
    Reason,
    /// Its state does not allow it.
    #[error(transparent)]
    State(#[from] WrongState),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A mask in an admin's list.
#[derive(Debug, Clone)]
pub struct ReviewedMask {
    /// The mask with its owner and calls.
    pub listed: AdminMask,
    /// The real number, where there is one.
    pub rings: Option<Rings>,
}

/// What an admin sees of a real number.
#[derive(Debug, Clone)]
pub enum Rings {
    /// Its last two digits.
    EndsIn(String),
    /// Its seal does not open.
    Unreadable,
}

/// A page of an admin's list.
#[derive(Debug, Clone)]
pub struct Review {
    /// The masks, the newest first.
    pub masks: Vec<ReviewedMask>,
    /// How many there are in all.
    pub total: i64,
    /// How many there are in each state, whatever is searched for.
    pub by_state: Vec<(String, i64)>,
}

impl App {
    /// A page of all masks that fit the search.
    pub async fn review(&self, search: Search) -> Result<Review, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let (found, total) = review::search(conn, &search, now)?;
            let ids: Vec<_> = found.iter().filter_map(|found| found.mask.number).collect();
            Ok::<_, DbError>((found, total, numbers::list_by_ids(conn, &ids)?, review::count_by_state(conn)?))
        };
        let (found, total, stored, by_state) = self.db.transaction(work).await?;
        let reviewed = |listed: AdminMask| {
            let stored = stored.iter().find(|stored| Some(stored.id) == listed.mask.number);
            let ends_in = |number: PhoneNumber| Rings::EndsIn(number.last_two());
            let rings =
                stored.map(|stored| self.own_number(stored).number.map_or(Rings::Unreadable, ends_in));
            ReviewedMask { listed, rings }
        };
        Ok(Review { masks: found.into_iter().map(reviewed).collect(), total, by_state })
    }

    /// A mask and its owner's address.
    pub async fn any_mask(&self, id: MaskId) -> Result<Option<(Mask, String)>, DbError> {
        let work = move |conn: &mut _| {
            let Some(mask) = masks::find_any(conn, id)? else { return Ok(None) };
            let owner = users::find(conn, mask.user)?.map_or(String::new(), |user| user.email.to_string());
            Ok::<_, DbError>(Some((mask, owner)))
        };
        self.db.transaction(work).await
    }

    /// Revokes anybody's mask for a reason, which its owner is told; one that rests already they cannot bring back any
    /// more.
    pub async fn revoke_any_mask(&self, admin: UserId, id: MaskId, reason: &str) -> Result<(), AdminError> {
        let reason = given_reason(reason).ok_or(AdminError::Reason)?;
        let (now, rest, told) = (self.now(), self.settings.limits.rest, reason.clone());
        let work = move |conn: &mut _| {
            let mask = masks::hold(conn, id)?.ok_or(AdminError::NotFound)?;
            let state = mask.revoke(StoppedBy::Admin, now + rest)?;
            super::masks::revoke_held(conn, &mask, Actor::Admin(admin), &reason, now, rest)?;
            let until = if let MaskState::Resting { until, .. } = state { until } else { now + rest };
            let owner = users::find(conn, mask.user)?.filter(|_| state != mask.state);
            Ok::<_, AdminError>(owner.map(|owner| (owner, mask, until)))
        };
        if let Some((owner, mask, until)) = self.db.transaction(work).await? {
            let letter = texts::MaskRevoked {
                mask: &mask.phone.map_or(String::new(), |phone| phone.grouped()),
                reason: &told,
                until: &until.format("%-d %B %Y").to_string(),
                public_url: &self.settings.public_url,
            };
            self.send_later(texts::letter(owner.email, "One of your masks was revoked", &letter));
        }
        Ok(())
    }
}

/// A reason as it is kept: not empty, not too long, no control characters.
pub(super) fn given_reason(text: &str) -> Option<String> {
    let reason: String = text.trim().chars().filter(|character| !character.is_control()).collect();
    (!reason.is_empty() && reason.chars().count() <= LONGEST_REASON).then_some(reason)
}
