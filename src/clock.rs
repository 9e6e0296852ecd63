//! The time of day, as a value that is handed around.
//!
//! The only place that asks the system; tests hold a clock that they move by hand.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// What time it is, in UTC.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's.
    System,
    /// One that stands still until it is moved.
    ByHand(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn by_hand(now: DateTime<Utc>) -> Self {
        Self::ByHand(Arc::new(Mutex::new(now)))
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
            Self::System => Utc::now(),
            Self::ByHand(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a clock that is moved by hand; the system's stays as it is.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::ByHand(time) = self {
            *time.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
