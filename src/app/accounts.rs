//! Accounts: the use of mailed links, and passwords.

use chrono::{DateTime, Utc};

use super::hash_queue::{Priority, Turns};
use super::passwords::Busy;
use super::{App, texts};
use crate::db::audit::{self, Actor};
use crate::db::links::{self, Link};
use crate::db::rates::{self, Exceeded, Rule};
use crate::db::users::{self, User};
use crate::db::{Connection, DbError, sessions};
use crate::domain::ids::UserId;
use crate::domain::password::{Password, WeakPassword};
use crate::domain::time_zone;
use crate::domain::user::{EmailAddress, Role};
use crate::secrets;

/// A mailed link that can be used.
#[derive(Debug, Clone)]
pub struct OpenLink {
    /// Whom it was sent to.
    pub email: EmailAddress,
    /// Whether there is an account already.
    pub has_account: bool,
}

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The link was used, ran out, or never was.
    #[error("the link cannot be used")]
    LinkGone,
    /// The new password is the current one.
    #[error("the new password is the current one")]
    Unchanged,
    /// The current password is another.
    #[error("the current password is wrong")]
    WrongCurrent,
    /// Too many wrong ones.
    #[error("too many wrong passwords")]
    TooMany {
        /// When it can be tried again.
        until: DateTime<Utc>,
    },
    /// Too many new ones were tried.
    #[error("too many new passwords were tried")]
    TooManyTries {
        /// When it can be tried again.
        until: DateTime<Utc>,
    },
    /// It is too weak.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// Too many at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl App {
    /// A link with which somebody becomes a user, or an admin; the answer is its address.
    pub async fn invite(&self, email: EmailAddress, role: Role) -> Result<String, DbError> {
        let now = self.now();
        let (token, digest, expires_at) = self.new_link(now);
        self.db
            .transaction(move |conn| links::insert(conn, digest, &Link { email, role }, now, expires_at))
            .await?;
        Ok(self.link_url(&token))
    }

    /// Makes the user of that address an admin; `false` if there is none.
    pub async fn promote(&self, email: EmailAddress) -> Result<bool, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let Some(user) = users::find_by_email(conn, &email)? else { return Ok(false) };
            users::set_role(conn, user.id, Role::Admin)?;
            // What was signed in as a user must sign in again, under an admin's shorter sessions.
            sessions::end_others(conn, user.id, None)?;
            audit::write(conn, now, Actor::Command, "user promoted", user.id.0, "")?;
            Ok::<_, DbError>(true)
        };
        self.db.transaction(work).await
    }

    /// What the link is for, while it can be used; looking does not use it.
    pub async fn open_link(&self, token: &str) -> Result<Option<OpenLink>, DbError> {
        let (digest, now) = (secrets::digest(token.as_bytes()), self.now());
        let work = move |conn: &mut _| {
            let Some(link) = links::find(conn, digest, now)? else { return Ok(None) };
            let has_account = users::find_by_email(conn, &link.email)?.is_some();
            Ok::<_, DbError>(Some(OpenLink { email: link.email, has_account }))
        };
        self.db.transaction(work).await
    }

    /// Sets the password of the account that the link was mailed to, making it if there is none, and ends every
    /// session it has; returns whether it is new. A new one shows times in that zone, or in UTC where there is none of that
    /// name.
    pub async fn choose_password(
        &self,
        token: &str,
        password: &str,
        time_zone: &str,
    ) -> Result<(User, bool), PasswordError> {
        let time_zone = time_zone::known(time_zone).unwrap_or(chrono_tz::Tz::UTC).name().to_owned();
        let link = self.open_link(token).await?.ok_or(PasswordError::LinkGone)?;
        let whose = secrets::hex(&secrets::digest(token.as_bytes()));
        let (password, tries, now) = (Password::of_length(password)?, self.tries(&whose), self.now());
        self.db
            .transaction(move |conn| match rates::take(conn, &[tries], now)? {
                Ok(()) => Ok(()),
                Err(exceeded) => Err(PasswordError::TooManyTries { until: exceeded.until }),
            })
            .await?;
        let hash = self.new_hash(password, &link.email, tries, now).await?;
        let (digest, now, id) =
            (secrets::digest(token.as_bytes()), self.now(), UserId(secrets::random_uuid()));
        let failures = self.failed_sign_ins(link.email.as_str());
        let work = move |conn: &mut _| {
            let link = links::take(conn, digest, now)?.ok_or(PasswordError::LinkGone)?;
            rates::clear(conn, failures)?;
            if let Some(known) = users::find_by_email(conn, &link.email)? {
                return Ok((renew(conn, known, link.role, &hash, now)?, false));
            }
            let Link { email, role } = link;
            let user = User { id, email, role, password_hash: hash, time_zone, created_at: now };
            users::insert(conn, &user)?;
            audit::write(conn, now, Actor::User(id), "user created", id.0, role.as_str())?;
            Ok::<_, PasswordError>((user, true))
        };
        let (user, is_new) = self.db.transaction(work).await?;
        if !is_new {
            self.tell_of_new_password(&user);
        }
        Ok((user, is_new))
    }

    /// Changes the password of somebody who knows the current one, and ends every session they have: the browser where it
    /// was changed begins another, under a new key.
    pub async fn change_password(
        &self,
        user: &User,
        current: &str,
        new: &str,
    ) -> Result<User, PasswordError> {
        let now = self.now();
        let id = user.id;
        // A bucket apart from sign-ins, which strangers fill.
        let guess = self.guesses("password change", &id.to_string());
        let tries = self.tries(&id.to_string());
        self.db
            .transaction(move |conn| match rates::take(conn, &[guess, tries], now)? {
                Ok(()) => Ok(()),
                Err(Exceeded { rule: 0, until }) => Err(PasswordError::TooMany { until }),
                Err(Exceeded { until, .. }) => Err(PasswordError::TooManyTries { until }),
            })
            .await?;
        let give_back = async |rules: Vec<Rule>| {
            self.db.transaction(move |conn| rates::give_back(conn, &rules, now)).await
        };
        let hash = Some(user.password_hash.clone());
        let whose = self.sign_ins(user.email.as_str()).bucket;
        match self.is_password(current, hash, Turns { priority: Priority::Known, whose }).await {
            Ok(true) => {}
            Ok(false) => {
                give_back(vec![tries]).await?;
                return Err(PasswordError::WrongCurrent);
            }
            Err(busy) => {
                give_back(vec![guess, tries]).await?;
                return Err(busy.into());
            }
        }
        // Whoever knows the password does not guess, even where the new one is refused; that was a try all the same.
        self.db.transaction(move |conn| rates::clear(conn, guess.bucket)).await?;
        if new == current {
            return Err(PasswordError::Unchanged);
        }
        let hash = self.new_hash(Password::of_length(new)?, &user.email, tries, now).await?;
        let changed = User { password_hash: hash.clone(), ..user.clone() };
        self.db
            .transaction(move |conn| {
                users::set_password(conn, id, &hash)?;
                sessions::end_others(conn, id, None)?;
                audit::write(conn, now, Actor::User(id), "password changed", id.0, "")?;
                Ok::<_, PasswordError>(())
            })
            .await?;
        self.tell_of_new_password(user);
        Ok(changed)
    }

    /// The user of that id, as they are now.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, DbError> {
        self.db.transaction(move |conn| users::find(conn, id)).await
    }

    /// Shows times to the user by the clocks of that zone (an IANA name).
    pub async fn set_time_zone(&self, user: UserId, zone: chrono_tz::Tz) -> Result<(), DbError> {
        self.db.transaction(move |conn| users::set_time_zone(conn, user, zone.name())).await
    }

    pub(super) fn new_link(&self, now: DateTime<Utc>) -> (String, [u8; 32], DateTime<Utc>) {
        let token = secrets::random_token();
        let digest = secrets::digest(token.as_bytes());
        (token, digest, now + self.settings.limits.link_life)
    }

    pub(super) fn link_url(&self, token: &str) -> String {
        format!("{}/links/{token}", self.settings.public_url)
    }

    fn tell_of_new_password(&self, user: &User) {
        let letter = texts::PasswordChanged { public_url: &self.settings.public_url };
        self.send_later(texts::letter(user.email.clone(), "Your Maskline password was changed", &letter));
    }
}

/// Gives a known user a new password by a mailed link, ends their sessions, and makes them an admin if they were
/// invited as one.
fn renew(
    conn: &mut Connection,
    known: User,
    invited_as: Role,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<User, DbError> {
    users::set_password(conn, known.id, hash)?;
    sessions::end_others(conn, known.id, None)?;
    audit::write(conn, now, Actor::User(known.id), "password chosen by link", known.id.0, "")?;
    let known = User { password_hash: hash.to_owned(), ..known };
    if invited_as == Role::User || known.role == Role::Admin {
        return Ok(known);
    }
    users::set_role(conn, known.id, Role::Admin)?;
    audit::write(conn, now, Actor::Command, "user promoted", known.id.0, "")?;
    Ok(User { role: Role::Admin, ..known })
}
