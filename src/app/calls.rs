//! Calls to masks: what becomes of them, and how their stories go on.

use super::{App, deliver, texts};
use crate::db::calls::{self, Decided, KnownCall, NewCall, PickedUp};
use crate::db::rates;
use crate::db::{Connection, DbError, masks, numbers, stops, users};
use crate::domain::call::{
    CalledMask, Caller, Decision, Ending, Instruction, Reason, decide, is_worth_a_notice,
};
use crate::domain::ids::{CallId, MaskId};
use crate::domain::limits::Rate;
use crate::domain::mask::{Mask, MaskState};
use crate::domain::phone::{Country, PhoneNumber};
use crate::domain::stop::{Spending, stops_calls};
use crate::seal::Place;
use crate::secrets;

/// What stands before the carrier's name of a call where it is kept.
const EVENT_PREFIX: &str = "carrier|";

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
    /// Decides what becomes of a call to a mask and writes it down. The same event told again gets the same answer as
    /// long as the mask still leads there, and counts once.
    pub async fn route_call(&self, incoming: IncomingCall) -> Result<Routed, DbError> {
        let (now, id) = (self.now(), CallId(secrets::random_uuid()));
        let event_key = match incoming.event {
            Some(event) => format!("{EVENT_PREFIX}{event}"),
            None => format!("nameless|{id}"),
        };
        let (settings, sealer, carrier) = (self.settings.clone(), self.sealer.clone(), self.carrier.name());
        let (called, caller) = (incoming.called, incoming.caller);
        let decided = self.calls_db.transaction(move |conn| {
            let Some(mask) = masks::hold_called(conn, &called)? else {
                return Ok((Decision::TurnAway(Reason::NotInService), None, None));
            };
            let lookup = caller.map(|caller| sealer.caller_lookup(mask.id.0, caller));
            let destination = destination(conn, &mask, &sealer, &settings)?;
            let facts = CalledMask {
                phone: mask.phone.ok_or(DbError::Unreadable("masks.e164"))?,
                destination_is_mask: leads_to_mask(conn, destination)?,
                destination,
                is_stopped: is_stopped(conn, &mask, destination, carrier)?,
                state: mask.state,
            };
            if let Some(known) = calls::find_by_event(conn, &event_key)? {
                return Ok((again(&facts, caller, known), Some(known.id), None));
            }
            let caller_is_mask = leads_to_mask(conn, caller)?;
            let recent = calls::recent(conn, mask.id, lookup, now, settings.limits.talking)?;
            let decision =
                decide(&facts, Caller { number: caller, is_mask: caller_is_mask }, recent, &settings.limits);
            let call = NewCall {
                id,
                mask: mask.id,
                event_key,
                caller_sealed: caller.map(|caller| sealer.seal(caller, Place::caller(id.0))),
                caller_lookup: lookup,
                decided: match decision {
                    Decision::Connect { .. } => Decided::Connected,
                    Decision::TurnAway(reason) => Decided::TurnedAway(reason),
                    Decision::Reject => Decided::Rejected,
                },
            };
            calls::insert(conn, &call, now)?;
            let notice = is_worth_a_notice(decision, recent, &settings.limits).then_some(mask.id);
            Ok::<_, DbError>((decision, Some(id), notice))
        });
        let (decision, call, notice) = decided.await?;
        if let Some(mask) = notice {
            self.tell_of_limit(mask);
        }
        Ok(self.routed(decision, call))
    }

    /// What is said where nothing can be decided.
    pub fn unavailable() -> Instruction {
        Instruction::Say(texts::text(&texts::TurnedAway { reason: Reason::Unavailable }))
    }

    /// Notes that the real phone was picked up, and how old the carrier's session was then, in seconds.
    pub async fn note_answer(&self, id: CallId, session_seconds: Option<u32>) -> Result<(), DbError> {
        let now = self.now();
        self.calls_db.transaction(move |conn| calls::set_answered(conn, id, session_seconds, now)).await
    }

    /// Notes how a call ended, which `told` works out from whether and when it was picked up. What was told first stays,
    /// so that events may come twice, late and in any order.
    pub async fn note_ending(
        &self,
        id: CallId,
        told: impl FnOnce(Option<PickedUp>) -> Option<Ending> + Send + 'static,
    ) -> Result<Followed, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let Some(picked_up) = calls::picked_up(conn, id)? else { return Ok(Followed::Silent) };
            let Some(ending) = told(picked_up) else { return Ok(Followed::Silent) };
            calls::settle(conn, id, ending, now)?;
            Ok::<_, DbError>(match ending {
                Ending::Answered { .. } | Ending::CallerHungUp => Followed::Silent,
                other => Followed::Told(other),
            })
        };
        self.calls_db.transaction(work).await
    }

    /// What a caller hears whose call was not taken.
    pub fn not_taken(ending: Ending) -> Instruction {
        Instruction::Say(texts::text(&texts::NotTaken { busy: ending == Ending::Busy }))
    }

    /// Tells the carrier to end calls that have lasted as long as they may; tells how many.
    pub async fn end_overlong_calls(&self) -> Result<usize, DbError> {
        let now = self.now();
        let before = now - self.settings.limits.talking - self.settings.limits.ringing;
        let overlong = self.db.transaction(move |conn| calls::overlong(conn, before)).await?;
        let mut ended = 0;
        for (call, event_key) in overlong {
            if let Some(session) = event_key.strip_prefix(EVENT_PREFIX)
                && let Err(error) = self.carrier.end_session(session).await
            {
                tracing::warn!(%call, %error, "a call that is too long was not ended");
                continue;
            }
            self.db.transaction(move |conn| calls::set_cut(conn, call, now)).await?;
            ended += 1;
        }
        Ok(ended)
    }

    /// Tells the owner, once a day at most, that calls to the mask are turned away at a limit.
    fn tell_of_limit(&self, mask: MaskId) {
        let (db, mailer, now) = (self.db.clone(), self.mailer.clone(), self.now());
        let rule = self.rule("notices of a limit", &mask.to_string(), Rate::per_day(1));
        let public_url = self.settings.public_url.clone();
        self.behind(async move {
            let work = move |conn: &mut _| {
                if rates::take(conn, &[rule], now)?.is_err() {
                    return Ok(None);
                }
                let Some(mask) = masks::find_any(conn, mask)? else { return Ok(None) };
                Ok::<_, DbError>(users::find(conn, mask.user)?.map(|owner| (owner, mask)))
            };
            match db.transaction(work).await {
                Ok(Some((owner, mask))) => {
                    let phone = mask.phone.map_or(String::new(), |phone| phone.grouped());
                    let letter =
                        texts::CallsTurnedAway { mask: &phone, id: mask.id, public_url: &public_url };
                    let letter =
                        texts::letter(owner.email, "Calls to one of your masks were turned away", &letter);
                    deliver(&mailer, letter).await;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "an owner was not told of a limit"),
            }
        });
    }

    fn routed(&self, decision: Decision, call: Option<CallId>) -> Routed {
        let ring_seconds = u32::try_from(self.settings.limits.ringing.num_seconds()).unwrap_or(25);
        match decision {
            Decision::Connect { to, shown } => {
                Routed { instruction: Instruction::Connect { to, shown, ring_seconds }, call }
            }
            Decision::TurnAway(reason) => Routed {
                instruction: Instruction::Say(texts::text(&texts::TurnedAway { reason })),
                call: None,
            },
            Decision::Reject => Routed { instruction: Instruction::Reject, call: None },
        }
    }
}

/// The real number of a mask, where one is registered, proved and of a kind and country that is still allowed.
fn destination(
    conn: &mut Connection,
    mask: &Mask,
    sealer: &crate::seal::Sealer,
    settings: &super::Settings,
) -> Result<Option<PhoneNumber>, DbError> {
    let Some(id) = mask.number else { return Ok(None) };
    let stored = numbers::find_any(conn, id)?.filter(|stored| stored.verified_at.is_some());
    let Some(stored) = stored else { return Ok(None) };
    let Ok(number) = sealer.open(&stored.sealed, Place::number(id.0)) else {
        tracing::error!(number = %id, "a sealed number does not open");
        return Ok(None);
    };
    let allowed = number.line_kind(settings.voip).is_ok()
        && number.country().is_some_and(|country| settings.number_countries.contains(&country));
    Ok(allowed.then_some(number))
}

/// Whether a switch that stops spending keeps calls to the mask from being put through.
fn is_stopped(
    conn: &mut Connection,
    mask: &Mask,
    destination: Option<PhoneNumber>,
    carrier: &str,
) -> Result<bool, DbError> {
    let stops = stops::all(conn)?;
    let there = destination.and_then(|number| number.country());
    let countries: Vec<Country> = there.into_iter().chain([mask.country]).collect();
    let spending = Spending { carrier, countries: &countries, user: mask.user };
    Ok(stops_calls(&stops, mask.id, spending))
}

fn leads_to_mask(conn: &mut Connection, number: Option<PhoneNumber>) -> Result<bool, DbError> {
    number.map_or(Ok(false), |number| masks::is_mask(conn, number))
}

/// The answer to an event that was answered before: the same, unless the mask does not ring there any more, or the call
/// is over.
fn again(facts: &CalledMask, caller: Option<PhoneNumber>, known: KnownCall) -> Decision {
    match (known.decided, &facts.state, facts.destination) {
        (Decided::Connected, ..) if known.is_over => Decision::TurnAway(Reason::Unavailable),
        (Decided::Connected, MaskState::Active, Some(to)) if !facts.destination_is_mask => {
            Decision::Connect { to, shown: caller.unwrap_or(facts.phone) }
        }
        (Decided::Connected, MaskState::Paused { .. }, _) => Decision::TurnAway(Reason::Paused),
        (Decided::Connected, ..) => Decision::TurnAway(Reason::NotInService),
        (Decided::TurnedAway(reason), ..) => Decision::TurnAway(reason),
        (Decided::Rejected, ..) => Decision::Reject,
    }
}
