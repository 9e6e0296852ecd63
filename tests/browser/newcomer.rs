//! Somebody who has never seen Maskline: from an e-mail address to a call that rings, and back.

use serde_json::json;

use super::{Browser, View};
use crate::support::{CALLER, Options, PASSWORD, REAL, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_with_a_phone_gets_a_mask_and_is_called() {
    from_an_address_to_a_call_and_back(View::PHONE, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_at_a_desk_gets_a_mask_and_is_called() {
    from_an_address_to_a_call_and_back(View::DESK, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_with_a_phone_and_no_script_gets_a_mask_and_is_called() {
    from_an_address_to_a_call_and_back(View::PHONE.without_script(), "no-script").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_at_a_desk_and_no_script_gets_a_mask_and_is_called() {
    from_an_address_to_a_call_and_back(View::DESK.without_script(), "no-script").await;
}

async fn from_an_address_to_a_call_and_back(view: View, story: &'static str) {
    // The worker is moved by hand, so that a mask is seen being set up.
    let app = TestApp::with(Options { work: false, development: true, ..Options::default() }).await;
    let browser = Browser::open(view, story).await;
    let ada = Newcomer { app: &app, browser: &browser };
    ada.has_a_script_or_none().await;
    ada.signs_up().await;
    ada.proves_a_number().await;
    let mask = ada.gets_a_mask().await;
    ada.is_called(&mask).await;
    ada.takes_it_back(&mask).await;
    ada.restores_it(&mask).await;
    browser.end();
}

struct Newcomer<'a> {
    app: &'a TestApp,
    browser: &'a Browser,
}

impl Newcomer<'_> {
    /// What the rest relies on: that a script which the page brings along runs, or really does not.
    async fn has_a_script_or_none(&self) {
        self.browser
            .go("data:text/html,<p>No</p><script>document.querySelector('p').textContent='Yes'</script>")
            .await;
        let runs = self.browser.text("p").await;
        assert_eq!(runs, if self.browser.view.script { "Yes" } else { "No" });
    }

    async fn signs_up(&self) {
        let browser = self.browser;
        browser.go(&self.app.url("/")).await;
        browser.page_in_both("landing").await;
        browser.click("Get started").await;
        browser.at("/sign-up").await;
        browser.page("sign-up").await;
        browser.fill("email", "ada@example.com").await;
        browser.click("Send me the link").await;
        browser.at("/sign-up/sent").await;
        browser.page("sign-up-sent").await;
        browser.click("Read it in the simulator’s mailbox").await;
        browser.says("To ada@example.com").await;
        browser.page_in_both("simulator-mailbox").await;
        browser.click(".letter .body a").await;
        browser.says("Choose a password").await;
        browser.page("choose-password").await;
        browser.fill("new_password", PASSWORD).await;
        if browser.view.script {
            browser.says("characters: long enough").await;
            let here = "Intl.DateTimeFormat().resolvedOptions().timeZone";
            browser.until(&format!("document.querySelector('[name=time_zone]').value === {here}")).await;
        }
        browser.click("Make my account").await;
        browser.at("/masks").await;
        browser.says("First steps").await;
        browser.page_in_both("first-steps").await;
    }

    async fn proves_a_number(&self) {
        let browser = self.browser;
        browser.click("Prove your number").await;
        browser.at("/numbers/new").await;
        browser.page("add-number").await;
        browser.fill("number", "(407) 555-0101").await;
        browser.click("Continue").await;
        browser.says("How should the code reach you?").await;
        browser.page("prove-number").await;
        browser.click("Send me the code").await;
        browser.says("Six digits").await;
        browser.page("code-sent").await;
        browser.click("the simulator’s phone").await;
        browser.until("document.querySelector('.phone output')").await;
        browser.page("simulator-phone").await;
        let code = browser.text(".phone output").await;
        browser.back().await;
        browser.says("Six digits").await;
        browser.fill("code", &code).await;
        browser.click("Prove it").await;
        browser.says("The number is yours: it is proved.").await;
        browser.page("number-proved").await;
    }

    async fn gets_a_mask(&self) -> Mask {
        let browser = self.browser;
        browser.click("New mask").await;
        browser.at("/masks/new").await;
        browser.page_in_both("new-mask").await;
        browser.fill("label", "The bike advert").await;
        browser.click("Get this mask").await;
        browser.says("Being set up").await;
        browser.page("mask-being-set-up").await;
        if browser.view.script {
            browser.ask("window.neverReloaded = true").await;
        }
        assert!(self.app.app.step().await.unwrap());
        // With a script the page changes by itself, without one it loads itself again.
        browser.until("document.querySelector('.tools [data-copy]')").await;
        if browser.view.script {
            assert_eq!(browser.ask("window.neverReloaded").await, json!(true));
        }
        browser.says("Rings your phone").await;
        browser.page("mask").await;
        let told = browser.ask("document.querySelector('.tools [data-copy]').dataset.copy").await;
        let number = told.as_str().unwrap().to_owned();
        assert!(number.starts_with("+1407") && number != REAL, "{number}");
        let path = browser.ask("location.pathname").await.as_str().unwrap().to_owned();
        Mask { number, path }
    }

    async fn is_called(&self, mask: &Mask) {
        let browser = self.browser;
        self.places_a_call().await;
        if browser.view.script {
            browser.until("document.querySelector('.story.live .step.connects')").await;
            browser.page_in_both("simulator-call-going-on").await;
        }
        browser.until("document.querySelector('.story:not(.live) .outcome.good')").await;
        browser.says("+1 407-555-0101").await;
        browser.page("simulator-call").await;
        let phone = self.app.simulator.get(&format!("/simulator/phones/{REAL}")).await;
        assert!(phone["calls"].to_string().contains(CALLER), "{phone}");

        browser.go(&self.app.url(&mask.path)).await;
        browser.says("One call in 30 days").await;
        browser.says("+1 415-555-0123").await;
        browser.says("Answered 5 s").await;
        browser.page_in_both("mask-called").await;
        browser.click("All masks").await;
        browser.at("/masks").await;
        browser.says("Last call").await;
        browser.page_in_both("masks").await;
    }

    async fn places_a_call(&self) {
        let browser = self.browser;
        browser.click("Development: open the simulator").await;
        browser.says("Place a call").await;
        browser.fill("seconds", "5").await;
        browser.click("Call").await;
    }

    async fn takes_it_back(&self, mask: &Mask) {
        let browser = self.browser;
        browser.go(&self.app.url(&mask.path)).await;
        browser.click("End this mask").await;
        browser.click("Continue").await;
        browser.says("45 days").await;
        browser.page("end-mask").await;
        browser.click("End this mask").await;
        browser.at(&mask.path).await;
        browser.says("Not in service, can be restored").await;
        browser.page("mask-resting").await;

        self.places_a_call().await;
        browser.says("The number you have called is not in service.").await;
        browser.until("document.querySelector('.story:not(.live) .outcome')").await;
        browser.page("simulator-not-in-service").await;
    }

    async fn restores_it(&self, mask: &Mask) {
        let browser = self.browser;
        browser.go(&self.app.url(&mask.path)).await;
        browser.click("Restore this mask").await;
        browser.says("Rings your phone").await;
        browser.page("mask-restored").await;
        let trace = self.app.simulator.call(CALLER, &mask.number, "answered", 3).await;
        assert_eq!(trace["rang"], json!([REAL]), "{trace}");
    }
}

struct Mask {
    number: String,
    path: String,
}
