//! The protocol of buying, releasing and reconciling as a model, and a look at every state that it can come into.
//!
//! The model does what `src/app/purchases.rs`, `src/app/operations.rs` and `src/db/operations.rs` do, and is changed with
//! them. It knows no SQL and no HTTP. Each rule that it rests on can be broken, and must then be missed.

mod protocol;
mod rules;
mod state;
mod steps;

use protocol::{AGREEMENT, CANCELLED, NOT_LOST, ONE_MASK, ONE_PURCHASE, QUOTA, RENTED};
use rules::{KEPT, Rules};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// Two wishes, two servers that crash and stall at any step, answers that get lost.
const BUYING: Rules = KEPT;
/// One of two wishes may be alive; the other has to make room.
const FULL: Rules = Rules { limit: 1, servers: 1, ..KEPT };
/// One wish that its owner may cancel at any time.
const CANCELLING: Rules = Rules { wishes: 1, cancels: true, ..KEPT };
/// One wish, and two servers that compare the carrier's list with the rows; numbers appear that nobody asked for.
const RECONCILING: Rules = Rules { wishes: 1, reconciled: true, ..KEPT };

/// Goes through all states; the answer is which properties do not hold, each with the way there.
fn look(rules: Rules, until: HasDiscoveries) -> (usize, Vec<(&'static str, String)>) {
    let checked = rules.checker().finish_when(until).spawn_bfs().join();
    assert!(checked.is_done());
    let found = checked.discoveries().into_iter();
    let failures = [ONE_PURCHASE, ONE_MASK, RENTED, NOT_LOST, QUOTA, CANCELLED, AGREEMENT];
    let broken = found.filter(|(name, _)| failures.contains(name));
    let broken = broken.map(|(name, path)| (name, format!("{:?}", path.into_actions())));
    let broken = broken.collect();
    (checked.unique_state_count(), broken)
}

/// All properties hold in every state, and there are so many states that it means something.
fn holds(rules: Rules, at_least: usize) {
    let checked = rules.checker().spawn_bfs().join();
    checked.assert_properties();
    let states = checked.unique_state_count();
    println!("{states} states, {} steps deep", checked.max_depth());
    assert!(states > at_least, "only {states} states");
}

#[test]
fn two_wishes_and_two_servers_never_buy_twice_share_a_number_or_leave_one_behind() {
    holds(BUYING, 100_000);
}

#[test]
fn the_quota_holds_whoever_is_brought_back() {
    holds(FULL, 1_000);
}

#[test]
fn what_is_cancelled_never_rings_and_is_not_left_behind() {
    holds(CANCELLING, 1_000);
}

#[test]
fn what_no_row_explains_is_given_back_and_nothing_else_is() {
    holds(RECONCILING, 100_000);
}

#[test]
fn with_a_carrier_that_is_late_at_will_a_number_may_be_bought_too_many_but_none_is_left_behind() {
    let rules = Rules { carrier_is_prompt: false, servers: 1, ..RECONCILING };
    let (states, broken) = look(rules, HasDiscoveries::All);
    let names: Vec<_> = broken.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [ONE_PURCHASE], "{states} states: {broken:#?}");
    assert!(states > 100_000, "only {states} states");
}

/// Each rule, broken, and what is no longer true then.
const BROKEN: &[(&str, Rules, &str)] = &[
    ("an unclear purchase is tried again at once", Rules { read_back: false, ..BUYING }, ONE_PURCHASE),
    ("whoever lost the operation goes on", Rules { fencing: false, ..BUYING }, ONE_PURCHASE),
    ("one look in vain is enough", Rules { two_absences: false, ..BUYING }, ONE_PURCHASE),
    ("each server has a clock of its own", Rules { pause_by_one_clock: false, ..BUYING }, ONE_PURCHASE),
    ("an old choice is acted upon", Rules { choices_are_fresh: false, ..BUYING }, ONE_PURCHASE),
    ("the choice is not written down", Rules { choice_before_request: false, ..BUYING }, ONE_PURCHASE),
    ("two wishes choose one number", Rules { one_chooser: false, ..BUYING }, ONE_MASK),
    ("nothing is compared", Rules { carrier_is_prompt: false, ..BUYING }, AGREEMENT),
    ("one sighting is enough", Rules { two_sightings: false, ..RECONCILING }, NOT_LOST),
    ("an open purchase explains nothing", Rules { choices_explain: false, ..RECONCILING }, RENTED),
    ("what was given back is bought at once", Rules { fallow: false, ..RECONCILING }, RENTED),
    ("what is cancelled is forgotten", Rules { cancelled_is_looked_for: false, ..CANCELLING }, AGREEMENT),
    ("what is cancelled and bought rings", Rules { cancelled_rests: false, ..CANCELLING }, CANCELLED),
    ("a mask that comes back does not count", Rules { restored_count: false, ..FULL }, QUOTA),
];

#[test]
fn a_rule_that_is_broken_is_missed() {
    for (what, rules, property) in BROKEN {
        let (states, broken) = look(rules.clone(), HasDiscoveries::AnyOf([*property].into()));
        println!("{what}: {states} states");
        assert!(broken.iter().any(|(name, _)| name == property), "{what}: {states} states and nothing found");
    }
}
