//! Amounts of money, exact to a hundredth of a cent; which currency they are in is a setting.

use std::fmt;
use std::str::FromStr;

/// How many of the smallest amount make one unit of the currency.
const UNIT: i64 = 10_000;

/// An amount, in ten-thousandths of the currency's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(i64);

impl Money {
    /// So many hundredths of the currency's unit.
    pub const fn cents(cents: i64) -> Self {
        Self(cents * (UNIT / 100))
    }

    /// Nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The price of so many.
    #[must_use]
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// How many can be had for it at that price; `None` where it is nothing.
    pub fn buys(self, price: Self) -> Option<u32> {
        Some(u32::try_from(self.0.checked_div(price.0)?).unwrap_or(u32::MAX))
    }

    /// The price of so many seconds, where this is the price of a minute; a part of the smallest amount counts whole.
    #[must_use]
    pub const fn for_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_mul(seconds).saturating_add(59) / 60)
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// So many of the currency's unit, as monitors read it.
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at, not to reckon with")]
    pub const fn in_units(self) -> f64 {
        self.0 as f64 / UNIT as f64
    }

    /// The next amount of whole hundredths, as people read sums.
    #[must_use]
    pub const fn in_cents(self) -> Self {
        let cent = UNIT / 100;
        Self((self.0.saturating_add(cent - 1)) / cent * cent)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / UNIT, self.0 % UNIT);
        // Two digits as people write them, more only where they say something.
        let digits = format!("{part:04}");
        let shown = if digits.ends_with("00") { &digits[..2] } else { &digits };
        write!(out, "{whole}.{shown}")
    }
}

/// Not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount such as 0.03 is expected, with at most four digits behind the point")]
pub struct NotAnAmount;

impl FromStr for Money {
    type Err = NotAnAmount;

    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 9 || part.len() > 4 || !digits(whole) || !digits(part) {
            return Err(NotAnAmount);
        }
        let number = |text: &str| text.parse::<i64>().map_err(|_| NotAnAmount);
        Ok(Self(number(whole)? * UNIT + number(&format!("{part:0<4}"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_as_people_write_them() {
        for (text, shown) in
            [("0", "0.00"), ("1", "1.00"), ("0.03", "0.03"), ("12.5", "12.50"), ("0.0075", "0.0075")]
        {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), shown);
        }
        for wrong in ["", ".5", "-1", "1,50", "1.23456", "1e3", " 1", "9999999999"] {
            assert_eq!(wrong.parse::<Money>(), Err(NotAnAmount), "{wrong}");
        }
    }

    #[test]
    fn what_is_counted_is_never_cheaper_than_it_was() {
        let minute = Money::cents(3);
        assert_eq!(minute.for_seconds(60), minute);
        assert_eq!(minute.for_seconds(1).to_string(), "0.0005");
        assert_eq!(minute.for_seconds(0), Money::default());
        assert_eq!(minute.for_seconds(1).in_cents(), Money::cents(1));
        assert_eq!(minute.in_cents(), minute);
        assert_eq!((Money::cents(10).buys(minute), minute.buys(Money::default())), (Some(3), None));
        assert_eq!(minute.times(10).plus(Money::cents(70)), Money::cents(100));
    }
}
