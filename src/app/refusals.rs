//! Rules that were broken a moment ago, so that a flood of requests that are all refused costs the database nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::db::rates::{Bucket, Rule};

/// How long a refusal is remembered. No longer, as what is counted may be given back at any time.
const REMEMBERED: TimeDelta = TimeDelta::seconds(2);
/// How many are remembered; past that the database is asked.
const MOST: usize = 10_000;

/// Refusals of this server.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<Bucket, Refusal>>);

struct Refusal {
    at: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Refusal {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.at < REMEMBERED && now < self.until
    }
}

impl Refusals {
    /// Until when one of the rules is broken, if that was found out a moment ago.
    pub(super) fn until(&self, rules: &[Rule], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = rules.iter().filter_map(|rule| refusals.get(&rule.bucket));
        refused.filter(|refusal| refusal.is_fresh(now)).map(|refusal| refusal.until).max()
    }

    /// Remembers that a rule is broken until then.
    pub(super) fn remember(&self, rule: &Rule, until: DateTime<Utc>, now: DateTime<Utc>) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= MOST {
            refusals.retain(|_, refusal| refusal.is_fresh(now));
        }
        if refusals.len() < MOST {
            refusals.insert(rule.bucket, Refusal { at: now, until });
        }
    }
}
