//! The program, killed at every point between two steps: what it leaves behind is put right by whoever goes on.
//!
//! The real `maskline serve` dies at a named point, in a deployment of which another server goes on: it lets time pass,
//! settles what is open, and then all invariants hold by SQL and by the carrier's ledger.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use maskline::clock::Clock;
use maskline::domain::ids::MaskId;
use maskline::domain::limits::Limits;
use maskline::failpoint::{self, NAMES};
use maskline::seal::RootKeys;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Installation, OUR_APPLICATION, Options, Person, REAL, Running, TestApp, WEBHOOK_KEY, calls, http, settle,
};

const WISH: &[&str] = &["wish-begun", "wish-written", "wish-noted"];
const CANCEL: &[&str] = &["cancel-begun", "cancel-written", "cancel-noted"];
const REVOKE: &[&str] = &["revoke-begun", "revoke-written", "revoke-noted"];
const RESTORE: &[&str] = &["restore-begun", "restore-written", "restore-noted"];
const BUY: &[&str] = &[
    "claim-written",
    "claim-noted",
    "purchase-begun",
    "choice-begun",
    "choice-written",
    "choice-noted",
    "purchase-asked",
    "purchase-written",
    "purchase-noted",
];
/// Where the answer to a purchase was lost.
const UNCLEAR: &[&str] = &["outcome-begun", "outcome-written", "outcome-noted"];
const LOOK: &[&str] = &["look-begun", "look-answered", "look-compared", "purchase-written", "purchase-noted"];
const REFUSED: &[&str] = &["failure-written", "failure-noted"];
const RELEASE: &[&str] = &[
    "claim-written",
    "claim-noted",
    "release-begun",
    "releasing-written",
    "releasing-noted",
    "release-asked",
    "release-written",
    "release-noted",
];
const COMPARE: &[&str] = &[
    "comparison-begun",
    "rows-read",
    "list-answered",
    "comparison-written",
    "comparison-noted",
    "comparison-ended",
];
const SET_AGAIN: &[&str] =
    &["settings-begun", "settings-answered", "settings-written", "settings-noted", "settings-asked"];
const BAD_LIST: &[&str] = &["alarm-written", "alarm-noted"];
const GIVE_BACK: &[&str] = &[
    "orphan-releasing-written",
    "orphan-releasing-noted",
    "orphan-asked",
    "orphan-released-written",
    "orphan-released-noted",
];
const TAKE_UP: &[&str] = &["orphan-taken-written", "orphan-taken-noted"];
const BUY_BACK: &[&str] = &[
    "buy-back-begun",
    "buy-back-written",
    "buy-back-noted",
    "buy-back-asked",
    "bought-back-written",
    "bought-back-noted",
];

const ORPHAN: &str = "+13055550150";

#[test]
fn every_point_lies_on_the_way_of_an_operation_that_is_driven_through_it() {
    let driven = [
        WISH, CANCEL, REVOKE, RESTORE, BUY, UNCLEAR, LOOK, REFUSED, RELEASE, COMPARE, SET_AGAIN, BAD_LIST,
        GIVE_BACK, TAKE_UP, BUY_BACK,
    ];
    let driven: BTreeSet<&str> = driven.concat().into_iter().collect();
    assert_eq!(driven, NAMES.iter().copied().collect());
}

/// A deployment of two servers: one that is killed, and one whose worker steps when it is told to, with Ada, who may have
/// as many masks as she likes.
struct Scene {
    app: TestApp,
    key: String,
    house: Installation,
    ada: Person,
}

impl Scene {
    async fn new() -> Self {
        let key = RootKeys::generate();
        let limits = Limits {
            masks_per_user: (99, 99, 99),
            masks_in_all: (99, 99),
            calls_per_mask: (99, 99, 2),
            ..Limits::default()
        };
        let options = Options { work: false, keys: key.clone(), limits, ..Options::default() };
        let app = TestApp::with(options).await;
        ago(&app, TimeDelta::zero());
        let ada = app.person("ada", REAL).await;
        Self { app, key, house: Installation::new(), ada }
    }

    /// Starts the program, which dies at the point.
    fn program(&self, point: &str) -> Running {
        let (url, public_url) = (format!("{}/v1/", self.app.simulator.base), self.app.url(""));
        let settings = [
            ("MASKLINE_PUBLIC_URL", public_url.as_str()),
            ("MASKLINE_FAILPOINT", point),
            ("MASKLINE_SECRET_KEY", &self.key),
            ("DATABASE_URL", &self.app.database.url),
            ("TROPO_URL", &url),
            ("TROPO_USERNAME", "tester"),
            ("TROPO_PASSWORD", "not a secret"),
            ("TROPO_MASKING_APP_ID", OUR_APPLICATION),
            ("TROPO_WEBHOOK_KEY", WEBHOOK_KEY),
            ("MASKLINE_LIMIT_MASKS_PER_USER_ALIVE", "99"),
            ("MASKLINE_LIMIT_MASKS_PER_USER_A_DAY", "99"),
            ("MASKLINE_LIMIT_MASKS_PER_USER_IN_30_DAYS", "99"),
            ("MASKLINE_LIMIT_MASKS_IN_ALL_AN_HOUR", "99"),
        ];
        self.house.start(&["serve"], &settings)
    }

    /// The program works on what there is to do, and dies at the point.
    async fn dies_working(&self, point: &str) {
        self.dead(self.program(point), point).await;
    }

    /// The program is asked for a page, takes a form, and dies at the point before it answers.
    async fn dies_asked(
        &self,
        point: &str,
        page: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let mut program = self.program(point);
        program.until("ready").await;
        let mut browser = self.ada.client.at_server(self.house.address);
        let page = browser.get(page).await;
        let mut all = vec![("csrf".to_owned(), page.hidden("csrf"))];
        if page.text.contains("name=\"token\"") {
            all.push(("token".to_owned(), page.hidden("token")));
        }
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let answer = browser.request(Method::POST, path).form(&all).send().await;
        assert!(answer.is_err(), "{point}: it was answered");
        self.dead(program, point).await;
        all
    }

    async fn dead(&self, program: Running, point: &str) {
        let ended = program.ended().await;
        assert_eq!(ended.code, None, "{point}: it was not killed: {}", ended.err);
        // It routes no calls any more, and changes need not wait for it.
        self.app.database.execute("DELETE FROM servers WHERE name <> 'here'").await;
        ago(&self.app, TimeDelta::zero());
    }

    async fn settled(&self) {
        self.app.simulator.no_faults().await;
        settle(&self.app).await;
        calls(&self.app, &[&self.ada]).await;
        ago(&self.app, TimeDelta::zero());
    }

    async fn wish(&self, token: &str) -> MaskId {
        self.app.app.wish_mask(self.ada.user, self.ada.wish(token)).await.unwrap()
    }

    async fn fault(&self, kind: &str, method: &str) {
        self.app.simulator.fault(json!({"kind": kind, "method": method, "resource": "addresses"})).await;
    }

    async fn once(&self, kind: &str, method: &str) {
        let fault = json!({"kind": kind, "method": method, "resource": "addresses", "times": 1});
        self.app.simulator.fault(fault).await;
    }

    /// How often the carrier has given the number out and taken it back, by its ledger.
    async fn ledger(&self, number: &str) -> (usize, usize) {
        let (bought, released) = self.app.simulator.ledger().await;
        let of = |all: Vec<String>| all.iter().filter(|entry| *entry == number).count();
        (of(bought), of(released))
    }

    /// Somebody else does this with a number of ours at the carrier.
    async fn carrier(&self, method: Method, number: &str) {
        self.app.simulator.carrier(method, &Value::from(OUR_APPLICATION), &Value::from(number)).await;
    }

    async fn reconcile(&self, how_long_ago: TimeDelta) {
        ago(&self.app, how_long_ago);
        self.app.app.reconcile(false).await.unwrap();
    }
}

/// Moves the clock so long before now, which is what the program's clock says.
fn ago(app: &TestApp, time: TimeDelta) {
    app.clock.advance(Clock::System.now() - time - app.clock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_outlasts_a_kill_and_the_form_sent_again_is_no_second_one() {
    let mut scene = Scene::new().await;
    let number = scene.ada.number.to_string();
    for point in WISH {
        let form = scene
            .dies_asked(point, "/masks/new", "/masks", &[("number_id", &number), ("area", "same")])
            .await;
        let wished: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let again = scene.ada.client.post("/masks", &wished).await;
        assert_eq!(again.status, 303, "{point}: {}", again.words());
        let mask = again.location().rsplit('/').next().unwrap().parse().map(MaskId).unwrap();
        scene.settled().await;
        assert_eq!(scene.app.state_of(mask).await, "active", "{point}");
    }
    assert_eq!(scene.app.database.count("masks").await, WISH.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_purchase_is_cut_off_its_mask_is_bought_once_and_rings() {
    let scene = Scene::new().await;
    let cases = [(BUY, None), (UNCLEAR, Some("reset-after")), (UNCLEAR, Some("reset-before"))];
    let mut wished = 0;
    for (points, fault) in cases {
        for point in points {
            let mask = scene.wish(&format!("{point}-{wished}")).await;
            if let Some(fault) = fault {
                scene.fault(fault, "POST").await;
            }
            scene.dies_working(point).await;
            scene.settled().await;
            wished += 1;
            assert_eq!(scene.app.state_of(mask).await, "active", "{point} {fault:?}");
            let number = scene.app.number_of(mask).await;
            assert_eq!(scene.ledger(&number).await, (1, 0), "{point} {fault:?}");
        }
    }
    assert_eq!(scene.app.simulator.ledger().await.0.len(), wished, "something was bought that no mask has");
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_reading_back_is_cut_off_nothing_is_bought_twice() {
    let scene = Scene::new().await;
    for point in LOOK {
        let mask = scene.wish(point).await;
        scene.once("reset-after", "POST").await;
        scene.app.work().await;
        // The first look is due by the program's clock, too.
        scene
            .app
            .database
            .execute("UPDATE operations SET next_at = created_at WHERE state = 'unknown'")
            .await;
        scene.dies_working(point).await;
        scene.settled().await;
        assert_eq!(scene.app.state_of(mask).await, "active", "{point}");
        assert_eq!(scene.ledger(&scene.app.number_of(mask).await).await, (1, 0), "{point}");
    }
    for point in REFUSED {
        let mask = scene.wish(point).await;
        scene.fault("forbidden", "POST").await;
        scene.dies_working(point).await;
        let before = scene.app.state_of(mask).await;
        scene.settled().await;
        // Before its failure was noted nobody knew of the refusal, which has gone by now.
        let after = if before == "failed" { "failed" } else { "active" };
        assert_eq!(scene.app.state_of(mask).await, after, "{point}");
    }
    assert_eq!(scene.app.simulator.ledger().await.0.len(), LOOK.len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_or_a_restore_that_is_cut_off_is_whole_or_not_at_all() {
    let mut scene = Scene::new().await;
    let mask = scene.app.held_mask(&scene.ada, "to be revoked and restored").await;
    let page = format!("/masks/{mask}");
    for (points, verb, from, to) in
        [(REVOKE, "revocation", "active", "resting"), (RESTORE, "restoration", "resting", "active")]
    {
        let other = if verb == "revocation" { "restoration" } else { "revocation" };
        for point in points {
            assert_eq!(scene.app.state_of(mask).await, from);
            scene.dies_asked(point, &page, &format!("{page}/{verb}"), &[]).await;
            let state = if point.ends_with("noted") { to } else { from };
            assert_eq!(scene.app.state_of(mask).await, state, "{point}");
            // It rings if it is active, and nobody if it rests.
            scene.settled().await;
            assert_eq!(scene.app.state_of(mask).await, state, "{point}");
            scene.ada.client.submit(&page, &format!("{page}/{verb}"), &[]).await;
            assert_eq!(scene.app.state_of(mask).await, to, "{point}: asked once more");
            scene.settled().await;
            if *point != points[points.len() - 1] {
                scene.ada.client.submit(&page, &format!("{page}/{other}"), &[]).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelling_that_is_cut_off_is_whole_or_not_at_all_and_nothing_is_rented_for_nobody() {
    let mut scene = Scene::new().await;
    for (point, fault) in CANCEL.iter().flat_map(|point| [(point, None), (point, Some("reset-after"))]) {
        let what = format!("{point} {fault:?}");
        // The program's own worker would buy it: it is not due until the clock has moved on.
        ago(&scene.app, -TimeDelta::minutes(30));
        let mask = scene.wish(&what).await;
        if let Some(fault) = fault {
            scene.once(fault, "POST").await;
            scene.app.work().await;
        }
        let page = format!("/masks/{mask}");
        scene.dies_asked(point, &page, &format!("{page}/cancellation"), &[]).await;
        let is_cancelled = point.ends_with("noted");
        scene.settled().await;
        let after = match (is_cancelled, fault) {
            (false, _) => "active",
            (true, None) => "failed",
            (true, Some(_)) => "resting",
        };
        assert_eq!(scene.app.state_of(mask).await, after, "{what}");
    }
    // Two that were cut off before and in the transaction, twice; and one that was bought and rests.
    assert_eq!(scene.app.simulator.ledger().await.0.len(), 5);
    let mask = scene.wish("once more").await;
    let page = format!("/masks/{mask}");
    scene.ada.client.submit(&page, &format!("{page}/cancellation"), &[]).await;
    scene.settled().await;
    assert_eq!(scene.app.state_of(mask).await, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_settings_at_the_carrier_are_set_again_and_that_is_cut_off_the_next_look_sets_them() {
    let scene = Scene::new().await;
    let url = format!("{}/v1/applications/{OUR_APPLICATION}", scene.app.simulator.base);
    let http = http();
    let address = async || -> String {
        let answer = http.get(&url).basic_auth("tester", Some("not a secret")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["voiceUrl"].as_str().unwrap().to_owned()
    };
    scene.reconcile(TimeDelta::minutes(20)).await;
    let right = address().await;
    for point in SET_AGAIN {
        ago(&scene.app, TimeDelta::zero());
        let elsewhere = json!({"voiceUrl": "https://example.com/tropo/transfer"});
        let meddled = http.put(&url).basic_auth("tester", Some("not a secret")).json(&elsewhere);
        meddled.send().await.unwrap().error_for_status().unwrap();
        scene.dies_working(point).await;
        scene.settled().await;
        assert_eq!(address().await, right, "{point}");
        let fault = scene.app.database.one("SELECT settings_fault FROM reconciliation").await;
        assert_eq!(fault, "∅", "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_release_is_cut_off_the_number_goes_back_once_and_rings_nobody() {
    let scene = Scene::new().await;
    for (points, fault) in [(RELEASE, None), (UNCLEAR, Some("reset-after")), (UNCLEAR, Some("reset-before"))]
    {
        for point in points {
            ago(&scene.app, TimeDelta::days(46));
            let mask = scene.app.held_mask(&scene.ada, &format!("{point} {fault:?}")).await;
            let number = scene.app.number_of(mask).await;
            scene.app.app.revoke_mask(scene.ada.user, mask).await.unwrap();
            ago(&scene.app, TimeDelta::zero());
            if let Some(fault) = fault {
                scene.fault(fault, "DELETE").await;
            }
            scene.dies_working(point).await;
            scene.settled().await;
            assert_eq!(scene.app.state_of(mask).await, "released", "{point} {fault:?}");
            assert_eq!(scene.ledger(&number).await, (1, 1), "{point} {fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_comparison_is_cut_off_the_next_one_finds_the_same() {
    let scene = Scene::new().await;
    scene.app.held_mask(&scene.ada, "there all along").await;
    for (at, point) in [COMPARE, BAD_LIST, GIVE_BACK].concat().into_iter().enumerate() {
        scene.carrier(Method::POST, ORPHAN).await;
        scene.reconcile(TimeDelta::minutes(20)).await;
        ago(&scene.app, TimeDelta::zero());
        if BAD_LIST.contains(&point) {
            scene.fault("html", "GET").await;
        }
        scene.dies_working(point).await;
        scene.settled().await;
        assert_eq!(scene.ledger(ORPHAN).await, (at + 1, at + 1), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_number_comes_back_to_its_mask_and_that_is_cut_off_it_comes_back_once() {
    let scene = Scene::new().await;
    for point in TAKE_UP {
        ago(&scene.app, TimeDelta::minutes(30));
        let mask = scene.wish(point).await;
        scene.once("forbidden", "POST").await;
        scene.app.work().await;
        let asked = format!("SELECT chosen FROM operations WHERE mask_id = '{mask}' AND state = 'failed'");
        let number = scene.app.database.one(&asked).await;
        // The carrier had refused, and bought it all the same.
        scene.carrier(Method::POST, &number).await;
        scene.reconcile(TimeDelta::minutes(20)).await;
        ago(&scene.app, TimeDelta::zero());
        scene.dies_working(point).await;
        scene.settled().await;
        assert_eq!(scene.app.state_of(mask).await, "active", "{point}");
        assert_eq!(scene.ledger(&number).await, (1, 0), "{point}");
    }
    for point in BUY_BACK {
        let mask = scene.app.held_mask(&scene.ada, &format!("{point} and back")).await;
        let number = scene.app.number_of(mask).await;
        scene.carrier(Method::DELETE, &number).await;
        scene.reconcile(TimeDelta::minutes(40)).await;
        scene.reconcile(TimeDelta::minutes(20)).await;
        assert_eq!(scene.app.state_of(mask).await, "lost", "{point}");
        ago(&scene.app, TimeDelta::zero());
        scene.dies_working(point).await;
        scene.settled().await;
        assert_eq!(scene.app.state_of(mask).await, "active", "{point}");
        assert_eq!(scene.ledger(&number).await, (2, 1), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_by_area_that_is_cut_off_is_found_again() {
    let scene = Scene::new().await;
    for (at, name) in ["choice-noted", "purchase-asked"].into_iter().enumerate() {
        let mask = scene.wish(&format!("{name}-by-area")).await;
        // What is free is not listed, so any number of the area is asked for.
        scene.once("forbidden", "GET").await;
        let point = failpoint::Point::parse(name).unwrap();
        let ended = failpoint::die_at(point, scene.app.app.step()).await;
        assert!(ended.is_none(), "{name}: {ended:?}");
        assert_eq!(
            scene.app.database.one("SELECT chosen FROM operations WHERE finished_at IS NULL").await,
            "1407"
        );
        scene.settled().await;
        assert_eq!(scene.app.state_of(mask).await, "active", "{name}");
        assert_eq!(scene.app.simulator.ledger().await.0.len(), at + 1, "{name}");
    }
}
