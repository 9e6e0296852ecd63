//! What is spent, and the switches that stop it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::App;
use super::admin::{LONGEST_REASON, given_reason};
use crate::db::audit::{self, Actor};
use crate::db::spend::{self, Used};
use crate::db::stops;
use crate::db::{Connection, DbError, masks, users};
use crate::domain::ids::UserId;
use crate::domain::limits::Prices;
use crate::domain::money::Money;
use crate::domain::phone::PhoneNumber;
use crate::domain::stop::{Scope, Spending, Stop, stops_purchases};
use crate::domain::user::EmailAddress;
use crate::secrets;

pub use crate::db::stops::ThrownStop;

/// What it costs by the deployment's prices.
pub(super) fn spent(used: Used, prices: &Prices) -> Money {
    prices
        .number_a_month
        .times(used.numbers)
        .plus(prices.minute.for_seconds(used.talk_seconds))
        .plus(prices.code.times(used.codes))
}

/// What was spent of what may be, in a day or a month.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// What was done.
    pub used: Used,
    /// What it costs.
    pub cost: Money,
    /// How much it may be.
    pub cap: Money,
}

/// All that is spent and stopped.
#[derive(Debug, Clone)]
pub struct SpendingReport {
    /// In the day (by UTC).
    pub today: Spent,
    /// In the calendar month (by UTC).
    pub month: Spent,
    /// For codes, in the day.
    pub codes_today: (Money, Money),
    /// The switches that are thrown, with what each is about in words, the newest first.
    pub stops: Vec<(ThrownStop, String)>,
}

/// What an admin wants to stop, as they name it.
#[derive(Debug, Clone)]
pub enum WantedStop {
    /// Everything.
    All,
    /// The carrier that masks are rented from.
    Carrier,
    /// A country, by the two letters of its code.
    Country(String),
    /// The user of that address.
    User(String),
    /// The mask of that number.
    Mask(String),
}

/// Why nothing was stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// No such country, user or mask.
    #[error("there is no such country, user or mask")]
    NoSubject,
    /// No reason was given, or too long a one.
    #[error("Give a reason of at most {LONGEST_REASON} characters: other admins read it.")]
    Reason,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl App {
    /// What is spent, and what is stopped.
    pub async fn spending(&self) -> Result<SpendingReport, DbError> {
        let (now, limits) = (self.now(), self.settings.limits.clone());
        let work = move |conn: &mut _| {
            let mut named = vec![];
            for thrown in stops::list(conn)? {
                let about = about(conn, &thrown.stop.scope)?;
                named.push((thrown, about));
            }
            Ok::<_, DbError>((spend::used(conn, now)?, named))
        };
        let ((today, month), stops) = self.db.transaction(work).await?;
        let told = |used, cap| Spent { used, cost: spent(used, &limits.prices), cap };
        Ok(SpendingReport {
            today: told(today, limits.spend.0),
            month: told(month, limits.spend.1),
            codes_today: (limits.prices.code.times(today.codes), limits.codes_spend_a_day),
            stops,
        })
    }

    /// Throws a switch. What is under way goes on to its end.
    pub async fn stop_spending(
        &self,
        admin: UserId,
        wanted: WantedStop,
        calls_too: bool,
        reason: &str,
    ) -> Result<(), StopError> {
        let reason = given_reason(reason).ok_or(StopError::Reason)?;
        let (now, id) = (self.now(), secrets::random_uuid());
        let (carrier, default_country) = (self.carrier.name(), self.settings.default_country);
        let work = move |conn: &mut _| {
            let scope = match wanted {
                WantedStop::All => Scope::All,
                WantedStop::Carrier => Scope::Carrier(carrier.to_owned()),
                WantedStop::Country(code) => Scope::Country(code.parse().map_err(|_| StopError::NoSubject)?),
                WantedStop::User(email) => {
                    let email: EmailAddress = email.parse().map_err(|_| StopError::NoSubject)?;
                    Scope::User(users::find_by_email(conn, &email)?.ok_or(StopError::NoSubject)?.id)
                }
                WantedStop::Mask(typed) => {
                    let number = PhoneNumber::parse(&typed, default_country).ok();
                    let mask = number.map(|number| masks::find_held(conn, number)).transpose()?.flatten();
                    Scope::Mask(mask.ok_or(StopError::NoSubject)?.id)
                }
            };
            let calls_too = calls_too || matches!(scope, Scope::Mask(_));
            let detail = format!("{scope:?}, calls too: {calls_too}: {reason}");
            let thrown = ThrownStop { id, stop: Stop { scope, calls_too }, reason, since: now };
            stops::throw(conn, &thrown, admin)?;
            Ok::<_, StopError>(audit::write(conn, now, Actor::Admin(admin), "spending stopped", id, &detail)?)
        };
        self.db.transaction(work).await
    }

    /// Lifts a switch; `false` if it is not thrown.
    pub async fn lift_stop(&self, admin: UserId, id: Uuid) -> Result<bool, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let lifted = stops::lift(conn, id)?;
            if lifted {
                audit::write(conn, now, Actor::Admin(admin), "stop of spending lifted", id, "")?;
            }
            Ok(lifted)
        };
        self.db.transaction(work).await
    }
}

/// What a switch is about, in words.
fn about(conn: &mut Connection, scope: &Scope) -> Result<String, DbError> {
    Ok(match scope {
        Scope::All => "Everything".to_owned(),
        Scope::Carrier(name) => format!("The phone company {name}"),
        Scope::Country(country) => format!("The country {}", country.code()),
        Scope::User(user) => {
            let user = users::find(conn, *user)?;
            user.map_or_else(|| "A user who is gone".to_owned(), |user| user.email.to_string())
        }
        Scope::Mask(mask) => {
            let phone = masks::find_any(conn, *mask)?.and_then(|mask| mask.phone);
            phone.map_or_else(|| "A mask that is gone".to_owned(), |phone| phone.grouped())
        }
    })
}

/// Whether a code may not be sent to the number.
pub(super) fn codes_are_stopped(
    conn: &mut Connection,
    carrier: &str,
    number: PhoneNumber,
    user: UserId,
) -> Result<bool, DbError> {
    let countries: Vec<_> = number.country().into_iter().collect();
    Ok(stops_purchases(&stops::all(conn)?, Spending { carrier, countries: &countries, user }))
}

/// When the day's money for codes is used up, from when on there is more; one more code counted.
pub(super) fn codes_money_until(
    conn: &mut Connection,
    settings: &super::Settings,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let limits = &settings.limits;
    let (today, month) = spend::used(conn, now)?;
    let code = limits.prices.code;
    let codes = code.times(today.codes).plus(code);
    let over_day =
        codes > limits.codes_spend_a_day || spent(today, &limits.prices).plus(code) > limits.spend.0;
    let over_month = spent(month, &limits.prices).plus(code) > limits.spend.1;
    let next_day = now.date_naive().succ_opt();
    let next_month = now
        .date_naive()
        .checked_add_months(chrono::Months::new(1))
        .and_then(|day| chrono::Datelike::with_day(&day, 1));
    let from = if over_month {
        next_month
    } else if over_day {
        next_day
    } else {
        None
    };
    Ok(from.map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc()))
}
