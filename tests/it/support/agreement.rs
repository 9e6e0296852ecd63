//! The invariants of two systems that must agree, checked by SQL and by the carrier's ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::{OUR_APPLICATION, TestApp};

/// A mask that holds a number, an orphan that is not settled.
const HOLDING: &str = "SELECT e164 FROM masks WHERE state IN ('active', 'paused', 'resting', 'releasing')";
const ORPHANS: &str = "SELECT e164 FROM orphans WHERE state IN ('seen', 'kept', 'releasing', 'needs_person')";
/// What purchases have asked for whose outcome is not settled: a number, or a prefix.
const ASKED_FOR: &str =
    "SELECT chosen FROM operations WHERE kind = 'buy' AND finished_at IS NULL AND chosen IS NOT NULL";

/// Fails unless every invariant holds that can be read off rows and the ledger: I1 (as soon as the carrier's list was
/// compared), I2, I3, I4, I5, I8, I9 and I10 once all operations are settled. To be called after a fault, when the worker
/// has done what is due and the carrier's list was compared.
pub(crate) async fn agreement(app: &TestApp) {
    let broken = disagreements(app).await;
    assert!(
        broken.is_empty(),
        "{broken:#?}\n{}",
        app.database.rows("SELECT * FROM operations").await.join("\n")
    );
}

/// Every invariant that does not hold, in words.
async fn disagreements(app: &TestApp) -> Vec<String> {
    let rows = async |query: &str| app.database.rows(query).await;
    let (held, orphans, asked_for) = (rows(HOLDING).await, rows(ORPHANS).await, rows(ASKED_FOR).await);
    let billed = billed(app).await;
    let mut broken = vec![];
    let known: BTreeSet<&String> = held.iter().chain(&orphans).collect();
    let lost = rows("SELECT e164 FROM masks WHERE state = 'lost'").await;
    for number in billed.iter().filter(|(_, times)| **times > 0).map(|(number, _)| number) {
        let may_be =
            |chosen: &String| number.trim_start_matches('+').starts_with(chosen.trim_start_matches('+'));
        if !known.contains(number) && !asked_for.iter().any(may_be) {
            broken.push(format!("I1: {number} is billed and no row explains it"));
        }
    }
    if known.len() < held.len() + orphans.len() {
        broken.push(format!("I2: a number stands in two places: {held:?} {orphans:?}"));
    }
    let is_billed = |number: &String| billed.get(number).copied() == Some(1);
    let ringing = "SELECT e164 FROM masks m WHERE state IN ('active', 'paused') AND NOT EXISTS \
                   (SELECT 1 FROM absences a WHERE a.mask_id = m.id)";
    for number in rows(ringing).await.iter().filter(|number| !is_billed(number)) {
        broken.push(format!("I3: {number} is shown as ours and the carrier does not have it for us"));
    }
    for (number, times) in &billed {
        if !(0..=1).contains(times) {
            broken.push(format!("I4: {number} was bought {times} times more than given back"));
        }
    }
    for key in rows("SELECT key FROM operations GROUP BY key HAVING count(*) > 1").await {
        broken.push(format!("I4: two operations have the key {key}"));
    }
    let limits = &app.app.settings().limits;
    let crowded = format!(
        "SELECT user_id, count(*) FROM masks WHERE state IN ('requested', 'active', 'paused') \
         GROUP BY user_id HAVING count(*) > {}",
        limits.masks_per_user.0
    );
    for user in rows(&crowded).await {
        broken.push(format!("I5: above the quota: {user}"));
    }
    let today = app.app.now().date_naive();
    let bought = format!(
        "SELECT 1 AS n FROM masks WHERE state <> 'failed' AND (requested_at AT TIME ZONE 'UTC')::date = '{today}'"
    );
    let bought = i64::try_from(rows(&bought).await.len()).unwrap();
    let spent = limits.prices.number_a_month.times(bought);
    if spent > limits.spend.0 {
        broken.push(format!("I8: {spent} spent for numbers today"));
    }
    let overdue = "SELECT id FROM operations WHERE state = 'in_flight' AND lease_until < clock_timestamp()";
    for operation in rows(overdue).await {
        broken.push(format!("I9: in flight past its lease: {operation}"));
    }
    let in_all: i64 = billed.values().sum();
    let explained = i64::try_from(held.len() + orphans.len()).unwrap();
    // What is on its way back may have arrived, and what was missed once need not be there.
    let on_their_way = "SELECT e164 FROM masks m WHERE state = 'releasing' \
                            OR EXISTS (SELECT 1 FROM absences a WHERE a.mask_id = m.id) \
                        UNION ALL SELECT e164 FROM orphans WHERE state = 'releasing'";
    let least = explained - i64::try_from(rows(on_their_way).await.len()).unwrap();
    if asked_for.is_empty() && lost.is_empty() && !(least..=explained).contains(&in_all) {
        broken.push(format!("I10: {in_all} numbers are billed, and {explained} are held or orphans"));
    }
    broken
}

/// By the carrier's ledger: how often more each number was bought for our application than given back.
async fn billed(app: &TestApp) -> BTreeMap<String, i64> {
    let mut billed = BTreeMap::new();
    for entry in app.simulator.get("/simulator/ledger").await.as_array().unwrap() {
        if entry["application"] == OUR_APPLICATION {
            let number = entry["number"].as_str().unwrap().to_owned();
            *billed.entry(number).or_default() += if entry["action"] == "purchase" { 1 } else { -1 };
        }
    }
    billed
}
