//! How much a browser has to load: full lists stay as small as every other page.

use crate::support::{Client, Options, Page, REAL, TestApp};

const MOST: usize = 50 * 1024;

/// The page with all that it loads, in bytes.
async fn in_all(client: &mut Client, page: &Page) -> usize {
    let mut bytes = page.text.len();
    let mut rest = page.text.as_str();
    while let Some(at) = rest.find("\"/static/") {
        rest = &rest[at + 1..];
        bytes += client.get(&rest[..rest.find('"').unwrap()]).await.text.len();
    }
    bytes
}

/// Many masks of people with long addresses, as rows.
async fn with_masks(app: &TestApp, states: &str) {
    let masks = format!(
        "INSERT INTO masks (id, user_id, number_id, country, e164, label, state, requested_at) \
         SELECT gen_random_uuid(), u.id, (SELECT id FROM numbers LIMIT 1), 'US', '+1407555' || (1000 + n), \
                repeat('Flat hunting, ', 4), '{states}', timestamptz '2026-11-23 09:00Z' - n * interval '1 hour' \
         FROM generate_series(1, 60) n, users u WHERE u.role = 'user'"
    );
    app.database.execute(&masks).await;
    let calls = "INSERT INTO calls (id, mask_id, event_key, received_at, decision, ended_at) \
                 SELECT gen_random_uuid(), id, id::text, '2026-11-23 09:10Z', 'connected', now() FROM masks";
    app.database.execute(calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_lists_are_no_more_than_50_kilobytes_with_all_that_they_load() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let name = "a-very-long-name-of-somebody-who-likes-long-names-and-has-one";
    let (mut ada, _) = app.with_number(name, REAL).await;
    with_masks(&app, "active").await;
    let mut admin = app.admin().await;
    let (masks, all) = (ada.get("/masks").await, admin.get("/admin/masks").await);
    let new = ada.get("/masks/new").await;
    assert!(new.text.matches("<option").count() > 300, "the carrier's areas are there");
    assert!(masks.text.contains("/masks?page=2") && all.text.contains("page=2"), "there are more");
    for (what, client, page) in
        [("masks", &mut ada, masks), ("all", &mut admin, all), ("new", &mut app.anonymous(), new)]
    {
        let bytes = in_all(client, &page).await;
        assert!(bytes > page.text.len() + 20_000, "{what} loads nothing");
        assert!(bytes <= MOST, "{what}: {bytes} bytes");
    }
    let last = ada.get("/masks?page=3").await;
    assert!(last.words().contains("Masks 41 to 60 of 60"), "{}", last.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_never_came_to_be_leaves_the_list_after_a_week() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    ada.wish(&number, &[("area", "same"), ("label", "Flat hunting")]).await;
    app.database.execute("UPDATE masks SET state = 'failed', failure = 'None was free.'").await;
    app.clock.advance(chrono::TimeDelta::days(6));
    assert!(ada.get("/masks").await.words().contains("Flat hunting"));
    app.clock.advance(chrono::TimeDelta::days(2));
    let mut ada = app.back_again("ada").await;
    assert!(!ada.get("/masks").await.words().contains("Flat hunting"));
}
