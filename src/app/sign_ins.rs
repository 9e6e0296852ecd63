//! Signing in, and what it is counted against.

use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};

use super::hash_queue::{Priority, Turns};
use super::passwords::Busy;
use super::{App, network};
use crate::db::DbError;
use crate::db::rates::{self, Bucket, Rule};
use crate::db::users::{self, User};
use crate::domain::limits::Rate;
use crate::domain::user::EmailAddress;

/// Once an account has seen too many wrong passwords, one try is let through in this time.
const SLOW_SIGN_IN: TimeDelta = TimeDelta::minutes(1);

/// The bucket of an account's wrong passwords.
const FAILED_SIGN_IN: &str = "failed sign-in";
/// Wrong passwords in a row after which the password alone does not do any more: there, where there is a known device, or
/// everywhere but on those.
const FAILURES_UNTIL_LINK: usize = 100;
/// How long wrong passwords are counted.
const COUNTED: TimeDelta = TimeDelta::days(2);

/// Why somebody was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No such account, or another password: nobody learns which.
    #[error("no account has that address and password")]
    Wrong,
    /// So many wrong ones that whoever signs in must read the account's mail as well.
    #[error("a mailed link is needed")]
    LinkNeeded,
    /// Too many wrong ones, for the account or from there.
    #[error("too many failed sign-ins")]
    TooMany {
        /// When it can be tried again.
        until: DateTime<Utc>,
    },
    /// The account is signed in to too often.
    #[error("too many sign-ins")]
    TooOften {
        /// When it can be tried again.
        until: DateTime<Utc>,
    },
    /// Too many at once; it does not count as a try.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What a try to sign in counts against.
struct SignInRules {
    /// Wrong passwords from where a stranger is.
    from_there: Vec<Rule>,
    /// Wrong passwords: of strangers for the account, or on the known device.
    guesses: Rule,
    /// Right passwords for the account, and all tries on its known devices. Never cleared, as each costs a hash and a right
    /// one makes a known device.
    sign_ins: Rule,
    /// Whether it is tried on a known device.
    is_known: bool,
}

impl SignInRules {
    /// What is counted before the password is looked at.
    fn counted(&self) -> Vec<Rule> {
        let sign_ins = self.is_known.then_some(self.sign_ins);
        self.from_there.iter().copied().chain([self.guesses]).chain(sign_ins).collect()
    }

    fn error(&self, broken: &Rule, until: DateTime<Utc>) -> SignInError {
        if broken.bucket == self.sign_ins.bucket {
            return SignInError::TooOften { until };
        }
        SignInError::TooMany { until }
    }
}

impl App {
    /// What [`App::sign_in`] does, before it is counted.
    pub(super) async fn proved_user(
        &self,
        email: &str,
        password: &str,
        address: IpAddr,
        device: Option<&str>,
    ) -> Result<User, SignInError> {
        let now = self.now();
        let wanted: Option<EmailAddress> = email.parse().ok();
        // One account has one bucket, in however many ways its domain can be written.
        let typed =
            wanted.as_ref().map_or_else(|| email.trim().to_lowercase(), |email| email.as_str().to_owned());
        let device = device.and_then(|shown| self.claimed_device(&typed, shown));
        self.not_refused(&self.sign_in_rules(&typed, address, device.map(|device| device.name)), now)?;
        let known = self.db.transaction(move |conn| {
            Ok::<_, DbError>(wanted.map(|email| users::find_by_email(conn, &email)).transpose()?.flatten())
        });
        let known = known.await?;
        let on_device = known.as_ref().and_then(|user| self.known_device(user, device?));
        let rules = self.sign_in_rules(&typed, address, on_device);
        self.not_refused(&rules, now)?;
        self.count_sign_in(&rules, now).await?;
        let hash = known.as_ref().map(|user| user.password_hash.clone());
        let who = match on_device {
            Some(_) => Turns { priority: Priority::Known, whose: rules.sign_ins.bucket },
            None => Turns { priority: Priority::Stranger, whose: rules.guesses.bucket },
        };
        let is_right = match self.is_password(password, hash, who).await {
            Ok(is_right) => is_right,
            Err(busy) => {
                let counted = rules.counted();
                self.db.transaction(move |conn| rates::give_back(conn, &counted, now)).await?;
                return Err(busy.into());
            }
        };
        let Some(user) = known.filter(|_| is_right) else {
            tracing::info!(target: "maskline::sign_in", network = %network(address), "a sign-in failed");
            return Err(SignInError::Wrong);
        };
        self.db
            .transaction(move |conn| {
                // Only now, so that no stranger uses up what the owner has. A known device was counted before.
                if !rules.is_known
                    && let Err(exceeded) = rates::take(conn, &[rules.sign_ins], now)?
                {
                    return Err(SignInError::TooOften { until: exceeded.until });
                }
                // In this order, and no row twice, so that two that are right at once do not wait for each other.
                rates::clear(conn, rules.guesses.bucket)?;
                Ok(rates::give_back(conn, &rules.from_there, now)?)
            })
            .await?;
        Ok(user)
    }

    /// Counts a try to sign in, unless there were too many.
    async fn count_sign_in(&self, rules: &SignInRules, now: DateTime<Utc>) -> Result<(), SignInError> {
        let (counted, guesses) = (rules.counted(), rules.guesses.bucket);
        let taken = self.db.transaction(move |conn| {
            let (failures, _) = rates::count_since(conn, guesses, now - COUNTED)?;
            if failures >= FAILURES_UNTIL_LINK {
                return Err(SignInError::LinkNeeded);
            }
            Ok(rates::take(conn, &counted, now)?.map_err(|exceeded| (counted[exceeded.rule], exceeded.until)))
        });
        let Err((rule, until)) = taken.await? else { return Ok(()) };
        self.refusals.remember(&rule, until, now);
        Err(rules.error(&rule, until))
    }

    /// Refuses a try that would be refused as the one a moment ago, without the database.
    fn not_refused(&self, rules: &SignInRules, now: DateTime<Utc>) -> Result<(), SignInError> {
        let refused = rules.counted().into_iter().find_map(|rule| {
            let until = self.refusals.until(&[rule], now)?;
            Some(rules.error(&rule, until))
        });
        refused.map_or(Ok(()), Err)
    }

    /// What a sign-in counts against, from there or on the device of that name.
    fn sign_in_rules(&self, email: &str, address: IpAddr, device: Option<&str>) -> SignInRules {
        let (guesses, from_there) = if let Some(device) = device {
            // What neighbors do keeps nobody out of a known device.
            (self.guesses("failed sign-in on", device), Vec::new())
        } else {
            let rate = Rate::per_minutes(self.settings.limits.failures_per_address, 10);
            (self.guesses(FAILED_SIGN_IN, email), self.rules_from("failed sign-in from", address, rate))
        };
        SignInRules { from_there, guesses, sign_ins: self.sign_ins(email), is_known: device.is_some() }
    }

    /// How often an account is signed in to, whatever the device.
    pub(super) fn sign_ins(&self, email: &str) -> Rule {
        self.rule("sign-ins", email, Rate::per_minutes(self.settings.limits.sign_ins_per_account, 15))
    }

    /// So many wrong passwords, then one a minute.
    pub(super) fn guesses(&self, what: &str, whose: &str) -> Rule {
        let rate = Rate::per_minutes(self.settings.limits.failures_per_account, 15);
        Rule { then_one_per: Some(SLOW_SIGN_IN), ..self.rule(what, whose, rate) }
    }

    /// The bucket of strangers' wrong passwords for an account.
    pub(super) fn failed_sign_ins(&self, email: &str) -> Bucket {
        self.bucket(FAILED_SIGN_IN, email)
    }
}
