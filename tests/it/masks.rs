//! Masks: where they come from, how many there may be, and their life from the wish to the release.

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::domain::ids::{MaskId, UserId};
use maskline::domain::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{CALLER, Client, OUR_APPLICATION, Options, Page, REAL, TestApp, grouped};

const TORONTO: &str = "+14165550101";

fn limited(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

/// A form of a new mask, each with a token of its own.
async fn forms(client: &Client, count: usize) -> Vec<(String, String)> {
    let forms = (0..count).map(|_| async {
        let page = client.clone().get("/masks/new").await;
        (page.hidden("csrf"), page.hidden("token"))
    });
    join_all(forms).await
}

async fn send_all(client: &Client, number: &str, forms: &[(String, String)]) -> Vec<Page> {
    let sent = forms.iter().map(|(csrf, token)| {
        let mut client = client.clone();
        async move {
            let fields = [("csrf", csrf.as_str()), ("token", token), ("number_id", number), ("area", "same")];
            client.post("/masks", &fields).await
        }
    });
    join_all(sent).await
}

/// What the page says, once the mask is what it comes to be.
async fn settled(client: &mut Client, path: &str) -> String {
    let is_settled = |text: &str| !text.contains("Being set up") && !text.contains("Being confirmed");
    client.until(path, |page| is_settled(&page.text)).await.words()
}

async fn heard(app: &TestApp, mask: &str) -> String {
    let trace = app.simulator.call(CALLER, mask, "answered", 5).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    trace["heard"].to_string()
}

fn assert_refused(page: &Page, words: &str) {
    assert_eq!(page.status, 422, "{}", page.words());
    assert!(page.words().contains(words), "no {words:?} in {}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_comes_from_where_it_was_wanted() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let page = ada.get("/masks/new").await;
    assert!(page.words().contains("407 (Orlando, FL)"), "{}", page.words());
    assert!(page.text.contains("<option value=\"1212\">212, New York</option>"), "{}", page.text);
    assert!(!page.text.contains("value=\"4420\""), "masks are not rented in that country");
    for (fields, beginning) in [
        (vec![("area", "same")], "407-"),
        (vec![("area", "prefix"), ("prefix", "1212")], "212-"),
        (vec![("area", "prefix"), ("prefix", "1416")], "416-"),
        (vec![("area", "any")], ""),
    ] {
        let path = ada.wish(&number, &fields).await.location();
        let page = settled(&mut ada, &path).await;
        assert!(page.contains(&format!("+1 {beginning}")) && page.contains("Rings your phone"), "{page}");
        assert!(!page.contains("elsewhere"), "{page}");
    }
    for prefix in ["", "4420", "999", "1407; DROP TABLE masks", "1"] {
        let page = ada.wish(&number, &[("area", "prefix"), ("prefix", prefix), ("label", "Ads")]).await;
        assert_refused(&page, "Choose an area from the list, or take a mask from anywhere.");
        assert!(page.text.contains("value=\"Ads\""), "what was typed is kept");
    }
    let (mut bob, british) = app.with_number("bob", "+442079460123").await;
    assert_refused(
        &bob.wish(&british, &[("area", "same")]).await,
        "There are no masks in that country here.",
    );
    assert_eq!(app.simulator.ledger().await.0.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_is_free_one_from_near_by_is_taken_and_the_page_says_so() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", TORONTO).await;
    let areas = [
        "1416", "1519", "1613", "1905", "1204", "1250", "1306", "1403", "1418", "1506", "1514", "1604",
        "1709", "1780", "1902",
    ];
    let ontario = ["519-", "613-", "905-"];
    for (emptied, left) in [
        (1, &ontario[..]),
        (4, &["204-", "250-", "306-", "403-", "418-", "506-", "514-", "604-", "709-", "780-", "902-"]),
        (14, &["902-"]),
    ] {
        for area in &areas[..emptied] {
            app.simulator.stock(area, json!({"numbers": 0})).await;
        }
        let path = ada.wish(&number, &[("area", "same")]).await.location();
        let page = settled(&mut ada, &path).await;
        assert!(
            page.contains("No number was free in 416, so this is one from elsewhere in the country."),
            "{page}"
        );
        assert!(left.iter().any(|area| page.contains(&format!("+1 {area}"))), "{left:?} {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_country_has_none_left_that_is_said_and_nothing_is_used_up() {
    let limits = Limits { masks_per_user: (10, 1, 1), ..Limits::default() };
    let app = TestApp::with(limited(limits)).await;
    let (mut ada, number) = app.with_number("ada", TORONTO).await;
    assert_eq!(app.simulator.ledger().await, (vec![], vec![]));
    for area in [1416, 1519, 1613, 1905, 1204, 1250, 1306, 1403, 1418, 1506, 1514, 1604, 1709, 1780, 1902] {
        app.simulator.stock(&area.to_string(), json!({"numbers": 0})).await;
    }
    for _ in 0..2 {
        let path = ada.wish(&number, &[("area", "same")]).await.location();
        let page = settled(&mut ada, &path).await;
        assert!(
            page.contains("There is no free number in that country at the moment. Nothing was used up."),
            "{page}"
        );
        assert_refused(&ada.submit("/masks", &format!("{path}/pause"), &[]).await, "not in service");
    }
    app.simulator.stock("1416", json!({"numbers": 50})).await;
    app.mask(&mut ada, &number).await;
    assert_eq!(app.simulator.ledger().await.0.len(), 1);
    let page = ada.wish(&number, &[("area", "same")]).await;
    assert_refused(&page, "You asked for 1 masks within a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_form_is_one_mask_however_often_it_is_sent() {
    let app = TestApp::start().await;
    let (ada, number) = app.with_number("ada", REAL).await;
    let form = forms(&ada, 1).await.remove(0);
    let pages = send_all(&ada, &number, &vec![form.clone(); 10]).await;
    let path = pages[0].location();
    assert!(path.starts_with("/masks/"), "{}", pages[0].words());
    assert!(pages.iter().all(|page| page.location() == path));
    settled(&mut ada.clone(), &path).await;
    let again = send_all(&ada, &number, &[form]).await;
    assert_eq!(again[0].location(), path);
    app.work().await;
    assert_eq!(app.simulator.ledger().await.0.len(), 1);
    assert_eq!(app.database.one("SELECT count(*) FROM masks").await, "1");

    // A form without its token buys nothing.
    let mut ada = ada;
    for token in ["", "short", &"x".repeat(65)] {
        let csrf = ada.get("/masks/new").await.hidden("csrf");
        let fields = [("csrf", csrf.as_str()), ("token", token), ("number_id", &number), ("area", "same")];
        assert_eq!(ada.post("/masks", &fields).await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_clicks_at_once_stay_within_the_limits() {
    assert_eq!(Limits::default().masks_per_user, (10, 5, 20));
    assert_eq!(Limits::default().masks_in_all, (500, 20));
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let mut paths = vec![];
    for day in 1..=2 {
        let all = forms(&ada, 20).await;
        for page in send_all(&ada, &number, &all).await {
            if page.status == 303 {
                paths.push(page.location());
            } else {
                assert_refused(&page, "as many as there may be");
            }
        }
        assert_eq!(paths.len(), day * 5);
        for path in &paths {
            assert!(settled(&mut ada, path).await.contains("Rings your phone"));
        }
        assert_eq!(app.simulator.ledger().await.0.len(), day * 5);
        app.clock.advance(TimeDelta::days(1));
    }
    let page = ada.wish(&number, &[("area", "same")]).await;
    assert_refused(&page, "You have 10 masks, as many as there may be at once. Revoke one to make room.");
    assert!(ada.get("/masks/new").await.words().contains("You have 10 masks, as many as there may be."));

    // A resting mask makes room, and needs room to come back.
    let first = paths.remove(0);
    ada.submit("/masks", &format!("{first}/revocation"), &[]).await;
    let page = ada.wish(&number, &[("area", "same")]).await;
    assert_eq!(page.status, 303, "{}", page.words());
    let page = ada.submit("/masks", &format!("{first}/restoration"), &[]).await;
    assert_refused(&page, "You have 10 masks, as many as there may be at once.");
    ada.submit("/masks", &format!("{}/revocation", paths[0]), &[]).await;
    assert_eq!(ada.submit("/masks", &format!("{first}/restoration"), &[]).await.location(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_and_the_house_have_their_limits() {
    let limits = Limits { masks_per_user: (10, 2, 3), masks_in_all: (5, 3), ..Limits::default() };
    let app = TestApp::with(Options { work: false, ..limited(limits) }).await;
    let (mut ada, of_ada) = app.with_number("ada", REAL).await;
    let (mut bob, of_bob) = app.with_number("bob", "+14075550102").await;
    let fields = [("area", "same")];
    for _ in 0..2 {
        assert_eq!(ada.wish(&of_ada, &fields).await.status, 303);
    }
    assert_refused(&ada.wish(&of_ada, &fields).await, "You asked for 2 masks within a day");
    assert_eq!(bob.wish(&of_bob, &fields).await.status, 303);
    let house = "This service has set up as many masks within an hour as it may. The next can be had from 23 November, 10:30 on.";
    assert_refused(&bob.wish(&of_bob, &fields).await, house);
    app.clock.advance(TimeDelta::days(1));
    assert_eq!(ada.wish(&of_ada, &fields).await.status, 303);
    assert_refused(&ada.wish(&of_ada, &fields).await, "You asked for 3 masks within 30 days");
    assert_eq!(bob.wish(&of_bob, &fields).await.status, 303);
    app.clock.advance(TimeDelta::hours(2));
    // Five are alive in the house.
    let house = "This service has as many masks as it may. Ask the people who run it.";
    assert_refused(&bob.wish(&of_bob, &fields).await, house);
    assert_eq!(app.database.one("SELECT count(*) FROM masks").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ones_own_proved_number_can_have_masks() {
    let app = TestApp::start().await;
    let (_, of_bob) = app.with_number("bob", REAL).await;
    let mut ada = app.signed_in("ada").await;
    assert_eq!(ada.get("/masks/new").await.location(), "/masks");
    let path = app.register(&mut ada, "+14075550102").await;
    let waiting = path.split('/').nth(2).unwrap();
    assert_eq!(ada.get("/masks/new").await.location(), "/masks", "nothing to rent a mask for");
    let csrf = ada.get("/numbers/new").await.hidden("csrf");
    let mut wish = async |number: &str| {
        let fields = [
            ("csrf", csrf.as_str()),
            ("token", "a-token-of-22-letters_"),
            ("number_id", number),
            ("area", "same"),
        ];
        ada.post("/masks", &fields).await
    };
    for number in [&of_bob, "", "1", "00000000-0000-4000-8000-000000000000", "' OR 1=1"] {
        let page = wish(number).await;
        assert_eq!(page.status, 404, "{number}: {}", page.words());
    }
    // No number of Ada's is proved, so there is no form to show again.
    assert_eq!(wish(waiting).await.location(), "/masks");
    let (mut ada, number) = app.with_number("eve", "+14075550103").await;
    let waiting = app.register(&mut ada, "+14075550104").await;
    let page = ada.wish(waiting.split('/').nth(2).unwrap(), &[("area", "same")]).await;
    assert_refused(&page, "Prove that number first, then it can have masks.");
    assert_eq!(app.database.one("SELECT count(*) FROM masks").await, "0");
    app.mask(&mut ada, &number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_kept_as_they_can_be_shown() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let long = "x".repeat(61);
    let words = "Use at most 60 characters for the label.";
    assert_refused(&ada.wish(&number, &[("area", "same"), ("label", &long)]).await, words);
    let (path, mask) = app.mask(&mut ada, &number).await;
    let page = ada.submit(&path, &format!("{path}/label"), &[("label", &long)]).await;
    assert_refused(&page, words);
    assert!(page.text.contains(&long), "what was typed is kept");
    let label = " <b>Flat</b>\u{0} \u{202e}hunting\u{2066}\r\n & \"more\" ";
    let saved = ada.submit(&path, &format!("{path}/label"), &[("label", label)]).await;
    assert_eq!(saved.location(), path);
    let page = ada.get(&path).await;
    assert!(page.text.contains("&#60;b&#62;Flat&#60;/b&#62; hunting &#38; &#34;more&#34;"), "{}", page.text);
    let thousand = "é".repeat(60);
    ada.submit(&path, &format!("{path}/label"), &[("label", &thousand)]).await;
    assert!(ada.get("/masks").await.text.contains(&thousand));
    // What it is called, no caller hears.
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 5).await["heard"], json!([]));
    ada.submit(&path, &format!("{path}/label"), &[("label", "")]).await;
    assert!(ada.get(&path).await.words().contains("Unnamed mask"));

    // Each name is kept and made known, so there is an end to it; what stops calls can always be done.
    let id = async |column| app.database.one(&format!("SELECT {column} FROM masks")).await.parse().unwrap();
    let (user, mask) = (UserId(id("user_id").await), MaskId(id("id").await));
    let mut names = 0;
    while app.app.label_mask(user, mask, "Another").await.is_ok() {
        names += 1;
        assert!(names <= 100, "there is no end to it");
    }
    let refused = ada.submit(&path, &format!("{path}/label"), &[("label", "One more")]).await;
    assert_eq!(refused.status, 429, "{}", refused.words());
    assert!(refused.words().contains("You can change them again in 1 hour."), "{}", refused.words());
    assert_eq!(ada.submit(&path, &format!("{path}/pause"), &[]).await.location(), path);
    assert_eq!(ada.submit(&path, &format!("{path}/resumption"), &[]).await.status, 429);
    assert_eq!(ada.submit(&path, &format!("{path}/revocation"), &[]).await.location(), path);
    assert_eq!(ada.submit(&path, &format!("{path}/restoration"), &[]).await.status, 429);
    app.clock.advance(TimeDelta::minutes(61));
    assert_eq!(ada.submit(&path, &format!("{path}/restoration"), &[]).await.location(), path);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_wish_shows_its_progress_by_reloading() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = ada.wish(&number, &[("area", "same"), ("label", "Deliveries")]).await.location();
    let page = ada.get(&path).await;
    assert!(page.words().contains("We are asking the phone company for a number."), "{}", page.words());
    assert!(page.text.contains("http-equiv=\"refresh\""), "it reloads where no script does");
    assert!(ada.get("/masks").await.words().contains("Finding a number"));
    app.clock.advance(TimeDelta::seconds(21));
    assert!(ada.get(&path).await.words().contains("takes longer than usual. We go on trying"));
    for step in ["pause", "revocation", "restoration", "resumption"] {
        let page = ada.submit("/masks", &format!("{path}/{step}"), &[]).await;
        assert_eq!(page.status, 422, "{step}: {}", page.words());
    }
    app.work().await;
    let page = ada.get(&path).await;
    assert!(page.words().contains("Calls to this number ring your phone."), "{}", page.words());
    assert!(!page.text.contains("http-equiv=\"refresh\""));
    assert!(page.words().contains("Deliveries"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_is_paused_resumed_revoked_restored_and_given_back() {
    assert_eq!(Limits::default().rest, TimeDelta::days(45));
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    let step = |name: &str| format!("{path}/{name}");
    let rings = async || app.simulator.call(CALLER, &mask, "answered", 5).await["rang"] == json!([REAL]);
    assert!(rings().await);

    assert_eq!(ada.submit(&path, &step("pause"), &[]).await.location(), path);
    let page = ada.get(&path).await.words();
    assert!(page.contains("Paused") && page.contains("Callers hear that you take no calls now."), "{page}");
    assert!(heard(&app, &mask).await.contains("not taking calls on this number at the moment"));
    assert_eq!(ada.submit(&path, &step("pause"), &[]).await.location(), path, "twice is no error");
    assert_eq!(ada.submit(&path, &step("resumption"), &[]).await.location(), path);
    app.clock.advance(TimeDelta::minutes(11));
    assert!(rings().await);

    // Revoked, also from a pause: it rests.
    ada.submit(&path, &step("pause"), &[]).await;
    let asked = ada.get(&step("revocation")).await.words();
    assert!(asked.contains("Accounts that send codes to this number will be lost to you."), "{asked}");
    assert_eq!(ada.submit(&path, &step("revocation"), &[]).await.location(), path);
    let page = ada.get(&path).await.words();
    assert!(page.contains("you can bring it back until 7 January 2027."), "{page}");
    assert!(heard(&app, &mask).await.contains("The number you have called is not in service."));
    assert_refused(&ada.submit("/masks", &step("pause"), &[]).await, "not in service");
    assert_refused(&ada.submit("/masks", &step("resumption"), &[]).await, "not in service");
    // Revoked again, the rest is not longer.
    app.clock.advance(TimeDelta::days(44));
    let mut ada = app.back_again("ada").await;
    ada.submit("/masks", &step("revocation"), &[]).await;
    assert_eq!(ada.submit(&path, &step("restoration"), &[]).await.location(), path);
    assert!(rings().await);

    ada.submit(&path, &step("revocation"), &[]).await;
    app.clock.advance(TimeDelta::days(45) - TimeDelta::seconds(1));
    let mut ada = app.back_again("ada").await;
    app.work().await;
    assert_eq!(app.simulator.ledger().await.1, Vec::<String>::new(), "it is kept while it rests");
    app.clock.advance(TimeDelta::seconds(1));
    assert_refused(&ada.submit("/masks", &step("restoration"), &[]).await, "cannot be brought back any more");
    ada.until(&path, |page| page.text.contains("Given back")).await;
    app.work().await;
    assert_eq!(app.simulator.ledger().await, (vec![mask.clone()], vec![mask.clone()]));
    assert!(!ada.get("/masks").await.text.contains(&grouped(&mask)));
    assert_refused(&ada.submit("/masks", &step("restoration"), &[]).await, "cannot be brought back any more");
    let audit = "SELECT action FROM audit WHERE action LIKE 'mask %' ORDER BY id";
    assert_eq!(
        app.database.rows(audit).await,
        [
            "mask requested",
            "mask rented",
            "mask paused",
            "mask resumed",
            "mask paused",
            "mask revoked",
            "mask restored",
            "mask revoked",
            "mask releasing",
            "mask released"
        ]
    );

    // For 90 days nobody gets it again, though it is the first that is free.
    app.simulator.stock("1407", json!({"numbers": 1})).await;
    let again = ada.wish(&number, &[("area", "same")]).await.location();
    let page = settled(&mut ada, &again).await;
    assert!(page.contains("No number was free in 407"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_carrier_no_longer_has_counts_as_given_back() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let path = ada.wish(&number, &[("area", "same")]).await.location();
    app.work().await;
    let number = json!(app.simulator.ledger().await.0[0]);
    app.simulator.carrier(Method::DELETE, &json!(OUR_APPLICATION), &number).await;
    ada.submit(&path, &format!("{path}/revocation"), &[]).await;
    app.clock.advance(TimeDelta::days(45));
    app.work().await;
    let mut ada = app.back_again("ada").await;
    assert!(ada.get(&path).await.words().contains("Given back"));
    let state: Value = json!(app.database.one("SELECT state FROM operations WHERE kind = 'release'").await);
    assert_eq!(state, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_others_paused_its_owner_cannot_resume() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    for by in ["admin", "system"] {
        let paused = format!("UPDATE masks SET state = 'paused', paused_by = '{by}'");
        app.database.execute(&paused).await;
        app.settled().await;
        let page = ada.get(&path).await;
        assert!(page.words().contains("The people who run this service paused it."), "{}", page.words());
        assert!(!page.text.contains("/resumption"));
        let page = ada.submit(&path, &format!("{path}/resumption"), &[]).await;
        assert_refused(&page, "Ask them to resume it.");
        // Nor by pausing it first.
        ada.submit(&path, &format!("{path}/pause"), &[]).await;
        assert_refused(
            &ada.submit(&path, &format!("{path}/resumption"), &[]).await,
            "Ask them to resume it.",
        );
        assert!(heard(&app, &mask).await.contains("not taking calls"));
    }
}
