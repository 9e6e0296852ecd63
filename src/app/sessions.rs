//! Signed-in browsers: how long they stay so, and how they end.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::db::audit::{self, Actor};
use crate::db::sessions::{self, ListedSession, NewSession};
use crate::db::users::User;
use crate::db::{DbError, users};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::user::Role;
use crate::secrets;

/// A session is noted as seen at most this often.
const SEEN_STEP: TimeDelta = TimeDelta::minutes(1);
/// The most sessions that a user has at once; another one ends the one that was not used for longest.
const MOST: i64 = 50;

/// How long a session may rest, and last.
fn lifetimes(role: Role) -> (TimeDelta, TimeDelta) {
    match role {
        Role::User => (TimeDelta::days(14), TimeDelta::days(30)),
        Role::Admin => (TimeDelta::minutes(30), TimeDelta::hours(12)),
    }
}

fn expiry(role: Role, began: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let (idle, in_all) = lifetimes(role);
    (now + idle).min(began + in_all)
}

/// Stands for the user's password as it is now, and tells nothing of it.
pub fn password_stamp(user: &User) -> String {
    secrets::hex(&secrets::digest(user.password_hash.as_bytes()))
}

impl App {
    /// Begins a session: its name, the device, what it holds. The key is known to us by its digest alone. Where the
    /// password of that stamp was changed meanwhile, none begins, and the key opens nothing.
    pub async fn begin_session(
        &self,
        key: &str,
        user: UserId,
        stamp: &str,
        (id, device, state): (SessionId, String, String),
    ) -> Result<(), DbError> {
        let (now, stamp) = (self.now(), stamp.to_owned());
        let key_digest = secrets::digest(key.as_bytes());
        let session = NewSession { key_digest, id, user, state, device };
        let work = move |conn: &mut _| {
            users::lock(conn, user)?;
            let known = users::find(conn, user)?.filter(|known| password_stamp(known) == stamp);
            let Some(known) = known else { return Ok(()) };
            sessions::end_oldest(conn, user, MOST - 1)?;
            sessions::insert(conn, &session, now, expiry(known.role, now, now))?;
            audit::write(conn, now, Actor::User(user), "signed in", user.0, "")
        };
        self.db.transaction(work).await
    }

    /// What a live session holds.
    pub async fn session_state(&self, key: &str) -> Result<Option<String>, DbError> {
        let (digest, now) = (secrets::digest(key.as_bytes()), self.now());
        self.db.transaction(move |conn| sessions::find(conn, digest, now)).await
    }

    /// Changes what a session holds; `false` if it is over.
    pub async fn set_session_state(&self, key: &str, state: String) -> Result<bool, DbError> {
        let digest = secrets::digest(key.as_bytes());
        self.db.transaction(move |conn| sessions::set_state(conn, digest, &state)).await
    }

    /// Notes that a session was used, so that it does not run out.
    pub async fn keep_session(&self, key: &str) -> Result<(), DbError> {
        let (digest, now) = (secrets::digest(key.as_bytes()), self.now());
        let work = move |conn: &mut _| {
            let Some(seen) = sessions::seen(conn, digest)? else { return Ok(()) };
            if now - seen.seen_at < SEEN_STEP {
                return Ok(());
            }
            let role = users::find(conn, seen.user)?.map_or(Role::User, |user| user.role);
            sessions::touch(conn, digest, now, expiry(role, seen.created_at, now))
        };
        self.db.transaction(work).await
    }

    /// Ends the session of that key.
    pub async fn end_session_by_key(&self, key: &str) -> Result<(), DbError> {
        let digest = secrets::digest(key.as_bytes());
        self.db.transaction(move |conn| sessions::delete(conn, digest)).await
    }

    /// The user's live sessions, the last used first.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<ListedSession>, DbError> {
        let now = self.now();
        self.db.transaction(move |conn| sessions::list(conn, user, now)).await
    }

    /// Ends one of the user's sessions; `false` if there is none of that name.
    pub async fn end_session(&self, user: UserId, id: SessionId) -> Result<bool, DbError> {
        self.db.transaction(move |conn| sessions::end(conn, user, id)).await
    }

    /// Ends all of the user's sessions but one.
    pub async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<usize, DbError> {
        self.db.transaction(move |conn| sessions::end_others(conn, user, Some(keep))).await
    }
}
