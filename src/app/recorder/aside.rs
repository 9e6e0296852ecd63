//! Records about calls that are not there yet: another server may still have those on its disk.
//!
//! The carrier can tell of calls that nobody knows without end, so that their number is bounded, and each waits a
//! day at most, counted anew after a restart.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::db::records::Record;
use crate::domain::ids::CallId;

/// How long a record waits for the call that it is about.
const PATIENCE: Duration = Duration::from_hours(24);
/// How many wait at once, the newest.
const MOST: usize = 20_000;

/// The records that wait, each since when.
#[derive(Default)]
pub(super) struct Aside(VecDeque<(Record, Instant)>);

impl Aside {
    /// Keeps those whose calls are missing; tells how many had to be given up, as they have waited for long enough or are
    /// too many.
    pub(super) fn keep(
        &mut self,
        records: impl Iterator<Item = (Record, Instant)>,
        missing: &[CallId],
    ) -> usize {
        if missing.is_empty() {
            return 0;
        }
        let missing: HashSet<CallId> = missing.iter().copied().collect();
        let is_missing = |record: &Record| record.call().is_some_and(|call| missing.contains(&call));
        let about_missing = records.filter(|(record, _)| is_missing(record));
        let (kept, over): (Vec<_>, Vec<_>) = about_missing.partition(|(_, since)| since.elapsed() < PATIENCE);
        self.0.extend(kept);
        let too_many = self.0.len().saturating_sub(MOST);
        self.0.drain(..too_many);
        if too_many > 0 {
            tracing::error!(too_many, "the carrier tells of calls that nobody knows");
        }
        over.len() + too_many
    }

    /// Takes some of them, those that have not been tried for longest.
    pub(super) fn take(&mut self, most: usize) -> Vec<(Record, Instant)> {
        self.0.drain(..self.0.len().min(most)).collect()
    }

    /// Takes them all back that were tried in vain.
    pub(super) fn put_back(&mut self, records: Vec<(Record, Instant)>) {
        self.0.extend(records);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::call::Ending;
    use chrono::DateTime;
    use uuid::Uuid;

    #[test]
    fn results_of_calls_that_nobody_knows_wait_in_a_bounded_number() {
        let calls: Vec<CallId> = (0..MOST as u128 + 5).map(|id| CallId(Uuid::from_u128(id))).collect();
        let ended = |call: &CallId| {
            let at = DateTime::UNIX_EPOCH;
            (Record::Ended { call: *call, ending: Ending::NoAnswer, at }, Instant::now())
        };
        let mut aside = Aside::default();
        assert_eq!(aside.keep(calls.iter().map(ended), &[]), 0);
        assert!(aside.is_empty(), "all of them are there");
        assert_eq!(aside.keep(calls.iter().map(ended), &calls), 5);
        let oldest = aside.take(1);
        assert_eq!(oldest[0].0.call(), Some(calls[5]), "the newest are kept");
        aside.put_back(oldest);
        assert_eq!(aside.take(usize::MAX).len(), MOST);
    }
}
