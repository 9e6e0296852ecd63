//! When a user who reached a limit of masks can have the next one.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use super::masks::MaskLimit;
use crate::db::{DbError, review};
use crate::domain::ids::UserId;

impl App {
    /// When there is room again; `None` for limits that no time lifts, or nobody knows when.
    pub async fn room_for_a_mask_at(
        &self,
        user: UserId,
        limit: MaskLimit,
    ) -> Result<Option<DateTime<Utc>>, DbError> {
        let (most, within) = match limit {
            MaskLimit::Day(most) => (most, TimeDelta::days(1)),
            MaskLimit::Month(most) => (most, TimeDelta::days(30)),
            MaskLimit::Alive(_) | MaskLimit::House => return Ok(None),
        };
        let wished = self.db.transaction(move |conn| review::nth_newest_wish(conn, user, most)).await?;
        Ok(wished.map(|wished: DateTime<Utc>| wished + within))
    }
}
