//! What follows a fault: everything goes on as after a restart, until nothing is open any more.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use maskline::app::reconciliation::{How, Outcome};
use serde_json::json;

use super::{Person, TestApp, agreement};

/// How long the worker and the comparisons may take to settle what a fault left behind: rounds of five minutes.
const ROUNDS: usize = 20;

/// Time passes until everything is settled: leases run out, the worker does what is due, lists are compared. After each
/// comparison the invariants hold.
pub(crate) async fn settle(app: &TestApp) {
    for _ in 0..ROUNDS {
        app.work().await;
        let mut outcome = app.app.reconcile(false).await.unwrap();
        if let Outcome::NotCompared { may_be_right: true, .. } = outcome {
            // The faults are over, and so a person would say.
            outcome = app.app.reconcile_so(How { dry_run: false, believe: true }).await.unwrap();
        }
        app.work().await;
        if matches!(outcome, Outcome::Compared(_)) {
            agreement(app).await;
            if unsettled(app).await.is_empty() {
                return;
            }
        }
        app.later(TimeDelta::minutes(5)).await;
    }
    panic!("not settled: {:#?}", unsettled(app).await);
}

/// What is still to be done, or to be seen again, before the end of a rest.
async fn unsettled(app: &TestApp) -> Vec<String> {
    let query = format!(
        "SELECT id::text, kind, state, last_error FROM operations WHERE finished_at IS NULL \
             AND NOT (kind = 'release' AND (state = 'needs_person' OR state = 'intended' AND next_at > '{}')) \
         UNION ALL SELECT e164, 'orphan', state, note FROM orphans WHERE state IN ('seen', 'releasing') \
         UNION ALL SELECT mask_id::text, 'absence', '', '' FROM absences",
        app.app.now().to_rfc3339(),
    );
    app.database.rows(&query).await
}

/// Calls every number that a mask ever had: those that are shown active ring their owner's phone and nothing else, all
/// others ring nobody (I3, I6, I7). Answers with how many were called.
pub(crate) async fn calls(app: &TestApp, people: &[&Person]) -> usize {
    let query = "SELECT DISTINCT ON (e164) e164, state, number_id FROM masks WHERE e164 IS NOT NULL \
                 ORDER BY e164, state = 'active' DESC";
    let masks = app.database.rows(query).await;
    for mask in &masks {
        let [number, state, owner] = mask.split('|').collect::<Vec<_>>()[..] else { panic!("{mask}") };
        let owner = people.iter().find(|person| person.number.to_string() == owner);
        let expected = if state == "active" { json!([owner.unwrap().real]) } else { json!([]) };
        let trace = app.simulator.call(&stranger(), number, "answered", 1).await;
        assert_eq!(trace["rang"], expected, "{mask}: {trace}");
    }
    masks.len()
}

/// Somebody who has not called before.
pub(crate) fn stranger() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("+1415556{:04}", NEXT.fetch_add(1, Ordering::Relaxed) % 10_000)
}
