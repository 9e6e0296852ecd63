//! Whether the carrier's list of our numbers and our own rows agree, and what follows where they do not.
//!
//! Pure. Our rows are read before the carrier's list and after it, so that what was bought or given back meanwhile is
//! not taken for a difference. Knows neither how rows are stored nor how a list is fetched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::ids::{MaskId, OrphanId};
use super::phone::PhoneNumber;

/// How far apart two sightings lie at least before anything is done about a difference.
pub const APART: TimeDelta = TimeDelta::minutes(15);
/// How many orphans are given back in one run at most.
pub const RELEASES_A_RUN: usize = 3;
/// A list from which one number in so many is missing is not believed.
const ONE_IN: usize = 5;
/// Of a list that should have fewer numbers than this, up to `FEW` may be missing: a fifth of it is one or two numbers,
/// which a carrier may well lose, and nothing happens to them before a second sighting.
const SMALL: usize = 10;
const FEW: usize = 2;
/// So many numbers that nothing explains, and as many as we know, make a list that is not believed.
const FLOOD: usize = 10;

/// Our rows at one moment.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// Masks that hold a number.
    pub held: Vec<Held>,
    /// Lost masks that nobody tries to buy back, with the number that each had.
    pub lost: Vec<(MaskId, PhoneNumber)>,
    /// What purchases that are not settled have asked for.
    pub asked_for: AskedFor,
    /// Orphans that are not settled.
    pub orphans: Vec<Orphan>,
}

/// A mask that holds a number.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The mask.
    pub mask: MaskId,
    /// Its number.
    pub number: PhoneNumber,
    /// Whether it is on its way back to the carrier, or due to be: then it may be missing.
    pub goes_back: bool,
    /// Since when the carrier's list lacks it.
    pub missed_since: Option<DateTime<Utc>>,
}

/// What purchases under way, or of unknown outcome, may come to.
#[derive(Debug, Clone, Default)]
pub struct AskedFor {
    /// These very numbers.
    pub numbers: BTreeSet<PhoneNumber>,
    /// Any number that begins so.
    pub prefixes: Vec<String>,
}

impl AskedFor {
    /// Whether one of them may have bought the number.
    pub fn explains(&self, number: PhoneNumber) -> bool {
        let digits = number.digits();
        self.numbers.contains(&number) || self.prefixes.iter().any(|prefix| digits.starts_with(prefix))
    }
}

/// What is to become of an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanState {
    /// It was seen; it is taken up or given back at the second sighting.
    Seen,
    /// A person wants to keep it.
    Kept,
    /// It is on its way back to the carrier.
    Releasing,
    /// The carrier refused to take it back.
    NeedsPerson,
}

/// A number that the carrier has for us and no row explains.
#[derive(Debug, Clone, Copy)]
pub struct Orphan {
    /// Its name.
    pub id: OrphanId,
    /// The number.
    pub number: PhoneNumber,
    /// What is to become of it.
    pub state: OrphanState,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
}

/// Why a list is not believed: nothing is done about it, and people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It holds nothing, though it should.
    #[error("the carrier's list is empty, and {expected} numbers should be in it")]
    Empty {
        /// How many should be in it.
        expected: usize,
    },
    /// A number stands in it twice.
    #[error("the carrier's list names {twice} numbers more than once")]
    Doubled {
        /// How many do.
        twice: usize,
    },
    /// A fifth or more of what should be in it is missing.
    #[error("the carrier's list lacks {missing} of the {expected} numbers that should be in it")]
    Shorter {
        /// How many are missing.
        missing: usize,
        /// How many should be in it.
        expected: usize,
    },
    /// It holds many more than we know.
    #[error(
        "the carrier's list holds {strange} numbers that nothing explains, and only {known} that we know"
    )]
    Flood {
        /// How many nothing explains.
        strange: usize,
        /// How many we know.
        known: usize,
    },
}

impl Doubt {
    /// Whether a person can say that the list is right all the same.
    pub fn may_be_right(self) -> bool {
        !matches!(self, Self::Doubled { .. })
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Numbers to be noted as orphans.
    pub new_orphans: Vec<PhoneNumber>,
    /// Orphans that are still there.
    pub seen_again: Vec<OrphanId>,
    /// Orphans whose time has come: to be taken up or given back.
    pub due: Vec<OrphanId>,
    /// Orphans that were on their way back and are not in the list any more.
    pub given_back: Vec<OrphanId>,
    /// Orphans that are not in the list any more by themselves.
    pub gone: Vec<OrphanId>,
    /// Orphans that one of our rows explains now.
    pub explained: Vec<OrphanId>,
    /// Masks whose number is missing, not yet long enough.
    pub missed: Vec<MaskId>,
    /// Masks whose number was missing and is there again.
    pub there_again: Vec<MaskId>,
    /// Masks whose number has been missing long enough.
    pub lost: Vec<MaskId>,
    /// Lost masks whose number is there again.
    pub found: Vec<MaskId>,
}

impl Plan {
    /// Whether there is anything on which the carrier and our rows do not agree.
    pub fn is_agreement(&self, ours: &Ours) -> bool {
        let decided = |id: &OrphanId| {
            ours.orphans.iter().any(|orphan| orphan.id == *id && orphan.state == OrphanState::Kept)
        };
        self.new_orphans.is_empty()
            && self.seen_again.iter().all(decided)
            && [&self.missed, &self.there_again, &self.lost, &self.found].iter().all(|masks| masks.is_empty())
    }
}

/// Why the list is not to be believed, if so. `believed` is the size of a list that a person said is right.
pub fn doubt(before: &Ours, after: &Ours, list: &[PhoneNumber], believed: Option<usize>) -> Option<Doubt> {
    let there: BTreeSet<PhoneNumber> = list.iter().copied().collect();
    if there.len() < list.len() {
        return Some(Doubt::Doubled { twice: list.len() - there.len() });
    }
    if believed.is_some_and(|size| size == list.len()) {
        return None;
    }
    let expected = expected(before, after);
    let missing = expected.iter().filter(|number| !there.contains(number)).count();
    if there.is_empty() && !expected.is_empty() {
        return Some(Doubt::Empty { expected: expected.len() });
    }
    let are_few = expected.len() < SMALL && missing <= FEW;
    if missing > 0 && missing * ONE_IN >= expected.len() && !are_few {
        return Some(Doubt::Shorter { missing, expected: expected.len() });
    }
    let known: BTreeSet<PhoneNumber> = after.orphans.iter().map(|orphan| orphan.number).collect();
    let explaining = Explaining::of(before, after);
    let strange = there.iter().filter(|number| !known.contains(number) && !explaining.has(**number)).count();
    if strange >= FLOOD && strange >= there.len() - strange {
        return Some(Doubt::Flood { strange, known: there.len() - strange });
    }
    None
}

/// What the list before had, as far as it did not change by our own doing: what a list must have to be whole.
fn expected(before: &Ours, after: &Ours) -> BTreeSet<PhoneNumber> {
    let steady = |ours: &Ours| -> BTreeSet<PhoneNumber> {
        let held = ours.held.iter().filter(|held| !held.goes_back && held.missed_since.is_none());
        let orphans = ours.orphans.iter().filter(|orphan| orphan.state != OrphanState::Releasing);
        held.map(|held| held.number).chain(orphans.map(|orphan| orphan.number)).collect()
    };
    steady(before).intersection(&steady(after)).copied().collect()
}

/// What is to be done about a list that is believed.
pub fn compare(before: &Ours, after: &Ours, list: &[PhoneNumber], now: DateTime<Utc>) -> Plan {
    let there: BTreeSet<PhoneNumber> = list.iter().copied().collect();
    let mut plan = Plan::default();
    orphans(before, after, &there, now, &mut plan);
    masks(before, after, &there, now, &mut plan);
    plan
}

fn orphans(before: &Ours, after: &Ours, there: &BTreeSet<PhoneNumber>, now: DateTime<Utc>, plan: &mut Plan) {
    let explaining = Explaining::of(before, after);
    for orphan in &after.orphans {
        let releasing = orphan.state == OrphanState::Releasing;
        match there.contains(&orphan.number) {
            _ if explaining.has(orphan.number) && !releasing => plan.explained.push(orphan.id),
            false if releasing => plan.given_back.push(orphan.id),
            false => plan.gone.push(orphan.id),
            true => {
                plan.seen_again.push(orphan.id);
                let twice = orphan.state == OrphanState::Seen && now - orphan.first_seen >= APART;
                if twice || releasing {
                    plan.due.push(orphan.id);
                }
            }
        }
    }
    let known: BTreeSet<PhoneNumber> = after.orphans.iter().map(|orphan| orphan.number).collect();
    let strange = there.iter().filter(|number| !known.contains(number) && !explaining.has(**number));
    plan.new_orphans.extend(strange);
}

fn masks(before: &Ours, after: &Ours, there: &BTreeSet<PhoneNumber>, now: DateTime<Utc>, plan: &mut Plan) {
    let held_before: BTreeMap<MaskId, &Held> = before.held.iter().map(|held| (held.mask, held)).collect();
    for held in &after.held {
        let was = held_before.get(&held.mask);
        let steady = was.is_some_and(|was| was.number == held.number && !was.goes_back);
        match (there.contains(&held.number), held.missed_since) {
            (true, Some(_)) => plan.there_again.push(held.mask),
            (false, Some(since)) if steady && !held.goes_back && now - since >= APART => {
                plan.lost.push(held.mask);
            }
            (false, _) if steady && !held.goes_back => plan.missed.push(held.mask),
            _ => {}
        }
    }
    let found = after.lost.iter().filter(|(_, number)| there.contains(number));
    plan.found.extend(found.map(|(mask, _)| *mask));
}

/// The numbers that our rows explain, gathered once for a long list.
struct Explaining<'a> {
    numbers: BTreeSet<PhoneNumber>,
    asked_for: [&'a AskedFor; 2],
}

impl<'a> Explaining<'a> {
    fn of(before: &'a Ours, after: &'a Ours) -> Self {
        let numbers = [before, after].into_iter().flat_map(|ours| {
            let lost = ours.lost.iter().map(|(_, number)| *number);
            ours.held.iter().map(|held| held.number).chain(lost)
        });
        Self { numbers: numbers.collect(), asked_for: [&before.asked_for, &after.asked_for] }
    }

    fn has(&self, number: PhoneNumber) -> bool {
        self.numbers.contains(&number) || self.asked_for.iter().any(|asked| asked.explains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn number(line: usize) -> PhoneNumber {
        PhoneNumber::from_e164(&format!("+1407555{line:04}")).unwrap()
    }

    fn numbers(lines: std::ops::Range<usize>) -> Vec<PhoneNumber> {
        lines.map(number).collect()
    }

    fn held(line: usize) -> Held {
        let mask = MaskId(Uuid::from_u128(line as u128));
        Held { mask, number: number(line), goes_back: false, missed_since: None }
    }

    fn holding(lines: std::ops::Range<usize>) -> Ours {
        Ours { held: lines.map(held).collect(), ..Ours::default() }
    }

    fn asking(number: PhoneNumber) -> Ours {
        let asked_for = AskedFor { numbers: [number].into(), prefixes: vec![] };
        Ours { asked_for, ..Ours::default() }
    }

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn what_was_bought_or_given_back_while_the_list_was_read_is_no_difference() {
        let (none, one) = (Ours::default(), holding(150..151));
        let mut going = holding(150..151);
        going.held[0].goes_back = true;
        // Bought after the list was read, bought before it, given back after it, given back before it.
        for (before, after, list) in [
            (&none, &one, vec![]),
            (&asking(number(150)), &one, numbers(150..151)),
            (&going, &none, numbers(150..151)),
            (&going, &none, vec![]),
            (&one, &going, vec![]),
        ] {
            assert_eq!(doubt(before, after, &list, None), None);
            assert_eq!(compare(before, after, &list, NOW), Plan::default());
        }
    }

    #[test]
    fn a_purchase_of_unknown_outcome_explains_its_number_and_a_purchase_by_area_its_area() {
        let by_area = |prefix: &str| Ours {
            asked_for: AskedFor { prefixes: vec![prefix.into()], ..AskedFor::default() },
            ..Ours::default()
        };
        let list = numbers(150..151);
        for ours in [asking(number(150)), by_area("1407"), by_area("1")] {
            assert_eq!(compare(&ours, &ours, &list, NOW), Plan::default());
        }
        for ours in [asking(number(151)), by_area("1305")] {
            assert_eq!(compare(&ours, &ours, &list, NOW).new_orphans, list);
        }
    }

    #[test]
    fn a_list_is_not_believed_from_a_fifth_missing_on() {
        let ten = holding(150..160);
        assert_eq!(doubt(&ten, &ten, &numbers(151..160), None), None);
        let shorter = Doubt::Shorter { missing: 2, expected: 10 };
        assert_eq!(doubt(&ten, &ten, &numbers(152..160), None), Some(shorter));
        assert_eq!(doubt(&ten, &ten, &numbers(152..160), Some(8)), None, "a person said so");
        assert_eq!(
            doubt(&ten, &ten, &numbers(153..160), Some(8)),
            Some(Doubt::Shorter { missing: 3, expected: 10 })
        );
        assert_eq!(doubt(&ten, &ten, &[], None), Some(Doubt::Empty { expected: 10 }));
        // Of a small list one or two may be missing, but never all.
        for (size, missing, doubted) in
            [(9, 2, false), (9, 3, true), (3, 2, false), (2, 2, true), (1, 1, true)]
        {
            let (ours, list) = (holding(150..150 + size), numbers(150 + missing..150 + size));
            assert_eq!(doubt(&ours, &ours, &list, None).is_some(), doubted, "{missing} of {size}");
        }
        // What is known to be missing does not count once more.
        let mut one_missed = holding(150..160);
        one_missed.held[0].missed_since = Some(NOW);
        assert_eq!(doubt(&one_missed, &one_missed, &numbers(152..160), None), None);
        let twice = [numbers(150..160), numbers(150..151)].concat();
        assert_eq!(doubt(&ten, &ten, &twice, Some(11)), Some(Doubt::Doubled { twice: 1 }));
        let strange = [numbers(150..160), numbers(160..170)].concat();
        assert_eq!(doubt(&ten, &ten, &strange, None), Some(Doubt::Flood { strange: 10, known: 10 }));
        assert_eq!(doubt(&ten, &ten, &strange[..19], None), None);
    }

    #[test]
    fn nothing_is_done_before_a_second_sighting_a_quarter_of_an_hour_later() {
        let orphan =
            |state| Orphan { id: OrphanId(Uuid::nil()), number: number(150), state, first_seen: NOW };
        let with = |state| Ours { orphans: vec![orphan(state)], ..Ours::default() };
        let second = TimeDelta::seconds(1);
        for (state, after, due) in [
            (OrphanState::Seen, APART - second, false),
            (OrphanState::Seen, APART, true),
            (OrphanState::Kept, APART * 9, false),
            (OrphanState::NeedsPerson, APART * 9, false),
            (OrphanState::Releasing, second, true),
        ] {
            let ours = with(state);
            let plan = compare(&ours, &ours, &numbers(150..151), NOW + after);
            assert_eq!(!plan.due.is_empty(), due, "{state:?}");
            assert_eq!(plan.is_agreement(&ours), state == OrphanState::Kept, "{state:?}");
        }
        let mut missed = holding(150..151);
        missed.held[0].missed_since = Some(NOW);
        let plan = |ours: &Ours, after| compare(ours, ours, &[], NOW + after);
        assert_eq!(plan(&missed, APART - second).missed.len(), 1);
        assert_eq!(plan(&missed, APART).lost.len(), 1);
        assert_eq!(plan(&holding(150..151), APART).missed.len(), 1);
    }

    #[test]
    fn an_orphan_that_a_row_explains_is_never_given_back() {
        let orphan = Orphan {
            id: OrphanId(Uuid::nil()),
            number: number(150),
            state: OrphanState::Seen,
            first_seen: NOW,
        };
        let ours = Ours { orphans: vec![orphan], ..holding(150..151) };
        let plan = compare(&ours, &ours, &numbers(150..151), NOW + APART);
        assert_eq!((plan.explained.len(), plan.due.len()), (1, 0));
    }
}
