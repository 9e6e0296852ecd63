//! What there is in the model: rows, servers, the carrier, and what is on its way between them.
//!
//! Two wishes, two numbers, two servers. Time passes in ticks of about 15 seconds.

use crate::rules::Rules;

/// Which wish, which number.
pub(crate) type Wish = usize;
pub(crate) type Number = usize;

pub(crate) const WISHES: usize = 2;
pub(crate) const NUMBERS: usize = 2;
pub(crate) const SERVERS: usize = 2;

/// How many ticks a lease lasts; the code's minute is a little longer.
pub(crate) const LEASE: u8 = 3;
/// How many ticks lie between two looks or two sightings that both count: 30 s between looks; the 15 minutes between
/// sightings only have to be longer than whatever a look can be late.
pub(crate) const APART: u8 = 2;
/// How many ticks after it was sent a request may still take effect at the carrier.
pub(crate) const LATE: u8 = 1;
/// How many ticks after a choice was made it may still be acted upon.
pub(crate) const FRESH: u8 = 1;

/// A mask, with the operation about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) mask: Mask,
    pub(crate) operation: Operation,
    /// Ticks until the lease, or the pause after a look in vain, is over by the database's clock.
    pub(crate) lease: u8,
    pub(crate) chosen: Option<Number>,
    pub(crate) absences: u8,
    /// Its owner cancelled it when nobody knew what came of it. It stays so until it is restored.
    pub(crate) given_up: bool,
    /// Since when its number is missing from the carrier's list.
    pub(crate) missing: Sighting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mask {
    NotWished,
    Requested,
    Active(Number),
    Resting(Number),
    Releasing(Number),
    Released,
    Failed,
    Lost,
}

impl Mask {
    /// The number that it holds.
    pub(crate) fn holds(self) -> Option<Number> {
        match self {
            Self::Active(number) | Self::Resting(number) | Self::Releasing(number) => Some(number),
            _ => None,
        }
    }

    /// Whether it counts towards the limit.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Requested | Self::Active(_))
    }
}

/// The state of an operation; whether it buys or releases, its mask tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// There is none, or it is finished.
    Closed,
    Intended,
    InFlight,
    Unknown,
}

/// Something at odds that must be seen twice before anybody acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sighting {
    Never,
    /// Seen once; counts again after so many ticks.
    Once(u8),
}

/// What is noted about a number that no row explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Orphan {
    Not,
    Seen(u8),
    /// Seen twice; it is given back.
    GoesBack,
}

/// Who has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    Nobody,
    /// We, by a purchase for that wish.
    Us(Wish),
    /// We, and nobody knows why: rows were restored from an old copy, or somebody bought by hand.
    UsUnexplained,
    SomebodyElse,
}

impl Holder {
    /// Whether the carrier bills us for it.
    pub(crate) fn is_us(self) -> bool {
        matches!(self, Self::Us(_) | Self::UsUnexplained)
    }
}

/// Some of the numbers.
pub(crate) type Numbers = [bool; NUMBERS];

/// What the carrier answered, as the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Done,
    /// Surely without effect: somebody else has the number, or there was no connection.
    NotDone,
    /// Lost, late or unreadable.
    Unclear,
}

/// What a server does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Doing {
    Nothing,
    /// Has claimed a purchase that surely had no effect so far, and has read which numbers are free.
    Choosing(Numbers),
    /// Its choice is committed, so many ticks ago.
    Buying(Number, u8),
    /// The request is under way since so many ticks.
    Waiting(Number, u8),
    Told(Number, Answer),
    /// Has claimed a purchase of which nobody knows what came, and has read whether we have the number.
    Noting(bool),
    /// Has claimed a release.
    Beginning,
    GivingBack(Number),
    WaitingForRelease(Number, u8),
    ToldOfRelease(Answer),
    /// Has read the carrier's list, to compare the rows with it.
    Comparing(Numbers),
    GivingOrphanBack(Number),
    WaitingForOrphan(Number, u8),
    ToldOfOrphan(Number, Answer),
}

/// A server: its worker and its reconciler, which are never at work both for one wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Server {
    pub(crate) doing: Doing,
    pub(crate) wish: Wish,
    /// Whether nobody else has claimed the operation since.
    pub(crate) holds: bool,
}

pub(crate) const IDLE: Server = Server { doing: Doing::Nothing, wish: 0, holds: false };

/// Requests under way that nobody waits for any more, with the ticks since they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Strays {
    pub(crate) purchases: [[Option<u8>; NUMBERS]; WISHES],
    pub(crate) releases: [Option<u8>; NUMBERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) rows: [Row; WISHES],
    pub(crate) servers: [Server; SERVERS],
    pub(crate) carrier: [Holder; NUMBERS],
    pub(crate) strays: Strays,
    pub(crate) orphans: [Orphan; NUMBERS],
    /// What was given back of late.
    pub(crate) fallow: Numbers,
    /// Whether the world outside has done the one thing that it may do.
    pub(crate) meddled: bool,
    /// Whether two rows were about to hold one number; the index of the table keeps them from it.
    pub(crate) collided: bool,
}

impl State {
    pub(crate) fn first() -> Self {
        let row = Row {
            mask: Mask::NotWished,
            operation: Operation::Closed,
            lease: 0,
            chosen: None,
            absences: 0,
            given_up: false,
            missing: Sighting::Never,
        };
        Self {
            rows: [row; WISHES],
            servers: [IDLE; SERVERS],
            carrier: [Holder::Nobody; NUMBERS],
            strays: Strays { purchases: [[None; NUMBERS]; WISHES], releases: [None; NUMBERS] },
            orphans: [Orphan::Not; NUMBERS],
            fallow: [false; NUMBERS],
            meddled: false,
            collided: false,
        }
    }

    /// Whether a row or an operation tells why we have the number.
    pub(crate) fn is_explained(&self, number: Number) -> bool {
        self.rows.iter().any(|row| {
            row.mask.holds() == Some(number)
                || (row.operation != Operation::Closed && row.chosen == Some(number))
        })
    }

    /// Ages of all requests under way.
    pub(crate) fn requests(&self) -> impl Iterator<Item = u8> {
        let waited_for = self.servers.into_iter().filter_map(|server| match server.doing {
            Doing::Waiting(_, age) | Doing::WaitingForRelease(_, age) | Doing::WaitingForOrphan(_, age) => {
                Some(age)
            }
            _ => None,
        });
        let strays = self.strays.purchases.into_iter().flatten().chain(self.strays.releases);
        waited_for.chain(strays.flatten())
    }

    /// One of all states that differ only in the names of wishes, numbers and servers.
    pub(crate) fn normal(mut self, rules: &Rules) -> Self {
        if rules.fencing {
            // Whoever only has to note something, and may not, has nothing to do any more.
            for server in self.servers.iter_mut().filter(|server| !server.holds && server.notes_only()) {
                *server = IDLE;
            }
        }
        let names = [[0, 1], [1, 0]];
        let all = names.iter().flat_map(|wishes| names.iter().map(|numbers| self.renamed(wishes, numbers)));
        all.min().unwrap_or(self)
    }

    fn renamed(&self, wishes: &[Wish; WISHES], numbers: &[Number; NUMBERS]) -> Self {
        let mut named = *self;
        for (wish, row) in self.rows.iter().enumerate() {
            let chosen = row.chosen.map(|number| numbers[number]);
            named.rows[wishes[wish]] = Row { mask: row.mask.renamed(numbers), chosen, ..*row };
            for (number, name) in numbers.iter().enumerate() {
                named.strays.purchases[wishes[wish]][*name] = self.strays.purchases[wish][number];
            }
        }
        for (number, name) in numbers.iter().enumerate() {
            named.carrier[*name] = match self.carrier[number] {
                Holder::Us(wish) => Holder::Us(wishes[wish]),
                other => other,
            };
            named.strays.releases[*name] = self.strays.releases[number];
            named.orphans[*name] = self.orphans[number];
            named.fallow[*name] = self.fallow[number];
        }
        for server in &mut named.servers {
            server.doing = server.doing.renamed(numbers);
            if server.is_about_a_wish() {
                server.wish = wishes[server.wish];
            } else {
                (server.wish, server.holds) = (0, false);
            }
        }
        named.servers.sort_unstable();
        named
    }
}

impl Server {
    fn notes_only(&self) -> bool {
        matches!(
            self.doing,
            Doing::Choosing(_) | Doing::Told(..) | Doing::Noting(_) | Doing::ToldOfRelease(_)
        )
    }

    fn is_about_a_wish(&self) -> bool {
        !matches!(
            self.doing,
            Doing::Nothing
                | Doing::Comparing(..)
                | Doing::GivingOrphanBack(_)
                | Doing::WaitingForOrphan(..)
                | Doing::ToldOfOrphan(..)
        )
    }
}

impl Mask {
    fn renamed(self, numbers: &[Number; NUMBERS]) -> Self {
        match self {
            Self::Active(number) => Self::Active(numbers[number]),
            Self::Resting(number) => Self::Resting(numbers[number]),
            Self::Releasing(number) => Self::Releasing(numbers[number]),
            other => other,
        }
    }
}

impl Doing {
    fn renamed(self, names: &[Number; NUMBERS]) -> Self {
        let set = |before: Numbers| {
            let mut after = before;
            for number in 0..NUMBERS {
                after[names[number]] = before[number];
            }
            after
        };
        match self {
            Self::Choosing(free) => Self::Choosing(set(free)),
            Self::Buying(number, age) => Self::Buying(names[number], age),
            Self::Waiting(number, age) => Self::Waiting(names[number], age),
            Self::Told(number, answer) => Self::Told(names[number], answer),
            Self::GivingBack(number) => Self::GivingBack(names[number]),
            Self::WaitingForRelease(number, age) => Self::WaitingForRelease(names[number], age),
            Self::Comparing(owned) => Self::Comparing(set(owned)),
            Self::GivingOrphanBack(number) => Self::GivingOrphanBack(names[number]),
            Self::WaitingForOrphan(number, age) => Self::WaitingForOrphan(names[number], age),
            Self::ToldOfOrphan(number, answer) => Self::ToldOfOrphan(names[number], answer),
            other => other,
        }
    }
}
