//! A browser without a script: keeps cookies, fills forms, follows nothing by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use maskline::domain::phone::PhoneNumber;
use reqwest::{Method, RequestBuilder, Response, redirect};

use super::Simulated;

/// What came back.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> String {
        self.header("location").to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The cookies that came with it, whole.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all("set-cookie").iter();
        all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    /// The text between the first `before` and the `after` that follows it.
    pub(crate) fn between(&self, before: &str, after: &str) -> &str {
        let from =
            self.text.find(before).unwrap_or_else(|| panic!("no {before:?} in {}", self.text)) + before.len();
        &self.text[from..from + self.text[from..].find(after).unwrap()]
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""), "\"").to_owned()
    }

    /// The text as a person reads it: without tags, white space folded.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        let mut inside = false;
        for character in self.text.chars() {
            match character {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    words.push(' ');
                }
                _ if !inside => words.push(character),
                _ => {}
            }
        }
        let words = words.replace("&#39;", "'").replace("&#38;", "&").replace("&#34;", "\"");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A number as pages show it.
pub(crate) fn grouped(e164: &str) -> String {
    PhoneNumber::from_e164(e164).unwrap().grouped()
}

/// Sends requests, each over a connection of its own: a server may close a kept one just when the next request is sent.
/// Made once, as each new one reads all CA certificates of the machine.
pub(crate) fn http() -> reqwest::Client {
    static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy();
        client.pool_max_idle_per_host(0).build().unwrap()
    });
    HTTP.clone()
}

#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) extra: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        Self { base, http: http(), cookies: BTreeMap::new(), extra: vec![] }
    }

    /// The same browser at another server of the deployment.
    pub(crate) fn at_server(&self, address: SocketAddr) -> Self {
        Self { base: format!("http://{address}"), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.extra {
            request = request.header(*name, value);
        }
        request
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let page = Page::of(request.send().await.unwrap()).await;
        for cookie in page.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        page
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts fields as they are, without a token of its own.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.request(Method::POST, path).form(fields)).await
    }

    /// Opens a page, takes the token of its forms and posts the fields with it.
    pub(crate) async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.get(page).await.hidden("csrf");
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all).await
    }

    /// Signs in by the form.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> Page {
        self.submit("/sign-in", "/sign-in", &[("email", email), ("password", password)]).await
    }

    /// Searches an admin's list by its form, and follows where that leads.
    pub(crate) async fn search(&mut self, list: &str, fields: &[(&str, &str)]) -> (String, Page) {
        let found = self.submit(list, list, fields).await;
        assert_eq!(found.status, 303, "{}", found.words());
        let address = found.location();
        assert!(address == list || address.starts_with(&format!("{list}?")), "{address}");
        let page = self.get(&address).await;
        assert_eq!(page.status, 200, "{address}: {}", page.words());
        (address, page)
    }

    /// Whether the pages of somebody signed in open.
    pub(crate) async fn is_in(&mut self) -> bool {
        let page = self.get("/account").await;
        match page.status {
            200 => true,
            303 => {
                assert_eq!(page.location(), "/sign-in");
                false
            }
            status => panic!("{status}: {}", page.text),
        }
    }

    /// Comes from another address, as a proxy tells it.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.extra.push(("x-forwarded-for", address.to_owned()));
        self
    }

    /// Asks for a mask, as the page of a new mask does.
    pub(crate) async fn wish(&mut self, number_id: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get("/masks/new").await;
        let (csrf, token) = (page.hidden("csrf"), page.hidden("token"));
        let mut all = vec![("csrf", csrf.as_str()), ("token", token.as_str()), ("number_id", number_id)];
        all.extend_from_slice(fields);
        self.post("/masks", &all).await
    }

    /// Registers a number; the answer is the path where it is proved.
    pub(crate) async fn register(&mut self, number: &str) -> String {
        let page = self.submit("/numbers/new", "/numbers", &[("number", number)]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        page.location()
    }

    /// Registers and proves a number, as a person does it; the answer is its id.
    pub(crate) async fn prove(&mut self, simulator: &Simulated, number: &str) -> String {
        let path = self.register(number).await;
        let before = simulator.codes(number).await.len();
        let sent = self.submit(&path, &path, &[("channel", "voice")]).await;
        assert_eq!(sent.status, 303, "{}", sent.words());
        let code = simulator.code_after(number, before).await;
        let proved = self.submit(&path, &format!("{path}/code"), &[("code", &code)]).await;
        assert_eq!(proved.location(), "/masks", "{}", proved.words());
        path.split('/').nth(2).unwrap().to_owned()
    }

    /// Asks for a mask in the number's own area and waits until it is there; the answer is its path and its number.
    pub(crate) async fn mask(&mut self, number_id: &str) -> (String, String) {
        let page = self.wish(number_id, &[("area", "same")]).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let path = page.location();
        let page = self.until(&path, |page| page.text.contains("data-copy=\"+")).await;
        (path, page.between("data-copy=\"", "\"").to_owned())
    }

    /// Reloads a page until it is as wanted, as a person would.
    pub(crate) async fn until(&mut self, path: &str, wanted: impl Fn(&Page) -> bool) -> Page {
        let patience = Instant::now() + Duration::from_mins(1);
        loop {
            let page = self.get(path).await;
            if wanted(&page) {
                return page;
            }
            assert!(Instant::now() < patience, "still: {}", page.words());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
