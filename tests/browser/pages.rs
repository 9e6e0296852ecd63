//! The pages that the newcomer does not come by: a house that is lived in, an admin's, and what goes wrong.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use maskline::domain::limits::Limits;
use serde_json::json;

use super::inspection::folder;
use super::{Browser, View};
use crate::support::{Client, Options, PASSWORD, REAL, TestApp};

const SECOND: &str = "+14155550102";

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_house_that_is_lived_in_suit_a_phone() {
    lived_in(View::PHONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_house_that_is_lived_in_suit_a_desk() {
    lived_in(View::DESK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_what_goes_wrong_suit_a_phone() {
    goes_wrong(View::PHONE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_what_goes_wrong_suit_a_desk() {
    goes_wrong(View::DESK).await;
}

async fn lived_in(view: View) {
    let app = TestApp::start().await;
    let (ada, mask) = lives_there(&app).await;
    let browser = Browser::open(view, "lived-in").await;
    browser.signed_in_as(&app, &ada).await;
    let open = async |path: &str, name: &str| {
        browser.go(&app.url(path)).await;
        browser.page(name).await;
    };
    browser.go(&app.url("/masks")).await;
    browser.page_in_both("masks").await;
    open(&mask, "mask").await;
    browser.click("Older").await;
    browser.says("Newer").await;
    browser.page("older-calls").await;
    open("/masks/new", "new-mask").await;
    open("/numbers/new", "add-number").await;
    browser.fill("number", "+1 900 555 1212").await;
    browser.click("Continue").await;
    browser.says("Please check the form").await;
    browser.page("number-refused").await;
    browser.go(&app.url("/masks")).await;
    browser.click("Remove").await;
    browser.says("Remove this number?").await;
    browser.page("remove-number").await;
    browser.go(&app.url("/account")).await;
    browser.page_in_both("account").await;
    let simulator = |path: &str| format!("{}{path}", app.simulator.base);
    for (path, name) in
        [("/ledger", "simulator-ledger"), (&format!("/phones/{REAL}"), "simulator-phone"), ("/", "simulator")]
    {
        browser.go(&simulator(path)).await;
        browser.page(name).await;
    }
    if !view.touch {
        picture_for_the_readme(&app, &browser, &mask).await;
    }
    is_administered(&app, &browser).await;
    browser.end();
}

/// Something waits of each kind.
async fn operations_wait(app: &TestApp, browser: &Browser) {
    browser.go(&app.url("/admin/operations")).await;
    browser.page("admin-nothing-waits").await;
    for (line, state) in [(150, "seen"), (151, "kept"), (152, "releasing"), (153, "needs_person")] {
        let note = if state == "seen" { "NULL" } else { "'the carrier refused: 403'" };
        app.database
            .execute(&format!(
                "INSERT INTO orphans (id, e164, state, first_seen_at, last_seen_at, note) \
                 VALUES (gen_random_uuid(), '+1305555{line:04}', '{state}', now(), now(), {note})"
            ))
            .await;
    }
    for change in [
        "UPDATE masks SET state = 'lost' WHERE id = (SELECT id FROM masks WHERE state = 'active' LIMIT 1)",
        "UPDATE operations SET state = 'needs_person', finished_at = NULL WHERE id = (SELECT o.id \
         FROM operations o JOIN masks m ON m.id = o.mask_id WHERE m.state = 'active' AND kind = 'buy' LIMIT 1)",
        "UPDATE reconciliation SET alarm = 'the list lacks 4 of the 6 numbers that should be in it', \
         alarm_since = now(), doubted_size = 2, settings_fault = 'calls are told to another address', \
         settings_fault_since = now()",
    ] {
        app.database.execute(change).await;
    }
    browser.go(&app.url("/admin/operations")).await;
    browser.page_in_both("admin-operations").await;
    browser.click("Keep it").await;
    browser.says("Keep this number?").await;
    browser.page("admin-keep").await;
    browser.fill("note", "For the fair").await;
    browser.click("Keep it").await;
    browser.says("The number is kept.").await;
}

async fn is_administered(app: &TestApp, browser: &Browser) {
    let admin = app.admin().await;
    browser.signed_in_as(app, &admin).await;
    browser.go(&app.url("/admin/masks")).await;
    browser.says("ada@example.com").await;
    browser.page_in_both("admin-masks").await;
    browser.fill("q", "nobody@example.com").await;
    browser.click("Search").await;
    browser.says("Nothing found").await;
    browser.page("admin-nothing-found").await;
    browser.click("show all").await;
    browser.click("Revoke").await;
    browser.says("Revoke this mask?").await;
    browser.page("admin-revoke").await;
    browser.fill("reason", "Used for spam, told by three people").await;
    browser.click("Revoke this mask").await;
    browser.at("/admin/masks").await;
    browser.page("admin-revoked").await;
    browser.click("Users").await;
    browser.says("2 users found.").await;
    browser.page("admin-users").await;
    browser.click("Limits").await;
    browser.says("How many masks?").await;
    browser.fill("alive", "12").await;
    browser.click("Save").await;
    browser.says("The limits are saved.").await;
    browser.page("admin-user").await;
    operations_wait(app, browser).await;
    browser.go(&app.url("/admin/spending")).await;
    browser.fill("reason", "Calls at night from everywhere").await;
    browser.click("Stop spending").await;
    browser.says("That spending is stopped.").await;
    browser.page_in_both("admin-spending").await;
    browser.click("Let it go on").await;
    browser.says("Nothing is stopped").await;
}

/// Somebody with two numbers, four masks and a month of calls.
async fn lives_there(app: &TestApp) -> (Client, String) {
    let (mut ada, number) = app.with_number("ada", REAL).await;
    app.clock.advance(TimeDelta::hours(2));
    app.prove(&mut ada, SECOND).await;
    let mut masks = vec![];
    for label in ["Flat hunting", "Parcels and deliveries", "The bike advert", "Choir"] {
        let (path, mask) = app.mask(&mut ada, &number).await;
        let saved = ada.submit(&path, &format!("{path}/label"), &[("label", label)]).await;
        assert_eq!(saved.status, 303, "{}", saved.text);
        masks.push((path, mask));
        app.clock.advance(TimeDelta::minutes(1));
    }
    for (path, act) in [(&masks[1].0, "pause"), (&masks[3].0, "revocation")] {
        ada.submit(&format!("{path}/revocation"), &format!("{path}/{act}"), &[]).await;
    }
    for day in 0..9 {
        app.clock.advance(TimeDelta::hours(if day == 8 { 3 } else { 29 }));
        for (caller, answer, seconds) in [
            ("+14155550123", "answered", 160),
            ("+14075550144", "no-answer", 0),
            ("+12125550117", "answered", 48),
            ("Unknown", "busy", 0),
        ]
        .into_iter()
        .take(1 + day % 4)
        {
            app.clock.advance(TimeDelta::minutes(12));
            app.simulator.call(caller, &masks[0].1, answer, seconds).await;
        }
    }
    app.simulator.call("+12125550117", &masks[2].1, "caller-hangs-up", 0).await;
    app.clock.advance(TimeDelta::minutes(7));
    // It was signed in too long ago.
    let mut ada = app.anonymous();
    let fields = [("email", "ada@example.com"), ("password", PASSWORD)];
    let page = ada.submit("/sign-in", "/sign-in", &fields).await;
    assert_eq!(page.location(), "/masks", "{}", page.text);
    (ada, masks.swap_remove(0).0)
}

/// The masks beside one mask's calls, as the README shows them; it is kept by hand as `docs/screenshot.png`.
async fn picture_for_the_readme(app: &TestApp, browser: &Browser, mask: &str) {
    let mut both = vec![];
    for path in ["/masks", mask] {
        browser.go(&app.url(path)).await;
        browser.as_wide_as(620).await;
        both.push(json!(STANDARD.encode(browser.picture_of(620, 800).await)));
        browser.as_wide_as(browser.view.width).await;
    }
    browser.go("about:blank").await;
    let compose = "
        document.body.style.cssText = 'margin: 0; padding: 16px; display: flex; gap: 16px; background: #d9e2df';
        document.body.replaceChildren(...[...arguments].map((data) => {
            const image = new Image(616);
            image.src = `data:image/png;base64,${data}`;
            image.style.cssText = 'border-radius: 8px; box-shadow: 0 1px 4px #0004';
            return image;
        }));
        return Promise.all([...document.images].map((image) => image.decode()));";
    browser.driver.run(compose, json!(both)).await.unwrap();
    let picture = browser.picture_of(1280, 827).await;
    fs::write(folder().join("readme.png"), picture).unwrap();
}

async fn goes_wrong(view: View) {
    let limits = Limits { sign_ups_per_address: 1, ..Limits::default() };
    let app = TestApp::with(Options { limits, ..Options::default() }).await;
    let ada = app.signed_in("ada").await;
    let browser = Browser::open(view, "wrong").await;

    for (path, words, name) in [
        ("/nowhere", "There is nothing here", "not-found"),
        ("/links/used-long-ago", "This link does not work any more", "link-gone"),
        ("/sign-in", "Forgotten your password?", "sign-in"),
        ("/forgotten-password", "Send me the link", "forgotten-password"),
    ] {
        browser.go(&app.url(path)).await;
        browser.says(words).await;
        browser.page(name).await;
    }
    for _ in 0..2 {
        browser.go(&app.url("/sign-up")).await;
        browser.fill("email", "grace@example.com").await;
        browser.click("Send me the link").await;
        browser
            .until("location.pathname === '/sign-up/sent' || document.body.innerText.includes('429')")
            .await;
    }
    browser.says("Too many tries").await;
    browser.page("too-many").await;

    browser.go(&app.url("/sign-in")).await;
    browser.driver.forget_cookies().await;
    browser.fill("email", "ada@example.com").await;
    browser.fill("password", PASSWORD).await;
    browser.click("[type=submit].filled").await;
    browser.says("That form is too old").await;
    browser.page("form-too-old").await;

    browser.signed_in_as(&app, &ada).await;
    browser.go(&app.url("/admin/masks")).await;
    browser.says("This page is not for you").await;
    browser.page("not-allowed").await;
    browser.go(&app.url("/masks")).await;
    browser.page("nothing-yet").await;
    app.database.let_in(false).await;
    browser.reload().await;
    browser.says("We cannot show this now").await;
    browser.page("database-away").await;
    app.database.let_in(true).await;
    browser.go(&format!("{}/nowhere", app.simulator.base)).await;
    browser.page("simulator-not-found").await;
    browser.go(&format!("{}/", app.simulator.base)).await;
    browser.page("simulator-new").await;
    browser.go(&format!("{}/mail?to=nobody@example.com", app.simulator.base)).await;
    browser.page("simulator-no-mail").await;
    browser.end();
}
