//! What servers do, step by step; each arm is one transaction, or one word with the carrier, of `src/app`.

use crate::rules::Rules;
use crate::state::{
    APART, Answer, Doing, FRESH, Holder, IDLE, LEASE, Mask, NUMBERS, Number, Numbers, Operation, Orphan, Row,
    Server, Sighting, State, Wish,
};

impl State {
    /// Whether somebody may claim the operation: it is due, and nobody works on it under a lease.
    ///
    /// When it is due by a server's own clock does not count here: clocks may be skewed at will.
    pub(crate) fn can_claim(&self, wish: Wish) -> bool {
        self.rows[wish].operation != Operation::Closed && self.rows[wish].lease == 0
    }

    /// Claims the operation, and asks the carrier what has to be known first: a claim may as well come just before.
    pub(crate) fn claim(&mut self, by: usize, wish: Wish) {
        for server in self.servers.iter_mut().filter(|server| server.wish == wish) {
            server.holds = false;
        }
        let row = &mut self.rows[wish];
        let doing = match (row.mask, row.operation) {
            // It chooses nothing any more, and the wish fails.
            (Mask::Requested, Operation::Intended) if row.given_up => Doing::Choosing([false; NUMBERS]),
            (Mask::Requested, Operation::Intended) => {
                Doing::Choosing(self.carrier.map(|holder| holder == Holder::Nobody))
            }
            (Mask::Requested, _) => {
                Doing::Noting(row.chosen.is_some_and(|chosen| self.carrier[chosen].is_us()))
            }
            _ => Doing::Beginning,
        };
        row.operation = match row.operation {
            Operation::Intended => Operation::InFlight,
            _ => Operation::Unknown,
        };
        row.lease = LEASE;
        self.servers[by] = Server { doing, wish, holds: true };
    }

    /// The next step of a server that waits for nobody.
    pub(crate) fn step(&mut self, by: usize, rules: &Rules) {
        let server = self.servers[by];
        self.servers[by].doing = match server.doing {
            Doing::Choosing(_) => self.fail(server, rules),
            Doing::Buying(_, age) if rules.choices_are_fresh && age > FRESH => self.try_again(server, rules),
            Doing::Buying(number, _) => Doing::Waiting(number, 0),
            Doing::Told(number, answer) => self.note_purchase(server, number, answer, rules),
            Doing::Noting(found) => self.note_look(server, found, rules),
            Doing::Beginning => self.begin_release(server, rules),
            Doing::GivingBack(number) => Doing::WaitingForRelease(number, 0),
            Doing::ToldOfRelease(answer) => self.note_release(server, answer, rules),
            Doing::Comparing(owned) => self.compare(owned, rules),
            Doing::GivingOrphanBack(number) => Doing::WaitingForOrphan(number, 0),
            Doing::ToldOfOrphan(number, answer) => {
                if answer == Answer::Done && self.orphans[number] == Orphan::GoesBack {
                    self.orphans[number] = Orphan::Not;
                }
                Doing::Nothing
            }
            waits @ (Doing::Nothing
            | Doing::Waiting(..)
            | Doing::WaitingForRelease(..)
            | Doing::WaitingForOrphan(..)) => waits,
        };
        if self.servers[by].doing == Doing::Nothing {
            self.servers[by] = IDLE;
        }
    }

    /// Whether what the server writes about its operation counts.
    fn counts(&self, server: Server, rules: &Rules) -> bool {
        let is_claimed = matches!(self.rows[server.wish].operation, Operation::InFlight | Operation::Unknown);
        !rules.fencing || (server.holds && is_claimed)
    }

    fn chosen_by_others(&self, wish: Wish, number: Number) -> bool {
        let others = self.rows.iter().enumerate().filter(|(other, _)| *other != wish);
        let mut open = others.filter(|(_, row)| row.operation != Operation::Closed);
        open.any(|(_, row)| row.chosen == Some(number))
    }

    /// Whether the server may choose the number: free when the list was read, and nobody with us has it, is about to
    /// have it, or had it of late.
    pub(crate) fn can_choose(&self, server: Server, free: Numbers, number: Number, rules: &Rules) -> bool {
        let held = self.rows.iter().any(|row| row.mask.holds() == Some(number));
        let lies_fallow = rules.fallow && self.fallow[number];
        let chosen = self.chosen_by_others(server.wish, number);
        free[number] && (!rules.one_chooser || !(held || chosen)) && !lies_fallow
    }

    pub(crate) fn choose(&mut self, by: usize, number: Number, rules: &Rules) {
        let server = self.servers[by];
        let row = &mut self.rows[server.wish];
        let is_ours = server.holds && row.operation == Operation::InFlight && row.lease > 0;
        if rules.fencing && !is_ours {
            self.servers[by] = IDLE;
            return;
        }
        if rules.choice_before_request {
            row.chosen = Some(number);
            row.lease = LEASE;
        }
        self.servers[by].doing = Doing::Buying(number, 0);
    }

    fn fail(&mut self, server: Server, rules: &Rules) -> Doing {
        if self.counts(server, rules) {
            self.close(server.wish, Mask::Failed);
        }
        Doing::Nothing
    }

    /// Its owner does not want it any more. Where nothing was asked for yet, whoever works on it may not ask from now on.
    pub(crate) fn cancel(&mut self, wish: Wish, rules: &Rules) {
        if self.rows[wish].chosen.is_none() || !rules.cancelled_is_looked_for {
            self.close(wish, Mask::Failed);
        } else {
            self.rows[wish].given_up = true;
        }
    }

    fn close(&mut self, wish: Wish, mask: Mask) {
        self.rows[wish] = Row {
            mask,
            operation: Operation::Closed,
            lease: 0,
            chosen: None,
            absences: 0,
            given_up: false,
            missing: Sighting::Never,
        };
    }

    fn bought(&mut self, server: Server, number: Number, rules: &Rules) -> Doing {
        if self.counts(server, rules) {
            let mut others = self.rows.iter().enumerate().filter(|(other, _)| *other != server.wish);
            if others.any(|(_, row)| row.mask.holds() == Some(number)) {
                self.collided = true;
            } else {
                let given_up = self.rows[server.wish].given_up;
                self.close(server.wish, Mask::Active(number));
                let row = &mut self.rows[server.wish];
                row.given_up = given_up;
                if given_up && rules.cancelled_rests {
                    (row.mask, row.operation) = (Mask::Resting(number), Operation::Intended);
                }
            }
        }
        Doing::Nothing
    }

    fn try_again(&mut self, server: Server, rules: &Rules) -> Doing {
        if self.counts(server, rules) {
            let row = &mut self.rows[server.wish];
            (row.operation, row.lease, row.chosen, row.absences) = (Operation::Intended, 0, None, 0);
        }
        Doing::Nothing
    }

    fn note_purchase(&mut self, server: Server, number: Number, answer: Answer, rules: &Rules) -> Doing {
        match answer {
            Answer::Done => self.bought(server, number, rules),
            Answer::Unclear if rules.read_back => self.leave_unknown(server, rules),
            Answer::NotDone | Answer::Unclear => self.try_again(server, rules),
        }
    }

    fn leave_unknown(&mut self, server: Server, rules: &Rules) -> Doing {
        if self.counts(server, rules) {
            let row = &mut self.rows[server.wish];
            (row.operation, row.lease) = (Operation::Unknown, 0);
        }
        Doing::Nothing
    }

    fn note_look(&mut self, server: Server, found: bool, rules: &Rules) -> Doing {
        let row = self.rows[server.wish];
        match row.chosen {
            Some(number) if found => self.bought(server, number, rules),
            None => self.try_again(server, rules),
            _ if row.absences > 0 || !rules.two_absences => self.try_again(server, rules),
            _ => {
                if self.counts(server, rules) {
                    let lease = if rules.pause_by_one_clock { APART } else { 0 };
                    self.rows[server.wish] =
                        Row { operation: Operation::Unknown, absences: row.absences + 1, lease, ..row };
                }
                Doing::Nothing
            }
        }
    }

    fn begin_release(&mut self, server: Server, rules: &Rules) -> Doing {
        match self.rows[server.wish].mask {
            // Not fenced: once the rest is over, whoever comes may begin.
            Mask::Resting(number) | Mask::Releasing(number) => {
                self.rows[server.wish].mask = Mask::Releasing(number);
                Doing::GivingBack(number)
            }
            mask => {
                if self.counts(server, rules) {
                    self.close(server.wish, mask);
                }
                Doing::Nothing
            }
        }
    }

    fn note_release(&mut self, server: Server, answer: Answer, rules: &Rules) -> Doing {
        match (answer, self.rows[server.wish].mask) {
            (Answer::Done, Mask::Releasing(number)) => {
                if self.counts(server, rules) {
                    self.close(server.wish, Mask::Released);
                    self.fallow[number] = true;
                }
                Doing::Nothing
            }
            _ => self.leave_unknown(server, rules),
        }
    }

    /// Compares all rows with the carrier's list, notes what is at odds, and says what is to be given back.
    fn compare(&mut self, owned: Numbers, rules: &Rules) -> Doing {
        let mut next = Doing::Nothing;
        for (number, is_owned) in owned.into_iter().enumerate() {
            let explained = if rules.choices_explain {
                self.is_explained(number)
            } else {
                self.rows.iter().any(|row| row.mask.holds() == Some(number))
            };
            let orphan = &mut self.orphans[number];
            *orphan = match (*orphan, is_owned && !explained) {
                (Orphan::Not, true) if rules.two_sightings => Orphan::Seen(APART),
                (Orphan::Not | Orphan::Seen(0) | Orphan::GoesBack, true) => Orphan::GoesBack,
                (Orphan::Seen(rest), true) => Orphan::Seen(rest),
                (_, false) => Orphan::Not,
            };
            self.fallow[number] |= *orphan == Orphan::GoesBack;
            if *orphan == Orphan::GoesBack && next == Doing::Nothing {
                next = Doing::GivingOrphanBack(number);
            }
        }
        for row in &mut self.rows {
            let (Mask::Active(number) | Mask::Resting(number)) = row.mask else { continue };
            match row.missing {
                _ if owned[number] => row.missing = Sighting::Never,
                Sighting::Never if rules.two_sightings => row.missing = Sighting::Once(APART),
                Sighting::Never | Sighting::Once(0) => {
                    *row = Row {
                        mask: Mask::Lost,
                        operation: Operation::Closed,
                        lease: 0,
                        chosen: None,
                        absences: 0,
                        given_up: false,
                        missing: Sighting::Never,
                    };
                    self.fallow[number] = true;
                }
                Sighting::Once(_) => {}
            }
        }
        next
    }
}
