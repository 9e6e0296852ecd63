//! What people do by mistake: go back, reload, click twice.

use serde_json::json;

use super::{Browser, View};
use crate::support::{Options, REAL, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn clicking_twice_and_going_back_buy_one_mask() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (ada, _) = app.with_number("ada", REAL).await;
    let browser = Browser::open(View::PHONE, "mistakes").await;
    browser.signed_in_as(&app, &ada).await;

    browser.go(&app.url("/masks/new")).await;
    browser.double_click("Get this mask").await;
    browser.says("Being set up").await;
    let path = browser.ask("location.pathname").await;
    browser.reload().await;
    browser.says("Being set up").await;
    browser.back().await;
    browser.at("/masks/new").await;
    browser.reload().await;
    browser.at("/masks/new").await;
    browser.driver.command("forward", json!({})).await.unwrap();
    browser.until(&format!("location.pathname === {path}")).await;

    while app.app.step().await.unwrap() {}
    assert_eq!(app.database.rows("SELECT id FROM masks").await.len(), 1);
    let (bought, _) = app.simulator.ledger().await;
    assert_eq!(bought.len(), 1, "{bought:?}");
    browser.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_after_signing_out_shows_nothing_of_before() {
    let app = TestApp::start().await;
    let (ada, _) = app.with_number("ada", REAL).await;
    let browser = Browser::open(View::DESK, "mistakes").await;
    browser.signed_in_as(&app, &ada).await;
    browser.go(&app.url("/masks")).await;
    browser.says("+1 407-555-0101").await;
    browser.click("Sign out").await;
    browser.says("Get started").await;
    browser.back().await;
    browser.at("/sign-in").await;
    browser.end();
}
