//! Users as admins see them.

use super::App;
use crate::db::audit::{self, Actor};
use crate::db::users::{self, Quota, User};
use crate::db::{Connection, DbError, masks};
use crate::domain::ids::UserId;

pub use crate::db::users::PAGE;

/// A user in an admin's list.
#[derive(Debug, Clone)]
pub struct ReviewedUser {
    /// The user.
    pub user: User,
    /// Their masks that are alive.
    pub masks_alive: u32,
    /// What an admin lets them have.
    pub quota: Quota,
}

impl App {
    /// A page of the users whose address holds the text, by address, and how many there are in all.
    pub async fn review_users(&self, text: &str, page: i64) -> Result<(Vec<ReviewedUser>, i64), DbError> {
        let text = text.trim().to_lowercase();
        let work = move |conn: &mut _| {
            let (found, total) = users::search(conn, &text, page)?;
            let found = found.into_iter().map(|user| reviewed(conn, user));
            Ok::<_, DbError>((found.collect::<Result<_, _>>()?, total))
        };
        self.db.transaction(work).await
    }

    /// The user of that id, as an admin sees them.
    pub async fn reviewed_user(&self, id: UserId) -> Result<Option<ReviewedUser>, DbError> {
        let work = move |conn: &mut _| {
            let found = users::find(conn, id)?;
            found.map(|user| reviewed(conn, user)).transpose()
        };
        self.db.transaction(work).await
    }

    /// Gives a user limits of their own; `false` if there is no such user.
    pub async fn set_quota(&self, admin: UserId, id: UserId, quota: Quota) -> Result<bool, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            if users::find(conn, id)?.is_none() {
                return Ok(false);
            }
            users::set_quota(conn, id, quota)?;
            let shown = |count: Option<u32>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
            let detail = [quota.alive, quota.day, quota.month].map(shown).join("/");
            audit::write(conn, now, Actor::Admin(admin), "quota set", id.0, &detail)?;
            Ok::<_, DbError>(true)
        };
        self.db.transaction(work).await
    }
}

fn reviewed(conn: &mut Connection, user: User) -> Result<ReviewedUser, DbError> {
    let (masks_alive, quota) = (masks::count_alive(conn, user.id)?, users::quota(conn, user.id)?);
    Ok(ReviewedUser { user, masks_alive, quota })
}
