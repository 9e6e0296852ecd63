//! A person at a browser: reads, clicks, types, waits for what should come.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::webdriver::WebDriver;
use crate::support::{Client, TestApp};

/// What a person looks at the pages with.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Fingers need larger targets than a mouse.
    pub(crate) touch: bool,
    /// Whether pages may run scripts.
    pub(crate) script: bool,
}

impl View {
    pub(crate) const PHONE: Self = Self { width: 390, height: 844, touch: true, script: true };
    pub(crate) const DESK: Self = Self { width: 1280, height: 900, touch: false, script: true };

    pub(crate) const fn without_script(self) -> Self {
        Self { script: false, ..self }
    }
}

pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    pub(crate) view: View,
    /// The name of the story, in those of its pictures.
    pub(crate) story: &'static str,
    pub(super) pictures: Mutex<u32>,
    pub(super) complaints: Mutex<Vec<String>>,
}

/// Finds a thing by what stands on it, in the page's main part first, exactly first.
const BY_WORDS: &str = "
const all = [...document.querySelectorAll('main :is(a, button, summary, label)'),
             ...document.querySelectorAll('a, button, summary, label')].filter((thing) => thing.checkVisibility());
const words = (thing) => thing.textContent.replace(/\\s+/g, ' ').trim();
return all.find((thing) => words(thing) === arguments[0])
    || all.find((thing) => words(thing).startsWith(arguments[0] + ' ')) || null;";

/// What a person can read.
const READ: &str = "return document.body ? document.body.innerText.replace(/\\s+/g, ' ').trim() : ''";

impl Browser {
    pub(crate) async fn open(view: View, story: &'static str) -> Self {
        let driver = WebDriver::start(view.script).await;
        let browser = Self { driver, view, story, pictures: Mutex::default(), complaints: Mutex::default() };
        browser.as_wide_as(view.width).await;
        browser
    }

    pub(crate) async fn as_wide_as(&self, width: u32) {
        let size =
            json!({ "width": width, "height": self.view.height, "deviceScaleFactor": 1, "mobile": false });
        self.driver.chromium("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Takes over the session of somebody who has signed in elsewhere.
    pub(crate) async fn signed_in_as(&self, app: &TestApp, client: &Client) {
        self.go(&app.url("/healthz")).await;
        for (name, value) in &client.cookies {
            let cookie = json!({ "cookie": { "name": name, "value": value, "path": "/", "httpOnly": true } });
            self.driver.command("cookie", cookie).await.unwrap();
        }
    }

    pub(crate) async fn go(&self, url: &str) {
        self.driver.command("url", json!({ "url": url })).await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.driver.command("back", json!({})).await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.driver.command("refresh", json!({})).await.unwrap();
    }

    /// Asks the page something, in its own language.
    pub(crate) async fn ask(&self, expression: &str) -> Value {
        self.driver.run(&format!("return {expression}"), json!([])).await.unwrap()
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        let text = self.ask(&format!("document.querySelector('{css}').textContent.trim()")).await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until the page has loaded and an expression holds in it.
    pub(crate) async fn until(&self, expression: &str) {
        let script = format!("return document.readyState === 'complete' && Boolean({expression})");
        let patience = Instant::now() + Duration::from_mins(1);
        // While one page makes room for another, there may be none to ask.
        while !matches!(self.driver.run(&script, json!([])).await, Ok(Value::Bool(true))) {
            assert!(Instant::now() < patience, "never: {expression}\n{}", self.situation().await);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until the page says something.
    pub(crate) async fn says(&self, words: &str) {
        let words = json!(words);
        self.until(&format!("document.body.innerText.replace(/\\s+/g, ' ').includes({words})")).await;
    }

    /// Waits until the page at a path is there.
    pub(crate) async fn at(&self, path: &str) {
        self.until(&format!("location.pathname === {}", json!(path))).await;
    }

    async fn situation(&self) -> String {
        let address = self.driver.run("return location.href", json!([])).await;
        let read = self.driver.run(READ, json!([])).await;
        format!("at {address:?}\n{read:?}\nconsole: {:?}", self.driver.console().await)
    }

    /// Clicks what has these words on it, or what a selector that begins with `#`, `.` or `[` finds.
    pub(crate) async fn click(&self, what: &str) {
        self.act(what, "click", json!({})).await;
    }

    /// Types into the field of an id, over what stands there.
    pub(crate) async fn fill(&self, id: &str, text: &str) {
        self.act(&format!("#{id}"), "clear", json!({})).await;
        self.act(&format!("#{id}"), "value", json!({ "text": text })).await;
    }

    pub(crate) async fn find(&self, what: &str) -> Value {
        let patience = Instant::now() + Duration::from_mins(1);
        loop {
            let found = if what.starts_with(['#', '.', '[']) {
                self.driver.run("return document.querySelector(arguments[0])", json!([what])).await
            } else {
                self.driver.run(BY_WORDS, json!([what])).await
            };
            match found {
                Ok(element) if !element.is_null() => return element,
                _ => assert!(Instant::now() < patience, "no {what}\n{}", self.situation().await),
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    async fn act(&self, what: &str, act: &str, body: Value) {
        loop {
            let element = self.find(what).await;
            match self.driver.act(&element, act, body.clone()).await {
                Ok(_) => return,
                // A part of the page was renewed between the look and the hand.
                Err(refusal) if refusal.kind == "stale element reference" => {}
                Err(refusal) => panic!("{act} {what}: {refusal:?}\n{}", self.situation().await),
            }
        }
    }

    /// Presses keys, one after the other, on whatever has the focus.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] });
        self.driver.command("actions", actions).await.unwrap();
    }

    /// Clicks twice, as fast as one can.
    pub(crate) async fn double_click(&self, what: &str) {
        let element = self.find(what).await;
        let (down, up) =
            (json!({ "type": "pointerDown", "button": 0 }), json!({ "type": "pointerUp", "button": 0 }));
        let over = json!({ "type": "pointerMove", "origin": element, "x": 0, "y": 0 });
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": [over, down, up, down, up] });
        self.driver.command("actions", json!({ "actions": [mouse] })).await.unwrap();
    }
}
