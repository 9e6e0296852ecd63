//! A call to a mask: what is decided about it, and how it is told afterwards.
//!
//! The heart of the product, as a pure function over facts; it must not know where the facts come from.

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
    /// The real number, where one is registered, proved and still allowed.
    pub destination: Option<PhoneNumber>,
    /// Whether the real number is itself a mask of ours, living or at rest.
    pub destination_is_mask: bool,
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

/// How much the mask was called of late, this call not counted.
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
    /// By this caller to the mask in the last ten seconds.
    pub caller_ten_seconds: u32,
    /// Of this caller to the mask turned away for their number in the last day.
    pub caller_refused: u32,
    /// Of its owner to the mask in the last day.
    pub own_mask: u32,
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
    /// The owner calls the own mask.
    OwnMask,
    /// A mask calls a mask, or leads to one.
    MaskToMask,
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
    /// The rules of the house do not let it lead there any more.
    NotAllowed,
    /// We cannot tell at the moment.
    Unavailable,
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
    /// The caller heard why not.
    TurnedAway(Reason),
    /// The caller, who had been told before, heard nothing.
    Rejected,
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Connect { .. } => Self::Connected,
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

/// How often a day somebody who shows the owner's number is told that it is their own mask. Caller ID may be forged, so
/// that sentence confirms a guess; past a few it is not said any more.
const OWN_CALLS: u32 = 5;

/// Decides what becomes of a call to a mask.
pub fn decide(mask: &CalledMask, caller: Caller, recent: RecentCalls, limits: &Limits) -> Decision {
    match mask.standing {
        Standing::Rings => {}
        Standing::Paused => return Decision::TurnAway(Reason::Paused),
        Standing::Rests => return Decision::TurnAway(Reason::Resting),
        Standing::Leaves => return Decision::TurnAway(Reason::NotInService),
    }
    let Some(destination) = mask.destination else {
        return Decision::TurnAway(Reason::NotAllowed);
    };
    if caller.number == Some(destination) && recent.own_mask < OWN_CALLS {
        return Decision::TurnAway(Reason::OwnMask);
    }
    if caller.number == Some(destination) {
        return Decision::TurnAway(Reason::OverLimit);
    }
    if mask.destination_is_mask || caller.is_mask || caller.number == Some(mask.phone) {
        return Decision::TurnAway(Reason::MaskToMask);
    }
    if mask.is_stopped {
        return Decision::TurnAway(Reason::Stopped);
    }
    if let Some(refusal) = over_limit(recent, limits) {
        return refusal;
    }
    Decision::Connect { to: destination, shown: caller.number.unwrap_or(mask.phone) }
}

fn over_limit(recent: RecentCalls, limits: &Limits) -> Option<Decision> {
    let (ten_minutes, caller_day) = limits.calls_per_caller;
    let caller_too_often = recent.caller_ten_minutes >= ten_minutes
        || recent.caller_day >= caller_day
        || recent.caller_ten_seconds >= limits.calls_in_a_loop;
    if recent.caller_refused > 0 {
        return Some(Decision::Reject);
    }
    if caller_too_often {
        return Some(Decision::TurnAway(Reason::CallerOverLimit));
    }
    let (hour, day, at_once) = limits.calls_per_mask;
    if recent.live >= at_once {
        return Some(Decision::TurnAway(Reason::Busy));
    }
    if recent.hour >= hour || recent.day >= day {
        return Some(Decision::TurnAway(Reason::OverLimit));
    }
    let (of_mask, of_owner) = limits.minutes_a_month;
    let used_up = recent.mask_talk / 60 >= of_mask || recent.owner_talk / 60 >= of_owner;
    used_up.then_some(Decision::TurnAway(Reason::OutOfMinutes))
}

/// Whether the owner is to be told, once a day at most, that calls are turned away: their mask may be pumped, or called
/// in a loop.
pub fn is_worth_a_notice(decision: Decision, recent: RecentCalls, limits: &Limits) -> bool {
    match decision {
        Decision::TurnAway(Reason::Busy | Reason::OverLimit | Reason::OutOfMinutes) => true,
        Decision::TurnAway(Reason::CallerOverLimit) => recent.caller_ten_seconds >= limits.calls_in_a_loop,
        _ => false,
    }
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
            destination_is_mask: false,
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
    fn nothing_is_sent_round_in_a_circle() {
        let owner = Caller { number: Some(number("+14075550101")), is_mask: false };
        assert_eq!(decided(&mask(), owner, RecentCalls::default()), Decision::TurnAway(Reason::OwnMask));
        let guessed = RecentCalls { own_mask: 5, ..RecentCalls::default() };
        assert_eq!(decided(&mask(), owner, guessed), Decision::TurnAway(Reason::OverLimit));
        let a_mask = Caller { is_mask: true, ..caller() };
        assert_eq!(decided(&mask(), a_mask, RecentCalls::default()), Decision::TurnAway(Reason::MaskToMask));
        let itself = Caller { number: Some(number("+14075550150")), is_mask: false };
        assert_eq!(decided(&mask(), itself, RecentCalls::default()), Decision::TurnAway(Reason::MaskToMask));
        let onward = CalledMask { destination_is_mask: true, ..mask() };
        assert_eq!(
            decided(&onward, caller(), RecentCalls::default()),
            Decision::TurnAway(Reason::MaskToMask)
        );
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
            caller_refused: 0,
            own_mask: 0,
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
            (RecentCalls { caller_ten_seconds: 3, ..quiet }, Decision::TurnAway(Reason::CallerOverLimit)),
            (RecentCalls { caller_refused: 1, ..quiet }, Decision::Reject),
        ] {
            assert_eq!(decided(&mask(), caller(), recent), decision, "{recent:?}");
        }
        let stopped = CalledMask { is_stopped: true, ..mask() };
        assert_eq!(decided(&stopped, caller(), quiet), Decision::TurnAway(Reason::Stopped));
    }

    #[test]
    fn an_owner_is_told_of_what_may_be_pumping_or_a_loop() {
        let told = |reason, recent| is_worth_a_notice(Decision::TurnAway(reason), recent, &Limits::default());
        let quiet = RecentCalls::default();
        assert!(
            [Reason::Busy, Reason::OverLimit, Reason::OutOfMinutes].iter().all(|reason| told(*reason, quiet))
        );
        assert!(told(Reason::CallerOverLimit, RecentCalls { caller_ten_seconds: 3, ..quiet }));
        // Somebody who calls too often is turned away, and in the log; that is no reason for a letter.
        assert!(!told(Reason::CallerOverLimit, RecentCalls { caller_ten_minutes: 5, ..quiet }));
        assert!(!told(Reason::Paused, quiet) && !told(Reason::Stopped, quiet));
        assert!(!is_worth_a_notice(Decision::Reject, quiet, &Limits::default()));
    }
}
