//! Asking for a mailed link: for an account, or for a new password.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::letters::queue;
use super::{App, texts};
use crate::db::links::{self, Link};
use crate::db::{DbError, rates, users};
use crate::domain::ids::LetterId;
use crate::domain::limits::Rate;
use crate::domain::user::{EmailAddress, Role};
use crate::mail::Letter;

/// What somebody wants a mailed link for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkWish {
    /// An account.
    SignUp,
    /// A new password.
    NewPassword,
}

/// Why no link is mailed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Too many were asked for from there.
    #[error("too many links were asked for")]
    TooMany {
        /// When it can be tried again.
        until: DateTime<Utc>,
    },
    /// Too many were sent to that mailbox, whoever asked for them.
    #[error("too many links were sent to that address")]
    Mailbox {
        /// When another can be sent.
        until: DateTime<Utc>,
    },
    /// Too many were sent in all, or all that are for new accounts.
    #[error("too many links were sent")]
    Deployment {
        /// When another can be sent.
        until: DateTime<Utc>,
    },
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl App {
    /// Mails a link with which whoever reads the mail chooses a password. The answer is the same whether there is an
    /// account or not: the letter that is on its way.
    pub async fn mail_link(
        &self,
        email: EmailAddress,
        wish: LinkWish,
        address: IpAddr,
    ) -> Result<LetterId, LinkError> {
        let now = self.now();
        let limits = &self.settings.limits;
        let (what, count) = match wish {
            LinkWish::SignUp => ("sign-up", limits.sign_ups_per_address),
            LinkWish::NewPassword => ("new-password", limits.resets_per_address),
        };
        let from_there = self.rules_from(what, address, Rate::per_hour(count));
        let (hour, day) = limits.letters_per_mailbox;
        let to_there = [Rate::per_hour(hour), Rate::per_day(day)]
            .map(|rate| self.rule("letters", &email.mailbox(), rate));
        let mut in_all = vec![self.letters_in_all()];
        if wish == LinkWish::SignUp {
            // So that a flood of new accounts keeps nobody from a new password.
            in_all.push(self.letters_of_sign_ups());
        }
        let link = Link { email: email.clone(), role: Role::User };
        let (token, digest, expires_at) = self.new_link(now);
        let letters = [false, true].map(|known| self.link_letter(email.clone(), known, wish, &token));
        let sealer = self.sealer.clone();
        let queued = self.db.transaction(move |conn| {
            if let Err(exceeded) = rates::take(conn, &from_there, now)? {
                return Err(LinkError::TooMany { until: exceeded.until });
            }
            // Kept, so that it counts for where it was asked from.
            if let Err(exceeded) = rates::take(conn, &to_there, now)? {
                return Ok(Err(LinkError::Mailbox { until: exceeded.until }));
            }
            if let Err(exceeded) = rates::take(conn, &in_all, now)? {
                rates::give_back(conn, &to_there, now)?;
                return Ok(Err(LinkError::Deployment { until: exceeded.until }));
            }
            links::insert(conn, digest, &link, now, expires_at)?;
            let has_account = users::find_by_email(conn, &link.email)?.is_some();
            Ok(Ok(queue(conn, &sealer, &letters[usize::from(has_account)], now, expires_at)?))
        });
        let id = queued.await??;
        self.wake_letters.notify_one();
        Ok(id)
    }

    fn link_letter(&self, to: EmailAddress, has_account: bool, wish: LinkWish, token: &str) -> Letter {
        let letter = texts::LinkLetter {
            has_account,
            wanted_account: wish == LinkWish::SignUp,
            url: &self.link_url(token),
            minutes: self.settings.limits.link_life.num_minutes(),
        };
        let subject = if has_account { "Choose a new password for Maskline" } else { "Welcome to Maskline" };
        texts::letter(to, subject, &letter)
    }
}
