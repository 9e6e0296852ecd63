//! The limits of the whole deployment: how much of each is used, who is told at half of it, and how much of it is kept for
//! accounts that have verified a number.

use chrono::{DateTime, TimeDelta, Utc};

use super::letters::queue_notice;
use super::spending::spent;
use super::{App, texts};
use crate::db::rates::{self, Rule};
use crate::db::{Connection, DbError, caps, spend, users};
use crate::domain::limits::Rate;
use crate::domain::money::Money;

/// For how long a limit has to be less than half used until the admins are told of it again.
const TOLD: TimeDelta = TimeDelta::days(1);

/// A limit of the whole deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// Letters with links, in an hour.
    Letters,
    /// Codes, in an hour.
    Codes,
    /// Masks alive.
    Masks,
    /// Masks requested in an hour.
    NewMasks,
    /// The money for codes of the day (by UTC).
    CodesSpendDay,
    /// The money of the day (by UTC).
    SpendDay,
    /// The money of the calendar month (by UTC).
    SpendMonth,
}

impl Cap {
    /// Its word in the database.
    fn word(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::Codes => "codes",
            Self::Masks => "masks",
            Self::NewMasks => "new_masks",
            Self::CodesSpendDay => "codes_spend_day",
            Self::SpendDay => "spend_day",
            Self::SpendMonth => "spend_month",
        }
    }
}

/// How much of a limit is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapUse {
    /// Which one.
    pub cap: Cap,
    /// How much, of how much.
    pub used: Used,
}

/// An amount of what there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// So many of so many.
    Count(u32, u32),
    /// So much money of so much.
    Money(Money, Money),
}

impl CapUse {
    /// Whether it is half used, or more.
    pub fn is_half_used(&self) -> bool {
        match self.used {
            Used::Count(used, most) => used.saturating_mul(2) >= most,
            Used::Money(used, most) => used.times(2) >= most,
        }
    }

    /// How much is used and what happens at the limit, in a sentence for admins.
    pub fn sentence(&self, currency: &str) -> String {
        let used = match self.used {
            Used::Count(used, most) => format!("{used} of {most}"),
            Used::Money(used, most) => format!("{} of {most} {currency}", used.in_cents()),
        };
        match self.cap {
            Cap::Letters => format!(
                "E-mails with links: {used} in the last hour. At the limit nobody can sign up or choose a new password."
            ),
            Cap::Codes => format!("Codes: {used} in the last hour. At the limit no codes are sent."),
            Cap::Masks => format!("Masks: {used}. At the limit nobody gets a new one."),
            Cap::NewMasks => {
                format!("New masks: {used} in the last hour. At the limit nobody gets a new one.")
            }
            Cap::CodesSpendDay => {
                format!("Codes: {used} today (UTC). At the limit no codes are sent until tomorrow.")
            }
            Cap::SpendDay => format!(
                "Spending: {used} today (UTC). At the limit no numbers are bought and no codes are sent until tomorrow. \
                 Calls go on."
            ),
            Cap::SpendMonth => format!(
                "Spending: {used} this month (UTC). At the limit no numbers are bought and no codes are sent until the \
                 next. Calls go on."
            ),
        }
    }
}

/// The share of a limit that accounts which never verified a number can use up.
pub(super) fn newcomers_share(most: u32) -> u32 {
    most.div_ceil(2)
}

impl App {
    /// How much of each limit of the whole deployment is used.
    pub async fn cap_uses(&self) -> Result<Vec<CapUse>, DbError> {
        let read = self.cap_reader();
        self.db.transaction(move |conn| read(conn)).await
    }

    /// Mails the admins once for each limit that is half used.
    pub async fn warn_of_caps(&self) -> Result<(), DbError> {
        let (now, read, sealer) = (self.now(), self.cap_reader(), self.sealer.clone());
        let (currency, public_url) = (self.settings.currency.clone(), self.settings.public_url.clone());
        let work = move |conn: &mut _| {
            let mut lines = Vec::new();
            for found in read(conn)? {
                if !found.is_half_used() {
                    caps::forget(conn, found.cap.word(), now - TOLD)?;
                } else if caps::note(conn, found.cap.word(), now)? {
                    lines.push(found.sentence(&currency));
                }
            }
            if lines.is_empty() {
                return Ok(false);
            }
            for admin in users::admins(conn)? {
                let letter = texts::CapsHalfUsed { lines: &lines, public_url: &public_url };
                let letter = texts::letter(admin, "A limit of Maskline is half used", &letter);
                queue_notice(conn, &sealer, &letter, now)?;
            }
            Ok::<_, DbError>(true)
        };
        if self.work_db.transaction(work).await? {
            self.wake_letters.notify_one();
        }
        Ok(())
    }

    /// Reads how much of each limit is used.
    fn cap_reader(&self) -> impl Fn(&mut Connection) -> Result<Vec<CapUse>, DbError> + Send + 'static {
        let (now, limits) = (self.now(), self.settings.limits.clone());
        let (letters, codes) = (self.letters_in_all().bucket, self.codes_in_all().bucket);
        move |conn| {
            let hour = |conn: &mut Connection, bucket| counted(conn, bucket, now - TimeDelta::hours(1));
            let (today, month) = spend::used(conn, now)?;
            let (alive, new) = caps::masks_in_all(conn, now)?;
            let codes_today = limits.prices.code.times(today.codes);
            Ok([
                (Cap::Letters, Used::Count(hour(conn, letters)?, limits.letters_in_all)),
                (Cap::Codes, Used::Count(hour(conn, codes)?, limits.codes_in_all)),
                (Cap::Masks, Used::Count(alive, limits.masks_in_all.0)),
                (Cap::NewMasks, Used::Count(new, limits.masks_in_all.1)),
                (Cap::CodesSpendDay, Used::Money(codes_today, limits.codes_spend_a_day)),
                (Cap::SpendDay, Used::Money(spent(today, &limits.prices), limits.spend.0)),
                (Cap::SpendMonth, Used::Money(spent(month, &limits.prices), limits.spend.1)),
            ]
            .map(|(cap, used)| CapUse { cap, used })
            .to_vec())
        }
    }

    /// The limit of letters with links, whoever they go to.
    pub(super) fn letters_in_all(&self) -> Rule {
        self.rule("letters in all", "", Rate::per_hour(self.settings.limits.letters_in_all))
    }

    /// The share of it that sign-ups can use up.
    pub(super) fn letters_of_sign_ups(&self) -> Rule {
        let share = newcomers_share(self.settings.limits.letters_in_all);
        self.rule("letters of sign-ups", "", Rate::per_hour(share))
    }

    /// The limit of codes, whoever they go to.
    pub(super) fn codes_in_all(&self) -> Rule {
        self.rule("codes", "", Rate::per_hour(self.settings.limits.codes_in_all))
    }

    /// The shares of codes that accounts which never verified a number can use up: of all, of an area's, of the day's money.
    pub(super) fn codes_of_newcomers(&self, area: &str) -> Vec<Rule> {
        let limits = &self.settings.limits;
        let what = "codes of newcomers";
        let mut rules = vec![
            self.rule(what, "", Rate::per_hour(newcomers_share(limits.codes_in_all))),
            self.rule(what, area, Rate::per_hour(newcomers_share(limits.codes_per_area))),
        ];
        if let Some(affordable) = limits.codes_spend_a_day.buys(limits.prices.code) {
            rules.push(self.rule(what, "", Rate::per_day(newcomers_share(affordable))));
        }
        rules
    }
}

fn counted(conn: &mut Connection, bucket: rates::Bucket, since: DateTime<Utc>) -> Result<u32, DbError> {
    let (count, _) = rates::count_since(conn, bucket, since)?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
