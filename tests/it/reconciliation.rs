//! The carrier's list and our rows: what differs is seen, told and mended, and a bad list changes nothing.

use chrono::TimeDelta;
use maskline::app::reconciliation::Outcome;
use maskline::domain::limits::Limits;
use maskline::seal::RootKeys;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    CALLER, Client, Installation, OUR_APPLICATION, Options, REAL, TestApp, WEBHOOK_KEY, agreement, http,
};

const ORPHAN: &str = "+13055550150";

/// A deployment whose worker steps only when it is told to, and somebody who has `masks` masks.
async fn with_masks(masks: usize) -> (TestApp, Client, Vec<String>) {
    let limits = Limits { masks_per_user: (50, 50, 50), masks_in_all: (50, 50), ..Limits::default() };
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let mut paths = vec![];
    for _ in 0..masks {
        let page = ada.wish(&number, &[("area", "same")]).await;
        assert_eq!(page.status, 303, "{}", page.words());
        paths.push(page.location());
    }
    app.work().await;
    (app, ada, paths)
}

/// Somebody else bought it, or we did and forgot: the carrier has it for us.
async fn carrier_has(app: &TestApp, number: &str) {
    app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(number)).await;
}

async fn carrier_loses(app: &TestApp, number: &str) {
    app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &json!(number)).await;
}

async fn reconcile(app: &TestApp) -> Outcome {
    app.app.reconcile(false).await.unwrap()
}

async fn orphans(app: &TestApp) -> Vec<String> {
    app.database.rows("SELECT e164, state FROM orphans ORDER BY first_seen_at, e164").await
}

async fn number_of(app: &TestApp, path: &str) -> String {
    let id = path.rsplit('/').next().unwrap();
    app.database.one(&format!("SELECT e164 FROM masks WHERE id = '{id}'")).await
}

async fn state_of(app: &TestApp, path: &str) -> String {
    let id = path.rsplit('/').next().unwrap();
    app.database.one(&format!("SELECT state FROM masks WHERE id = '{id}'")).await
}

async fn released(app: &TestApp) -> Vec<String> {
    app.simulator.ledger().await.1
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_seen_at_once_and_given_back_at_the_second_sighting() {
    let (app, ..) = with_masks(1).await;
    carrier_has(&app, ORPHAN).await;
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|seen")]);
    agreement(&app).await;
    for _ in 0..2 {
        app.clock.advance(TimeDelta::minutes(5));
        reconcile(&app).await;
    }
    assert_eq!(released(&app).await, Vec::<String>::new(), "10 minutes are not 15");
    app.clock.advance(TimeDelta::minutes(5));
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|released")]);
    assert_eq!(released(&app).await, [ORPHAN]);
    reconcile(&app).await;
    assert_eq!(app.database.count("orphans").await, 1);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_that_goes_by_itself_counts_anew_when_it_comes_back() {
    let (app, ..) = with_masks(6).await;
    carrier_has(&app, ORPHAN).await;
    reconcile(&app).await;
    carrier_loses(&app, ORPHAN).await;
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|gone")]);
    app.clock.advance(TimeDelta::minutes(15));
    carrier_has(&app, ORPHAN).await;
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|gone"), format!("{ORPHAN}|seen")]);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_three_orphans_are_given_back_in_one_run() {
    let (app, ..) = with_masks(1).await;
    for line in 150..155 {
        carrier_has(&app, &format!("+1305555{line:04}")).await;
    }
    reconcile(&app).await;
    app.clock.advance(TimeDelta::minutes(15));
    reconcile(&app).await;
    assert_eq!(released(&app).await.len(), 3);
    reconcile(&app).await;
    assert_eq!(released(&app).await.len(), 5);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_number_is_told_and_bought_back() {
    let (app, mut ada, paths) = with_masks(6).await;
    let number = number_of(&app, &paths[0]).await;
    reconcile(&app).await;
    carrier_loses(&app, &number).await;
    reconcile(&app).await;
    app.clock.advance(TimeDelta::minutes(10));
    reconcile(&app).await;
    assert_eq!(state_of(&app, &paths[0]).await, "active");
    app.clock.advance(TimeDelta::minutes(5));
    reconcile(&app).await;
    assert_eq!(state_of(&app, &paths[0]).await, "lost");
    let letter = app.simulator.letter_that("ada@example.com", |letter| letter.contains("any more")).await;
    assert!(letter.contains("The phone company does not have the number"), "{letter}");
    let page = ada.get(&paths[0]).await.words();
    assert!(page.contains("Lost at the phone company"), "{page}");
    app.work().await;
    assert_eq!(state_of(&app, &paths[0]).await, "active");
    assert_eq!(number_of(&app, &paths[0]).await, number);
    assert_eq!(app.simulator.call(CALLER, &number, "answered", 3).await["rang"], json!([REAL]));
    app.simulator.letter_that("ada@example.com", |letter| letter.contains("is yours again")).await;
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_right_changes_nothing_and_alarms() {
    for (kind, alarm) in [
        ("empty-list", "the carrier's list is empty, and 6 numbers should be in it"),
        ("half-list", "lacks 3 of the 6 numbers"),
        ("doubled-list", "names 6 numbers more than once"),
        ("server-error", "could not be read"),
        ("html", "could not be read"),
        ("reset-after", "could not be read"),
    ] {
        let (app, ..) = with_masks(6).await;
        reconcile(&app).await;
        let before = app.database.rows("SELECT e164, state FROM masks ORDER BY 1").await;
        app.simulator.fault(json!({"kind": kind, "method": "GET", "resource": "addresses"})).await;
        for _ in 0..4 {
            let outcome = reconcile(&app).await;
            assert!(
                matches!(&outcome, Outcome::NotCompared { alarm: text, .. } if text.contains(alarm)),
                "{kind}: {outcome:?}"
            );
            app.clock.advance(TimeDelta::minutes(5));
        }
        assert_eq!(app.database.rows("SELECT e164, state FROM masks ORDER BY 1").await, before, "{kind}");
        assert_eq!(app.database.count("orphans").await + app.database.count("absences").await, 0, "{kind}");
        assert!(app.database.one("SELECT alarm FROM reconciliation").await.contains(alarm), "{kind}");
        assert_eq!(released(&app).await, Vec::<String>::new(), "{kind}");
        app.simulator.no_faults().await;
        assert!(matches!(reconcile(&app).await, Outcome::Compared(report) if report.agrees), "{kind}");
        assert_eq!(app.database.one("SELECT alarm FROM reconciliation").await, "∅", "{kind}");
        agreement(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_other_applications_are_not_ours() {
    let (app, ..) = with_masks(1).await;
    let other = app.simulator.another_application().await;
    app.simulator.carrier(Method::POST, &json!(other), &json!(ORPHAN)).await;
    app.simulator.fault(json!({"kind": "account-list", "method": "GET", "resource": "addresses"})).await;
    for _ in 0..2 {
        let outcome = reconcile(&app).await;
        assert!(matches!(&outcome, Outcome::Compared(report) if report.agrees), "{outcome:?}");
        app.clock.advance(TimeDelta::minutes(20));
    }
    assert_eq!(app.database.count("orphans").await, 0);
    assert_eq!(released(&app).await, Vec::<String>::new());
}

/// Runs the command against the deployment; its exit status and what it printed.
async fn command(app: &TestApp, arguments: &[&str]) -> (i32, String) {
    let key = RootKeys::generate();
    let url = format!("{}/v1/", app.simulator.base);
    let here = app.url("");
    let settings = [
        ("MASKLINE_SECRET_KEY", key.as_str()),
        ("DATABASE_URL", &app.database.url),
        ("TROPO_URL", &url),
        ("TROPO_USERNAME", "tester"),
        ("TROPO_PASSWORD", "not a secret"),
        ("TROPO_MASKING_APP_ID", OUR_APPLICATION),
        ("TROPO_WEBHOOK_KEY", WEBHOOK_KEY),
        ("MASKLINE_PUBLIC_URL", &here),
    ];
    let arguments = [&["tropo", "reconcile"], arguments].concat();
    let ended = Installation::new().run(&arguments, &settings).await;
    (ended.code.unwrap(), format!("{}{}", ended.out, ended.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_what_differs_and_a_dry_run_changes_nothing() {
    let (app, ..) = with_masks(4).await;
    let (code, said) = command(&app, &[]).await;
    assert_eq!((code, said.contains("Both agree.")), (0, true), "{said}");

    carrier_has(&app, ORPHAN).await;
    let before = app.database.dump().await;
    let (code, said) = command(&app, &["--dry-run"]).await;
    assert_eq!(code, 1, "{said}");
    for words in ["Tropo has 5 numbers for us; our masks hold 4.", "it would be noted", "nothing was changed"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(app.database.dump().await, before);
    let (code, said) = command(&app, &[]).await;
    assert_eq!((code, said.contains("noted, and given back")), (1, true), "{said}");
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|seen")]);

    // Long enough after, it would be given back, and then it is.
    app.database.execute("UPDATE orphans SET first_seen_at = first_seen_at - interval '1 hour'").await;
    let before = app.database.dump().await;
    let (code, said) = command(&app, &["--dry-run"]).await;
    assert_eq!((code, said.contains("it would be given back")), (1, true), "{said}");
    assert_eq!((app.database.dump().await, released(&app).await), (before, vec![]));
    let (code, said) = command(&app, &[]).await;
    assert_eq!((code, said.contains("orphan: given back")), (1, true), "{said}");
    assert_eq!(released(&app).await, [ORPHAN]);
    assert_eq!(command(&app, &[]).await.0, 0);
    agreement(&app).await;

    let changed = json!({"voiceUrl": "https://example.com/?key=not-ours"});
    let application = format!("{}/v1/applications/{OUR_APPLICATION}", app.simulator.base);
    let request = http().put(application).basic_auth("tester", Some("not a secret"));
    assert!(request.json(&changed).send().await.unwrap().status().is_success());
    for (arguments, code, words) in [
        (&["--dry-run"][..], 1, "settings: calls are told to another address; the next comparison"),
        (&[], 1, "settings: calls are told to another address; set right again"),
        (&[], 0, "Both agree."),
    ] {
        let (status, said) = command(&app, arguments).await;
        assert_eq!((status, said.contains(words)), (code, true), "{words}: {said}");
        assert!(!said.contains("not-ours") && !said.contains(WEBHOOK_KEY), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_looks_wrong_is_taken_for_right_only_when_a_person_says_so() {
    let (app, _, paths) = with_masks(4).await;
    reconcile(&app).await;
    for path in &paths[..3] {
        carrier_loses(&app, &number_of(&app, path).await).await;
    }
    let before = app.database.rows("SELECT * FROM masks ORDER BY id").await;
    let (code, said) = command(&app, &[]).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("lacks 3 of the 4 numbers") && said.contains("--believe"), "{said}");
    assert_eq!(app.database.rows("SELECT * FROM masks ORDER BY id").await, before);
    assert_eq!(app.database.count("absences").await, 0);

    let (code, said) = command(&app, &["--believe"]).await;
    assert_eq!((code, said.matches("missing: ").count()), (1, 3), "{said}");
    assert_eq!(app.database.count("absences").await, 3);
    assert_eq!(app.database.one("SELECT actor FROM audit WHERE action = 'list believed'").await, "command");

    app.simulator.fault(json!({"kind": "html", "method": "GET", "resource": "addresses"})).await;
    let (code, said) = command(&app, &["--believe"]).await;
    assert_eq!((code, said.contains("could not be read")), (2, true), "{said}");
    assert!(!said.contains("if the list is right"), "{said}");
}

/// A wish that the carrier refused after all, though it will turn out to have sold the number; the path of its mask.
async fn refused_wish(app: &TestApp, ada: &mut Client) -> (String, String) {
    let number = app.database.one("SELECT id FROM numbers").await;
    app.simulator
        .fault(json!({"kind": "forbidden", "method": "POST", "resource": "addresses", "times": 1}))
        .await;
    let path = ada.wish(&number, &[("area", "same")]).await.location();
    app.work().await;
    assert_eq!(state_of(app, &path).await, "failed");
    let chosen = app.database.one("SELECT chosen FROM operations WHERE state = 'failed'").await;
    carrier_has(app, &chosen).await;
    (path, chosen)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_goes_to_the_wish_that_failed_over_it_within_a_day() {
    let (app, mut ada, _) = with_masks(1).await;
    let (path, chosen) = refused_wish(&app, &mut ada).await;
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{chosen}|seen")]);
    app.clock.advance(TimeDelta::minutes(15));
    reconcile(&app).await;
    assert_eq!(orphans(&app).await, [format!("{chosen}|taken_up")]);
    assert_eq!(
        (state_of(&app, &path).await, number_of(&app, &path).await),
        ("active".into(), chosen.clone())
    );
    assert_eq!(app.simulator.call(CALLER, &chosen, "answered", 3).await["rang"], json!([REAL]));
    app.simulator.letter_that("ada@example.com", |letter| letter.contains("is yours")).await;
    assert_eq!(released(&app).await, Vec::<String>::new());
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_up_for_a_wish_that_failed_long_ago_or_was_given_up() {
    for since in ["finished_at = finished_at - interval '1 day'", "given_up_at = created_at"] {
        let (app, mut ada, _) = with_masks(1).await;
        let (path, chosen) = refused_wish(&app, &mut ada).await;
        app.database.execute(&format!("UPDATE operations SET {since} WHERE state = 'failed'")).await;
        reconcile(&app).await;
        app.clock.advance(TimeDelta::minutes(15));
        reconcile(&app).await;
        assert_eq!(released(&app).await, [chosen], "{since}");
        assert_eq!(state_of(&app, &path).await, "failed", "{since}");
        agreement(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_that_compare_at_once_one_counts_and_nothing_is_doubled() {
    let (app, ..) = with_masks(1).await;
    let second = app.with_rules(|_| {});
    carrier_has(&app, ORPHAN).await;
    // The first reads the list for as long as the lease of its comparison lasts, and longer.
    app.simulator
        .fault(json!({"kind": "slow", "method": "GET", "resource": "addresses", "times": 1, "milliseconds": 2000}))
        .await;
    let running = app.app.clone();
    let first = tokio::spawn(async move { running.reconcile(false).await.unwrap() });
    while app.database.one("SELECT lease_until FROM reconciliation").await == "∅" {
        tokio::task::yield_now().await;
    }
    let outcome = second.reconcile(false).await.unwrap();
    assert!(matches!(outcome, Outcome::Busy), "{outcome:?}");
    app.database.execute("UPDATE reconciliation SET lease_until = now() - interval '1 second'").await;
    assert!(matches!(second.reconcile(false).await.unwrap(), Outcome::Compared(_)));
    let outcome = first.await.unwrap();
    assert!(matches!(outcome, Outcome::Busy), "whoever was too slow notes nothing: {outcome:?}");
    let noted = "SELECT e164, state, sightings FROM orphans";
    assert_eq!(app.database.rows(noted).await, [format!("{ORPHAN}|seen|1")]);
    let audit = "SELECT count(*) FROM audit WHERE action = 'orphan seen'";
    assert_eq!(app.database.one(audit).await, "1");

    // Both come again when its time is up: it is given back once.
    app.clock.advance(TimeDelta::minutes(15));
    let (one, other) = tokio::join!(app.app.reconcile(false), second.reconcile(false));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert_eq!(released(&app).await, [ORPHAN]);
    assert_eq!(orphans(&app).await, [format!("{ORPHAN}|released")]);
    agreement(&app).await;
}
