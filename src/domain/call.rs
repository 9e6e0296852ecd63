//! A call to a mask: what is decided about it, and how it is told afterwards.
//!
//! The heart of the product, as a pure function over facts; it must not know where the facts come from.

use chrono::TimeDelta;

use super::limits::Limits;
use super::mask::Standing;
use super::phone::PhoneNumber;

/// What a carrier is told to do with a call, in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Ring `to` and join the caller to it, showing `shown` as caller ID, for at most `ring_seconds`.
    Connect {
        /// The real number that rings.
        to: PhoneNumber,
        /// The caller ID that it shows.
        shown: PhoneNumber,
        /// How long it rings, in seconds.
        ring_seconds: u32,
    },
    /// Ring no phone, and keep the caller waiting as if one rang.
    RingOut {
        /// For how long, in seconds.
        ring_seconds: u32,
    },
    /// Answer, say the sentence and hang up.
    Say(String),
    /// Do not answer at all.
    Reject,
}

/// What is known of a mask when somebody calls it.
#[derive(Debug, Clone)]
pub struct CalledMask {
    /// The mask's own number.
    pub phone: PhoneNumber,
    /// What its state means for calls.
    pub standing: Standing,
    /// The real number, where one is registered, proved, still allowed, and no mask of ours, living or at rest.
    pub destination: Option<PhoneNumber>,
    /// Whether a switch that stops spending keeps its calls from being put through.
    pub is_stopped: bool,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The caller's number; `None` where it is hidden or unusable.
    pub number: Option<PhoneNumber>,
    /// Whether it is a mask of ours, living or at rest.
    pub is_mask: bool,
}

/// How much the mask was called of late, this call not counted. Calls that ring nobody because of the number that they
/// show count like all others that ring, so that no limit can be told apart by it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecentCalls {
    /// To the mask in the last hour.
    pub hour: u32,
    /// To the mask in the last day.
    pub day: u32,
    /// To the mask and not over yet.
    pub live: u32,
    /// By this caller to the mask in the last ten minutes.
    pub caller_ten_minutes: u32,
    /// By this caller to the mask in the last day.
    pub caller_day: u32,
    /// By this caller to the mask in the last ten seconds, refused ones included.
    pub caller_ten_seconds: u32,
    /// Whether this caller was refused for a loop in the last ten minutes.
    pub caller_looped: bool,
    /// Whether this caller was told, after the last call of theirs that rang, that they call too often.
    pub caller_told: bool,
    /// Seconds talked through the mask in this calendar month (by UTC).
    pub mask_talk: u32,
    /// Seconds talked through all masks of its owner in this calendar month (by UTC).
    pub owner_talk: u32,
}

/// Why a call is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No mask of ours, or none any more.
    NotInService,
    /// A mask at rest; sounds like [`Reason::NotInService`], so that nobody learns the difference.
    Resting,
    /// Paused.
    Paused,
    /// As many calls at once as a mask may have.
    Busy,
    /// The mask was called as often as it may be.
    OverLimit,
    /// The minutes of the month are used up, the mask's or its owner's.
    OutOfMinutes,
    /// A switch that stops spending.
    Stopped,
    /// This caller called it as often as they may.
    CallerOverLimit,
    /// This caller called it so fast that it may be a loop; they are let in again after [`LOOP_PAUSE`].
    Loop,
    /// The rules of the house do not let it lead there any more.
    NotAllowed,
    /// We cannot tell at the moment.
    Unavailable,
}

/// A caller ID with which no call is put through. It may be forged, so the caller hears what anybody hears whose call is
/// not answered: nobody finds out by it whose mask it is. Whoever has a mask of their own finds out what is a mask, by whether
/// their phone rings for a call that shows it; a mask is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbelievable {
    /// The real number that the mask hides.
    OwnersNumber,
    /// A mask of ours.
    MasksNumber,
}

/// What is to be done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Ring the real phone.
    Connect {
        /// The real number.
        to: PhoneNumber,
        /// The caller ID that it shows.
        shown: PhoneNumber,
    },
    /// Ring nobody, and let the caller wait as if the phone rang.
    RingOut(Unbelievable),
    /// Say why not.
    TurnAway(Reason),
    /// Not even that: this caller has been told already.
    Reject,
}

/// What was decided, as it is kept: without the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The real phone was to ring.
    Connected,
    /// The caller waited as if it rang.
    RangOut(Unbelievable),
    /// The caller heard why not.
    TurnedAway(Reason),
    /// The caller, who had been told before, heard nothing.
    Rejected,
}

impl Decided {
    /// Whether the call was refused at once. All others go on until the carrier tells of their end, and count towards
    /// limits.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::TurnedAway(_) | Self::Rejected)
    }

    /// Whether it was refused because its caller called too often.
    pub fn is_too_often(self) -> bool {
        matches!(self, Self::TurnedAway(Reason::CallerOverLimit | Reason::Loop) | Self::Rejected)
    }
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Connect { .. } => Self::Connected,
            Decision::RingOut(shown) => Self::RangOut(shown),
            Decision::TurnAway(reason) => Self::TurnedAway(reason),
            Decision::Reject => Self::Rejected,
        }
    }
}

/// When the carrier said that a call was picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PickedUp {
    /// How old the carrier's session was then, in seconds.
    pub session_seconds: Option<u32>,
}

impl PickedUp {
    /// From the seconds as they are kept.
    pub fn of_seconds(seconds: Option<i32>) -> Self {
        Self { session_seconds: seconds.and_then(|seconds| u32::try_from(seconds).ok()) }
    }

    /// The seconds as they are kept.
    pub fn seconds(self) -> Option<i32> {
        self.session_seconds.and_then(|seconds| i32::try_from(seconds).ok())
    }
}

/// How long a caller is rejected whose calls looked like a loop.
pub const LOOP_PAUSE: TimeDelta = TimeDelta::minutes(10);

/// Decides what becomes of a call to a mask. Everything is looked at in the same order for everybody; the number that the
/// caller shows comes last.
pub fn decide(mask: &CalledMask, caller: Caller, recent: RecentCalls, limits: &Limits) -> Decision {
    let destination = match destination(mask) {
        Ok(destination) => destination,
        Err(reason) => return Decision::TurnAway(reason),
    };
    caller_refused(recent, limits)
        .or_else(|| mask_refused(recent, limits).map(Decision::TurnAway))
        .unwrap_or_else(|| put_through(mask, caller, destination))
}

/// The answer to a call that was decided before: the same, unless the mask does not ring there any more, or the call is
/// over.
pub fn decide_again(mask: &CalledMask, caller: Caller, decided: Decided, is_over: bool) -> Decision {
    match decided {
        Decided::Connected | Decided::RangOut(_) if is_over => Decision::TurnAway(Reason::Unavailable),
        Decided::Connected | Decided::RangOut(_) => match destination(mask) {
            Ok(destination) => put_through(mask, caller, destination),
            Err(reason) => Decision::TurnAway(reason),
        },
        Decided::TurnedAway(reason) => Decision::TurnAway(reason),
        Decided::Rejected => Decision::Reject,
    }
}

/// Whether this caller's next call is refused because of those before it.
pub fn is_barred(recent: RecentCalls, limits: &Limits) -> bool {
    caller_refused(recent, limits).is_some()
}

/// The real number that calls ring, or why they do not, whoever calls.
fn destination(mask: &CalledMask) -> Result<PhoneNumber, Reason> {
    match mask.standing {
        Standing::Rings => {}
        Standing::Paused => return Err(Reason::Paused),
        Standing::Rests => return Err(Reason::Resting),
        Standing::Leaves => return Err(Reason::NotInService),
    }
    let destination = mask.destination.ok_or(Reason::NotAllowed)?;
    if mask.is_stopped { Err(Reason::Stopped) } else { Ok(destination) }
}

fn put_through(mask: &CalledMask, caller: Caller, destination: PhoneNumber) -> Decision {
    if caller.number == Some(destination) {
        Decision::RingOut(Unbelievable::OwnersNumber)
    } else if caller.is_mask {
        Decision::RingOut(Unbelievable::MasksNumber)
    } else {
        Decision::Connect { to: destination, shown: caller.number.unwrap_or(mask.phone) }
    }
}

fn caller_refused(recent: RecentCalls, limits: &Limits) -> Option<Decision> {
    if recent.caller_looped {
        return Some(Decision::Reject);
    }
    if recent.caller_ten_seconds >= limits.calls_in_a_loop {
        return Some(Decision::TurnAway(Reason::Loop));
    }
    let (ten_minutes, day) = limits.calls_per_caller;
    let is_too_often = recent.caller_ten_minutes >= ten_minutes || recent.caller_day >= day;
    let refused =
        if recent.caller_told { Decision::Reject } else { Decision::TurnAway(Reason::CallerOverLimit) };
    is_too_often.then_some(refused)
}

fn mask_refused(recent: RecentCalls, limits: &Limits) -> Option<Reason> {
    let (hour, day, at_once) = limits.calls_per_mask;
    if recent.live >= at_once {
        return Some(Reason::Busy);
    }
    if recent.hour >= hour || recent.day >= day {
        return Some(Reason::OverLimit);
    }
    let (of_mask, of_owner) = limits.minutes_a_month;
    let used_up = recent.mask_talk / 60 >= of_mask || recent.owner_talk / 60 >= of_owner;
    used_up.then_some(Reason::OutOfMinutes)
}

/// Whether the owner is to be told, once a day at most, that calls are turned away: their mask may be pumped, or called
/// in a loop.
pub fn is_worth_a_notice(decision: Decision) -> bool {
    let worth = [Reason::Busy, Reason::OverLimit, Reason::OutOfMinutes, Reason::Loop];
    matches!(decision, Decision::TurnAway(reason) if worth.contains(&reason))
}

/// How a connected call ended, by what the carrier told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// They talked; for how many seconds, where the carrier says.
    Answered {
        /// Talk time in seconds.
        seconds: Option<u32>,
    },
    /// Nobody picked up.
    NoAnswer,
    /// The real phone was busy.
    Busy,
    /// The real phone turned the call away.
    Refused,
    /// The caller hung up before anybody picked up.
    CallerHungUp,
    /// The carrier could not, or does not tell.
    DidNotConnect,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::from_e164(text).unwrap()
    }

    fn mask() -> CalledMask {
        CalledMask {
            phone: number("+14075550150"),
            standing: Standing::Rings,
            destination: Some(number("+14075550101")),
            is_stopped: false,
        }
    }

    fn caller() -> Caller {
        Caller { number: Some(number("+14155550123")), is_mask: false }
    }

    fn decided(mask: &CalledMask, caller: Caller, recent: RecentCalls) -> Decision {
        decide(mask, caller, recent, &Limits::default())
    }

    #[test]
    fn a_call_to_an_active_mask_rings_the_real_phone_and_shows_the_caller() {
        assert_eq!(
            decided(&mask(), caller(), RecentCalls::default()),
            Decision::Connect { to: number("+14075550101"), shown: number("+14155550123") }
        );
    }

    #[test]
    fn a_hidden_caller_is_shown_as_the_mask() {
        let hidden = Caller { number: None, is_mask: false };
        assert_eq!(
            decided(&mask(), hidden, RecentCalls::default()),
            Decision::Connect { to: number("+14075550101"), shown: number("+14075550150") }
        );
    }

    #[test]
    fn only_an_active_mask_rings() {
        for (standing, reason) in [
            (Standing::Paused, Reason::Paused),
            (Standing::Rests, Reason::Resting),
            (Standing::Leaves, Reason::NotInService),
        ] {
            let mask = CalledMask { standing, ..mask() };
            assert_eq!(decided(&mask, caller(), RecentCalls::default()), Decision::TurnAway(reason));
        }
        let nowhere = CalledMask { destination: None, ..mask() };
        assert_eq!(
            decided(&nowhere, caller(), RecentCalls::default()),
            Decision::TurnAway(Reason::NotAllowed)
        );
    }

    #[test]
    fn stops_and_limits_come_before_the_number_that_is_shown() {
        let quiet = RecentCalls::default();
        let owner = Caller { number: Some(number("+14075550101")), is_mask: false };
        let a_mask = Caller { is_mask: true, ..caller() };
        for (who, shown) in [(owner, Unbelievable::OwnersNumber), (a_mask, Unbelievable::MasksNumber)] {
            assert_eq!(decided(&mask(), who, quiet), Decision::RingOut(shown));
            for full in [
                RecentCalls { hour: 30, ..quiet },
                RecentCalls { day: 100, ..quiet },
                RecentCalls { live: 2, ..quiet },
                RecentCalls { mask_talk: 300 * 60, ..quiet },
                RecentCalls { caller_ten_minutes: 5, ..quiet },
                RecentCalls { caller_ten_minutes: 5, caller_told: true, ..quiet },
                RecentCalls { caller_ten_seconds: 3, ..quiet },
                RecentCalls { caller_looped: true, ..quiet },
            ] {
                assert_eq!(decided(&mask(), who, full), decided(&mask(), caller(), full), "{full:?}");
            }
            for other in [
                CalledMask { is_stopped: true, ..mask() },
                CalledMask { destination: None, ..mask() },
                CalledMask { standing: Standing::Paused, ..mask() },
                CalledMask { standing: Standing::Rests, ..mask() },
            ] {
                assert_eq!(decided(&other, who, quiet), decided(&other, caller(), quiet), "{other:?}");
            }
        }
    }

    #[test]
    fn a_call_that_is_told_again_gets_the_same_answer_as_long_as_the_mask_rings_there() {
        let owner = Caller { number: Some(number("+14075550101")), is_mask: false };
        let rang_out = Decided::RangOut(Unbelievable::OwnersNumber);
        for (who, before) in [(caller(), Decided::Connected), (owner, rang_out)] {
            let again = |mask: &CalledMask, is_over| decide_again(mask, who, before, is_over);
            assert_eq!(Decided::from(again(&mask(), false)), before);
            assert_eq!(again(&mask(), true), Decision::TurnAway(Reason::Unavailable));
            let paused = CalledMask { standing: Standing::Paused, ..mask() };
            assert_eq!(again(&paused, false), Decision::TurnAway(Reason::Paused));
            let stopped = CalledMask { is_stopped: true, ..mask() };
            assert_eq!(again(&stopped, false), Decision::TurnAway(Reason::Stopped));
        }
        // The owner has changed the number since, to the caller's.
        let moved = CalledMask { destination: caller().number, ..mask() };
        let again = decide_again(&moved, caller(), Decided::Connected, false);
        assert_eq!(again, Decision::RingOut(Unbelievable::OwnersNumber));
        let busy = Decided::TurnedAway(Reason::Busy);
        assert_eq!(decide_again(&mask(), caller(), busy, true), Decision::TurnAway(Reason::Busy));
    }

    #[test]
    fn limits_hold_at_their_defaults() {
        let quiet = RecentCalls::default();
        let connects = |recent| matches!(decided(&mask(), caller(), recent), Decision::Connect { .. });
        let full = RecentCalls {
            hour: 29,
            day: 99,
            live: 1,
            caller_ten_minutes: 4,
            caller_day: 14,
            caller_ten_seconds: 2,
            caller_looped: false,
            caller_told: true,
            mask_talk: 300 * 60 - 1,
            owner_talk: 600 * 60 - 1,
        };
        assert!(connects(full));
        for (recent, decision) in [
            (RecentCalls { hour: 30, ..quiet }, Decision::TurnAway(Reason::OverLimit)),
            (RecentCalls { day: 100, ..quiet }, Decision::TurnAway(Reason::OverLimit)),
            (RecentCalls { live: 2, ..quiet }, Decision::TurnAway(Reason::Busy)),
            (RecentCalls { mask_talk: 300 * 60, ..quiet }, Decision::TurnAway(Reason::OutOfMinutes)),
            (RecentCalls { owner_talk: 600 * 60, ..quiet }, Decision::TurnAway(Reason::OutOfMinutes)),
            (RecentCalls { caller_ten_minutes: 5, ..quiet }, Decision::TurnAway(Reason::CallerOverLimit)),
            (RecentCalls { caller_day: 15, ..quiet }, Decision::TurnAway(Reason::CallerOverLimit)),
            (RecentCalls { caller_day: 15, caller_told: true, ..quiet }, Decision::Reject),
            (RecentCalls { caller_ten_seconds: 3, ..quiet }, Decision::TurnAway(Reason::Loop)),
            (RecentCalls { caller_looped: true, ..quiet }, Decision::Reject),
        ] {
            assert_eq!(decided(&mask(), caller(), recent), decision, "{recent:?}");
        }
        let stopped = CalledMask { is_stopped: true, ..mask() };
        assert_eq!(decided(&stopped, caller(), quiet), Decision::TurnAway(Reason::Stopped));
    }

    #[test]
    fn an_owner_is_told_of_what_may_be_pumping_or_a_loop() {
        let told = |reason| is_worth_a_notice(Decision::TurnAway(reason));
        assert!([Reason::Busy, Reason::OverLimit, Reason::OutOfMinutes, Reason::Loop].into_iter().all(told));
        // Somebody who calls too often is turned away, and in the log; that is no reason for a letter.
        assert!(!told(Reason::CallerOverLimit));
        assert!(!told(Reason::Paused) && !told(Reason::Stopped));
        assert!(!is_worth_a_notice(Decision::Reject));
        assert!(!is_worth_a_notice(Decision::RingOut(Unbelievable::OwnersNumber)));
    }
}
