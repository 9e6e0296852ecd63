//! Calls to masks: what becomes of them, and how their stories go on.
//!
//! A call is decided by what is in memory: where the mask leads (the directory) and what was called of late (the book).
//! Neither the disk nor the database is asked on the way; what happens is told to the recorder, which writes it down
//! behind.

use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use uuid::Builder;

use super::directory::{Entry, Map};
use super::letters::queue_notice;
use super::recorder::{EVENT_PREFIX, Told};
use super::{App, texts};
use crate::db::{DbError, calls, masks, rates, users};
use crate::domain::call::{
    CalledMask, Caller, Decided, Decision, Ending, Instruction, PickedUp, Reason, decide, decide_again,
    is_worth_a_notice,
};
use crate::domain::call_book::{BookedCall, CallBook, Listed};
use crate::domain::ids::{CallId, MaskId};
use crate::domain::limits::Rate;
use crate::domain::mask::{Mask, Standing};
use crate::domain::phone::{Country, PhoneNumber};
use crate::domain::stop::{Spending, stops_calls};
use crate::metrics::CallOutcome;
use crate::seal::Place;
use crate::secrets;

/// How often a lock is tried on the spot: whoever holds one does so for less time than this takes.
const TRIES: u32 = 200;
/// How long it is left alone then.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a notice to an owner is not tried again that could not be written down.
const NOTICE_TRY: TimeDelta = TimeDelta::minutes(1);

/// A call as the carrier tells of it.
#[derive(Debug, Clone)]
pub struct IncomingCall {
    /// The carrier's name of it, which stays the same when it is told twice; one without is never the same as another.
    pub event: Option<String>,
    /// What was dialled, as the different readings of what the carrier says.
    pub called: Vec<PhoneNumber>,
    /// Who calls; `None` where hidden or unusable.
    pub caller: Option<PhoneNumber>,
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub struct Routed {
    /// What the carrier is to do.
    pub instruction: Instruction,
    /// The call's name, under which the carrier tells how it goes on; `None` where nothing follows.
    pub call: Option<CallId>,
    /// In a word, for who counts.
    pub outcome: CallOutcome,
}

/// Why nothing was decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// This server does not know yet where numbers lead.
    #[error("the directory is not loaded")]
    NotLoaded,
    /// The real number's seal does not open.
    #[error("the real number cannot be read")]
    DoesNotOpen,
    /// It took as long as a caller waits.
    #[error("the decision took too long")]
    TooLate,
}

/// What a sentence is said about a call that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Nothing more is to be said.
    Silent,
    /// The caller is still there, and hears why.
    Told(Ending),
}

impl App {
    /// Decides what becomes of a call to a mask, within `patience`. The same event told again gets the same answer as long
    /// as the mask still leads there, and counts once.
    pub async fn route_call(&self, incoming: IncomingCall, patience: Duration) -> Result<Routed, Undecided> {
        let begun = Instant::now();
        let id = self.name_of_call(incoming.event.as_deref());
        loop {
            if let Some(routed) = self.route_now(&incoming, id)? {
                return Ok(routed);
            }
            if begun.elapsed() >= patience {
                return Err(Undecided::TooLate);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The same event has the same name everywhere, so that whichever server is told of it, and however often, it is one
    /// call.
    fn name_of_call(&self, event: Option<&str>) -> CallId {
        let Some(event) = event else { return CallId(secrets::random_uuid()) };
        let digest = secrets::keyed_digest(&self.call_key, event.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        CallId(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Decides on the spot; `None` where what it needs is held by somebody else.
    fn route_now(&self, incoming: &IncomingCall, id: CallId) -> Result<Option<Routed>, Undecided> {
        let Some(map) = soon(|| self.directory.map()) else { return Ok(None) };
        let called = incoming.called.iter().find_map(|number| Some((*number, map.find(*number)?)));
        let Some((phone, entry)) = called else {
            if self.directory.standing().version.is_none() {
                return Err(Undecided::NotLoaded);
            }
            let mut routed = self.routed(Decision::TurnAway(Reason::NotInService), None);
            if let Some(instruction) = self.answer_at_code_sender(&incoming.called) {
                routed.instruction = instruction;
            }
            return Ok(Some(routed));
        };
        let destination = self.destination(&entry)?;
        let facts = CalledMask {
            phone,
            standing: entry.standing,
            destination: destination.filter(|number| !map.holds(*number)),
            is_stopped: self.is_stopped(&map, &entry, || destination),
        };
        let caller = Caller {
            number: incoming.caller,
            is_mask: incoming.caller.is_some_and(|number| map.holds(number)),
        };
        drop(map);
        let Some(mut book) = soon(|| self.book_now()) else { return Ok(None) };
        if let Some(known) = book.find(id) {
            let decision = decide_again(&facts, caller, known.decided, known.is_over);
            return Ok(Some(self.routed(decision, Some(id))));
        }
        Ok(Some(self.decide_and_book(&mut book, incoming, id, (&facts, &entry), caller)))
    }

    fn decide_and_book(
        &self,
        book: &mut CallBook,
        incoming: &IncomingCall,
        id: CallId,
        (facts, entry): (&CalledMask, &Entry),
        caller: Caller,
    ) -> Routed {
        let (now, limits) = (self.now(), &self.settings.limits);
        let lookups =
            caller.number.map(|number| self.sealer.caller_lookups(entry.mask.0, number)).unwrap_or_default();
        let recent = book.recent((entry.mask, entry.user), &lookups, now, limits.talking);
        let decision = decide(facts, caller, recent, limits);
        let decided = Decided::from(decision);
        let digest = self.sealer.to_write(&lookups);
        let (mask, is_over) = ((entry.mask, entry.user), decided.is_refused());
        book.add(&BookedCall { id, mask, caller: digest, decided, at: now, is_over }, now);
        let listed = if is_over { book.list_refused(entry.mask, decided, now) } else { Listed::Yes };
        match listed {
            Listed::Yes => self.recorder.tell(Told::Called {
                id,
                mask: entry.mask,
                event: incoming.event.clone(),
                caller: caller.number.zip(digest),
                decided,
                at: now,
            }),
            Listed::Counted { hour, calls } => self.recorder.count_refused(entry.mask, hour, calls),
        }
        if is_worth_a_notice(decision) && book.take_notice(entry.mask, now, now + NOTICE_TRY) {
            self.tell_of_limit(entry.mask);
        }
        self.routed(decision, Some(id))
    }

    /// The real number of a mask, where one is registered, proved and of a kind and country that is still allowed.
    fn destination(&self, entry: &Entry) -> Result<Option<PhoneNumber>, Undecided> {
        let Some((id, sealed)) = &entry.real else { return Ok(None) };
        let number = match self.sealer.open(sealed, Place::number(id.0)) {
            Ok(number) => number,
            // Nobody can tell where the call was to go: that is our fault, and no rule of the house.
            Err(_) if entry.standing == Standing::Rings => return Err(Undecided::DoesNotOpen),
            Err(_) => return Ok(None),
        };
        let settings = &self.settings;
        let is_allowed = entry.is_allowed(|| {
            number.line_kind(settings.allowed).is_ok() && number.is_in(&settings.number_countries)
        });
        Ok(is_allowed.then_some(number))
    }

    /// Whether a switch that stops spending keeps calls to the mask from being put through.
    fn is_stopped(
        &self,
        map: &Map,
        entry: &Entry,
        destination: impl FnOnce() -> Option<PhoneNumber>,
    ) -> bool {
        let stops = map.stops();
        if stops.is_empty() {
            return false;
        }
        let there = destination().and_then(|number| number.country());
        let countries: Vec<Country> = there.into_iter().chain([entry.country]).collect();
        let spending = Spending { carrier: self.carrier.name(), countries: &countries, user: entry.user };
        stops_calls(&stops, entry.mask, spending)
    }

    /// Whether calls to the mask are turned away by a switch at the moment, as far as this server knows.
    pub fn turns_calls_away(&self, mask: &Mask) -> bool {
        let Some((map, phone)) = soon(|| self.directory.map()).zip(mask.phone) else { return false };
        let Some(entry) = map.find(phone) else { return false };
        self.is_stopped(&map, &entry, || self.destination(&entry).unwrap_or_default())
    }

    /// The book of calls, once nobody else writes in it.
    pub(super) fn book(&self) -> MutexGuard<'_, CallBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book_now(&self) -> Option<MutexGuard<'_, CallBook>> {
        match self.book.try_lock() {
            Ok(book) => Some(book),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// What is said where nothing can be decided.
    pub fn unavailable() -> Instruction {
        Instruction::Say(texts::text(&texts::TurnedAway { reason: Reason::Unavailable }))
    }

    /// Notes that the real phone was picked up, and how old the carrier's session was then, in seconds.
    pub fn note_answer(&self, call: CallId, session_seconds: Option<u32>) {
        let picked_up = PickedUp { session_seconds };
        self.book().pick_up(call, picked_up);
        self.recorder.tell(Told::PickedUp { call, picked_up, at: self.now() });
    }

    /// Notes how a call ended, which `told` works out from whether and when it was picked up. What was told first stays,
    /// so that events may come twice, late and in any order. A call that another server took is asked for in the database,
    /// for as long as `patience`.
    pub async fn note_ending(
        &self,
        call: CallId,
        patience: Duration,
        told: impl FnOnce(Option<PickedUp>) -> Option<Ending>,
    ) -> Followed {
        let known = self.book().find(call);
        let picked_up = match known {
            Some(known) => known.picked_up,
            None => self.picked_up_elsewhere(call, patience).await,
        };
        let Some(ending) = told(picked_up) else { return Followed::Silent };
        if self.end_in_book(call, ending) || known.is_none() {
            self.recorder.tell(Told::Ended { call, ending, at: self.now() });
        }
        match ending {
            Ending::Answered { .. } | Ending::CallerHungUp => Followed::Silent,
            other => Followed::Told(other),
        }
    }

    /// `false` where its end is known already, or the call is not.
    fn end_in_book(&self, call: CallId, ending: Ending) -> bool {
        let (mut book, now) = (self.book(), self.now());
        let Some(mask) = book.end(call) else { return false };
        if let Ending::Answered { seconds: Some(seconds) } = ending {
            book.add_talk(mask, seconds, now);
        }
        true
    }

    async fn picked_up_elsewhere(&self, call: CallId, patience: Duration) -> Option<PickedUp> {
        let asked = self.calls_db.transaction(move |conn| calls::picked_up(conn, call));
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok(known)) => known.flatten(),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// Waits until everything that happened to calls until now is in the database.
    pub async fn calls_written(&self) {
        self.recorder.all_written().await;
    }

    /// Keeps every decision waiting until the answer is dropped, as a fault of ours might.
    pub fn hold_decisions(&self) -> impl Sized + '_ {
        self.book()
    }

    /// What a caller hears whose call was not taken.
    pub fn not_taken(ending: Ending) -> Instruction {
        Instruction::Say(texts::text(&texts::NotTaken { busy: ending == Ending::Busy }))
    }

    /// Tells the carrier to end calls that have lasted as long as they may; tells how many.
    pub async fn end_overlong_calls(&self) -> Result<usize, DbError> {
        let now = self.now();
        let before = now - self.settings.limits.talking - self.settings.limits.ringing;
        let overlong = self.work_db.transaction(move |conn| calls::overlong(conn, before)).await?;
        let mut ended = 0;
        for (call, event_key) in overlong {
            if let Some(session) = event_key.strip_prefix(EVENT_PREFIX)
                && let Err(error) = self.carrier.end_session(session).await
            {
                tracing::warn!(%call, %error, "a call that is too long was not ended");
                continue;
            }
            self.work_db.transaction(move |conn| calls::set_cut(conn, call, now)).await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// Tells the owner, once a day at most, that calls to the mask are turned away at a limit. The database is asked once
    /// whether that was done today; then the book knows it.
    fn tell_of_limit(&self, mask: MaskId) {
        let (db, sealer, now) = (self.work_db.clone(), self.sealer.clone(), self.now());
        let (book, wake) = (self.book.clone(), self.wake_letters.clone());
        let rule = self.rule("notices of a limit", &mask.to_string(), Rate::per_day(1));
        let public_url = self.settings.public_url.clone();
        self.behind(async move {
            let work = move |conn: &mut _| {
                if let Err(told) = rates::take(conn, &[rule], now)? {
                    return Ok(told.until);
                }
                let next = now + rule.rate.within;
                let Some(mask) = masks::find_any(conn, mask)? else { return Ok(next) };
                let Some(owner) = users::find(conn, mask.user)? else { return Ok(next) };
                let phone = mask.phone.map_or(String::new(), |phone| phone.grouped());
                let letter = texts::CallsTurnedAway { mask: &phone, id: mask.id, public_url: &public_url };
                let subject = "Calls to one of your masks were turned away";
                let letter = texts::letter(owner.email, subject, &letter);
                queue_notice(conn, &sealer, &letter, now)?;
                Ok::<_, DbError>(next)
            };
            match db.transaction(work).await {
                Ok(next) => {
                    book.lock().unwrap_or_else(PoisonError::into_inner).put_off_notice(mask, next);
                    wake.notify_one();
                }
                Err(error) => tracing::warn!(%error, "an owner was not told of a limit"),
            }
        });
    }

    /// How long a phone rings, in seconds.
    pub fn ring_seconds(&self) -> u32 {
        u32::try_from(self.settings.limits.ringing.num_seconds()).unwrap_or(25)
    }

    fn routed(&self, decision: Decision, call: Option<CallId>) -> Routed {
        let ring_seconds = self.ring_seconds();
        let outcome = CallOutcome::of(&decision);
        match decision {
            Decision::Connect { to, shown } => {
                Routed { instruction: Instruction::Connect { to, shown, ring_seconds }, call, outcome }
            }
            Decision::RingOut(_) => {
                Routed { instruction: Instruction::RingOut { ring_seconds }, call, outcome }
            }
            Decision::TurnAway(reason) => Routed {
                instruction: Instruction::Say(texts::text(&texts::TurnedAway { reason })),
                call: None,
                outcome,
            },
            Decision::Reject => Routed { instruction: Instruction::Reject, call: None, outcome },
        }
    }
}

/// Tries on the spot, some times over; `None` where it is not to be had so soon.
fn soon<T>(attempt: impl Fn() -> Option<T>) -> Option<T> {
    (0..TRIES).find_map(|nth| {
        if nth > 0 {
            std::hint::spin_loop();
        }
        attempt()
    })
}
