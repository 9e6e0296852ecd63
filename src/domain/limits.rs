//! The limits of what users, strangers and the whole house may do, with their defaults.
//!
//! Why each stands where it stands is told in the README; here are only the figures.

use chrono::TimeDelta;

use super::money::Money;

/// So many within so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many are let through.
    pub count: u32,
    /// In what time.
    pub within: TimeDelta,
}

impl Rate {
    /// So many in so many minutes.
    pub const fn per_minutes(count: u32, minutes: i64) -> Self {
        Self { count, within: TimeDelta::minutes(minutes) }
    }

    /// So many in an hour.
    pub const fn per_hour(count: u32) -> Self {
        Self::per_minutes(count, 60)
    }

    /// So many in a day.
    pub const fn per_day(count: u32) -> Self {
        Self::per_minutes(count, 24 * 60)
    }
}

/// All limits; each is a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long a mailed link opens.
    pub link_life: TimeDelta,
    /// How long a code can be typed.
    pub code_life: TimeDelta,
    /// Wrong codes until the code is dead.
    pub code_tries: u32,
    /// Waits between the codes that one user has sent to one number.
    pub code_waits: Vec<TimeDelta>,
    /// Codes of one user to one number in a day.
    pub codes_per_user_and_number: u32,
    /// Codes to one number in a day, whoever asks.
    pub codes_per_number: u32,
    /// Codes of one user: an hour, a day.
    pub codes_per_user: (u32, u32),
    /// Codes asked for from one network address: an hour, a day.
    pub codes_per_address: (u32, u32),
    /// Codes to one area an hour.
    pub codes_per_area: u32,
    /// Codes in all an hour.
    pub codes_in_all: u32,
    /// Proved numbers of one user.
    pub numbers_per_user: u32,
    /// Masks of one user: alive, requested a day, requested in 30 days.
    pub masks_per_user: (u32, u32, u32),
    /// Masks in all: alive, bought an hour.
    pub masks_in_all: (u32, u32),
    /// Calls to one mask: an hour, a day, at once.
    pub calls_per_mask: (u32, u32, u32),
    /// Calls of one caller to one mask: in ten minutes, a day.
    pub calls_per_caller: (u32, u32),
    /// Calls of one caller to one mask in ten seconds, past which it is a loop.
    pub calls_in_a_loop: u32,
    /// How long the real phone rings.
    pub ringing: TimeDelta,
    /// How long a call may last.
    pub talking: TimeDelta,
    /// Failed sign-ins of one account in 15 minutes, then one a minute.
    pub failures_per_account: u32,
    /// Sign-ins to one account in 15 minutes: those with the right password, and all tries on devices that are known.
    pub sign_ins_per_account: u32,
    /// Failed sign-ins from one network address in 10 minutes.
    pub failures_per_address: u32,
    /// New passwords of one user, or by one mailed link, in an hour.
    pub password_tries: u32,
    /// Letters with links to one mailbox: an hour, a day.
    pub letters_per_mailbox: (u32, u32),
    /// Letters with links in all an hour.
    pub letters_in_all: u32,
    /// Sign-ups from one network address an hour.
    pub sign_ups_per_address: u32,
    /// Forgotten passwords from one network address an hour.
    pub resets_per_address: u32,
    /// How long a request may take to come in, from its first byte to its last.
    pub request_time: TimeDelta,
    /// How many bytes a second a request has to come in with, after its first second.
    pub request_bytes_a_second: u32,
    /// Minutes of talk in a calendar month (by UTC): to one mask, to all masks of one user.
    pub minutes_a_month: (u32, u32),
    /// How long a mask rests after its revoke.
    pub rest: TimeDelta,
    /// What the carrier bills.
    pub prices: Prices,
    /// For how much codes are sent in a day (by UTC).
    pub codes_spend_a_day: Money,
    /// For how much is spent, all together: a day, a calendar month (by UTC). At it nothing is bought any more, and calls
    /// go on.
    pub spend: (Money, Money),
}

/// What the carrier bills, as the deployment's contract says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// A rented number, each month.
    pub number_a_month: Money,
    /// A minute of a call that was put through.
    pub minute: Money,
    /// A code that is sent.
    pub code: Money,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            link_life: TimeDelta::minutes(30),
            code_life: TimeDelta::minutes(10),
            code_tries: 5,
            code_waits: [1, 2, 5, 15].map(TimeDelta::minutes).to_vec(),
            codes_per_user_and_number: 5,
            codes_per_number: 10,
            codes_per_user: (5, 10),
            codes_per_address: (10, 50),
            codes_per_area: 20,
            codes_in_all: 200,
            numbers_per_user: 3,
            masks_per_user: (10, 5, 20),
            masks_in_all: (500, 20),
            calls_per_mask: (30, 100, 2),
            calls_per_caller: (5, 15),
            calls_in_a_loop: 3,
            ringing: TimeDelta::seconds(25),
            talking: TimeDelta::minutes(60),
            failures_per_account: 10,
            sign_ins_per_account: 30,
            failures_per_address: 30,
            password_tries: 10,
            letters_per_mailbox: (5, 10),
            letters_in_all: 200,
            sign_ups_per_address: 5,
            resets_per_address: 10,
            request_time: TimeDelta::seconds(10),
            request_bytes_a_second: 500,
            minutes_a_month: (300, 600),
            rest: TimeDelta::days(45),
            prices: Prices {
                number_a_month: Money::cents(100),
                minute: Money::cents(3),
                code: Money::cents(5),
            },
            codes_spend_a_day: Money::cents(1_000),
            spend: (Money::cents(5_000), Money::cents(100_000)),
        }
    }
}
