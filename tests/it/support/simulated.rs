//! The simulator, as a script drives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maskline::app::App;
use reqwest::Method;
use serde_json::{Value, json};

use super::OUR_APPLICATION;
use super::client::http;

pub(crate) struct Simulated {
    pub(crate) base: String,
    http: reqwest::Client,
    /// The server that it calls, where that runs in this process.
    server: Option<Arc<App>>,
}

impl Simulated {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { base: format!("http://{address}"), http: http(), server: None }
    }

    /// One that calls this server.
    pub(crate) fn of(address: SocketAddr, server: Arc<App>) -> Self {
        Self { server: Some(server), ..Self::new(address) }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Places a call, once the server knows all that was changed, and answers with its trace, once all of the story is
    /// written down.
    pub(crate) async fn call(&self, from: &str, to: &str, answer: &str, seconds: u32) -> Value {
        self.place(json!({ "from": from, "to": to, "answer": answer, "seconds": seconds })).await
    }

    /// The same for a call with all that a script may say of it.
    pub(crate) async fn place(&self, wish: Value) -> Value {
        if let Some(server) = &self.server {
            server.reached().await;
        }
        let response =
            self.http.post(format!("{}/simulator/calls", self.base)).json(&wish).send().await.unwrap();
        let status = response.status();
        let trace: Value = response.json().await.unwrap();
        assert_eq!(status, 201, "{trace}");
        if let Some(server) = &self.server {
            server.calls_written().await;
        }
        trace
    }

    /// The newest six digits that a phone was told, once there are some.
    pub(crate) async fn code(&self, number: &str) -> String {
        self.code_after(number, 0).await
    }

    /// The newest six digits that a phone was told, once there are more of them than `before`.
    pub(crate) async fn code_after(&self, number: &str, before: usize) -> String {
        let found = self.phone_until(number, |phone| codes(phone).len() > before).await;
        codes(&found).remove(0)
    }

    /// All codes that a phone was told, the newest first.
    pub(crate) async fn codes(&self, number: &str) -> Vec<String> {
        codes(&self.get(&format!("/simulator/phones/{number}")).await)
    }

    /// What a phone received, once it is as wanted.
    pub(crate) async fn phone_until(&self, number: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("/simulator/phones/{number}"), wanted).await
    }

    /// The newest letter to an address, once there is one.
    pub(crate) async fn letter(&self, address: &str) -> String {
        self.letter_that(address, |_| true).await
    }

    /// The newest letter to an address that is as wanted.
    pub(crate) async fn letter_that(&self, address: &str, wanted: impl Fn(&str) -> bool) -> String {
        let find = |mail: &Value| letters(mail).into_iter().find(|letter| wanted(letter));
        let mail = self.until(&format!("/simulator/mail/{address}"), |mail| find(mail).is_some()).await;
        find(&mail).unwrap()
    }

    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let patience = Instant::now() + Duration::from_mins(1);
        loop {
            let value = self.get(path).await;
            if wanted(&value) {
                return value;
            }
            assert!(Instant::now() < patience, "still: {value}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The numbers that were bought for masks, and those that were given back.
    pub(crate) async fn ledger(&self) -> (Vec<String>, Vec<String>) {
        let ledger = self.get("/simulator/ledger").await;
        let of = |action: &str| {
            let ours =
                ledger.as_array().unwrap().iter().filter(|entry| entry["application"] == OUR_APPLICATION);
            let entries = ours.filter(|entry| entry["action"] == action);
            entries.map(|entry| entry["number"].as_str().unwrap().to_owned()).collect()
        };
        (of("purchase"), of("release"))
    }

    /// The stories of launches, the newest first.
    pub(crate) async fn launches(&self) -> Vec<Value> {
        let traces = self.get("/simulator/calls").await;
        traces.as_array().unwrap().iter().filter(|trace| trace["what"] == "launch").cloned().collect()
    }

    /// Puts a fault in the way.
    pub(crate) async fn fault(&self, fault: Value) {
        let response =
            self.http.post(format!("{}/simulator/faults", self.base)).json(&fault).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}", response.text().await.unwrap());
    }

    /// Takes all faults away.
    pub(crate) async fn no_faults(&self) {
        self.http.delete(format!("{}/simulator/faults", self.base)).send().await.unwrap();
    }

    /// Asks the carrier's own API about a number of an application, as whoever has its password may.
    pub(crate) async fn carrier(&self, method: Method, application: &Value, number: &Value) {
        assert!(self.try_carrier(method, application, number).await);
    }

    /// The same where a fault may be in the way; whether it was told that it is done.
    pub(crate) async fn try_carrier(&self, method: Method, application: &Value, number: &Value) -> bool {
        let (application, number) = (application.as_str().unwrap(), number.as_str().unwrap());
        let url = format!("{}/v1/applications/{application}/addresses/number/{number}", self.base);
        let request = self.http.request(method, url).basic_auth("tester", Some("not a secret"));
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Makes another application of the account; its id is the answer.
    pub(crate) async fn another_application(&self) -> String {
        let wish = json!({"name": "Another", "platform": "webapi", "voiceUrl": "http://127.0.0.1:9/"});
        let request = self.http.post(format!("{}/v1/applications", self.base)).json(&wish);
        let made: Value =
            request.basic_auth("tester", Some("not a secret")).send().await.unwrap().json().await.unwrap();
        made["href"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }

    /// Sets how many numbers are free in an area.
    pub(crate) async fn stock(&self, prefix: &str, stock: Value) {
        let url = format!("{}/simulator/stock/{prefix}", self.base);
        let response = self.http.put(url).json(&stock).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}", response.text().await.unwrap());
    }
}

fn codes(phone: &Value) -> Vec<String> {
    phone["codes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|code| code.as_str().map(str::to_owned))
        .collect()
}

fn letters(mail: &Value) -> Vec<String> {
    let all = mail.as_array().or_else(|| mail["letters"].as_array());
    all.into_iter().flatten().filter_map(|letter| letter["text"].as_str().map(str::to_owned)).collect()
}
