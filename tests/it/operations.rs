//! What the worker does at the carrier, step by step, when things go wrong between the two.

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::domain::limits::Limits;
use serde_json::json;

use crate::support::{CALLER, Client, Options, REAL, TestApp};

/// A deployment whose worker steps only when it is told to, and somebody who may have masks.
async fn by_hand() -> (TestApp, Client, String) {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (ada, number) = app.with_number("ada", REAL).await;
    (app, ada, number)
}

async fn wish(client: &mut Client, number: &str) -> String {
    let page = client.wish(number, &[("area", "same")]).await;
    assert_eq!(page.status, 303, "{}", page.words());
    page.location()
}

async fn step(app: &TestApp) -> bool {
    app.app.step().await.unwrap()
}

/// The state of the mask and of its last operation.
async fn states(app: &TestApp) -> String {
    let query = "SELECT m.state, o.state FROM masks m JOIN operations o ON o.mask_id = m.id";
    app.database.rows(&format!("{query} ORDER BY o.kind DESC")).await.remove(0)
}

async fn assert_bought_once(app: &TestApp) {
    assert_eq!(states(app).await, "active|succeeded");
    let (bought, released) = app.simulator.ledger().await;
    let held = app.database.rows("SELECT e164 FROM masks").await;
    assert_eq!((bought, released), (held, vec![]));
    assert!(!step(app).await, "nothing more is due");
}

/// Spoils the next purchase.
async fn spoil(app: &TestApp, kind: &str) {
    app.simulator.fault(json!({"kind": kind, "method": "POST", "resource": "addresses", "times": 1})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_is_kept_while_the_carrier_is_down_and_tried_again_later_and_later() {
    let (app, mut ada, number) = by_hand().await;
    app.simulator.fault(json!({"kind": "server-error", "resource": "addresses"})).await;
    let path = wish(&mut ada, &number).await;
    assert_eq!(states(&app).await, "requested|intended", "it is written down before the carrier is asked");
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "requested|intended");
        assert!(!step(&app).await);
        app.clock.advance(TimeDelta::seconds(seconds - 1));
        assert!(!step(&app).await, "not before {seconds} s");
        app.clock.advance(TimeDelta::seconds(1));
    }
    assert!(ada.get(&path).await.words().contains("takes longer than usual. We go on trying"));
    app.simulator.no_faults().await;
    assert!(step(&app).await);
    assert_bought_once(&app).await;
    assert!(ada.get(&path).await.words().contains("Calls to this number ring your phone."));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_hour_in_vain_the_wish_fails_and_the_quota_is_given_back() {
    let limits = Limits { masks_per_user: (1, 1, 1), ..Limits::default() };
    let mut app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = wish(&mut ada, &number).await;
    app.without_carrier().await;
    assert!(step(&app).await);
    assert_eq!(states(&app).await, "requested|intended");
    app.clock.advance(TimeDelta::minutes(61));
    assert!(step(&app).await);
    assert_eq!(states(&app).await, "failed|failed");
    let page = ada.get(&path).await.words();
    assert!(page.contains("The phone company could not be reached for an hour."), "{page}");
    assert!(page.contains("Nothing was used up."), "{page}");
    wish(&mut ada, &number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_read_back_and_nothing_is_bought_twice() {
    for kind in ["reset-after", "server-error-after"] {
        let (app, mut ada, number) = by_hand().await;
        spoil(&app, kind).await;
        let path = wish(&mut ada, &number).await;
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "requested|unknown", "{kind}");
        assert!(!step(&app).await);
        assert!(ada.get(&path).await.words().contains("We are asking the phone company"));
        app.clock.advance(TimeDelta::seconds(1));
        assert!(step(&app).await);
        assert_bought_once(&app).await;
        let mask = app.simulator.ledger().await.0.remove(0);
        assert_eq!(app.simulator.call(CALLER, &mask, "answered", 3).await["rang"], json!([REAL]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_was_not_made_is_looked_for_twice_before_another_is_tried() {
    for kind in ["reset-before", "server-error", "html"] {
        let (app, mut ada, number) = by_hand().await;
        spoil(&app, kind).await;
        wish(&mut ada, &number).await;
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "requested|unknown", "{kind}");
        app.clock.advance(TimeDelta::seconds(1));
        assert!(step(&app).await, "it is looked for once");
        assert_eq!(states(&app).await, "requested|unknown", "{kind}");
        app.later(TimeDelta::seconds(29)).await;
        assert!(!step(&app).await, "and 30 s later once more");
        app.later(TimeDelta::seconds(1)).await;
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "requested|intended", "{kind}");
        assert_eq!(app.simulator.ledger().await.0.len(), 0);
        assert!(step(&app).await);
        assert_bought_once(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_purchase_whose_list_cannot_be_read_is_never_bought_again() {
    let (app, mut ada, number) = by_hand().await;
    spoil(&app, "reset-after").await;
    wish(&mut ada, &number).await;
    assert!(step(&app).await);
    app.simulator.fault(json!({"kind": "html", "method": "GET", "resource": "addresses"})).await;
    for _ in 0..5 {
        app.clock.advance(TimeDelta::minutes(1));
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "requested|unknown");
    }
    app.clock.advance(TimeDelta::minutes(60));
    assert!(step(&app).await);
    assert_eq!(states(&app).await, "requested|needs_person");
    app.clock.advance(TimeDelta::hours(2));
    assert!(!step(&app).await);
    assert_eq!(app.simulator.ledger().await.0.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_fails_in_plain_words() {
    for kind in ["forbidden", "unauthorized"] {
        let (app, mut ada, number) = by_hand().await;
        spoil(&app, kind).await;
        let path = wish(&mut ada, &number).await;
        app.work().await;
        assert_eq!(states(&app).await, "failed|failed");
        let page = ada.get(&path).await.words();
        assert!(page.contains("The phone company refused to rent out a number."), "{page}");
        assert!(page.contains("Nothing was used up.") && !page.contains("403"), "{page}");
        assert_eq!(app.simulator.ledger().await.0.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_somebody_else_took_first_is_replaced_by_another_soon() {
    let (app, mut ada, number) = by_hand().await;
    spoil(&app, "none-free").await;
    wish(&mut ada, &number).await;
    assert!(step(&app).await);
    assert_eq!(states(&app).await, "requested|intended");
    assert!(!step(&app).await, "a carrier that goes on saying so is not asked without a pause");
    app.clock.advance(TimeDelta::seconds(2));
    assert!(step(&app).await);
    assert_bought_once(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_too_slow_buys_nothing_and_notes_nothing() {
    let (app, mut ada, number) = by_hand().await;
    wish(&mut ada, &number).await;
    // The first worker hangs at the carrier's list of free numbers until its lease is over and another has done it all.
    app.simulator
        .fault(json!({"kind": "slow", "method": "GET", "resource": "addresses", "times": 1, "milliseconds": 3000}))
        .await;
    let slow = tokio::spawn({
        let app = app.app.clone();
        async move { app.step().await }
    });
    while app.database.one("SELECT count(*) FROM operations WHERE state = 'in_flight'").await == "0" {
        tokio::task::yield_now().await;
    }
    app.database.execute("UPDATE operations SET lease_until = now() - interval '1 second'").await;
    assert!(step(&app).await, "another takes it over: nothing was chosen, so nothing was asked for");
    assert!(step(&app).await, "and buys");
    assert!(slow.await.unwrap().is_ok());
    assert_bought_once(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_of_a_purchase_is_mended() {
    // It died after the claim and before it chose; after it chose and before it asked; after the carrier had sold.
    for (chosen, sold) in [(false, false), (true, false), (true, true)] {
        let (app, mut ada, number) = by_hand().await;
        wish(&mut ada, &number).await;
        if sold {
            spoil(&app, "reset-after").await;
            assert!(step(&app).await);
        }
        let chosen = if chosen { "coalesce(chosen, '+14075550177')" } else { "NULL" };
        let dies = |lease: &str| {
            format!(
                "UPDATE operations SET state = 'in_flight', attempts = 1, chosen = {chosen}, lease_until = now() {lease}"
            )
        };
        app.database.execute(&dies("+ interval '60 seconds'")).await;
        app.clock.advance(TimeDelta::seconds(30));
        assert!(!step(&app).await, "somebody is at work on it");
        app.database.execute(&dies("- interval '1 second'")).await;
        for _ in 0..4 {
            step(&app).await;
            app.later(TimeDelta::seconds(31)).await;
        }
        assert_bought_once(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_buy_each_wish_once() {
    let (app, mut ada, number) = by_hand().await;
    let (mut bob, of_bob) = app.with_number("bob", "+14075550102").await;
    for _ in 0..5 {
        wish(&mut ada, &number).await;
        wish(&mut bob, &of_bob).await;
    }
    let workers = (0..4).map(|_| async { while step(&app).await {} });
    join_all(workers).await;
    // Whoever wanted the number that another was faster with, tries again.
    app.work().await;
    let (mut bought, _) = app.simulator.ledger().await;
    let mut held = app.database.rows("SELECT e164 FROM masks WHERE state = 'active'").await;
    bought.sort();
    held.sort();
    assert_eq!(held.len(), 10);
    assert_eq!(bought, held);
    bought.dedup();
    assert_eq!(bought.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_carrier_takes_its_time_nothing_else_waits_for_it() {
    let (app, mut ada, number) = by_hand().await;
    let first = wish(&mut ada, &number).await;
    app.work().await;
    let mask = app.simulator.ledger().await.0.remove(0);
    let second = wish(&mut ada, &number).await;
    app.simulator
        .fault(json!({"kind": "slow", "method": "POST", "resource": "addresses", "milliseconds": 4000, "times": 1}))
        .await;
    let running = app.app.clone();
    let buying = tokio::spawn(async move { running.step().await.unwrap() });
    // From here on the carrier is at it: the choice is written down.
    while app
        .database
        .rows("SELECT 1 FROM operations WHERE state = 'in_flight' AND chosen IS NOT NULL")
        .await
        .is_empty()
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The database gives up on locks after a second, so each of these would fail.
    let label = ada.submit(&second, &format!("{second}/label"), &[("label", "Bikes")]).await;
    assert_eq!(label.location(), second, "{}", label.words());
    assert_eq!(ada.submit(&first, &format!("{first}/pause"), &[]).await.location(), first);
    assert_eq!(ada.submit(&first, &format!("{first}/resumption"), &[]).await.location(), first);
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 3).await["rang"], json!([REAL]));
    wish(&mut ada, &number).await;
    // Others have some for a moment, who ask nobody.
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%' AND xact_start < clock_timestamp() - interval '500 milliseconds'";
    assert_eq!(app.database.one(idle).await, "0");
    assert!(!buying.is_finished(), "all of that happened while the carrier was at it");
    assert!(buying.await.unwrap());
    let page = ada.get(&second).await.words();
    assert!(page.contains("Bikes") && page.contains("Rings your phone"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_during_a_purchase_does_not_lose_it() {
    let (app, mut ada, number) = by_hand().await;
    wish(&mut ada, &number).await;
    app.simulator
        .fault(json!({"kind": "slow", "method": "POST", "resource": "addresses", "milliseconds": 1500, "times": 1}))
        .await;
    let running = app.app.clone();
    let buying = tokio::spawn(async move { running.step().await });
    while app.simulator.ledger().await.0.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    app.database.let_in(false).await;
    assert!(buying.await.unwrap().is_err(), "bought, and not written down");
    app.database.let_in(true).await;
    // The lease runs out by the database's own clock.
    app.database.execute("UPDATE operations SET lease_until = now() - interval '1 second'").await;
    while app.app.step().await.is_err() {}
    app.work().await;
    assert_bought_once(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_asked_for_until_it_is_clear_and_the_mask_is_silent_meanwhile() {
    for kind in ["server-error", "reset-before", "reset-after", "html"] {
        let (app, mut ada, number) = by_hand().await;
        let path = wish(&mut ada, &number).await;
        app.work().await;
        let mask = app.simulator.ledger().await.0.remove(0);
        ada.submit(&path, &format!("{path}/revocation"), &[]).await;
        app.clock.advance(TimeDelta::days(45));
        app.simulator.fault(json!({"kind": kind, "method": "DELETE", "times": 1})).await;
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "releasing|unknown", "{kind}");
        let trace = app.simulator.call(CALLER, &mask, "answered", 3).await;
        assert_eq!(trace["rang"], json!([]), "{kind}: {trace}");
        app.clock.advance(TimeDelta::minutes(1));
        assert!(step(&app).await);
        assert_eq!(states(&app).await, "released|succeeded", "{kind}");
        assert_eq!(app.simulator.ledger().await, (vec![mask.clone()], vec![mask]));
        assert!(!step(&app).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_refused_waits_for_a_person() {
    let (app, mut ada, number) = by_hand().await;
    let path = wish(&mut ada, &number).await;
    app.work().await;
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    app.clock.advance(TimeDelta::days(45));
    app.simulator.fault(json!({"kind": "forbidden", "method": "DELETE"})).await;
    app.work().await;
    assert_eq!(states(&app).await, "releasing|needs_person");
    assert_eq!(app.simulator.ledger().await.1, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_is_ahead_does_not_look_twice_at_once() {
    let (app, mut ada, number) = by_hand().await;
    spoil(&app, "reset-before").await;
    wish(&mut ada, &number).await;
    assert!(step(&app).await);
    app.clock.advance(TimeDelta::seconds(1));
    assert!(step(&app).await, "it is looked for once");
    app.clock.advance(TimeDelta::hours(1));
    assert!(!step(&app).await, "an hour by this server's clock, a moment by the database's");
    app.later(TimeDelta::seconds(31)).await;
    app.work().await;
    assert_bought_once(&app).await;
}
