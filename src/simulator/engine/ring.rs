//! Phones that ring: who is dialled, what each does, and who picks up first.

use std::collections::VecDeque;

use super::Outcome;
use super::document::Allowed;
use super::options::{Tone, tones};
use super::parties::Target;
use super::script::Answer;
use super::session::{Session, show};
use super::signals::Interruption;
use super::terminator::Cut;
use crate::domain::phone::PhoneNumber;
use crate::simulator::trace::Kind;

/// How many rented numbers may lead to one another before it counts as a circle.
const DEEPEST: u8 = 4;

/// How long phones ring, and what may end it.
pub(super) struct Ringtime<'a> {
    pub(super) milliseconds: u64,
    pub(super) allowed: &'a Allowed,
    /// The key by which the caller ends it. Only a transfer has a caller.
    pub(super) terminator: Option<&'a str>,
    pub(super) caller_listens: bool,
}

/// A phone that rings.
struct Ringing {
    phone: String,
    /// The entry of the phone.
    call: Option<u64>,
    answer: Answer,
    seconds: u32,
    presses: Option<Vec<String>>,
    tones: Vec<Tone>,
}

/// A phone that was picked up.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) phone: String,
    pub(super) call: Option<u64>,
    pub(super) answer: Answer,
    /// How long its owner would talk.
    pub(super) seconds: u32,
    /// What its owner presses, one entry for each question.
    pub(super) presses: VecDeque<String>,
    /// Whether nobody said what its owner presses.
    pub(super) untold: bool,
    /// What is dialled once it has answered.
    pub(super) tones: Vec<Tone>,
}

/// What came of ringing.
#[derive(Debug)]
pub(super) enum Rung {
    Picked(Picked),
    /// The number is rented: its application answers, and hears the tones.
    Rented(PhoneNumber, Vec<Tone>),
    Busy,
    NoAnswer,
    Rejected,
    Nowhere,
    CallerHungUp,
    /// The caller pressed the key that ends it.
    Cancelled,
    Interrupted(Interruption),
}

impl Rung {
    /// What it means where nobody is left on the line.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Picked(_) => Outcome::Answered,
            Self::Busy => Outcome::Busy,
            Self::Rejected => Outcome::Rejected,
            Self::Nowhere | Self::Rented(..) => Outcome::NotInService,
            Self::Cancelled => Outcome::Cancelled,
            Self::NoAnswer | Self::CallerHungUp | Self::Interrupted(_) => Outcome::NoAnswer,
        }
    }
}

impl Session {
    /// Rings all at once; the first who picks up wins.
    pub(super) async fn ring(&mut self, to: &[String], shown: &str, ringtime: Ringtime<'_>) -> Rung {
        let find = |to: &String| (Target::find(&self.board, to), tones(to));
        let mut targets: Vec<(Target, Vec<Tone>)> = to.iter().map(find).collect();
        if let [(Target::Rented(number), tones)] = targets.as_mut_slice() {
            return self.ring_rented(*number, shown, std::mem::take(tones));
        }
        let begin = |(target, tones)| self.begin_ringing(target, shown, tones);
        let ringing: Vec<Ringing> = targets.into_iter().filter_map(begin).collect();
        if ringing.is_empty() {
            return Rung::Nowhere;
        }
        let (decides, after) = who_decides(&ringing, ringtime.milliseconds);
        if let Some(ended) = self.keep_ringing(after, &ringtime).await {
            self.all_stop(&ringing, None);
            return ended;
        }
        let Some(decides) = decides else {
            self.tell(Kind::Ends, format!("Nobody answers within {} seconds.", ringtime.milliseconds / 1000));
            self.all_stop(&ringing, None);
            return Rung::NoAnswer;
        };
        self.all_stop(&ringing, Some(decides));
        ringing.into_iter().nth(decides).map_or(Rung::Nowhere, |ringing| self.act_on(ringing))
    }

    /// Lets the phones ring, unless the caller or a signal ends it.
    async fn keep_ringing(&mut self, milliseconds: u64, ringtime: &Ringtime<'_>) -> Option<Rung> {
        let cut = if ringtime.caller_listens {
            self.until_key(milliseconds, ringtime.allowed, ringtime.terminator).await
        } else {
            self.pass(milliseconds, ringtime.allowed).await.map(Cut::Interrupted)
        };
        cut.map(|cut| match cut {
            Cut::Interrupted(interruption) => Rung::Interrupted(interruption),
            Cut::ByKey => Rung::Cancelled,
        })
    }

    fn ring_rented(&self, number: PhoneNumber, shown: &str, tones: Vec<Tone>) -> Rung {
        let e164 = number.e164();
        self.tell_rings(&e164, shown);
        if self.depth >= DEEPEST {
            self.tell(Kind::Problem, "Rented numbers lead to one another in a circle. The call is refused.");
            return Rung::Nowhere;
        }
        Rung::Rented(number, tones)
    }

    fn begin_ringing(&self, target: Target, shown: &str, tones: Vec<Tone>) -> Option<Ringing> {
        let Target::Phone(phone) = target else {
            self.record.change(|trace| trace.rang.push(target.address()));
            let why = match target {
                Target::Rented(_) => "is rented, and rings only when it is dialled alone",
                _ => "is not in service (SIP 404)",
            };
            self.tell(Kind::Ends, format!("{} {why}.", show(&target.address())));
            return None;
        };
        self.tell_rings(&phone, shown);
        let told = self.board.phones(|phones| phones.behaviour(&phone));
        let call = Some(self.board.phone_call(&phone, true, shown, "ringing"));
        let presses = &self.script.callee_presses;
        Some(Ringing {
            call,
            phone,
            answer: self.script.answer.unwrap_or(told.answer),
            seconds: self.script.seconds.unwrap_or(told.seconds),
            presses: if presses.is_empty() { told.presses } else { Some(presses.clone()) },
            tones,
        })
    }

    fn tell_rings(&self, phone: &str, shown: &str) {
        self.record.change(|trace| {
            trace.rang.push(phone.to_owned());
            trace.shown = Some(shown.to_owned());
        });
        self.tell(Kind::Rings, format!("{} rings and shows {}.", show(phone), show(shown)));
    }

    /// What the phone that decides does, and what that means.
    fn act_on(&self, ringing: Ringing) -> Rung {
        let Ringing { phone, call, answer, seconds, presses, tones } = ringing;
        let name = show(&phone);
        match answer {
            Answer::Answered | Answer::AnsweredCallerHangsUp => {
                self.tell(Kind::Connects, format!("{name} answers."));
                let untold = presses.is_none();
                let presses = presses.unwrap_or_default().into();
                Rung::Picked(Picked { phone, call, answer, seconds, presses, untold, tones })
            }
            Answer::Busy => {
                self.tell(Kind::Ends, format!("{name} is busy."));
                Rung::Busy
            }
            Answer::Rejected => {
                self.tell(Kind::Ends, format!("{name} declines the call."));
                Rung::Rejected
            }
            Answer::CallerHangsUp => Rung::CallerHungUp,
            Answer::Unanswered => Rung::NoAnswer,
        }
    }

    /// All phones stop ringing; what each notes depends on who decided.
    fn all_stop(&self, ringing: &[Ringing], decides: Option<usize>) {
        for (at, phone) in ringing.iter().enumerate() {
            let outcome = match phone.answer {
                Answer::Answered | Answer::AnsweredCallerHangsUp if Some(at) == decides => "answered",
                Answer::Busy => "busy",
                Answer::Rejected => "rejected",
                _ => "missed",
            };
            self.phone_goes_on(phone.call, |call| outcome.clone_into(&mut call.outcome));
        }
    }
}

/// Which phone decides how the ringing ends, and after how many milliseconds; none where the time runs out.
///
/// Who picks up comes first; then a caller who gives up; then, if all others have refused, whoever refused
/// last.
fn who_decides(ringing: &[Ringing], timeout: u64) -> (Option<usize>, u64) {
    let after = |at: usize| ringing[at].answer.after_milliseconds().filter(|after| *after < timeout);
    let picks_up = |answer: Answer| matches!(answer, Answer::Answered | Answer::AnsweredCallerHangsUp);
    let all = || 0..ringing.len();
    let first = all().filter(|at| picks_up(ringing[*at].answer)).find_map(|at| Some((at, after(at)?)));
    if let Some((at, after)) = first {
        return (Some(at), after);
    }
    if let Some(at) = all().find(|at| ringing[*at].answer == Answer::CallerHangsUp) {
        return (Some(at), after(at).unwrap_or(timeout / 2));
    }
    let refused: Option<Vec<(u64, usize)>> = all().map(|at| Some((after(at)?, at))).collect();
    match refused.and_then(|refused| refused.into_iter().max()) {
        Some((after, at)) => (Some(at), after),
        None => (None, timeout),
    }
}
