//! The keyboard alone: everything is reached, seen where one is, and pressed.

use serde_json::json;

use super::{Browser, View};
use crate::support::{PASSWORD, REAL, TestApp};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const DOWN: &str = "\u{e015}";

/// Whether whatever has the focus is drawn so that one sees it, and lies in the window.
const FOCUS_IS_SEEN: &str = "(() => {
    const at = document.activeElement;
    const box = at.getBoundingClientRect();
    const style = getComputedStyle(at);
    const drawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return drawn && inside ? '' : `${at.outerHTML.slice(0, 90)}: outline ${style.outline}, at ${box.top}`;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_a_mouse_signs_in_and_gets_a_mask() {
    let app = TestApp::start().await;
    app.with_number("ada", REAL).await;
    let browser = Browser::open(View::DESK, "keyboard").await;
    let keyboard = Keyboard(&browser);

    // The first thing that Tab reaches leads past the navigation.
    browser.go(&app.url("/sign-in")).await;
    keyboard.to(".skip").await;
    browser.page("skip-link").await;
    browser.press(ENTER).await;
    browser.until("document.activeElement.id === 'main'").await;
    keyboard.to("#email").await;
    browser.press("ada@example.com").await;
    keyboard.to("#password").await;
    browser.press("a wrong password").await;
    browser.press(ENTER).await;

    // What went wrong has the focus, so that it is read first.
    browser.until("document.activeElement.matches('.notice.error')").await;
    assert_eq!(browser.ask("document.querySelector('#email').value").await, json!("ada@example.com"));
    assert_eq!(browser.ask("document.querySelector('#password').value").await, json!(""));
    browser.page("sign-in-refused").await;
    keyboard.to("#password").await;
    browser.press(PASSWORD).await;
    browser.press(ENTER).await;
    browser.at("/masks").await;

    keyboard.to("main a[href='/masks/new']").await;
    browser.press(ENTER).await;
    browser.at("/masks/new").await;
    keyboard.to("[name=area]").await;
    browser.press(DOWN).await;
    browser.until("document.querySelector('[value=prefix]').checked").await;
    keyboard.sees_the_focus().await;
    keyboard.to("#prefix").await;
    browser.press("415").await;
    browser.until("document.querySelector('#prefix').value.includes('415')").await;
    browser.page("another-area").await;
    keyboard.to("main [type=submit]").await;
    browser.press(ENTER).await;
    browser.until("document.querySelector('.tools [data-copy]')").await;
    browser.says("+1 415-").await;

    // The panel opens and the way out is reached, too.
    keyboard.to("summary").await;
    browser.press(ENTER).await;
    keyboard.to("details a").await;
    browser.press(ENTER).await;
    browser.says("End this mask?").await;
    keyboard.to("main [type=submit]").await;
    browser.press(ENTER).await;
    browser.says("Not in service, can be restored").await;
    browser.end();
}

struct Keyboard<'a>(&'a Browser);

impl Keyboard<'_> {
    /// Presses Tab until something has the focus; all along the way one sees where one is.
    async fn to(&self, css: &str) {
        let there = format!("document.activeElement.matches({})", json!(css));
        for _ in 0..60 {
            self.0.press(TAB).await;
            self.sees_the_focus().await;
            if self.0.ask(&there).await == json!(true) {
                return;
            }
        }
        panic!("Tab does not lead to {css}");
    }

    async fn sees_the_focus(&self) {
        assert_eq!(self.0.ask(FOCUS_IS_SEEN).await, json!(""));
    }
}
