//! Whether a user may have one more mask: the quotas of users, of the house, and of money.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::App;
use super::spending::spent;
use crate::db::users::Quota;
use crate::db::{Connection, DbError, masks, review, spend, stops, users};
use crate::domain::ids::UserId;
use crate::domain::limits::Limits;
use crate::domain::phone::Country;
use crate::domain::stop::{Spending, stops_purchases};

/// How many masks of a user may come to nothing in an hour.
const IN_VAIN: u32 = 20;

/// A limit of masks, with its figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskLimit {
    /// Of the user's, alive at once.
    Alive(u32),
    /// Of the user's, in a day.
    Day(u32),
    /// Of the user's, in 30 days.
    Month(u32),
    /// Of the user's that failed or were cancelled, in an hour: each is a row, and may be work for the carrier.
    InVain(u32),
    /// Of the whole house, alive at once.
    HouseAlive,
    /// Of the whole house, in an hour.
    HouseHour,
    /// The money of the day (by UTC).
    SpendDay,
    /// The money of the calendar month (by UTC).
    SpendMonth,
    /// A switch that stops spending.
    Stopped,
}

impl App {
    /// When there is room again; `None` for limits that no time lifts, or nobody knows when.
    pub async fn room_for_a_mask_at(
        &self,
        user: UserId,
        limit: MaskLimit,
    ) -> Result<Option<DateTime<Utc>>, DbError> {
        let today = self.now().date_naive();
        let (whose, most, within) = match limit {
            MaskLimit::Day(most) => (Some(user), most, TimeDelta::days(1)),
            MaskLimit::Month(most) => (Some(user), most, TimeDelta::days(30)),
            MaskLimit::HouseHour => (None, self.settings.limits.masks_in_all.1, TimeDelta::hours(1)),
            MaskLimit::SpendDay => return Ok(midnight(today.checked_add_days(Days::new(1)))),
            MaskLimit::SpendMonth => {
                return Ok(midnight(first_of_month(today).checked_add_months(Months::new(1))));
            }
            MaskLimit::Alive(_) | MaskLimit::InVain(_) | MaskLimit::HouseAlive | MaskLimit::Stopped => {
                return Ok(None);
            }
        };
        let wished = self.db.transaction(move |conn| review::nth_newest_wish(conn, whose, most)).await?;
        Ok(wished.map(|wished: DateTime<Utc>| wished + within))
    }

    /// How many masks the user may have alive at once, and how many they have.
    pub async fn masks_alive(&self, user: UserId) -> Result<(u32, u32), DbError> {
        let limits = self.settings.limits.clone();
        let work = move |conn: &mut _| {
            let (most, ..) = quota(conn, user, &limits)?;
            Ok::<_, DbError>((most, masks::count_alive(conn, user)?))
        };
        self.db.transaction(work).await
    }
}

fn midnight(day: Option<NaiveDate>) -> Option<DateTime<Utc>> {
    day.map(|day| day.and_time(NaiveTime::MIN).and_utc())
}

fn first_of_month(day: NaiveDate) -> NaiveDate {
    chrono::Datelike::with_day(&day, 1).unwrap_or(day)
}

/// What the user may have: alive, a day, in 30 days; as an admin said, or else as everybody.
fn quota(conn: &mut Connection, user: UserId, limits: &Limits) -> Result<(u32, u32, u32), DbError> {
    let Quota { alive, day, month } = users::quota(conn, user)?;
    let everybody = limits.masks_per_user;
    Ok((alive.unwrap_or(everybody.0), day.unwrap_or(everybody.1), month.unwrap_or(everybody.2)))
}

/// Whether the user may have one more mask, which is bought in that country from the carrier of that name. Nobody else
/// counts until the end of the transaction.
pub(super) fn room_to_buy(
    conn: &mut Connection,
    user: UserId,
    (carrier, country): (&str, Country),
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Result<(), MaskLimit>, DbError> {
    let money = money_to_buy(conn, user, (carrier, country), limits, now)?;
    if money == Err(MaskLimit::Stopped) {
        return Ok(money);
    }
    let (alive, day, month) = quota(conn, user, limits)?;
    let (all_alive, all_hour) = limits.masks_in_all;
    let counts = masks::count(conn, user, now)?;
    let full = |count: i64, limit: u32| count >= i64::from(limit);
    let reached = [
        (full(counts.user_alive, alive), MaskLimit::Alive(alive)),
        (full(counts.user_day, day), MaskLimit::Day(day)),
        (full(counts.user_month, month), MaskLimit::Month(month)),
        (full(counts.user_in_vain, IN_VAIN), MaskLimit::InVain(IN_VAIN)),
        (full(counts.all_alive, all_alive), MaskLimit::HouseAlive),
        (full(counts.all_hour, all_hour), MaskLimit::HouseHour),
    ];
    Ok(reached.iter().find(|(is_reached, _)| *is_reached).map_or(money, |(_, limit)| Err(*limit)))
}

/// Whether there is money for one more number, and no switch keeps it from being spent. Nobody else counts until the end
/// of the transaction.
pub(super) fn money_to_buy(
    conn: &mut Connection,
    user: UserId,
    (carrier, country): (&str, Country),
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Result<(), MaskLimit>, DbError> {
    let spending = Spending { carrier, countries: &[country], user };
    if stops_purchases(&stops::all(conn)?, spending) {
        return Ok(Err(MaskLimit::Stopped));
    }
    masks::hold_counts(conn)?;
    let (today, this_month) = spend::used(conn, now)?;
    let one = limits.prices.number_a_month;
    Ok(if spent(today, &limits.prices).plus(one) > limits.spend.0 {
        Err(MaskLimit::SpendDay)
    } else if spent(this_month, &limits.prices).plus(one) > limits.spend.1 {
        Err(MaskLimit::SpendMonth)
    } else {
        Ok(())
    })
}

/// Whether the user may have one more mask alive, which is held already.
pub(super) fn room_to_restore(
    conn: &mut Connection,
    user: UserId,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Result<(), MaskLimit>, DbError> {
    let (alive, ..) = quota(conn, user, limits)?;
    let counts = masks::count(conn, user, now)?;
    Ok(if counts.user_alive >= i64::from(alive) {
        Err(MaskLimit::Alive(alive))
    } else if counts.all_alive >= i64::from(limits.masks_in_all.0) {
        Err(MaskLimit::HouseAlive)
    } else {
        Ok(())
    })
}
