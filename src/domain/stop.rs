//! Switches that stop spending: for all, a carrier, a country, a user or a mask.
//!
//! A stop leaves calls going on unless it says otherwise; where it does, callers are answered with a sentence.

use super::ids::{MaskId, UserId};
use super::phone::Country;

/// What is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// What one carrier is asked for, by its name.
    Carrier(String),
    /// Masks and numbers of a country.
    Country(Country),
    /// What one user does.
    User(UserId),
    /// Calls to one mask.
    Mask(MaskId),
}

impl Scope {
    /// As it is stored: a word for its kind, and what it is about, empty where that is everything.
    pub fn written(&self) -> (&'static str, String) {
        match self {
            Self::All => ("all", String::new()),
            Self::Carrier(name) => ("carrier", name.clone()),
            Self::Country(country) => ("country", country.code().to_owned()),
            Self::User(user) => ("user", user.to_string()),
            Self::Mask(mask) => ("mask", mask.to_string()),
        }
    }

    /// Reads what [`Scope::written`] says; `None` for anything else.
    pub fn read(kind: &str, subject: &str) -> Option<Self> {
        Some(match kind {
            "all" => Self::All,
            "carrier" => Self::Carrier(subject.to_owned()),
            "country" => Self::Country(subject.parse().ok()?),
            "user" => Self::User(UserId(subject.parse().ok()?)),
            "mask" => Self::Mask(MaskId(subject.parse().ok()?)),
            _ => return None,
        })
    }
}

/// A switch that is thrown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What it stops.
    pub scope: Scope,
    /// Whether calls are turned away as well.
    pub calls_too: bool,
}

/// What somebody is about to spend on.
#[derive(Debug, Clone, Copy)]
pub struct Spending<'a> {
    /// The carrier that bills it.
    pub carrier: &'a str,
    /// The countries it is about.
    pub countries: &'a [Country],
    /// Whose it is.
    pub user: UserId,
}

fn is_about(scope: &Scope, spending: Spending) -> bool {
    match scope {
        Scope::All => true,
        Scope::Carrier(name) => name == spending.carrier,
        Scope::Country(country) => spending.countries.contains(country),
        Scope::User(user) => *user == spending.user,
        Scope::Mask(_) => false,
    }
}

/// Whether no number may be bought and no code be sent.
pub fn stops_purchases(stops: &[Stop], spending: Spending) -> bool {
    stops.iter().any(|stop| is_about(&stop.scope, spending))
}

/// Whether calls to the mask may not be connected.
pub fn stops_calls(stops: &[Stop], mask: MaskId, spending: Spending) -> bool {
    stops
        .iter()
        .any(|stop| stop.calls_too && (stop.scope == Scope::Mask(mask) || is_about(&stop.scope, spending)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn each_switch_stops_what_it_is_about_and_nothing_else() {
        let (ada, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let (mask, other) = (MaskId(Uuid::from_u128(3)), MaskId(Uuid::from_u128(4)));
        let us = [Country::US];
        let of_ada = Spending { carrier: "tropo", countries: &us, user: ada };
        let canada: Country = "CA".parse().unwrap();
        for (scope, purchases, calls) in [
            (Scope::All, true, true),
            (Scope::Carrier("tropo".into()), true, true),
            (Scope::Carrier("another".into()), false, false),
            (Scope::Country(Country::US), true, true),
            (Scope::Country(canada), false, false),
            (Scope::User(ada), true, true),
            (Scope::User(bob), false, false),
            (Scope::Mask(mask), false, true),
            (Scope::Mask(other), false, false),
        ] {
            let (kind, subject) = scope.written();
            assert_eq!(Scope::read(kind, &subject), Some(scope.clone()));
            let with_calls = [Stop { scope: scope.clone(), calls_too: true }];
            assert_eq!(stops_purchases(&with_calls, of_ada), purchases, "{scope:?}");
            assert_eq!(stops_calls(&with_calls, mask, of_ada), calls, "{scope:?}");
            let without = [Stop { scope, calls_too: false }];
            assert_eq!(stops_purchases(&without, of_ada), purchases);
            assert!(!stops_calls(&without, mask, of_ada));
        }
        assert_eq!((Scope::read("galaxy", ""), Scope::read("mask", "x")), (None, None));
        assert!(!stops_purchases(&[], of_ada) && !stops_calls(&[], mask, of_ada));
    }
}
