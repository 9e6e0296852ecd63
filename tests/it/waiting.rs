//! What waits for a person at the carrier: it stands on the admins' page with what to do, and each button does it.

use chrono::TimeDelta;
use maskline::domain::limits::Limits;
use maskline::domain::money::Money;
use reqwest::Method;
use serde_json::json;

use crate::support::{Client, OUR_APPLICATION, Options, REAL, TestApp, agreement};

const PATH: &str = "/admin/operations";
const ORPHAN: &str = "+13055550150";

/// A deployment whose worker steps only when it is told to, somebody with `masks` masks, and an admin.
async fn with_masks(masks: usize, limits: Limits) -> (TestApp, Client, String, Client) {
    let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    for _ in 0..masks {
        assert_eq!(ada.wish(&number, &[("area", "same")]).await.status, 303);
    }
    app.work().await;
    let admin = app.admin().await;
    (app, ada, number, admin)
}

/// Room for more masks than anybody here has.
fn roomy() -> Limits {
    Limits { masks_per_user: (50, 50, 50), masks_in_all: (50, 50), ..Limits::default() }
}

/// A button of the page: what is said after it.
async fn press(admin: &mut Client, path: &str, fields: &[(&str, &str)]) -> String {
    let done = admin.submit(PATH, path, fields).await;
    assert_eq!(done.location(), PATH, "{path}: {}", done.words());
    seen(admin).await
}

/// The page in words; no real number stands in its source.
async fn seen(admin: &mut Client) -> String {
    let page = admin.get(PATH).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("5550101"), "{}", page.text);
    page.words()
}

async fn reconcile_after(app: &TestApp, minutes: i64) {
    app.clock.advance(TimeDelta::minutes(minutes));
    app.app.reconcile(false).await.unwrap();
}

/// The only thing of that kind, as its path in addresses names it.
async fn only(app: &TestApp, query: &str) -> String {
    app.database.one(query).await
}

async fn fault(app: &TestApp, kind: &str, method: &str) {
    app.simulator.fault(json!({"kind": kind, "method": method, "resource": "addresses"})).await;
}

async fn audited(app: &TestApp) -> Vec<String> {
    app.database.rows("SELECT action, detail FROM audit WHERE actor = 'admin' ORDER BY id").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_waits_is_looked_for_again() {
    let (app, mut ada, number, mut admin) = with_masks(0, Limits::default()).await;
    let page = seen(&mut admin).await;
    for words in ["Nothing waits", "There are none", "None is lost", "Not read yet"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let path = ada.wish(&number, &[("area", "same")]).await.location();
    fault(&app, "reset-after", "POST").await;
    app.work().await;
    app.simulator.no_faults().await;
    fault(&app, "html", "GET").await;
    app.clock.advance(TimeDelta::minutes(61));
    app.work().await;
    let mut admin = app.back_again("admin").await;
    let page = seen(&mut admin).await;
    let bought = app.simulator.ledger().await.0.remove(0);
    assert!(page.contains("Purchase: +1 407-555-") && page.contains("of ada@example.com"), "{page}");
    assert!(page.contains("could not be read for an hour"), "{page}");
    let all = admin.get("/admin/masks").await.words();
    assert!(all.contains("One thing needs somebody to look at it. See what to do"), "{all}");

    let id = only(&app, "SELECT id FROM operations").await;
    let resumption = format!("{PATH}/{id}/resumption");
    assert!(press(&mut admin, &resumption, &[]).await.contains("It is tried again now."));
    app.work().await;
    assert!(seen(&mut admin).await.contains("Purchase: +1 407-555-"), "the list is still unreadable");
    app.simulator.no_faults().await;
    press(&mut admin, &resumption, &[]).await;
    app.work().await;
    assert!(seen(&mut admin).await.contains("Nothing waits"));
    assert!(press(&mut admin, &resumption, &[]).await.contains("does not wait for anybody any more"));
    let mut ada = app.back_again("ada").await;
    assert!(ada.get(&path).await.words().contains("Calls to this number ring your phone."));
    assert_eq!(app.simulator.ledger().await.0, [bought]);
    assert_eq!(audited(&app).await, ["operation resumed|", "operation resumed|"]);
    assert!(!admin.get("/admin/masks").await.words().contains("somebody to look at"));
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_refused_is_tried_again() {
    let (app, mut ada, _, _) = with_masks(1, Limits::default()).await;
    let id = only(&app, "SELECT id FROM masks").await;
    let path = format!("/masks/{id}");
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    app.clock.advance(TimeDelta::days(45));
    fault(&app, "forbidden", "DELETE").await;
    app.work().await;
    let mut admin = app.back_again("admin").await;
    let page = seen(&mut admin).await;
    assert!(page.contains("Release: +1 407-555-") && page.contains("refused to take it back"), "{page}");
    app.simulator.no_faults().await;
    let id = only(&app, "SELECT id FROM operations WHERE kind = 'release'").await;
    press(&mut admin, &format!("{PATH}/{id}/resumption"), &[]).await;
    app.work().await;
    assert!(seen(&mut admin).await.contains("Nothing waits"));
    assert_eq!(app.database.rows("SELECT state FROM masks").await, ["released"]);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_kept_as_long_as_somebody_says_so() {
    let (app, _, _, mut admin) = with_masks(1, Limits::default()).await;
    app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(ORPHAN)).await;
    reconcile_after(&app, 0).await;
    let id = only(&app, "SELECT id FROM orphans").await;
    let page = seen(&mut admin).await;
    assert!(
        page.contains("+1 305-555-0150") && page.contains("15 minutes after it was first seen"),
        "{page}"
    );
    let keeping = format!("/admin/orphans/{id}/keeping");
    for note in ["", " \u{0}", &"x".repeat(201)] {
        let page = admin.submit(&keeping, &keeping, &[("note", note)]).await;
        assert_eq!(page.status, 422, "{}", page.words());
        assert!(page.words().contains("Say why, in at most 200 characters"), "{}", page.words());
    }
    let page = press(&mut admin, &keeping, &[("note", "For the fair")]).await;
    assert!(page.contains("The number is kept.") && page.contains("“For the fair”"), "{page}");
    reconcile_after(&app, 20).await;
    let given_back = press(&mut admin, &format!("/admin/orphans/{id}/return"), &[]).await;
    assert!(given_back.contains("does not wait"), "what is kept is kept: {given_back}");
    assert_eq!(app.simulator.ledger().await.1, Vec::<String>::new());
    agreement(&app).await;

    let ended = press(&mut admin, &format!("{keeping}/end"), &[]).await;
    assert!(ended.contains("the next comparison gives it back"), "{ended}");
    assert!(press(&mut admin, &format!("{keeping}/end"), &[]).await.contains("does not wait"));
    reconcile_after(&app, 0).await;
    assert_eq!(app.simulator.ledger().await.1, [ORPHAN]);
    assert_eq!(audited(&app).await, ["orphan kept|For the fair", "orphan not kept any more|"]);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_goes_back_at_once_but_never_while_a_purchase_may_have_bought_it() {
    let (app, _, _, mut admin) = with_masks(1, Limits::default()).await;
    app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(ORPHAN)).await;
    reconcile_after(&app, 0).await;
    let giving = format!("/admin/orphans/{}/return", only(&app, "SELECT id FROM orphans").await);
    for asked in [ORPHAN, "1305"] {
        app.database
            .execute(&format!(
                "UPDATE operations SET finished_at = NULL, state = 'unknown', chosen = '{asked}'"
            ))
            .await;
        let page = press(&mut admin, &giving, &[]).await;
        assert!(page.contains("may have bought this number"), "{asked}: {page}");
    }
    assert_eq!(app.simulator.ledger().await.1, Vec::<String>::new());
    app.database.execute("UPDATE operations SET finished_at = now(), state = 'succeeded'").await;

    fault(&app, "forbidden", "DELETE").await;
    let page = press(&mut admin, &giving, &[]).await;
    assert!(page.contains("Their reason is beside it.") && page.contains("Not taken back"), "{page}");
    app.simulator.no_faults().await;
    fault(&app, "server-error", "DELETE").await;
    let page = press(&mut admin, &giving, &[]).await;
    assert!(page.contains("Nobody can tell yet") && page.contains("On its way back"), "{page}");
    app.simulator.no_faults().await;
    assert!(press(&mut admin, &giving, &[]).await.contains("The number is given back."));
    assert_eq!(app.simulator.ledger().await.1, [ORPHAN]);
    assert!(press(&mut admin, &giving, &[]).await.contains("does not wait"));
    let by_admin = "SELECT count(*) FROM audit WHERE actor = 'admin' AND action = 'orphan given back'";
    assert_eq!(app.database.one(by_admin).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_number_is_tried_again_where_the_caps_allow_it() {
    let (app, _, _, mut admin) = with_masks(6, roomy()).await;
    let number = only(&app, "SELECT e164 FROM masks ORDER BY id LIMIT 1").await;
    let of_number = format!("SELECT id FROM masks WHERE e164 = '{number}'");
    let repurchase = format!("/admin/masks/{}/repurchase", only(&app, &of_number).await);
    assert!(press(&mut admin, &repurchase, &[]).await.contains("does not wait"), "it is not lost");
    reconcile_after(&app, 0).await;
    app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &json!(number)).await;
    reconcile_after(&app, 0).await;
    reconcile_after(&app, 15).await;
    let page = seen(&mut admin).await;
    assert!(page.contains("Being tried") && page.contains("once an hour for a day"), "{page}");
    assert!(press(&mut admin, &repurchase, &[]).await.contains("does not wait"), "it is tried already");
    fault(&app, "forbidden", "POST").await;
    app.work().await;
    app.simulator.no_faults().await;
    let page = seen(&mut admin).await;
    assert!(page.contains("The tries to buy it back are over."), "{page}");

    let no_money = Limits { spend: (Money::cents(0), Money::cents(0)), ..roomy() };
    let poor = app.with_rules(|settings| settings.limits = no_money);
    let (mask, user) = (
        only(&app, &of_number).await.parse().map(maskline::domain::ids::MaskId).unwrap(),
        only(&app, "SELECT id FROM users WHERE role = 'admin'").await,
    );
    let user = user.parse().map(maskline::domain::ids::UserId).unwrap();
    assert!(poor.wish_back(user, mask).await.unwrap_err().to_string().contains("limit"));
    assert!(press(&mut admin, &repurchase, &[]).await.contains("once an hour for a day"));
    app.work().await;
    assert!(seen(&mut admin).await.contains("None is lost"));
    assert_eq!(app.database.rows("SELECT DISTINCT state FROM masks").await, ["active"]);
    assert_eq!(audited(&app).await, ["mask to be bought back|"]);
    agreement(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_believed_when_an_admin_says_how_long_it_is() {
    let (app, _, _, mut admin) = with_masks(6, roomy()).await;
    reconcile_after(&app, 0).await;
    let page = seen(&mut admin).await;
    assert!(page.contains("6 numbers at the phone company") && page.contains("Believed"), "{page}");
    for number in app.database.rows("SELECT e164 FROM masks ORDER BY id LIMIT 4").await {
        app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &json!(number)).await;
    }
    reconcile_after(&app, 0).await;
    let page = seen(&mut admin).await;
    assert!(page.contains("lacks 4 of the 6 numbers") && page.contains("Believe this list of 2"), "{page}");
    let belief = "/admin/comparison/belief";
    assert!(press(&mut admin, belief, &[("size", "3")]).await.contains("does not wait"));
    assert!(press(&mut admin, belief, &[("size", "2")]).await.contains("compared once more"));
    app.app.letters_sent().await;
    assert_eq!(app.database.count("absences").await, 4);
    let page = seen(&mut admin).await;
    assert!(page.contains("2 numbers at the phone company") && !page.contains("Not believed"), "{page}");
    assert_eq!(audited(&app).await, ["list believed|2 numbers"]);

    // A list that cannot be read gives nothing to believe.
    fault(&app, "html", "GET").await;
    reconcile_after(&app, 0).await;
    let page = seen(&mut admin).await;
    assert!(page.contains("could not be read") && page.contains("There is nothing to believe"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_another_length_than_the_one_that_was_believed_is_doubted_anew() {
    let (app, _, _, mut admin) = with_masks(6, roomy()).await;
    reconcile_after(&app, 0).await;
    let numbers = app.database.rows("SELECT e164 FROM masks ORDER BY id").await;
    let lose = |number: &str| {
        let number = json!(number);
        let app = &app;
        async move { app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &number).await }
    };
    for number in &numbers[..4] {
        lose(number).await;
    }
    reconcile_after(&app, 0).await;
    app.database.execute("UPDATE reconciliation SET believed_size = 2").await;
    lose(&numbers[4]).await;
    reconcile_after(&app, 0).await;
    assert!(seen(&mut admin).await.contains("Believe this list of 1"));
    assert_eq!(app.database.one("SELECT believed_size FROM reconciliation").await, "∅");
    assert_eq!(app.database.count("absences").await, 0);
}
