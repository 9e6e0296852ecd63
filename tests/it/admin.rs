//! What admins see of all masks, what they may do, and what nobody else may.

use chrono::TimeDelta;
use maskline::domain::user::Role;
use serde_json::json;

use crate::support::{CALLER, REAL, TestApp, grouped};

const PATH: &str = "/admin/masks";

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_finds_masks_and_never_sees_a_real_number() {
    let app = TestApp::start().await;
    let (mut ada, of_ada) = app.with_number("ada", REAL).await;
    let (path, first) = app.mask(&mut ada, &of_ada).await;
    let (mut bob, of_bob) = app.with_number("bob", "+13055550142").await;
    let (_, second) = app.mask(&mut bob, &of_bob).await;
    app.simulator.call(CALLER, &first, "answered", 5).await;
    ada.submit(&path, &format!("{path}/pause"), &[]).await;

    let mut admin = app.admin().await;
    let mut look = async |q: &str, state: &str| {
        let (address, page) = admin.search(PATH, &[("q", q), ("state", state)]).await;
        // Whom they look for stands in no address; a few letters may be there by chance.
        assert!(q.len() < 7 || !address.contains(q), "{address}");
        assert!(!page.text.contains("?q=") && !page.text.contains("&#38;q="), "{}", page.text);
        for real in ["5550101", "555-0101", "5550142", "555-0142", "4155550123", "555-0123"] {
            // What the admin typed stands in the field again.
            assert!(q.contains(real) || !page.text.contains(real), "{real} in {}", page.text);
        }
        (page.text.contains(&grouped(&first)), page.text.contains(&grouped(&second)), page.words())
    };
    let (.., words) = look("", "").await;
    assert!(words.contains("2 of 2 masks found; 1 are in service."), "{words}");
    assert!(words.contains("ada@example.com ··01 Paused"), "{words}");
    assert!(words.contains("bob@example.com ··42"), "{words}");
    assert!(words.contains("a moment ago 1 Revoke"), "the last call and the calls of 30 days: {words}");
    let middle = &first[5..9];
    for (q, state, found) in [
        ("ada", "", (true, false)),
        ("BOB@example", "", (false, true)),
        ("example.com", "", (true, true)),
        (&second[2..], "", (false, true)),
        ("407-555", "", (true, false)),
        (middle, "", (true, true)),
        ("", "paused", (true, false)),
        ("bob", "active", (false, true)),
        ("", "resting", (false, false)),
        ("", "nonsense", (true, true)),
        // By the real number nobody is found, nor by what a search means elsewhere.
        ("4075550101", "", (false, false)),
        ("555-0142", "", (false, false)),
        ("%", "", (false, false)),
        ("_da", "", (false, false)),
        ("' OR 1=1", "", (false, false)),
        ("\0ada", "", (true, false)),
        ("  ada ", "", (true, false)),
        (&"\u{1f697}".repeat(5000)[..1200], "", (false, false)),
    ] {
        let (has_first, has_second, words) = look(q, state).await;
        assert_eq!((has_first, has_second), found, "{q} {state}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_opens_again_for_the_admin_who_made_it_and_for_nobody_else() {
    let app = TestApp::start().await;
    app.signed_in("ada").await;
    let (mut admin, mut other) = (app.admin().await, app.invited("second", Role::Admin).await);
    for list in [PATH, "/admin/users"] {
        let (address, page) = admin.search(list, &[("q", "Ada@Example.com")]).await;
        assert!(page.text.contains("value=\"Ada@Example.com\""), "what was typed is kept: {}", page.text);
        // The same address again, as by the back button, a reload or a bookmark, in another session, too.
        let mut again = app.back_again("admin").await;
        assert!(again.get(&address).await.text.contains("value=\"Ada@Example.com\""));
        let (longer, _) = admin.search(list, &[("q", "Ada@Example.com and some")]).await;
        assert_eq!(address.len(), longer.len(), "its length says little");
        let damaged = [&address[..address.len() - 1], "~"].concat();
        for (client, address) in [(&mut other, &address), (&mut admin, &damaged)] {
            let page = client.get(address).await;
            assert_eq!(page.location(), list, "{}", page.words());
            let page = client.get(list).await;
            assert!(page.words().contains("That search cannot be opened any more."), "{}", page.words());
            assert!(!page.text.contains("Ada@Example.com"), "{}", page.text);
        }
        // What was an address of a search before shows nothing and is carried nowhere.
        let page = admin.get(&format!("{list}?q=Ada@Example.com")).await;
        assert!(page.status == 200 && !page.text.contains("Ada@Example.com"), "{}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_all_masks_comes_in_pages() {
    let app = TestApp::start().await;
    let (_, number) = app.with_number("ada", REAL).await;
    let many = format!(
        "INSERT INTO masks (id, user_id, number_id, country, e164, label, state, requested_at) \
         SELECT gen_random_uuid(), user_id, id, 'US', '+1407555' || (1000 + n), 'x', 'active', \
                created_at + n * interval '1 second' \
         FROM numbers, generate_series(1, 50) n WHERE id = '{number}'"
    );
    app.database.execute(&many).await;
    let mut admin = app.admin().await;
    let (address, _) = admin.search(PATH, &[("q", "ada"), ("state", "active")]).await;
    for (page, rows, newest, words) in [
        (1, 20, "407-555-1050", "Masks 1 to 20 of 50"),
        (2, 20, "407-555-1030", "Masks 21 to 40 of 50"),
        (3, 10, "407-555-1010", "Masks 41 to 50 of 50"),
    ] {
        let found = admin.get(&format!("{address}&page={page}")).await;
        assert_eq!(found.text.matches("ada@example.com").count(), rows);
        assert!(found.text.contains(newest) && found.words().contains(words), "{}", found.words());
        let on = format!("{}&#38;page={}", address.replace('&', "&#38;"), page + 1);
        assert_eq!(found.text.contains(&on), page < 3, "{}", found.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_revokes_with_a_reason_that_the_owner_is_told() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    let mut admin = app.admin().await;
    let revocation = format!("/admin{path}/revocation");
    let page = admin.get(&revocation).await;
    assert!(page.words().contains("It belongs to ada@example.com ."), "{}", page.words());
    assert!(!page.text.contains("5550101"));
    for reason in ["", "   ", "\u{0}\n", &"x".repeat(201)] {
        let page = admin.submit(&revocation, &revocation, &[("reason", reason)]).await;
        assert_eq!(page.status, 422);
        assert!(page.words().contains("Give a reason of at most 200 characters"), "{}", page.words());
    }
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 5).await["rang"], json!([REAL]));

    let reason = format!("Used to <sell> & {}", "é".repeat(150));
    let done = admin.submit(&revocation, &revocation, &[("reason", &reason)]).await;
    assert_eq!(done.location(), PATH, "{}", done.words());
    assert!(admin.get(PATH).await.words().contains("Its owner is told, with your reason."));
    let trace = app.simulator.call(CALLER, &mask, "answered", 5).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    assert!(trace["heard"].to_string().contains("not in service"), "{trace}");
    let letter = app.simulator.letter("ada@example.com").await;
    let folded = letter.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(folded.contains(&reason) && folded.contains("before 7 January 2027"), "{letter}");
    assert!(!letter.contains("5550101") && !letter.contains("admin@"), "{letter}");
    // Its owner is told, and cannot bring it back against the admin's will.
    assert!(ada.get(&path).await.words().contains("The people who run this service revoked it."));
    let restored = ada.submit(&path, &format!("{path}/restoration"), &[]).await;
    assert!(
        restored.status == 422 && restored.words().contains("revoked by the people"),
        "{}",
        restored.words()
    );
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 1).await["rang"], json!([]));

    let audit = format!(
        "SELECT a.actor, u.email, a.detail FROM audit a JOIN users u ON u.id = a.actor_id \
         WHERE a.action = 'mask revoked' AND a.subject_id = '{}'",
        path.rsplit('/').next().unwrap()
    );
    assert_eq!(app.database.one(&audit).await, format!("admin|admin@example.com|{reason}"));

    // Revoked once more, it rests no longer, and nobody is told again.
    app.clock.advance(TimeDelta::days(1));
    let mut admin = app.back_again("admin").await;
    admin.submit(PATH, &revocation, &[("reason", "again")]).await;
    assert_eq!(app.database.one(&audit).await, format!("admin|admin@example.com|{reason}"));
    let unknown = "/admin/masks/00000000-0000-4000-8000-000000000000/revocation";
    assert_eq!(admin.get(unknown).await.status, 404);
    assert_eq!(admin.submit(PATH, unknown, &[("reason", "x")]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_takes_over_the_rest_of_a_mask_that_its_owner_ended() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, _) = app.mask(&mut ada, &number).await;
    let ended = format!("{path}/revocation");
    assert_eq!(ada.submit(&ended, &ended, &[]).await.location(), path);
    app.clock.advance(TimeDelta::days(1));
    let mut admin = app.admin().await;
    let revocation = format!("/admin{path}/revocation");
    assert!(admin.get(PATH).await.text.contains(&revocation), "a way there is shown");
    assert!(admin.get(&revocation).await.words().contains("It rests already, until"));
    let done = admin.submit(&revocation, &revocation, &[("reason", "Fraud")]).await;
    assert_eq!(done.location(), PATH, "{}", done.words());
    assert!(!admin.get(PATH).await.text.contains(&revocation), "there is nothing left to take over");

    let query = "SELECT revoked_by, rests_until = (SELECT next_at FROM operations WHERE kind = 'release') \
                 FROM masks";
    assert_eq!(app.database.rows(query).await, ["admin|true"], "it rests as long as before");
    let mut ada = app.back_again("ada").await;
    let restored = ada.submit(&path, &format!("{path}/restoration"), &[]).await;
    assert_eq!(restored.status, 422, "{}", restored.words());
    let letter = app.simulator.letter_that("ada@example.com", |letter| letter.contains("Fraud")).await;
    assert!(letter.contains("7 January 2027"), "{letter}");
    let audit = "SELECT actor, action, detail FROM audit WHERE action LIKE 'rest %'";
    assert_eq!(app.database.rows(audit).await, ["admin|rest taken over|Fraud"]);
    // Once more changes nothing.
    assert_eq!(admin.submit(&revocation, &revocation, &[("reason", "Twice")]).await.status, 303);
    assert_eq!(app.database.rows(audit).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_comes_near() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, mask) = app.mask(&mut ada, &number).await;
    let revocation = format!("/admin{path}/revocation");
    let mut eve = app.signed_in("eve").await;
    for (client, other) in [(&mut eve, "ada@"), (&mut ada, "eve@")] {
        for page in [
            client.get(PATH).await,
            client.get(&format!("{PATH}?q=ada")).await,
            client.get(&revocation).await,
            client.submit("/masks", &revocation, &[("reason", "mine")]).await,
        ] {
            assert_eq!(page.status, 403, "{}", page.words());
            assert!(
                !page.text.contains(&mask[2..])
                    && !page.text.contains(&grouped(&mask))
                    && !page.text.contains(other),
                "{}",
                page.text
            );
        }
        assert!(!client.get("/masks").await.text.contains(PATH), "no way there is shown");
    }
    let mut nobody = app.anonymous();
    for page in [nobody.get(PATH).await, nobody.get(&revocation).await] {
        assert_eq!((page.status, page.location().starts_with("/sign-in")), (303, true), "{}", page.words());
    }
    let page = nobody.submit("/sign-in", &revocation, &[("reason", "x")]).await;
    assert!(matches!(page.status, 303 | 403), "{}", page.status);
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 5).await["rang"], json!([REAL]));

    // Whoever is no admin any more is out at the next request.
    let mut admin = app.admin().await;
    assert_eq!(admin.get(PATH).await.status, 200);
    app.database.execute("UPDATE users SET role = 'user' WHERE email = 'admin@example.com'").await;
    assert_eq!(admin.get(PATH).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_mask_is_written_down() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (path, _) = app.mask(&mut ada, &number).await;
    for (step, fields) in [
        ("label", vec![("label", "Flat")]),
        ("pause", vec![]),
        ("resumption", vec![]),
        ("revocation", vec![]),
        ("restoration", vec![]),
    ] {
        let done = ada.submit(&path, &format!("{path}/{step}"), &fields).await;
        assert_eq!(done.location(), path, "{step}: {}", done.words());
    }
    let id = path.rsplit('/').next().unwrap();
    let audit = format!("SELECT actor, action FROM audit WHERE subject_id = '{id}' ORDER BY id");
    assert_eq!(
        app.database.rows(&audit).await,
        [
            "user|mask requested",
            "system|mask rented",
            "user|mask labelled",
            "user|mask paused",
            "user|mask resumed",
            "user|mask revoked",
            "user|mask restored",
        ]
    );
    let numbers = format!("SELECT action FROM audit WHERE subject_id = '{number}' ORDER BY id");
    assert_eq!(app.database.rows(&numbers).await, ["number registered", "number proved"]);
}
