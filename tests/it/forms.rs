//! Bad input: forms from elsewhere, broken, too long, with too much in them; and the headers of every kind of answer.

use maskline::domain::user::Role;
use maskline::web::ROUTES;
use reqwest::Method;

use crate::support::{Client, Options, PASSWORD, Page, REAL, TestApp, WEBHOOK_KEY};

const FOREIGN: &str = "Nothing was changed.";

/// A deployment without a worker, with somebody who has a proved number and a mask with the name Ads.
async fn with_a_mask() -> (TestApp, Client, String, String) {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, _) = app.mask(&mut ada, &number).await;
    let named = ada.submit(&path, &format!("{path}/label"), &[("label", "Ads")]).await;
    assert_eq!(named.status, 303, "{}", named.text);
    (app, ada, number, path)
}

/// Every form there is, with fields with which it would do something.
fn every_form(number: &str, mask: &str, session: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let fields = [
        ("email", "bob@example.com"),
        ("password", PASSWORD),
        ("new_password", PASSWORD),
        ("current_password", PASSWORD),
        ("time_zone", "Europe/Berlin"),
        ("label", "Changed"),
        ("reason", "Because"),
        ("number", "+14075550102"),
        ("number_id", number),
        ("token", "a-wish-that-is-made-once"),
        ("area", "same"),
        ("channel", "voice"),
        ("code", "123456"),
    ];
    let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    let posts =
        ROUTES.iter().filter(|(path, methods)| methods.contains(&"POST") && !path.starts_with("/tropo"));
    posts
        .map(|(path, _)| {
            let id = match *path {
                path if path.starts_with("/numbers") => number,
                path if path.starts_with("/account") => session,
                _ => mask.trim_start_matches("/masks/"),
            };
            let path = path.replace("{id}", id).replace("{call}", "11111111-2222-4333-8444-555555555555");
            (path.replace("{token}", "AAAAAAAAAAAAAAAAAAAAAA"), fields.clone())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_counts_only_from_the_browser_and_the_user_it_was_made_for() {
    let (app, mut ada, number, mask) = with_a_mask().await;
    let mut admin = app.admin().await;
    let mut mallory = app.signed_in("mallory").await;
    // A token from before Ada signed in, in the same browser.
    let mut before = app.anonymous();
    let early = before.get("/sign-in").await.hidden("csrf");
    before.post("/sign-in", &[("csrf", &early), ("email", "ada@example.com"), ("password", PASSWORD)]).await;
    assert!(before.is_in().await);
    let own = ada.get("/account").await.hidden("csrf");
    let of_admin = admin.get("/account").await.hidden("csrf");
    let of_mallory = mallory.get("/account").await.hidden("csrf");
    let of_nobody = app.anonymous().get("/sign-up").await.hidden("csrf");
    let session = app.database.rows("SELECT id FROM sessions").await.remove(0);
    // Mallory's cookie of forms, planted with her token beside Ada's session.
    let mut planted = ada.clone();
    planted.cookies.insert("form".into(), mallory.cookies["form"].clone());
    let mut without_cookie = ada.clone();
    without_cookie.cookies.remove("form");
    let mut cross_site = ada.clone();
    cross_site.extra.push(("sec-fetch-site", "cross-site".into()));
    let mut same_site = ada.clone();
    same_site.extra.push(("sec-fetch-site", "same-site".into()));
    // Browsers that know no Sec-Fetch-Site.
    let mut by_origin = ada.clone();
    by_origin.extra.push(("origin", "https://evil.example".into()));
    let mut sandboxed = ada.clone();
    sandboxed.extra.push(("origin", "null".into()));
    let mut by_referer = ada.clone();
    by_referer.extra.push(("referer", "https://evil.example/".into()));

    let state = app.database.dump().await;
    for (path, fields) in every_form(&number, &mask, &session) {
        let mut by: Vec<(&str, &mut Client, Option<&str>)> = vec![
            ("no token", &mut ada, None),
            ("an empty token", &mut before, Some("")),
            ("another user's token", &mut planted, Some(&of_mallory)),
            ("no cookie", &mut without_cookie, Some(&own)),
            ("from another site", &mut cross_site, Some(&own)),
            ("from a neighbour site", &mut same_site, Some(&own)),
            ("from another origin", &mut by_origin, Some(&own)),
            ("from a sandboxed frame", &mut sandboxed, Some(&own)),
            ("from another site's page", &mut by_referer, Some(&own)),
            ("a visitor's token", &mut admin, Some(&of_nobody)),
        ];
        let mut all = vec![];
        for (why, client, token) in by.drain(..) {
            all.push((why, client.clone(), token.map(str::to_owned)));
        }
        all.push(("a token from before signing in", before.clone(), Some(early.clone())));
        all.push(("an admin's token", ada.clone(), Some(of_admin.clone())));
        for (why, mut client, token) in all {
            let mut posted: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            posted.extend(token.as_deref().map(|token| ("csrf", token)));
            let page = client.post(&path, &posted).await;
            assert_eq!(page.status, 403, "{path}, {why}: {}", page.text);
            let words = page.words();
            let is_for_admins = path.starts_with("/admin") && words.contains("This page is not for you");
            assert!(words.contains(FOREIGN) || is_for_admins, "{path}, {why}: {words}");
        }
    }
    assert_eq!(app.database.dump().await, state, "something was changed");
    // The right one does it, so that the others were not refused for something else: with what browsers of today say,
    // with what older ones do, and with nothing said.
    for said in [vec![], vec![("sec-fetch-site", "same-origin".to_owned())], vec![("origin", app.url(""))]] {
        ada.extra = said;
        let page = ada.post(&format!("{mask}/label"), &[("csrf", &own), ("label", "Changed")]).await;
        assert_eq!(page.location(), mask, "{:?}: {}", ada.extra, page.words());
    }
    // The forms of visitors alike, before anything is asked of them.
    let mut visitor = app.anonymous();
    let token = visitor.get("/sign-in").await.hidden("csrf");
    visitor.extra.push(("origin", "https://evil.example".into()));
    for path in ["/sign-in", "/sign-up", "/forgotten-password", "/links/AAAAAAAAAAAAAAAAAAAAAA", "/nowhere"] {
        let page = visitor.post(path, &[("csrf", &token), ("email", "eve@example.com")]).await;
        assert_eq!(
            (page.status, page.between("<h1>", "</h1>")),
            (403, "That came from another site"),
            "{path}"
        );
        assert!(page.words().contains(&format!("Open {} and try again", app.url(""))), "{}", page.words());
    }
    assert_eq!(app.database.count("users").await, 3);
}

async fn raw(client: &Client, path: &str, media: &str, body: Vec<u8>) -> Page {
    let request = client.request(Method::POST, path).header("content-type", media);
    Page::of(request.body(body).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_endless_forms_are_refused_in_plain_words() {
    let (app, mut ada, _, mask) = with_a_mask().await;
    let csrf = ada.get("/account").await.hidden("csrf");
    let state = app.database.dump().await;
    let label = format!("{mask}/label");
    let form = "application/x-www-form-urlencoded";
    let with = |rest: &[u8]| [format!("csrf={csrf}&").as_bytes(), rest].concat();

    let long = "x".repeat(17 * 1024);
    for (client, path) in
        [(&ada, label.as_str()), (&app.anonymous(), "/sign-in"), (&app.anonymous(), "/sign-up")]
    {
        let page = raw(client, path, form, with(format!("label={long}&email={long}").as_bytes())).await;
        assert_eq!(page.status, 413, "{path}: {}", page.text);
        assert!(page.words().contains("longer than we take"), "{}", page.words());
    }
    for (media, body) in [
        (form, with(b"label=\xff\xfe")),
        (form, b"\x80\x81\x82".to_vec()),
        // Escapes that are no text: half a letter, a surrogate, Latin-1; in a value, and in a name.
        (form, with(b"label=%C3")),
        (form, with(b"label=%ED%A0%80")),
        (form, with(b"label=Caf%E9")),
        (form, with(b"l%FFabel=x")),
        (form, with(b"label=Changed&label=Changed")),
        ("application/json", format!("{{\"csrf\":\"{csrf}\",\"label\":\"Changed\"}}").into_bytes()),
        ("text/plain", with(b"label=Changed")),
        (
            "multipart/form-data; boundary=x",
            format!("--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--x--")
                .into_bytes(),
        ),
    ] {
        let page = raw(&ada, &label, media, body).await;
        assert_eq!(page.status, 400, "{media}: {}", page.text);
        assert!(page.words().contains("We could not read that"), "{}", page.words());
    }
    // A token twice, and a query that is no number.
    let page = raw(&ada, &label, form, with(format!("csrf={csrf}&label=Changed").as_bytes())).await;
    assert!([400, 403].contains(&page.status), "{}", page.status);
    let page = ada.get(&format!("{mask}?page=many")).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert_eq!(app.database.dump().await, state, "something was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_nobody_asked_for_change_nothing() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let extra = [
        ("role", "admin"),
        ("admin", "true"),
        ("user_id", "11111111-2222-4333-8444-555555555555"),
        ("id", "11111111-2222-4333-8444-555555555555"),
        ("verified", "true"),
        ("verified_at", "2020-01-01"),
        ("state", "active"),
        ("e164", "+14075550199"),
        ("next", "https://evil.example/"),
    ];
    let with = |fields: &[(&'static str, &'static str)]| [fields, &extra].concat();
    let mut ada = app.anonymous();
    let sent = ada
        .submit("/sign-up?next=https://evil.example/", "/sign-up", &with(&[("email", "ada@example.com")]))
        .await;
    assert_eq!(sent.location(), "/sign-up/sent");
    let link = app.mailed_link("ada@example.com").await;
    let chosen =
        ada.submit(&link, &link, &with(&[("new_password", PASSWORD), ("email", "admin@example.com")])).await;
    assert_eq!(chosen.location(), "/masks");
    assert_eq!(app.database.rows("SELECT email, role FROM users").await, ["ada@example.com|user"]);
    let page = ada.submit("/numbers/new", "/numbers", &with(&[("number", REAL)])).await;
    let number = page.location().split('/').nth(2).unwrap().to_owned();
    assert_eq!(app.database.rows("SELECT id, verified_at FROM numbers").await, [format!("{number}|∅")]);
    let csrf = ada.get("/account").await.hidden("csrf");
    let wish = [
        ("csrf", csrf.as_str()),
        ("number_id", &number),
        ("token", "a-wish-that-is-made-once"),
        ("area", "same"),
    ];
    let page = ada.post("/masks", &[&wish[..], &extra].concat()).await;
    assert_eq!((page.location().as_str(), app.database.count("masks").await), ("/masks", 0));
    let signed_in = app
        .anonymous()
        .submit("/sign-in", "/sign-in", &with(&[("email", "ada@example.com"), ("password", PASSWORD)]))
        .await;
    assert_eq!(signed_in.location(), "/masks");

    let (mut bob, number) = app.with_number("bob", "+14075550102").await;
    let wished = bob.wish(&number, &with(&[("area", "same"), ("label", "Ads")])).await;
    assert_eq!(wished.status, 303, "{}", wished.text);
    assert_eq!(
        app.database
            .rows("SELECT m.state, m.e164, u.email FROM masks m JOIN users u ON u.id = m.user_id")
            .await,
        ["requested|∅|bob@example.com"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_letters_and_long_texts_are_kept_harmless() {
    let (app, mut ada, number, mask) = with_a_mask().await;
    let label = format!("{mask}/label");
    for (typed, kept) in [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\" onmouseover=\"alert(1)", "\" onmouseover=\"alert(1)"),
        ("Ads\0\u{7}\r\n for\u{202e} the\u{200f} car\u{2066}", "Ads for the car"),
        ("\u{61c}Flat \u{1f697}\u{1f3fd} \u{e9}t\u{e9}", "Flat \u{1f697}\u{1f3fd} \u{e9}t\u{e9}"),
        ("{{ 7 * 7 }} ${7} %s '; DROP TABLE masks; --", "{{ 7 * 7 }} ${7} %s '; DROP TABLE masks; --"),
        ("", ""),
    ] {
        let page = ada.submit(&mask, &label, &[("label", typed)]).await;
        assert_eq!(page.location(), mask, "{typed:?}: {}", page.text);
        assert_eq!(app.database.rows("SELECT label FROM masks").await, [kept], "{typed:?}");
        for path in [mask.as_str(), "/masks"] {
            let page = ada.get(path).await;
            assert!(!page.text.contains("<script>a") && !page.text.contains("\" onmouse"), "{}", page.text);
            assert!(
                kept.starts_with('<') || kept.contains(['"', '\'']) || page.words().contains(kept),
                "{}",
                page.words()
            );
            assert!(
                !kept.starts_with('<') || page.text.contains("&#60;script&#62;alert(1)"),
                "{}",
                page.text
            );
        }
    }
    let long = "x".repeat(61);
    let page = ada.submit(&mask, &label, &[("label", &long)]).await;
    assert_eq!(page.status, 422);
    assert!(page.between("id=\"label-error\"", "</p>").contains("at most 60 characters"), "{}", page.text);
    assert!(page.text.contains(&format!("value=\"{long}\"")), "what was typed is kept");
    let fits = "\u{1f697}".repeat(60);
    assert_eq!(ada.submit(&mask, &label, &[("label", &fits)]).await.status, 303);

    // In every other field too.
    let odd = [
        "\0",
        "a\0b",
        "\u{202e}",
        "<script>alert(1)</script>",
        &"9".repeat(5000),
        "\u{1f697}",
        "' OR 1=1 --",
    ];
    let state = app.database.rows("SELECT id, label, state FROM masks").await;
    let csrf = ada.get("/account").await.hidden("csrf");
    let mut admin = app.admin().await;
    let of_admin = admin.get("/account").await.hidden("csrf");
    for text in odd {
        for (path, field) in [
            ("/sign-up", "email"),
            ("/forgotten-password", "email"),
            ("/sign-in", "email"),
            ("/sign-in", "password"),
            ("/numbers", "number"),
            ("/masks", "number_id"),
            ("/masks", "token"),
            ("/masks", "prefix"),
            ("/account/password", "current_password"),
            ("/account/password", "new_password"),
            ("/account/time-zone", "time_zone"),
        ] {
            let wish =
                [("number_id", number.as_str()), ("token", "a-wish-that-is-made-once"), ("area", "prefix")];
            let mut fields = vec![("csrf", csrf.as_str()), (field, text)];
            fields.extend(wish.iter().filter(|(name, _)| *name != field && path == "/masks"));
            let page = ada.post(path, &fields).await;
            assert!([400, 404, 422, 429].contains(&page.status), "{path} {field} {text:?}: {}", page.status);
            assert!(!page.text.contains("<script>alert"), "{path} {field}");
        }
        let token = format!("a-wish-with-odd{text}");
        let page = ada
            .post("/masks", &[("csrf", &csrf), ("number_id", &number), ("token", &token), ("area", "same")])
            .await;
        assert!([400, 422].contains(&page.status), "{token:?}: {}", page.status);
        let path = format!("/admin{mask}/revocation");
        let reason = text.repeat(300);
        let page = admin.post(&path, &[("csrf", &of_admin), ("reason", &reason)]).await;
        assert!([413, 422].contains(&page.status), "{text:?}: {}", page.status);
        assert!(!page.text.contains("<script>alert"), "{path}");
        let page = admin.request(Method::GET, "/admin/masks").query(&[("q", text), ("state", text)]);
        let page = Page::of(page.send().await.unwrap()).await;
        assert_eq!(page.status, 200, "{text:?}");
        assert!(!page.text.contains("<script>alert"));
    }
    assert_eq!(app.database.rows("SELECT id, label, state FROM masks").await, state);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_not_yours_look_the_same() {
    let (app, mut ada, number, mask) = with_a_mask().await;
    let mut mallory = app.signed_in("mallory").await;
    let csrf = mallory.get("/account").await.hidden("csrf");
    let own_csrf = ada.get("/account").await.hidden("csrf");
    let session = app
        .database
        .rows("SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE email LIKE 'ada%'")
        .await
        .remove(0);
    let state = app.database.dump().await;
    let unknown = "11111111-2222-4333-8444-555555555555";
    let said = |page: &Page| {
        let reference = page.header("x-request-id").to_owned();
        page.words().replace(&reference, "REFERENCE")
    };
    for (path, methods) in
        ROUTES.iter().filter(|(path, _)| path.contains("{id}") && !path.starts_with("/admin"))
    {
        let theirs = match *path {
            path if path.starts_with("/numbers") => number.as_str(),
            path if path.starts_with("/account") => &session,
            _ => mask.trim_start_matches("/masks/"),
        };
        for method in *methods {
            let mut told = vec![];
            for id in [
                theirs,
                unknown,
                "1",
                "-1",
                "%00",
                "..%2f..",
                "AAAAAAAAAAAAAAAAAAAAAA",
                "11111111-2222-4333-8444-55555555555g",
            ] {
                let request = mallory
                    .request(Method::from_bytes(method.as_bytes()).unwrap(), &path.replace("{id}", id));
                let fields =
                    [("csrf", csrf.as_str()), ("label", "Stolen"), ("channel", "voice"), ("code", "123456")];
                let page = Page::of(
                    if *method == "GET" { request } else { request.form(&fields) }.send().await.unwrap(),
                )
                .await;
                assert_eq!(page.status, 404, "{method} {path} {id}: {}", page.text);
                told.push(said(&page));
            }
            assert!(told[0].contains("There is nothing here"), "{}", told[0]);
            assert!(told.iter().all(|words| *words == told[0]), "{method} {path}: {told:#?}");
        }
    }
    // A wish for somebody else's number, and a mask brought back onto it.
    let wish = [
        ("csrf", csrf.as_str()),
        ("number_id", &number),
        ("token", "a-wish-that-is-made-once"),
        ("area", "same"),
    ];
    assert_eq!(mallory.post("/masks", &wish).await.status, 404);
    assert_eq!(app.database.dump().await, state, "something was changed");
    assert_eq!(ada.post(&format!("{mask}/pause"), &[("csrf", &own_csrf)]).await.status, 303);
    let mut admin = app.admin().await;
    for id in [unknown, "1"] {
        let page = admin.get(&format!("/admin/masks/{id}/revocation")).await;
        assert_eq!(page.status, 404, "{}", page.text);
    }
}

fn assert_strict(what: &str, page: &Page, https: bool) {
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{what}: {policy:?}");
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"),
        "{what}: {policy}"
    );
    for directive in ["base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{what}: {policy}");
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.header(name), value, "{what}");
    }
    assert_eq!(page.header("x-request-id").len(), 16, "{what}");
    let hsts = page.header("strict-transport-security");
    assert_eq!(hsts, if https { "max-age=31536000; includeSubDomains" } else { "" }, "{what}");
    for name in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert_eq!(page.header(name), "", "{what}: {name}");
    }
    if !page.text.is_empty() {
        let media = page.header("content-type");
        assert!(
            media.contains("charset=utf-8") || media == "image/svg+xml" || media == "application/json",
            "{what}: {media}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_keeps_browsers_strict() {
    let http = TestApp::with(Options { work: false, ..Options::default() }).await;
    let https = TestApp::with(Options {
        public_url: Some("https://masks.example.com".into()),
        trusted_proxies: vec!["127.0.0.1/32"],
        work: false,
        ..Options::default()
    })
    .await;
    for (app, secure) in [(&http, false), (&https, true)] {
        let mut client = app.anonymous();
        let landing = client.get("/").await;
        let style = landing.between("rel=\"stylesheet\" href=\"", "\"").to_owned();
        let script = landing.between("<script src=\"", "\"").to_owned();
        let webhook = format!("/tropo/transfer?key={WEBHOOK_KEY}");
        let mut answers = vec![("/", landing, 200, "no-store")];
        for (path, status, cache) in [
            ("/masks", 303, "no-store"),
            ("/nowhere", 404, "no-store"),
            ("/sign-out", 404, "no-store"),
            ("/static/nothing.css", 404, "no-store"),
            ("/healthz", 200, "no-store"),
            ("/readyz", 200, "no-store"),
            ("/tropo/transfer", 404, "no-store"),
            ("/tropo/nothing", 404, "no-store"),
            (&webhook, 404, "no-store"),
            (&style, 200, "public, max-age=31536000, immutable"),
            (&script, 200, "public, max-age=31536000, immutable"),
            ("/favicon.ico", 200, "public, max-age=86400"),
        ] {
            answers.push((path, client.get(path).await, status, cache));
        }
        answers.push(("a foreign form", client.post("/sign-in", &[]).await, 403, "no-store"));
        answers.push((
            "a long form",
            raw(&client, "/sign-in", "application/x-www-form-urlencoded", vec![b'x'; 17 * 1024]).await,
            413,
            "no-store",
        ));
        answers.push((
            "a wrong form",
            client.submit("/sign-up", "/sign-up", &[("email", "ada")]).await,
            422,
            "no-store",
        ));
        let mut ada = app.signed_in("ada").await;
        answers.push(("signed in", ada.get("/masks").await, 200, "no-store"));
        answers.push(("for admins", ada.get("/admin/masks").await, 403, "no-store"));
        if secure {
            let mut overheard = app.anonymous();
            overheard.extra.push(("x-forwarded-proto", "https, http".into()));
            let page = overheard.post(&webhook, &[]).await;
            assert_eq!(page.status, 404, "the last proxy counts: {}", page.text);
        }
        client.extra.push(("x-forwarded-proto", "http, https".into()));
        for (what, body, status) in [
            ("a broken webhook", "{", 400),
            ("a long webhook", &*"x".repeat(17 * 1024), 413),
            ("a webhook", r#"{"session":{"accountId":"33932"}}"#, 200),
        ] {
            let request = client.request(Method::POST, &webhook).body(body.to_owned());
            let page = Page::of(request.send().await.unwrap()).await;
            assert_eq!(page.header("content-type"), "application/json; charset=utf-8", "{what}");
            if status == 200 {
                // A document for the carrier, which is no browser: nobody takes it for a page, or keeps it.
                assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{}", page.text);
                assert_eq!(page.header("x-content-type-options"), "nosniff");
                assert_eq!(page.header("strict-transport-security").is_empty(), !secure);
            } else {
                answers.push((what, page, status, "no-store"));
            }
        }
        for (what, page, status, cache) in answers {
            assert_eq!((page.status, page.header("cache-control")), (status, cache), "{what}: {}", page.text);
            assert_strict(what, &page, secure);
        }
    }
}

/// Whether the page has script or style of its own, or anything from elsewhere.
fn impure(text: &str) -> Option<String> {
    for tag in text.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split_whitespace().next().unwrap_or_default();
        let attributes = tag.split_once(' ').map_or("", |(_, rest)| rest);
        let bad_name = ["style", "iframe", "object", "embed", "base"].contains(&name);
        let bare_script = name == "script" && !attributes.starts_with("src=\"/static/");
        let inline =
            attributes.split_whitespace().any(|part| part.starts_with("style=") || part.starts_with("on"));
        let elsewhere = ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "javascript:", "data:"];
        if bad_name || bare_script || inline || elsewhere.iter().any(|sign| attributes.contains(sign)) {
            return Some(tag.to_owned());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_small_pure_and_has_a_head() {
    let (app, mut ada, number, mask) = with_a_mask().await;
    for _ in 0..6 {
        app.clock.advance(chrono::TimeDelta::minutes(11));
        app.simulator
            .call("+14155550123", &app.database.rows("SELECT e164 FROM masks").await[0], "answered", 60)
            .await;
    }
    let unproved = ada.submit("/numbers/new", "/numbers", &[("number", "+14075550103")]).await.location();
    let (mut nobody, mut admin) = (app.anonymous(), app.admin().await);
    let landing = nobody.get("/").await;
    let mut shared = 0;
    for (before, after) in [
        ("rel=\"stylesheet\" href=\"", "\""),
        ("<script src=\"", "\""),
        ("type=\"image/svg+xml\" href=\"", "\""),
    ] {
        shared += nobody.get(landing.between(before, after)).await.text.len();
    }
    let link = app.app.invite("bob@example.com".parse().unwrap(), Role::User).await.unwrap();
    let link = link.replace(&app.url(""), "");
    let of_nobody = [
        "/",
        "/sign-up",
        "/sign-up/sent",
        "/sign-in",
        "/forgotten-password",
        "/forgotten-password/sent",
        &link,
        "/nowhere",
    ];
    let revocation = format!("{mask}/revocation");
    let removal = format!("/numbers/{number}/removal");
    let of_ada = [
        "/",
        "/masks",
        "/masks/new",
        &mask,
        &revocation,
        "/numbers/new",
        &unproved,
        &removal,
        "/account",
        "/admin/masks",
        "/masks/nothing",
    ];
    let admins = format!("/admin{revocation}");
    let (search, _) = admin.search("/admin/masks", &[("q", "ada"), ("state", "active")]).await;
    let of_admin = ["/admin/masks", &search, &admins, "/masks"];
    let mut titles = std::collections::BTreeSet::new();
    for (client, paths) in [(&mut nobody, &of_nobody[..]), (&mut ada, &of_ada), (&mut admin, &of_admin)] {
        for path in paths {
            let page = client.get(path).await;
            assert!([200, 403, 404].contains(&page.status), "{path}: {}", page.status);
            assert_eq!(impure(&page.text), None, "{path}");
            assert!(page.text.len() + shared <= 50 * 1024, "{path}: {} bytes", page.text.len() + shared);
            assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
            assert!(
                page.text.contains("<html lang=\"en\">") && page.text.contains("<main id=\"main\""),
                "{path}"
            );
            titles.insert(page.between("<title>", "</title>").to_owned());
            let head = client.request(Method::HEAD, path).send().await.unwrap();
            assert_eq!(head.status().as_u16(), page.status, "HEAD {path}");
            assert_eq!(Page::of(head).await.text, "", "HEAD {path}");
        }
    }
    for path in [landing.between("rel=\"stylesheet\" href=\"", "\""), "/healthz", "/readyz", "/favicon.ico"] {
        let head = nobody.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!((head.status().as_u16(), Page::of(head).await.text.as_str()), (200, ""), "HEAD {path}");
    }
    assert!(titles.len() > 14, "{titles:?}");
    assert_eq!(app.database.rows("SELECT count(*) FROM calls").await, ["6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_page_says_what_to_do_and_which_line_of_the_log_tells_more() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let mut ada = app.signed_in("ada").await;
    let mut nobody = app.anonymous();
    let long = raw(&nobody, "/sign-in", "application/x-www-form-urlencoded", vec![b'x'; 17 * 1024]).await;
    for (page, status, heading, way_on) in [
        (nobody.get("/nowhere").await, 404, "There is nothing here", "href=\"/\""),
        (ada.get("/nowhere").await, 404, "There is nothing here", "href=\"/masks\""),
        (ada.get("/admin/masks").await, 403, "This page is not for you", "href=\"/masks\""),
        (
            nobody.get("/links/AAAAAAAAAAAAAAAAAAAAAA").await,
            404,
            "This link does not work any more",
            "href=\"/forgotten-password\"",
        ),
        (nobody.post("/sign-in", &[]).await, 403, "That form is too old", "href=\"/\""),
        (ada.post("/account/password", &[]).await, 403, "That form is too old", "href=\"/masks\""),
        (nobody.get("/sign-out").await, 404, "There is nothing here", "href=\"/\""),
        (long, 413, "That is too much", "href=\"/\""),
    ] {
        assert_eq!(page.status, status, "{heading}: {}", page.text);
        assert_eq!(page.between("<h1>", "</h1>"), heading);
        assert!(page.text.contains(&format!("<title>{heading}")), "{}", page.text);
        let main = page.between("<main", "</main>");
        assert!(main.contains(way_on), "{heading}: {main}");
        let reference = page.header("x-request-id");
        assert!(main.contains(&format!("<code>{reference}</code>")), "{heading}: {reference} {main}");
        assert!(main.contains(&status.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_pages_say_so_and_all_recovers() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (mask, _) = app.mask(&mut ada, &number).await;
    let csrf = ada.get("/account").await.hidden("csrf");
    let mut nobody = app.anonymous();
    let landing = nobody.get("/sign-in").await;
    let style = landing.between("rel=\"stylesheet\" href=\"", "\"").to_owned();
    let token = landing.hidden("csrf");
    let state = app.database.dump().await;

    app.database.let_in(false).await;
    let label = format!("{mask}/label");
    let sign_in = [("csrf", token.as_str()), ("email", "ada@example.com"), ("password", PASSWORD)];
    let change = [("csrf", csrf.as_str()), ("label", "Changed")];
    let (mut ada2, mut ada3, mut nobody2, mut nobody3) =
        (ada.clone(), ada.clone(), nobody.clone(), nobody.clone());
    let (masks, account, changed, signed_in, asked, ready) = tokio::join!(
        ada.get("/masks"),
        ada2.get("/account"),
        ada3.post(&label, &change),
        nobody.post("/sign-in", &sign_in),
        nobody2.post("/sign-up", &sign_in),
        nobody3.get("/readyz"),
    );
    for (what, page) in [
        ("masks", masks),
        ("account", account),
        ("label", changed),
        ("sign-in", signed_in),
        ("sign-up", asked),
    ] {
        assert_eq!(page.status, 503, "{what}: {}", page.text);
        let words = page.words();
        assert!(
            words.contains("Our database does not answer.") && words.contains("try again"),
            "{what}: {words}"
        );
        assert!(
            page.between("<main", "</main>")
                .contains(&format!("<code>{}</code>", page.header("x-request-id"))),
            "{what}"
        );
        assert_strict(what, &page, false);
        assert!(
            !page.text.contains("postgres") && !page.text.contains("connection to server"),
            "{what}: {}",
            page.text
        );
        assert!(!page.cookies().iter().any(|cookie| cookie.starts_with("sid=;")), "{what} signs out");
    }
    assert_eq!((ready.status, ready.text.as_str()), (503, "not ready"));
    for path in [style.as_str(), "/healthz", "/favicon.ico", "/"] {
        assert_eq!(nobody.get(path).await.status, 200, "{path}");
    }

    app.database.let_in(true).await;
    nobody.until("/readyz", |page| page.status == 200).await;
    ada.until("/masks", |page| page.status == 200).await;
    assert_eq!(ada.get("/account").await.hidden("csrf"), csrf);
    assert_eq!(app.database.dump().await, state, "something was changed meanwhile");
    assert_eq!(nobody.sign_in("ada@example.com", PASSWORD).await.status, 303);
    assert_eq!(ada.post(&label, &change).await.status, 303);
}
