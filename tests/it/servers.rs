//! Several servers over one database: what one is told, all know before it is called done; and what one knows it does not
//! forget, with the database or without it.

use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use maskline::app::App;
use serde_json::json;

use crate::support::{Beside, CALLER, Client, Page, REAL, TestApp, called, http};

const CONFIRMED: &str = "The mask rings nobody from now on.";
const UNCONFIRMED: &str = "not every part of this service that takes calls has heard of it yet";

/// A deployment of two servers, and somebody with two masks.
struct Two {
    first: TestApp,
    second: Beside,
    ada: Client,
    masks: [(String, String); 2],
}

impl Two {
    async fn start() -> Self {
        let first = TestApp::start().await;
        let second = first.beside().await;
        let (mut ada, number) = first.with_number("ada", REAL).await;
        let masks = [first.mask(&mut ada, &number).await, first.mask(&mut ada, &number).await];
        first.settled().await;
        let two = Self { first, second, ada, masks };
        for (_, mask) in &two.masks {
            assert!(two.rings(mask).await, "both know it once it is shown");
        }
        two
    }

    /// Whether the second server puts a call through.
    async fn rings(&self, mask: &str) -> bool {
        self.first.clock.advance(TimeDelta::minutes(61));
        let answer = self.second.called(CALLER, mask).await;
        assert!(answer.contains(&REAL[1..]) || answer.contains("not in service"), "{answer}");
        answer.contains(&REAL[1..])
    }

    /// Waits until a server has heard what others recorded.
    async fn heard(&self, server: &App) {
        let newest = self.first.database.one("SELECT max(recorded) FROM calls").await.parse().unwrap();
        while server.records_standing().heard < newest {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the first mask; what its page says.
    async fn revoke(&mut self) -> String {
        let path = &self.masks[0].0;
        self.ada.submit(path, &format!("{path}/revocation"), &[]).await;
        self.ada.get(path).await.words()
    }

    /// What the page of the first mask says, once it is confirmed.
    async fn confirmed(&mut self) -> String {
        let path = &self.masks[0].0;
        self.ada.until(path, |page| !page.text.contains("Being confirmed")).await.words()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_is_called_done_once_every_server_has_it() {
    let mut two = Two::start().await;
    let page = two.revoke().await;
    assert!(page.contains(CONFIRMED), "{page}");
    assert!(!two.rings(&two.masks[0].1).await);
    assert!(two.rings(&two.masks[1].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_cut_off_is_waited_for_until_it_answers() {
    let mut two = Two::start().await;
    two.second.line.is_alive(false);
    let page = two.revoke().await;
    assert!(page.contains(UNCONFIRMED) && page.contains("Being confirmed"), "{page}");
    assert!(two.rings(&two.masks[0].1).await, "it goes on routing what it knows");
    assert!(two.rings(&two.masks[1].1).await);
    assert!(two.ada.get("/masks").await.words().contains("Being confirmed"));
    two.second.line.is_alive(true);
    let page = two.confirmed().await;
    assert!(page.contains("Not in service, can be restored"), "{page}");
    assert!(!two.rings(&two.masks[0].1).await, "it is confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_an_admin_takes_off_the_list_is_waited_for_no_more() {
    let mut two = Two::start().await;
    let mut admin = two.first.admin().await;
    two.second.line.is_alive(false);
    assert!(two.revoke().await.contains("Being confirmed"));
    let page = admin.get("/admin/servers").await;
    assert!(page.words().contains("beside") && page.words().contains("Behind"), "{}", page.words());
    let id = two.first.database.one("SELECT id FROM servers WHERE name = 'beside'").await;
    let gone = admin.submit("/admin/servers", &format!("/admin/servers/{id}/removal"), &[]).await;
    assert_eq!(gone.location(), "/admin/servers");
    assert!(two.confirmed().await.contains("Not in service, can be restored"));
    assert_eq!(
        two.first.database.one("SELECT count(*) FROM audit WHERE action = 'server taken off the list'").await,
        "1"
    );
    // Once it is back, it is on the list again, and knows.
    two.second.line.is_alive(true);
    let knows = |page: &Page| page.text.contains("beside") && !page.words().contains("Behind");
    admin.until("/admin/servers", knows).await;
    assert!(!two.rings(&two.masks[0].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_was_told_of_is_found_all_the_same() {
    let mut two = Two::start().await;
    let mute = "CREATE OR REPLACE FUNCTION directory_tell() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'";
    two.first.database.execute(mute).await;
    two.revoke().await;
    let page = two.confirmed().await;
    assert!(page.contains("Not in service, can be restored"), "{page}");
    assert!(!two.rings(&two.masks[0].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_the_database_a_moment_after_a_revoke_remembers_it() {
    let mut two = Two::start().await;
    let page = two.revoke().await;
    assert!(page.contains(CONFIRMED), "{page}");
    two.second = two.second.again(&two.first, false).await;
    assert!(!two.rings(&two.masks[0].1).await);
    assert!(two.rings(&two.masks[1].1).await, "the other one goes on");
    // What is changed meanwhile waits for it.
    let path = two.masks[1].0.clone();
    two.ada.submit(&path, &format!("{path}/pause"), &[]).await;
    assert!(two.ada.get(&path).await.words().contains("Being confirmed"));
    two.second.line.is_alive(true);
    two.ada.until(&path, |page| page.words().contains("Callers hear that you take no calls")).await;
    let answer = two.second.called(CALLER, &two.masks[1].1).await;
    assert!(answer.contains("not taking calls"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_damaged_or_older_than_a_day_is_not_routed_by() {
    let two = Two::start().await;
    let mask = two.masks[0].1.clone();
    let Two { first, mut second, .. } = two;
    let file = second.file("directory");
    second.stop().await;
    let whole = fs::read(&file).unwrap();
    for place in [0, 5, 30, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 4;
        fs::write(&file, damaged).unwrap();
        second = second.begin(&first, false).await;
        let answer = second.called(CALLER, &mask).await;
        assert!(answer.contains("temporarily unavailable"), "byte {place}: {answer}");
        second.stop().await;
    }
    fs::write(&file, &whole).unwrap();
    second = second.begin(&first, false).await;
    assert!(second.called("+14155550124", &mask).await.contains(&REAL[1..]));
    second.stop().await;
    first.clock.advance(TimeDelta::hours(25));
    second = second.begin(&first, false).await;
    assert!(second.called(CALLER, &mask).await.contains("temporarily unavailable"));
    // With the database, everything is there again.
    second.line.is_alive(true);
    let patience = std::time::Instant::now() + Duration::from_mins(1);
    while !second.called(CALLER, &mask).await.contains(&REAL[1..]) {
        first.clock.advance(TimeDelta::minutes(30));
        assert!(std::time::Instant::now() < patience);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_written_down_before_the_end_is_written_by_the_next_start_once() {
    let mut two = Two::start().await;
    let calls = "SELECT count(*) FROM calls";
    two.second.app.calls_written().await;
    let before: usize = two.first.database.one(calls).await.parse().unwrap();
    two.second.line.is_alive(false);
    let mask = two.masks[1].1.clone();
    for _ in 0..3 {
        assert!(two.rings(&mask).await);
    }
    two.second = two.second.again(&two.first, false).await;
    assert_eq!(two.first.database.one(calls).await, before.to_string());
    two.second.line.is_alive(true);
    two.second.app.calls_written().await;
    assert_eq!(two.first.database.one(calls).await, (before + 3).to_string());
    two.second = two.second.again(&two.first, true).await;
    two.second.app.calls_written().await;
    assert_eq!(two.first.database.one(calls).await, (before + 3).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_took_over_without_the_last_changes_makes_nobody_forget_a_revoke() {
    let mut two = Two::start().await;
    two.second.line.is_alive(false);
    // What the first database had told last is unknown to its successor, which gives the same versions to other changes.
    let version = "SELECT version FROM directory_version";
    let known: i64 = two.first.database.one(version).await.parse().unwrap();
    let successor = format!(
        "CREATE OR REPLACE FUNCTION directory_timeline() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'; \
         UPDATE directory_changes SET version = least(version, {known} - 3); \
         UPDATE directory_version SET version = {known} - 3"
    );
    two.first.database.execute(&successor).await;
    two.revoke().await;
    let path = two.masks[1].0.clone();
    for change in ["pause", "resumption", "pause", "resumption"] {
        two.ada.submit(&path, &format!("{path}/{change}"), &[]).await;
    }
    let now: i64 = two.first.database.one(version).await.parse().unwrap();
    assert!(now >= known, "{now} {known}");
    let page = two.ada.get(&two.masks[0].0.clone()).await;
    assert!(
        page.words().contains("Being confirmed"),
        "what the other knows is of another history: {}",
        page.words()
    );
    two.second.line.is_alive(true);
    let page = two.confirmed().await;
    assert!(page.contains("Not in service, can be restored"), "{page}");
    assert!(!two.rings(&two.masks[0].1).await);
    assert!(two.rings(&two.masks[1].1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_keeps_the_database_from_taking_records_they_wait_for_it() {
    let two = Two::start().await;
    two.second.app.calls_written().await;
    let calls = "SELECT count(*) FROM calls";
    let before: usize = two.first.database.one(calls).await.parse().unwrap();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                $$ BEGIN RAISE EXCEPTION 'could not extend file: kein Platz' USING ERRCODE = 'disk_full'; END $$; \
                CREATE TRIGGER full_disk BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION full_disk()";
    two.first.database.execute(full).await;
    for _ in 0..3 {
        assert!(two.rings(&two.masks[0].1).await, "calls go on");
    }
    let patience = std::time::Instant::now() + Duration::from_mins(1);
    while two.second.app.records_standing().spool_bytes == 0 {
        assert!(std::time::Instant::now() < patience, "they do not go to the disk");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    two.first.database.execute("DROP TRIGGER full_disk ON calls").await;
    two.second.app.calls_written().await;
    assert_eq!(two.first.database.one(calls).await, (before + 3).to_string());
    assert_eq!(two.second.app.records_standing().lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_count_calls_together_and_hear_each_others_end() {
    let two = Two::start().await;
    two.first.clock.advance(TimeDelta::hours(2));
    let mask = &two.masks[0].1;
    let is_busy = |answer: &str| answer.contains("on another call");
    assert!(called(two.first.address, CALLER, mask).await.contains(&REAL[1..]));
    let of_second = two.second.called("+14155550124", mask).await;
    assert!(of_second.contains(&REAL[1..]));
    two.second.app.calls_written().await;
    two.heard(&two.first.app).await;
    assert!(is_busy(&called(two.first.address, "+14155550125", mask).await), "two are on");
    // The carrier tells the first server how the second one's call ended.
    let result = json!({ "result": { "state": "ANSWERED", "actions": { "name": "transfer", "disposition": "TIMEOUT" } } });
    let next = of_second.split("\"next\":\"").find(|next| next.contains("/incomplete")).unwrap();
    let next = next.split('"').next().unwrap();
    let url = two.first.url(next);
    let told = http().post(url).json(&result).send().await;
    assert!(told.unwrap().text().await.unwrap().contains("did not answer"));
    two.first.app.calls_written().await;
    assert_eq!(two.first.database.one("SELECT count(*) FROM calls WHERE ending = 'no_answer'").await, "1");
    two.heard(&two.second.app).await;
    assert!(two.second.called("+14155550126", mask).await.contains(&REAL[1..]), "there is room again");
}
