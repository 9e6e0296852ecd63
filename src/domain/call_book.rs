//! What was called of late, in memory: what limits count, and the calls that may still be told of.
//!
//! Pure: it is told what happens and when. It must not know where calls are kept for good, nor what anybody's number is:
//! callers are the digests by which they are found among those of one mask.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

use super::call::{Decided, PickedUp, Reason, RecentCalls};
use super::ids::{CallId, MaskId, UserId};

/// The digest by which a caller is found among those of one mask.
pub type CallerDigest = [u8; 32];

/// How many calls are known by name, the newest: two days of a house that is called twice a second.
const KNOWN: usize = 300_000;
/// How long calls are counted.
const DAY: TimeDelta = TimeDelta::hours(24);
/// In what time repeated calls are a loop.
const LOOP: TimeDelta = TimeDelta::seconds(10);

/// A call that was decided.
#[derive(Debug, Clone, Copy)]
pub struct BookedCall {
    /// Its name.
    pub id: CallId,
    /// The mask that was called, and whose it is.
    pub mask: (MaskId, UserId),
    /// Who called, unless hidden.
    pub caller: Option<CallerDigest>,
    /// What was decided.
    pub decided: Decided,
    /// When it came in.
    pub at: DateTime<Utc>,
    /// Whether it is over.
    pub is_over: bool,
}

/// A call that is known by its name.
#[derive(Debug, Clone, Copy)]
pub struct KnownCall {
    /// The mask that was called, and whose it is.
    pub mask: (MaskId, UserId),
    /// What was decided.
    pub decided: Decided,
    /// That it was picked up, if it was.
    pub picked_up: Option<PickedUp>,
    /// Whether it is over.
    pub is_over: bool,
}

/// A call as limits count it. Of the caller's digest a part is enough.
#[derive(Debug, Clone, Copy)]
struct Counted {
    id: CallId,
    caller: Option<u64>,
    decided: Decided,
    at: DateTime<Utc>,
    is_over: bool,
}

impl Counted {
    /// Whether any limit looks at it any more.
    fn counts(&self, now: DateTime<Utc>) -> bool {
        let is_looked_at = matches!(
            self.decided,
            Decided::Connected | Decided::TurnedAway(Reason::CallerOverLimit | Reason::OwnMask)
        );
        self.at > now - if is_looked_at { DAY } else { LOOP }
    }
}

/// The calls to one mask, in the order of their times.
#[derive(Debug, Default)]
struct OfMask {
    calls: VecDeque<Counted>,
    /// How many there may be until those that do not count any more are looked for.
    room: usize,
}

impl OfMask {
    fn add(&mut self, call: Counted, now: DateTime<Utc>) {
        if self.calls.len() >= self.room {
            self.calls.retain(|call| call.counts(now));
            self.room = (self.calls.len() * 2).max(16);
        }
        let later = self.calls.iter().rev().take_while(|known| known.at > call.at).count();
        self.calls.insert(self.calls.len() - later, call);
    }
}

/// Seconds talked in the calendar month (by UTC) in which something was said last.
#[derive(Debug, Default)]
struct Talk {
    month: (i32, u32),
    of_masks: HashMap<MaskId, u32>,
    of_users: HashMap<UserId, u32>,
}

impl Talk {
    fn turn_to(&mut self, now: DateTime<Utc>) {
        let month = (now.year(), now.month());
        if self.month != month {
            *self = Self { month, ..Self::default() };
        }
    }
}

/// The book of one server.
#[derive(Debug, Default)]
pub struct CallBook {
    masks: HashMap<MaskId, OfMask>,
    known: HashMap<CallId, KnownCall>,
    order: VecDeque<CallId>,
    talk: Talk,
}

impl CallBook {
    /// The call of that name, if it is known still.
    pub fn find(&self, id: CallId) -> Option<KnownCall> {
        self.known.get(&id).copied()
    }

    /// How much the mask was called of late, and by the caller whom one of the digests finds. A call of which no end was
    /// told counts as going on no longer than calls may last.
    pub fn recent(
        &mut self,
        (mask, owner): (MaskId, UserId),
        callers: &[CallerDigest],
        now: DateTime<Utc>,
        longest_call: TimeDelta,
    ) -> RecentCalls {
        self.talk.turn_to(now);
        let mut recent = RecentCalls {
            mask_talk: self.talk.of_masks.get(&mask).copied().unwrap_or(0),
            owner_talk: self.talk.of_users.get(&owner).copied().unwrap_or(0),
            ..RecentCalls::default()
        };
        let Some(of_mask) = self.masks.get(&mask) else { return recent };
        for call in of_mask.calls.iter().filter(|call| call.at > now - DAY) {
            let is_theirs = call.caller.is_some_and(|caller| callers.iter().any(|own| part(own) == caller));
            count(&mut recent, call, is_theirs, now, longest_call);
        }
        recent
    }

    /// Writes a call down; `false` if it is known already.
    pub fn add(&mut self, call: &BookedCall, now: DateTime<Utc>) -> bool {
        let known =
            KnownCall { mask: call.mask, decided: call.decided, picked_up: None, is_over: call.is_over };
        if self.known.contains_key(&call.id) {
            return false;
        }
        self.known.insert(call.id, known);
        self.order.push_back(call.id);
        while self.order.len() > KNOWN {
            self.order.pop_front().and_then(|oldest| self.known.remove(&oldest));
        }
        let counted = Counted {
            id: call.id,
            caller: call.caller.as_ref().map(part),
            decided: call.decided,
            at: call.at,
            is_over: call.is_over,
        };
        if counted.counts(now) {
            self.masks.entry(call.mask.0).or_default().add(counted, now);
        }
        true
    }

    /// Notes that the real phone was picked up, the first time that it is said.
    pub fn pick_up(&mut self, id: CallId, picked_up: PickedUp) {
        if let Some(call) = self.known.get_mut(&id)
            && !call.is_over
        {
            call.picked_up.get_or_insert(picked_up);
        }
    }

    /// Notes that a call is over, the first time that it is said, and tells its mask; `None` if that is known, or the call is
    /// not.
    pub fn end(&mut self, id: CallId) -> Option<(MaskId, UserId)> {
        let call = self.known.get_mut(&id).filter(|call| !call.is_over)?;
        call.is_over = true;
        if let Some(of_mask) = self.masks.get_mut(&call.mask.0) {
            of_mask.calls.iter_mut().filter(|call| call.id == id).for_each(|call| call.is_over = true);
        }
        Some(call.mask)
    }

    /// Counts seconds that were talked through the mask.
    pub fn add_talk(&mut self, (mask, owner): (MaskId, UserId), seconds: u32, now: DateTime<Utc>) {
        self.talk.turn_to(now);
        let of_mask = self.talk.of_masks.entry(mask).or_default();
        *of_mask = of_mask.saturating_add(seconds);
        let of_user = self.talk.of_users.entry(owner).or_default();
        *of_user = of_user.saturating_add(seconds);
    }

    /// Forgets masks of which nothing counts any more.
    pub fn sweep(&mut self, now: DateTime<Utc>) {
        self.masks.retain(|_, of_mask| of_mask.calls.iter().any(|call| call.counts(now)));
    }
}

fn count(recent: &mut RecentCalls, call: &Counted, is_theirs: bool, now: DateTime<Utc>, longest: TimeDelta) {
    let within = |time: TimeDelta| call.at > now - time;
    let add = |figure: &mut u32, more: bool| *figure += u32::from(more);
    let is_connected = call.decided == Decided::Connected;
    add(&mut recent.hour, is_connected && within(TimeDelta::hours(1)));
    add(&mut recent.day, is_connected);
    add(&mut recent.live, is_connected && !call.is_over && within(longest));
    add(&mut recent.caller_ten_minutes, is_theirs && is_connected && within(TimeDelta::minutes(10)));
    add(&mut recent.caller_day, is_theirs && is_connected);
    add(&mut recent.caller_ten_seconds, is_theirs && within(LOOP));
    add(
        &mut recent.caller_refused,
        is_theirs && call.decided == Decided::TurnedAway(Reason::CallerOverLimit),
    );
    add(&mut recent.own_mask, call.decided == Decided::TurnedAway(Reason::OwnMask));
}

fn part(digest: &CallerDigest) -> u64 {
    let mut part = [0; 8];
    part.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone as _;
    use uuid::Uuid;

    const MASK: MaskId = MaskId(Uuid::from_u128(1));
    const ADA: UserId = UserId(Uuid::from_u128(2));
    const HOUR: TimeDelta = TimeDelta::hours(1);

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 27, 12, 0, 0).unwrap()
    }

    fn call(id: u128, caller: u8, decided: Decided, at: DateTime<Utc>) -> BookedCall {
        let is_over = decided != Decided::Connected;
        BookedCall {
            id: CallId(Uuid::from_u128(id)),
            mask: (MASK, ADA),
            caller: Some([caller; 32]),
            decided,
            at,
            is_over,
        }
    }

    #[test]
    fn calls_count_for_as_long_as_each_limit_looks_back_and_once_each() {
        let mut book = CallBook::default();
        for (id, caller, decided, ago) in [
            (1, 1, Decided::Connected, TimeDelta::hours(25)),
            (2, 1, Decided::Connected, TimeDelta::hours(23)),
            (3, 2, Decided::Connected, TimeDelta::minutes(59)),
            (4, 1, Decided::Connected, TimeDelta::minutes(9)),
            (4, 1, Decided::Connected, TimeDelta::minutes(9)),
            (5, 1, Decided::Rejected, TimeDelta::seconds(9)),
            (6, 1, Decided::TurnedAway(Reason::CallerOverLimit), TimeDelta::hours(2)),
            (7, 2, Decided::TurnedAway(Reason::OwnMask), TimeDelta::hours(3)),
        ] {
            book.add(&call(id, caller, decided, noon() - ago), noon());
        }
        let recent = book.recent((MASK, ADA), &[[9; 32], [1; 32]], noon(), HOUR);
        assert_eq!((recent.day, recent.hour, recent.live), (3, 2, 2));
        assert_eq!((recent.caller_day, recent.caller_ten_minutes, recent.caller_ten_seconds), (2, 1, 1));
        assert_eq!((recent.caller_refused, recent.own_mask), (1, 1));
        let other = book.recent((MaskId(Uuid::from_u128(3)), ADA), &[[1; 32]], noon(), HOUR);
        assert_eq!((other.day, other.caller_day), (0, 0));
    }

    #[test]
    fn a_call_ends_once_and_is_found_by_its_name() {
        let mut book = CallBook::default();
        let booked = call(1, 1, Decided::Connected, noon());
        assert!(book.add(&booked, noon()) && !book.add(&booked, noon()));
        let first = PickedUp { session_seconds: Some(4) };
        book.pick_up(booked.id, first);
        book.pick_up(booked.id, PickedUp { session_seconds: Some(9) });
        assert_eq!(book.find(booked.id).unwrap().picked_up, Some(first));
        assert_eq!((book.end(booked.id), book.end(booked.id)), (Some((MASK, ADA)), None));
        assert!(book.find(booked.id).unwrap().is_over);
        assert_eq!(book.recent((MASK, ADA), &[], noon(), HOUR).live, 0);
    }

    #[test]
    fn talk_is_counted_by_the_month() {
        let mut book = CallBook::default();
        book.add_talk((MASK, ADA), 60, noon());
        book.add_talk((MaskId(Uuid::from_u128(3)), ADA), 30, noon());
        let recent = book.recent((MASK, ADA), &[], noon(), HOUR);
        assert_eq!((recent.mask_talk, recent.owner_talk), (60, 90));
        let december = noon() + TimeDelta::days(5);
        assert_eq!(book.recent((MASK, ADA), &[], december, HOUR).owner_talk, 0);
    }

    #[test]
    fn what_counts_no_more_takes_no_room() {
        let mut book = CallBook::default();
        for id in 0..10_000 {
            let at = noon() + TimeDelta::seconds(i64::try_from(id).unwrap());
            book.add(&call(id, 1, Decided::Rejected, at), at);
        }
        assert!(book.masks[&MASK].calls.len() < 64, "{}", book.masks[&MASK].calls.len());
        book.sweep(noon() + TimeDelta::days(1));
        assert!(book.masks.is_empty());
    }
}
