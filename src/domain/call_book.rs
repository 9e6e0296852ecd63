//! What was called of late, in memory: what limits count, and the calls that may still be told of.
//!
//! Pure: it is told what happens and when. It must not know where calls are kept for good, nor what anybody's number is:
//! callers are the digests by which they are found among those of one mask.

use std::collections::VecDeque;

use chrono::{DateTime, Datelike as _, DurationRound as _, TimeDelta, Utc};
use foldhash::HashMap;

use super::call::{Decided, LOOP_PAUSE, PickedUp, Reason, RecentCalls};
use super::ids::{CallId, MaskId, UserId};

/// The digest by which a caller is found among those of one mask.
pub type CallerDigest = [u8; 32];

/// How many calls that rang are known by name, the newest: two days of a house that is called twice a second.
const KNOWN: usize = 300_000;
/// How many refused calls are, which anybody can make without end.
const KNOWN_REFUSED: usize = 50_000;
/// How many refused calls to one mask are looked at, the newest.
const REFUSED_OF_MASK: usize = 1_000;
/// How many refused calls to one mask are listed in an hour; more are only counted.
pub const LISTED_AN_HOUR: u32 = 30;
/// How many callers of one mask are known whom its owner let in again, the newest.
const ADMITTED: usize = 100;
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
        let looked_at = match self.decided {
            Decided::Connected | Decided::RangOut(_) | Decided::TurnedAway(Reason::CallerOverLimit) => DAY,
            Decided::TurnedAway(Reason::Loop) => LOOP_PAUSE,
            Decided::TurnedAway(_) | Decided::Rejected => LOOP,
        };
        self.at > now - looked_at
    }
}

/// The calls to one mask, each list in the order of their times.
#[derive(Debug, Default)]
struct OfMask {
    rang: VecDeque<Counted>,
    refused: VecDeque<Counted>,
    /// How many may have rung until those that do not count any more are looked for.
    room: usize,
    /// The callers whom the owner let in again, and when: what they did before counts no more.
    admitted: VecDeque<(u64, DateTime<Utc>)>,
}

impl OfMask {
    fn add(&mut self, call: Counted, now: DateTime<Utc>) {
        if call.decided.is_refused() {
            while self.refused.front().is_some_and(|oldest| !oldest.counts(now))
                || self.refused.len() >= REFUSED_OF_MASK
            {
                self.refused.pop_front();
            }
            return insert(&mut self.refused, call);
        }
        if self.rang.len() >= self.room {
            self.rang.retain(|call| call.counts(now));
            self.room = (self.rang.len() * 2).max(16);
        }
        insert(&mut self.rang, call);
    }

    fn admit(&mut self, caller: u64, at: DateTime<Utc>) {
        let before = self.admitted.iter().position(|(known, _)| *known == caller);
        let known = before.and_then(|place| self.admitted.remove(place));
        if self.admitted.len() >= ADMITTED {
            self.admitted.pop_front();
        }
        self.admitted.push_back((caller, known.map_or(at, |(_, known)| known.max(at))));
    }

    /// Whether anything that is known of the mask matters still.
    fn counts(&self, now: DateTime<Utc>) -> bool {
        let mut calls = self.rang.iter().chain(&self.refused);
        calls.any(|call| call.counts(now)) || self.admitted.iter().any(|(_, at)| *at > now - DAY)
    }

    fn count(
        &self,
        recent: &mut RecentCalls,
        callers: &[CallerDigest],
        now: DateTime<Utc>,
        longest: TimeDelta,
    ) {
        let is_one = |caller: u64| callers.iter().any(|own| part(own) == caller);
        let admitted = self.admitted.iter().filter(|(caller, _)| is_one(*caller)).map(|(_, at)| *at).max();
        let is_theirs = |call: &Counted| {
            call.caller.is_some_and(is_one) && admitted.is_none_or(|admitted| call.at > admitted)
        };
        let mut last_rang = None;
        for call in self.rang.iter().filter(|call| call.at > now - DAY) {
            let is_theirs = is_theirs(call);
            count(recent, call, is_theirs, now, longest);
            last_rang = if is_theirs { Some(call.at) } else { last_rang };
        }
        for call in self.refused.iter().filter(|call| call.counts(now) && is_theirs(call)) {
            recent.caller_ten_seconds += u32::from(call.at > now - LOOP);
            recent.caller_looped |= call.decided == Decided::TurnedAway(Reason::Loop);
            recent.caller_told |= call.decided == Decided::TurnedAway(Reason::CallerOverLimit)
                && last_rang.is_none_or(|rang| call.at >= rang);
        }
    }
}

fn insert(calls: &mut VecDeque<Counted>, call: Counted) {
    let later = calls.iter().rev().take_while(|known| known.at > call.at).count();
    calls.insert(calls.len() - later, call);
}

fn count(recent: &mut RecentCalls, call: &Counted, is_theirs: bool, now: DateTime<Utc>, longest: TimeDelta) {
    let within = |time: TimeDelta| call.at > now - time;
    let add = |figure: &mut u32, more: bool| *figure += u32::from(more);
    add(&mut recent.hour, within(TimeDelta::hours(1)));
    add(&mut recent.day, true);
    add(&mut recent.live, !call.is_over && within(longest));
    add(&mut recent.caller_ten_minutes, is_theirs && within(TimeDelta::minutes(10)));
    add(&mut recent.caller_day, is_theirs);
    add(&mut recent.caller_ten_seconds, is_theirs && within(LOOP));
}

/// The newest calls by their names.
#[derive(Debug, Default)]
struct Newest {
    calls: HashMap<CallId, KnownCall>,
    order: VecDeque<CallId>,
}

impl Newest {
    fn add(&mut self, id: CallId, call: KnownCall, most: usize) {
        self.calls.insert(id, call);
        self.order.push_back(id);
        while self.order.len() > most {
            self.order.pop_front().and_then(|oldest| self.calls.remove(&oldest));
        }
    }
}

/// How many refused calls a mask had in an hour: listed, and only counted.
#[derive(Debug, Default, Clone, Copy)]
struct RefusedInHour {
    hour: DateTime<Utc>,
    listed: u32,
    /// Of callers who were refused for the first time, which are listed beside the others.
    first: u32,
    counted: u32,
}

impl RefusedInHour {
    /// Begins the hour of that time, if it is a later one; tells whether the time is of the hour that is counted.
    fn turn_to(&mut self, at: DateTime<Utc>) -> bool {
        let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
        if hour > self.hour {
            *self = Self { hour, ..Self::default() };
        }
        hour == self.hour
    }
}

/// What becomes of the record of a refused call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It is listed like all others.
    Yes,
    /// It is only counted: it is one of so many to its mask in the hour that began then.
    Counted {
        /// When the hour began.
        hour: DateTime<Utc>,
        /// How many were only counted in it until now.
        calls: u32,
    },
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
    rang: Newest,
    refused: Newest,
    refused_in_hour: HashMap<MaskId, RefusedInHour>,
    /// When the owner of a mask may be sent a notice again.
    notices: HashMap<MaskId, DateTime<Utc>>,
    talk: Talk,
}

impl CallBook {
    /// The call of that name, if it is known still.
    pub fn find(&self, id: CallId) -> Option<KnownCall> {
        self.rang.calls.get(&id).or_else(|| self.refused.calls.get(&id)).copied()
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
        if let Some(of_mask) = self.masks.get(&mask) {
            of_mask.count(&mut recent, callers, now, longest_call);
        }
        recent
    }

    /// Writes a call down; `false` if it is known already.
    pub fn add(&mut self, call: &BookedCall, now: DateTime<Utc>) -> bool {
        let known =
            KnownCall { mask: call.mask, decided: call.decided, picked_up: None, is_over: call.is_over };
        if self.find(call.id).is_some() {
            return false;
        }
        if call.decided.is_refused() {
            self.refused.add(call.id, known, KNOWN_REFUSED);
        } else {
            self.rang.add(call.id, known, KNOWN);
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

    /// Whether one more refused call to the mask is listed, or only counted. The call by which a caller is barred has a
    /// place of its own beside the others, so that forged calls do not hide from the owner whom to let in again.
    pub fn list_refused(&mut self, mask: MaskId, decided: Decided, at: DateTime<Utc>) -> Listed {
        let of_mask = self.refused_in_hour.entry(mask).or_default();
        of_mask.turn_to(at);
        let is_first = matches!(decided, Decided::TurnedAway(Reason::CallerOverLimit | Reason::Loop));
        let places = if is_first { &mut of_mask.first } else { &mut of_mask.listed };
        if *places < LISTED_AN_HOUR {
            *places += 1;
            return Listed::Yes;
        }
        of_mask.counted = of_mask.counted.saturating_add(1);
        Listed::Counted { hour: of_mask.hour, calls: of_mask.counted }
    }

    /// Another server has listed a refused call to the mask.
    pub fn note_listed(&mut self, mask: MaskId, at: DateTime<Utc>) {
        let of_mask = self.refused_in_hour.entry(mask).or_default();
        let is_of_hour = of_mask.turn_to(at);
        of_mask.listed = of_mask.listed.saturating_add(u32::from(is_of_hour));
    }

    /// The owner of the mask lets a caller in again: what they did until then counts no more.
    pub fn admit(&mut self, mask: MaskId, caller: &CallerDigest, at: DateTime<Utc>) {
        self.masks.entry(mask).or_default().admit(part(caller), at);
    }

    /// Whether the owner of the mask may be due a notice; once said, it is not again before `next`.
    pub fn take_notice(&mut self, mask: MaskId, now: DateTime<Utc>, next: DateTime<Utc>) -> bool {
        let is_due = self.notices.get(&mask).is_none_or(|at| *at <= now);
        if is_due {
            self.notices.insert(mask, next);
        }
        is_due
    }

    /// The owner of the mask is due no notice before `next`.
    pub fn put_off_notice(&mut self, mask: MaskId, next: DateTime<Utc>) {
        self.notices.insert(mask, next);
    }

    /// Notes that the real phone was picked up, the first time that it is said.
    pub fn pick_up(&mut self, id: CallId, picked_up: PickedUp) {
        if let Some(call) = self.rang.calls.get_mut(&id)
            && !call.is_over
        {
            call.picked_up.get_or_insert(picked_up);
        }
    }

    /// Notes that a call is over, the first time that it is said, and tells its mask; `None` if that is known, or the call is
    /// not.
    pub fn end(&mut self, id: CallId) -> Option<(MaskId, UserId)> {
        let call = self.rang.calls.get_mut(&id).filter(|call| !call.is_over)?;
        call.is_over = true;
        if let Some(of_mask) = self.masks.get_mut(&call.mask.0) {
            of_mask.rang.iter_mut().filter(|call| call.id == id).for_each(|call| call.is_over = true);
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

    /// Forgets what counts no more.
    pub fn sweep(&mut self, now: DateTime<Utc>) {
        self.masks.retain(|_, of_mask| of_mask.counts(now));
        self.refused_in_hour.retain(|_, refused| refused.hour > now - TimeDelta::hours(1));
        self.notices.retain(|_, next| *next > now);
    }
}

fn part(digest: &CallerDigest) -> u64 {
    let mut part = [0; 8];
    part.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(part)
}

#[cfg(test)]
mod tests {
    use super::super::call::Unbelievable;
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
        let is_over = decided.is_refused();
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
        let often = Decided::TurnedAway(Reason::CallerOverLimit);
        for (id, caller, decided, ago) in [
            (1, 1, Decided::Connected, TimeDelta::hours(25)),
            (2, 1, Decided::Connected, TimeDelta::hours(23)),
            (3, 2, Decided::Connected, TimeDelta::minutes(59)),
            (4, 1, Decided::RangOut(Unbelievable::OwnersNumber), TimeDelta::minutes(9)),
            (4, 1, Decided::Connected, TimeDelta::minutes(9)),
            (5, 1, Decided::Rejected, TimeDelta::seconds(9)),
            (6, 1, often, TimeDelta::hours(2)),
            (7, 2, often, TimeDelta::minutes(50)),
        ] {
            book.add(&call(id, caller, decided, noon() - ago), noon());
        }
        let recent = book.recent((MASK, ADA), &[[9; 32], [1; 32]], noon(), HOUR);
        assert_eq!((recent.day, recent.hour, recent.live), (3, 2, 2));
        assert_eq!((recent.caller_day, recent.caller_ten_minutes, recent.caller_ten_seconds), (2, 1, 1));
        assert!(!recent.caller_told, "a call has rung since");
        assert!(book.recent((MASK, ADA), &[[2; 32]], noon(), HOUR).caller_told);
        let other = book.recent((MaskId(Uuid::from_u128(3)), ADA), &[[1; 32]], noon(), HOUR);
        assert_eq!((other.day, other.caller_day), (0, 0));
    }

    #[test]
    fn a_loop_is_over_after_ten_minutes_or_when_the_owner_lets_the_caller_in() {
        let mut book = CallBook::default();
        for (id, decided) in [
            (1, Decided::Connected),
            (2, Decided::Connected),
            (3, Decided::TurnedAway(Reason::Loop)),
            (4, Decided::Rejected),
        ] {
            book.add(&call(id, 1, decided, noon()), noon());
        }
        let mut of =
            |caller: u8, after: TimeDelta| book.recent((MASK, ADA), &[[caller; 32]], noon() + after, HOUR);
        assert!(of(1, LOOP_PAUSE - TimeDelta::seconds(1)).caller_looped);
        assert!(!of(1, LOOP_PAUSE).caller_looped && !of(2, TimeDelta::zero()).caller_looped);
        assert_eq!(of(1, TimeDelta::seconds(9)).caller_ten_seconds, 4);
        book.admit(MASK, &[1; 32], noon());
        let recent = book.recent((MASK, ADA), &[[1; 32]], noon(), HOUR);
        assert_eq!((recent.caller_looped, recent.caller_ten_seconds, recent.caller_day), (false, 0, 0));
        assert_eq!(recent.day, 2, "they were calls to the mask all the same");
    }

    #[test]
    fn past_so_many_refused_calls_an_hour_they_are_counted() {
        const REJECTED: Decided = Decided::Rejected;
        let mut book = CallBook::default();
        book.note_listed(MASK, noon());
        book.note_listed(MASK, noon() - HOUR);
        for _ in 1..LISTED_AN_HOUR {
            assert_eq!(book.list_refused(MASK, REJECTED, noon()), Listed::Yes);
        }
        for calls in 1..4 {
            let at = noon() + TimeDelta::minutes(20);
            assert_eq!(book.list_refused(MASK, REJECTED, at), Listed::Counted { hour: noon(), calls });
        }
        assert_eq!(book.list_refused(MaskId(Uuid::from_u128(3)), REJECTED, noon()), Listed::Yes);
        // Whoever is refused for the first time is listed beside them, up to as many.
        let barred = Decided::TurnedAway(Reason::Loop);
        for _ in 0..LISTED_AN_HOUR {
            assert_eq!(book.list_refused(MASK, barred, noon()), Listed::Yes);
        }
        assert_eq!(book.list_refused(MASK, barred, noon()), Listed::Counted { hour: noon(), calls: 4 });
        assert_eq!(book.list_refused(MASK, REJECTED, noon() + HOUR), Listed::Yes);
    }

    #[test]
    fn a_notice_is_due_once_until_its_next_time() {
        let mut book = CallBook::default();
        let (soon, later) = (noon() + TimeDelta::minutes(1), noon() + DAY);
        assert!(book.take_notice(MASK, noon(), soon) && !book.take_notice(MASK, noon(), soon));
        assert!(book.take_notice(MASK, soon, soon + HOUR));
        book.put_off_notice(MASK, later);
        assert!(!book.take_notice(MASK, soon + HOUR, later) && book.take_notice(MASK, later, later + DAY));
    }

    #[test]
    fn refused_calls_push_no_other_out_of_the_book() {
        let mut book = CallBook::default();
        let live = call(1, 1, Decided::Connected, noon());
        book.add(&live, noon());
        for id in 2..400_000 {
            book.add(&call(id, 2, Decided::TurnedAway(Reason::OverLimit), noon()), noon());
        }
        assert_eq!(book.masks[&MASK].refused.len(), REFUSED_OF_MASK);
        assert_eq!(book.end(live.id), Some((MASK, ADA)));
        assert_eq!(book.recent((MASK, ADA), &[], noon(), HOUR).live, 0);
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
        assert!(book.masks[&MASK].refused.len() < 64, "{}", book.masks[&MASK].refused.len());
        book.sweep(noon() + TimeDelta::days(1));
        assert!(book.masks.is_empty());
    }
}
