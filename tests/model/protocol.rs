//! All that can happen next: people, servers, the carrier, crashes and the time.
//!
//! A transaction that was not carried out, and one whose COMMIT was answered by nobody, look to the server like a crash
//! before and after it: it gives the operation up, and the lease runs out. So both are crashes here.

use stateright::{Model, Property};

use crate::rules::Rules;
use crate::state::{
    Answer, Doing, Holder, IDLE, LATE, Mask, NUMBERS, Number, Operation, Orphan, SERVERS, Sighting, State,
    WISHES, Wish,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Wish(Wish),
    Cancel(Wish),
    Revoke(Wish),
    Restore(Wish),
    /// A server begins to work on a wish.
    Claim(usize, Wish),
    Choose(usize, Number),
    Step(usize),
    /// A server reads the carrier's list to compare it with the rows.
    Compare(usize),
    /// The request takes effect, and its answer arrives.
    Answered(usize),
    /// No connection: surely no effect.
    NoConnection(usize),
    /// No answer will come: the request is still under way, took effect, or never will.
    GiveUp(usize),
    Crash(usize),
    StrayPurchase(Wish, Number, bool),
    StrayRelease(Number, bool),
    Time,
    /// Somebody else rents the number, or it is rented for us past the protocol.
    Meddle(Number, Holder),
}

impl State {
    fn purchase(&mut self, wish: Wish, number: Number) -> Answer {
        match self.carrier[number] {
            Holder::Nobody => {
                self.carrier[number] = Holder::Us(wish);
                Answer::Done
            }
            Holder::Us(_) | Holder::UsUnexplained => Answer::Done,
            Holder::SomebodyElse => Answer::NotDone,
        }
    }

    fn release(&mut self, number: Number) -> Answer {
        if self.carrier[number].is_us() {
            self.carrier[number] = Holder::Nobody;
        }
        Answer::Done
    }

    fn take_effect(&mut self, by: usize) -> Answer {
        let server = self.servers[by];
        match server.doing {
            Doing::Waiting(number, _) => self.purchase(server.wish, number),
            Doing::WaitingForRelease(number, _) | Doing::WaitingForOrphan(number, _) => self.release(number),
            _ => Answer::Unclear,
        }
    }

    fn hear(&mut self, by: usize, answer: Answer) {
        let doing = &mut self.servers[by].doing;
        *doing = match *doing {
            Doing::Waiting(number, _) => Doing::Told(number, answer),
            Doing::WaitingForRelease(..) => Doing::ToldOfRelease(answer),
            Doing::WaitingForOrphan(number, _) => Doing::ToldOfOrphan(number, answer),
            other => other,
        };
    }

    /// The request goes on without anybody who waits for it.
    fn stray(&mut self, by: usize) {
        let server = self.servers[by];
        let (slot, age) = match server.doing {
            Doing::Waiting(number, age) => (&mut self.strays.purchases[server.wish][number], age),
            Doing::WaitingForRelease(number, age) | Doing::WaitingForOrphan(number, age) => {
                (&mut self.strays.releases[number], age)
            }
            _ => return,
        };
        *slot = Some(slot.map_or(age, |other| age.min(other)));
    }

    pub(crate) fn alive(&self) -> usize {
        self.rows.iter().filter(|row| row.mask.is_alive()).count()
    }

    fn pass_time(&mut self) {
        let older = |age: &mut u8| *age = (*age + 1).min(LATE + 1);
        for row in &mut self.rows {
            row.lease = row.lease.saturating_sub(1);
            if let Sighting::Once(rest) = &mut row.missing {
                *rest = rest.saturating_sub(1);
            }
        }
        for orphan in &mut self.orphans {
            if let Orphan::Seen(rest) = orphan {
                *rest = rest.saturating_sub(1);
            }
        }
        for server in &mut self.servers {
            match &mut server.doing {
                Doing::Waiting(_, age)
                | Doing::WaitingForRelease(_, age)
                | Doing::WaitingForOrphan(_, age)
                | Doing::Buying(_, age) => older(age),
                _ => {}
            }
        }
        let strays = self.strays.purchases.iter_mut().flatten().chain(&mut self.strays.releases);
        strays.flatten().for_each(older);
    }
}

impl Rules {
    fn actions_of_people(&self, state: &State, actions: &mut Vec<Action>) {
        let wished = state.rows.iter().filter(|row| row.mask != Mask::NotWished).count();
        for (wish, row) in state.rows.iter().enumerate() {
            match row.mask {
                Mask::NotWished if wished < self.wishes && state.alive() < self.limit => {
                    actions.push(Action::Wish(wish));
                }
                Mask::Requested if self.cancels && !row.given_up => actions.push(Action::Cancel(wish)),
                Mask::Active(_) => actions.push(Action::Revoke(wish)),
                Mask::Resting(_)
                    if row.operation == Operation::Intended
                        && (state.alive() < self.limit || !self.restored_count) =>
                {
                    actions.push(Action::Restore(wish));
                }
                _ => {}
            }
        }
    }

    fn actions_of_a_server(&self, state: &State, by: usize, actions: &mut Vec<Action>) {
        let server = state.servers[by];
        match server.doing {
            Doing::Nothing => {
                let due = (0..WISHES).filter(|wish| state.can_claim(*wish));
                actions.extend(due.map(|wish| Action::Claim(by, wish)));
                if self.reconciled {
                    actions.push(Action::Compare(by));
                }
                return;
            }
            Doing::Choosing(free) => {
                let before = actions.len();
                let fit = (0..NUMBERS).filter(|number| state.can_choose(server, free, *number, self));
                actions.extend(fit.map(|number| Action::Choose(by, number)));
                if actions.len() == before {
                    actions.push(Action::Step(by));
                }
            }
            Doing::Waiting(..) | Doing::WaitingForRelease(..) | Doing::WaitingForOrphan(..) => {
                actions.extend([Action::Answered(by), Action::NoConnection(by), Action::GiveUp(by)]);
            }
            _ => actions.push(Action::Step(by)),
        }
        actions.push(Action::Crash(by));
    }

    fn actions_of_the_world(&self, state: &State, actions: &mut Vec<Action>) {
        for number in 0..NUMBERS {
            for happens in [true, false] {
                for wish in 0..WISHES {
                    if state.strays.purchases[wish][number].is_some() {
                        actions.push(Action::StrayPurchase(wish, number, happens));
                    }
                }
                if state.strays.releases[number].is_some() {
                    actions.push(Action::StrayRelease(number, happens));
                }
            }
            if !state.meddled && state.carrier[number] == Holder::Nobody {
                actions.push(Action::Meddle(number, Holder::SomebodyElse));
                if self.reconciled {
                    actions.push(Action::Meddle(number, Holder::UsUnexplained));
                }
            }
        }
        if !self.carrier_is_prompt || state.requests().all(|age| age < LATE) {
            actions.push(Action::Time);
        }
    }

    /// How things go on when nothing goes wrong any more; `None` once all is done.
    pub(crate) fn calm(&self, state: &State) -> Option<Action> {
        let strays = (0..NUMBERS).flat_map(|number| (0..WISHES).map(move |wish| (wish, number)));
        let bought = strays.filter(|(wish, number)| state.strays.purchases[*wish][*number].is_some());
        if let Some((wish, number)) = bought.into_iter().next() {
            return Some(Action::StrayPurchase(wish, number, true));
        }
        if let Some(number) = (0..NUMBERS).find(|number| state.strays.releases[*number].is_some()) {
            return Some(Action::StrayRelease(number, true));
        }
        if let Some(by) = (0..SERVERS).find(|by| state.servers[*by].doing != Doing::Nothing) {
            let mut actions = vec![];
            self.actions_of_a_server(state, by, &mut actions);
            return actions.first().copied();
        }
        // A mask may rest for as long as it likes.
        let rests = |wish: Wish| {
            matches!(state.rows[wish].mask, Mask::Resting(_))
                && state.rows[wish].operation == Operation::Intended
        };
        if let Some(wish) = (0..WISHES).find(|wish| state.can_claim(*wish) && !rests(*wish)) {
            return Some(Action::Claim(0, wish));
        }
        let waits = state.rows.iter().any(|row| row.lease > 0 || matches!(row.missing, Sighting::Once(1..)))
            || state.orphans.iter().any(|orphan| matches!(orphan, Orphan::Seen(1..)));
        if waits {
            return Some(Action::Time);
        }
        (self.reconciled && !agrees(state)).then_some(Action::Compare(0))
    }

    fn agrees_in_the_end(&self, state: &State) -> bool {
        let mut state = *state;
        for _ in 0..200 {
            let Some(action) = self.calm(&state) else { return agrees(&state) };
            state = self.after(&state, action);
        }
        false
    }

    pub(crate) fn after(&self, before: &State, action: Action) -> State {
        let mut state = *before;
        match action {
            Action::Wish(wish) => {
                state.rows[wish].mask = Mask::Requested;
                state.rows[wish].operation = Operation::Intended;
            }
            Action::Cancel(wish) => state.cancel(wish, self),
            Action::Revoke(wish) => {
                if let Mask::Active(number) = state.rows[wish].mask {
                    state.rows[wish].mask = Mask::Resting(number);
                    state.rows[wish].operation = Operation::Intended;
                }
            }
            Action::Restore(wish) => {
                if let Mask::Resting(number) = state.rows[wish].mask {
                    state.rows[wish].mask = Mask::Active(number);
                    state.rows[wish].operation = Operation::Closed;
                    state.rows[wish].given_up = false;
                }
            }
            Action::Claim(by, wish) => state.claim(by, wish),
            Action::Choose(by, number) => state.choose(by, number, self),
            Action::Step(by) => state.step(by, self),
            Action::Compare(by) => {
                state.servers[by].doing = Doing::Comparing(state.carrier.map(Holder::is_us));
            }
            Action::Answered(by) => {
                let answer = state.take_effect(by);
                state.hear(by, answer);
            }
            Action::NoConnection(by) => state.hear(by, Answer::NotDone),
            Action::GiveUp(by) => {
                state.stray(by);
                state.hear(by, Answer::Unclear);
            }
            Action::Crash(by) => {
                state.stray(by);
                state.servers[by] = IDLE;
            }
            Action::StrayPurchase(wish, number, happens) => {
                state.strays.purchases[wish][number] = None;
                if happens {
                    state.purchase(wish, number);
                }
            }
            Action::StrayRelease(number, happens) => {
                state.strays.releases[number] = None;
                if happens {
                    state.release(number);
                }
            }
            Action::Time => state.pass_time(),
            Action::Meddle(number, holder) => {
                state.carrier[number] = holder;
                state.meddled = true;
            }
        }
        state.normal(self)
    }
}

/// Whether what the carrier bills is what the rows hold, and nothing is left to be done.
fn agrees(state: &State) -> bool {
    let billed = |number: Number| state.carrier[number].is_us();
    let held = |number: Number| state.rows.iter().any(|row| row.mask.holds() == Some(number));
    let settled = state.rows.iter().all(|row| match row.mask {
        Mask::Requested | Mask::Releasing(_) => false,
        Mask::Resting(_) => row.operation == Operation::Intended,
        _ => row.operation == Operation::Closed,
    });
    let at_odds = state.rows.iter().any(|row| row.missing != Sighting::Never)
        || state.orphans.iter().any(|orphan| matches!(orphan, Orphan::Seen(_) | Orphan::GoesBack));
    settled && !at_odds && (0..NUMBERS).all(|number| billed(number) == held(number))
}

/// I4: the numbers that were bought for one wish, or may yet be, are at most one.
pub(crate) const ONE_PURCHASE: &str = "one purchase for one wish";
/// I2
pub(crate) const ONE_MASK: &str = "no number in two masks";
/// I3
pub(crate) const RENTED: &str = "what a mask holds is rented";
/// No mask is called lost: the carrier of this model takes none away.
pub(crate) const NOT_LOST: &str = "nothing is called lost that is not";
/// I6, for a mask that was never in service.
pub(crate) const CANCELLED: &str = "what was cancelled does not ring";
/// I5
pub(crate) const QUOTA: &str = "the quota holds";
/// I1, I9, I10: once nothing goes wrong any more, all agrees and nothing is left open.
pub(crate) const AGREEMENT: &str = "all agrees in the end";

impl Model for Rules {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.actions_of_people(state, actions);
        for by in SERVERS - self.servers..SERVERS {
            self.actions_of_a_server(state, by, actions);
        }
        self.actions_of_the_world(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let after = self.after(state, action);
        (after != *state).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_PURCHASE, buys_once),
            Property::always(ONE_MASK, shares_no_number),
            Property::always(RENTED, rents_what_it_holds),
            Property::always(NOT_LOST, loses_nothing),
            Property::always(CANCELLED, |_: &Self, state: &State| {
                !state.rows.iter().any(|row| row.given_up && matches!(row.mask, Mask::Active(_)))
            }),
            Property::always(QUOTA, |rules: &Self, state: &State| state.alive() <= rules.limit),
            Property::always(AGREEMENT, Self::agrees_in_the_end),
            Property::sometimes("all that may ring do", |rules: &Self, state: &State| {
                let rings = |mask| matches!(mask, Mask::Active(_));
                state.rows.iter().filter(|row| rings(row.mask)).count() == rules.limit.min(rules.wishes)
            }),
            Property::sometimes("a number goes all the way", |_: &Self, state: &State| {
                state.rows.iter().any(|row| row.mask == Mask::Released)
            }),
            Property::sometimes("an orphan is given back", |_: &Self, state: &State| {
                state.rows[0].mask == Mask::NotWished && state.fallow.contains(&true)
            }),
        ]
    }
}

fn buys_once(_: &Rules, state: &State) -> bool {
    (0..WISHES).all(|wish| may_exist(state, wish) <= 1)
}

fn shares_no_number(_: &Rules, state: &State) -> bool {
    let holders = |number| state.rows.iter().filter(|row| row.mask.holds() == Some(number)).count();
    !state.collided && (0..NUMBERS).all(|number| holders(number) <= 1)
}

fn rents_what_it_holds(_: &Rules, state: &State) -> bool {
    state.rows.iter().all(|row| match row.mask {
        Mask::Active(number) | Mask::Resting(number) => state.carrier[number].is_us(),
        _ => true,
    })
}

fn loses_nothing(_: &Rules, state: &State) -> bool {
    !state.rows.iter().any(|row| row.mask == Mask::Lost)
}

/// How many numbers were bought for the wish, or may be by a request that is under way.
fn may_exist(state: &State, wish: Wish) -> usize {
    let of_it = |number: &Number| {
        let is_asked = state.servers.iter().any(|server| {
            server.wish == wish && matches!(server.doing, Doing::Waiting(asked, _) if asked == *number)
        });
        state.carrier[*number] == Holder::Us(wish)
            || is_asked
            || state.strays.purchases[wish][*number].is_some()
    };
    (0..NUMBERS).filter(of_it).count()
}
