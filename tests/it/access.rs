//! Every route as every role: who gets in, who is sent away, and that there is nothing else.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use maskline::web::ROUTES;
use reqwest::Method;

use crate::support::{Client, PASSWORD, Page, REAL, TestApp, WEBHOOK_KEY};

/// What is to be answered to nobody, another user, the owner and an admin: a status, and for 303 where it leads.
type Row = (&'static str, &'static str, [&'static str; 4]);

const SIGN_IN: &str = "303 /sign-in";
const MASKS: &str = "303 /masks";
const OPERATIONS: &str = "303 /admin/operations";
/// As the owner, on the own thing; as everybody else, on the owner's.
const TABLE: &[Row] = &[
    ("GET", "/", ["200", "200", "200", "200"]),
    ("GET", "/healthz", ["200", "200", "200", "200"]),
    ("GET", "/readyz", ["200", "200", "200", "200"]),
    ("GET", "/static/{name}", ["200", "200", "200", "200"]),
    ("GET", "/favicon.ico", ["200", "200", "200", "200"]),
    ("GET", "/.well-known/change-password", ["303 /account#password-title"; 4]),
    // The carrier's: a session or a form opens nothing here, only the key does.
    ("POST", "/tropo/transfer", ["404", "404", "404", "404"]),
    ("POST", "/tropo/message", ["404", "404", "404", "404"]),
    ("POST", "/tropo/calls/{call}/{event}", ["404", "404", "404", "404"]),
    ("POST", "/tropo/codes/{code}/{event}", ["404", "404", "404", "404"]),
    ("GET", "/sign-up", ["200", MASKS, MASKS, MASKS]),
    ("POST", "/sign-up", ["303 /sign-up/sent"; 4]),
    ("GET", "/sign-up/sent", ["200", "200", "200", "200"]),
    ("GET", "/sign-in", ["200", MASKS, MASKS, MASKS]),
    ("POST", "/sign-in", ["422", "422", "422", "422"]),
    ("GET", "/forgotten-password", ["200", "200", "200", "200"]),
    ("POST", "/forgotten-password", ["303 /forgotten-password/sent"; 4]),
    ("GET", "/forgotten-password/sent", ["200", "200", "200", "200"]),
    ("GET", "/links/{token}", ["404", "404", "404", "404"]),
    ("POST", "/links/{token}", ["404", "404", "404", "404"]),
    ("GET", "/masks", [SIGN_IN, "200", "200", "200"]),
    ("POST", "/masks", [SIGN_IN, "404", "303 /masks/…", "404"]),
    // Who has no proved number yet is led to the first steps.
    ("GET", "/masks/new", [SIGN_IN, MASKS, "200", MASKS]),
    ("GET", "/masks/{id}", [SIGN_IN, "404", "200", "404"]),
    ("POST", "/masks/{id}/label", [SIGN_IN, "404", "303 /masks/{id}", "404"]),
    ("POST", "/masks/{id}/cancellation", [SIGN_IN, "404", "422", "404"]),
    ("POST", "/masks/{id}/pause", [SIGN_IN, "404", "303 /masks/{id}", "404"]),
    ("POST", "/masks/{id}/resumption", [SIGN_IN, "404", "303 /masks/{id}", "404"]),
    ("GET", "/masks/{id}/revocation", [SIGN_IN, "404", "200", "404"]),
    ("POST", "/masks/{id}/revocation", [SIGN_IN, "404", "303 /masks/{id}", "404"]),
    ("POST", "/masks/{id}/restoration", [SIGN_IN, "404", "303 /masks/{id}", "404"]),
    // No such call.
    ("POST", "/masks/{id}/calls/{call}/admission", [SIGN_IN, "404", "404", "404"]),
    ("POST", "/numbers", [SIGN_IN, "422", "422", "422"]),
    ("GET", "/numbers/new", [SIGN_IN, "200", "200", "200"]),
    ("GET", "/numbers/{id}/verification", [SIGN_IN, "404", MASKS, "404"]),
    ("POST", "/numbers/{id}/verification", [SIGN_IN, "404", MASKS, "404"]),
    ("POST", "/numbers/{id}/verification/code", [SIGN_IN, "404", MASKS, "404"]),
    ("GET", "/account", [SIGN_IN, "200", "200", "200"]),
    ("POST", "/account/password", [SIGN_IN, "422", "422", "422"]),
    ("POST", "/account/time-zone", [SIGN_IN, "422", "422", "422"]),
    ("POST", "/account/sessions/{id}/end", [SIGN_IN, "404", "303 /account", "404"]),
    ("POST", "/account/sessions/end-others", [SIGN_IN, "303 /account", "303 /account", "303 /account"]),
    ("GET", "/admin", [SIGN_IN, "403", "403", "303 /admin/masks"]),
    ("GET", "/admin/masks", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/masks", [SIGN_IN, "403", "403", "303 /admin/masks"]),
    ("GET", "/admin/masks/{id}/revocation", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/masks/{id}/revocation", [SIGN_IN, "403", "403", "422"]),
    // None of these is there, so it is said that nothing like that waits any more.
    ("POST", "/admin/masks/{id}/repurchase", [SIGN_IN, "403", "403", OPERATIONS]),
    ("GET", "/admin/operations", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/operations/{id}/resumption", [SIGN_IN, "403", "403", OPERATIONS]),
    ("GET", "/admin/orphans/{id}/keeping", [SIGN_IN, "403", "403", OPERATIONS]),
    ("POST", "/admin/orphans/{id}/keeping", [SIGN_IN, "403", "403", OPERATIONS]),
    ("POST", "/admin/orphans/{id}/keeping/end", [SIGN_IN, "403", "403", OPERATIONS]),
    ("POST", "/admin/orphans/{id}/return", [SIGN_IN, "403", "403", OPERATIONS]),
    ("POST", "/admin/comparison/belief", [SIGN_IN, "403", "403", OPERATIONS]),
    ("GET", "/admin/users", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/users", [SIGN_IN, "403", "403", "303 /admin/users"]),
    ("GET", "/admin/users/{id}", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/users/{id}/quota", [SIGN_IN, "403", "403", "303 /admin/users/{id}"]),
    ("GET", "/admin/spending", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/spending", [SIGN_IN, "403", "403", "400"]),
    ("POST", "/admin/spending/{id}/end", [SIGN_IN, "403", "403", "404"]),
    ("GET", "/admin/servers", [SIGN_IN, "403", "403", "200"]),
    ("POST", "/admin/servers/{id}/removal", [SIGN_IN, "403", "403", "404"]),
    // These end something, so they come last.
    ("GET", "/numbers/{id}/removal", [SIGN_IN, "404", "200", "404"]),
    ("POST", "/numbers/{id}/removal", [SIGN_IN, "404", MASKS, "404"]),
    ("POST", "/sign-out", ["303 /", "303 /", "303 /", "303 /"]),
];

/// A deployment with somebody who owns a number, a mask and two sessions.
struct House {
    app: TestApp,
    /// Nobody, another user, the owner, an admin.
    clients: [Client; 4],
    number: String,
    mask: String,
    session: String,
    user: String,
    style: String,
}

impl House {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let (mut owner, number) = app.with_number("owner", REAL).await;
        let (mask, _) = app.mask(&mut owner, &number).await;
        let mut phone = app.anonymous();
        phone.extra.push(("user-agent", "Firefox/140.0 (Android)".into()));
        phone.sign_in("owner@example.com", PASSWORD).await;
        let found = app.database.rows("SELECT id FROM sessions WHERE device = 'Firefox on Android'").await;
        let user =
            app.database.rows("SELECT id FROM users WHERE email = 'owner@example.com'").await[0].clone();
        let mut nobody = app.anonymous();
        let style = nobody.get("/").await.between("/static/", "\"").to_owned();
        let clients = [nobody, app.signed_in("other").await, owner, app.admin().await];
        let mask = mask.strip_prefix("/masks/").unwrap().to_owned();
        Self { app, clients, number, mask, session: found[0].clone(), user, style }
    }

    /// A path with what the owner has in the places of its pattern.
    fn filled(&self, pattern: &str) -> String {
        let id = match pattern {
            pattern if pattern.contains("/numbers") => &self.number,
            pattern if pattern.contains("/account") => &self.session,
            pattern if pattern.contains("/admin/users") => &self.user,
            _ => &self.mask,
        };
        pattern
            .replace("{id}", id)
            .replace("{name}", &self.style)
            .replace("{call}", "11111111-2222-4333-8444-555555555555")
            .replace("{event}", "connect")
            .replace("{token}", "AAAAAAAAAAAAAAAAAAAAAA")
    }

    /// What is answered to a role, with a form's token where one is needed.
    async fn answer(&mut self, method: &str, path: &str, role: usize) -> Page {
        let client = &mut self.clients[role];
        if method == "GET" {
            return client.get(path).await;
        }
        let home = if role == 0 { "/sign-up" } else { "/account" };
        let csrf = client.get(home).await.hidden("csrf");
        let email = format!("{role}@example.com");
        let fields = [
            ("csrf", csrf.as_str()),
            ("email", &email),
            ("number_id", &self.number),
            ("token", "a-wish-that-is-made-once"),
            ("channel", "voice"),
            ("code", "123456"),
        ];
        client.post(path, &fields).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let mut listed: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (path, methods) in ROUTES {
        listed.extend(methods.iter().map(|method| (*method, *path)));
    }
    let told: BTreeSet<(&str, &str)> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(told, listed, "a route without a row, or a row without a route");

    let mut house = House::open().await;
    let mut wrong = vec![];
    for (method, pattern, expected) in TABLE {
        let path = house.filled(pattern);
        // The owner last: what they do may end what the others are turned away from.
        for role in [0, 1, 3, 2] {
            house.app.clock.advance(TimeDelta::seconds(1));
            let page = house.answer(method, &path, role).await;
            let location = page.location();
            let got = if location.is_empty() {
                page.status.to_string()
            } else {
                format!("{} {location}", page.status)
            };
            let wanted = house.filled(expected[role]);
            let fits = wanted.strip_suffix('…').is_some_and(|start| got.starts_with(start));
            if got != wanted && !fits {
                let who = ["nobody", "another user", "the owner", "an admin"][role];
                wrong.push(format!("{method} {pattern} as {who}: {got}, not {wanted}"));
            }
            assert!(!page.text.contains("href=\"tel:"), "{path}: calling back shows one's own number");
            let shows = page.text.contains(&REAL[2..]) || page.text.contains(&house.mask);
            assert!(
                role >= 2 || !shows || path.contains(&house.mask),
                "{method} {path} shows somebody else's things: {}",
                page.text
            );
            assert!(
                role == 2 || !page.text.contains(&REAL[2..]),
                "{method} {path} shows the number: {}",
                page.text
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_other_routes_and_no_other_methods() {
    let house = House::open().await;
    let before = house.app.database.dump().await;
    let mut client = house.clients[3].clone();
    let csrf = client.get("/account").await.hidden("csrf");
    let mut wrong = vec![];
    for (pattern, methods) in ROUTES {
        let path = house.filled(pattern);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "BREW"]
        {
            let known = methods.contains(&method) || method == "HEAD" && methods.contains(&"GET");
            if known || method == "CONNECT" {
                continue;
            }
            let key = format!("{path}?key={WEBHOOK_KEY}");
            let path = if path.starts_with("/tropo") { &key } else { &path };
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let page = Page::of(request.form(&[("csrf", &csrf)]).send().await.unwrap()).await;
            if ![404, 405].contains(&page.status) || page.text.contains("BREW") {
                wrong.push(format!("{method} {path}: {} {}", page.status, page.text));
            }
        }
        // What is listed answers: to a look, or to a form without its token; the webhook to its key.
        for method in *methods {
            let key = format!("{path}?key={WEBHOOK_KEY}");
            let path = if path.starts_with("/tropo") { &key } else { &path };
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let page = Page::of(request.body("").send().await.unwrap()).await;
            let dead_link = pattern.starts_with("/links") && page.words().contains("This link does not work");
            let not_mine = page.status == 404 && pattern.contains("{id}");
            if [404, 405].contains(&page.status) && !dead_link && !not_mine {
                wrong.push(format!("{method} {path}: {}", page.status));
            }
        }
    }
    for path in [
        "/nowhere",
        // Whoever doubts a change-password address asks for this one, which must not be there.
        "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200",
        "/.well-known/",
        "/admin/nowhere",
        "/nowhere/",
        "//masks",
        "/tropo",
        "/tropo/",
        "/.git/config",
        "/static/",
        "/static/../Cargo.toml",
        "/static/%2e%2e%2fCargo.toml",
    ] {
        for method in [Method::GET, Method::POST] {
            let page = Page::of(client.request(method.clone(), path).send().await.unwrap()).await;
            if page.status != 404 {
                wrong.push(format!("{method} {path}: {}", page.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(house.app.database.dump().await, before, "something was changed");
}

/// The paths in the source of the routes, behind the list that is compared.
fn paths_in_the_source() -> BTreeMap<String, usize> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/routes.rs")).unwrap();
    let code = source.split_once("];").unwrap().1;
    let mut paths = BTreeMap::new();
    let mut scope = "";
    for place in code.split(['(', ',', '[']).map(str::trim) {
        let Some(text) = place.strip_prefix('"').and_then(|text| text.split('"').next()) else { continue };
        // The same with a slash at the end.
        if text.len() > 1 && text.ends_with('/') {
            continue;
        }
        let before = &code[..code.find(place).unwrap()];
        if before.trim_end().ends_with("scope(") {
            scope = text;
            continue;
        }
        let path = if before.rfind("default_service").is_none() {
            format!("{scope}{text}")
        } else {
            text.to_owned()
        };
        *paths.entry(path).or_default() += 1;
    }
    paths
}

#[test]
fn the_list_of_routes_is_the_list_of_routes() {
    let listed: BTreeMap<String, usize> = ROUTES.iter().map(|(path, _)| ((*path).to_owned(), 1)).collect();
    assert_eq!(paths_in_the_source(), listed);
}
