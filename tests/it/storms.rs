//! The database goes away in the middle, servers with wrong clocks compete, people race: both sides agree in the end.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::app::App;
use maskline::app::masks::{ChangeError, WishError};
use maskline::clock::Clock;
use maskline::cluster::{self, Cluster};
use maskline::db::DbError;
use maskline::domain::ids::MaskId;
use maskline::domain::limits::Limits;
use reqwest::Method;
use serde_json::json;

use crate::support::{Database, OUR_APPLICATION, Options, Person, REAL, TestApp, calls, send, settle};

const ORPHAN: &str = "+13055550150";

fn wide() -> Limits {
    Limits {
        masks_per_user: (99, 99, 99),
        masks_in_all: (99, 99),
        calls_per_mask: (99, 99, 2),
        codes_per_address: (99, 99),
        codes_per_area: 99,
        ..Limits::default()
    }
}

async fn scene() -> (TestApp, Person) {
    let app = TestApp::with(Options { work: false, limits: wide(), ..Options::default() }).await;
    let ada = app.person("ada", REAL).await;
    (app, ada)
}

async fn people(app: &TestApp, count: usize) -> Vec<Person> {
    let mut people = vec![];
    for at in 0..count {
        people.push(app.person(&format!("person{at}"), &format!("+1407555{:04}", 101 + at)).await);
    }
    people
}

async fn ledger(app: &TestApp) -> (usize, usize) {
    let (bought, released) = app.simulator.ledger().await;
    (bought.len(), released.len())
}

/// A mask that was there for a while and is revoked, its rest over.
async fn rested_mask(app: &TestApp, person: &Person, token: &str) -> MaskId {
    let mask = app.held_mask(person, token).await;
    app.app.revoke_mask(person.user, mask).await.unwrap();
    app.clock.advance(TimeDelta::days(46));
    mask
}

/// Does it again and again, each time with the answer to another commit lost, until it needs no more commits; tells
/// how many it needs.
async fn losing_each_commit(
    app: &TestApp,
    ada: &Person,
    begin: impl AsyncFn(usize) -> MaskId,
    work: impl AsyncFn(usize, MaskId),
    end: impl AsyncFn(usize, MaskId),
) -> usize {
    for at in 0.. {
        let mask = begin(at).await;
        app.line.lose_answer_after(i64::try_from(at).unwrap());
        work(at, mask).await;
        let is_lost = app.line.has_lost_an_answer();
        end(at, mask).await;
        settle(app).await;
        calls(app, &[ada]).await;
        if !is_lost {
            return at;
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_any_commit_of_a_purchase_may_be_lost() {
    let (app, ada) = scene().await;
    let (app, ada) = (&app, &ada);
    let wish = async |at: usize| app.app.wish_mask(ada.user, ada.wish(&format!("wish {at}"))).await;
    let nobody = async |_| MaskId(uuid::Uuid::nil());
    let ask = async |at, _| drop(wish(at).await);
    let again = async |at, _| {
        wish(at).await.unwrap();
        assert_eq!(app.database.count("masks").await, at + 1);
    };
    let commits = losing_each_commit(app, ada, nobody, ask, again).await;
    assert!(commits >= 2, "{commits}");
    let wished = commits + 1;
    let wish = async |at: usize| wish(at + wished).await.unwrap();
    let work = async |_, _| drop(app.app.step().await);
    let commits = losing_each_commit(app, ada, wish, work, async |_, _| ()).await;
    assert!(commits >= 5, "{commits}");
    assert_eq!(ledger(app).await, (wished + commits + 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_any_commit_of_a_revoke_a_restore_and_a_release_may_be_lost() {
    let (app, ada) = scene().await;
    let (app, ada) = (&app, &ada);
    let mask = app.held_mask(ada, "comes and goes").await;
    let begin = async |_| {
        if app.state_of(mask).await == "resting" {
            app.app.restore_mask(ada.user, mask, None).await.unwrap();
        }
        mask
    };
    let revoke = async |_, _| drop(app.app.revoke_mask(ada.user, mask).await);
    let again = async |_, _| {
        app.app.revoke_mask(ada.user, mask).await.unwrap();
        assert_eq!(app.state_of(mask).await, "resting");
    };
    assert!(losing_each_commit(app, ada, begin, revoke, again).await >= 1);

    let begin = async |_| {
        app.app.revoke_mask(ada.user, mask).await.unwrap();
        mask
    };
    let restore = async |_, _| drop(app.app.restore_mask(ada.user, mask, None).await);
    let again = async |_, _| {
        let again = app.app.restore_mask(ada.user, mask, None).await;
        assert!(matches!(again, Ok(_) | Err(ChangeError::State(_))), "{again:?}");
        assert_eq!(app.state_of(mask).await, "active");
    };
    assert!(losing_each_commit(app, ada, begin, restore, again).await >= 1);

    let begin = async |at| rested_mask(app, ada, &format!("goes back {at}")).await;
    let work = async |_, _| drop(app.app.step().await);
    let commits = losing_each_commit(app, ada, begin, work, async |_, _| ()).await;
    assert!(commits >= 3, "{commits}");
    assert_eq!(ledger(app).await, (commits + 2, commits + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_any_commit_of_a_comparison_may_be_lost() {
    let (app, ada) = scene().await;
    let (app, ada) = (&app, &ada);
    let mask = app.held_mask(ada, "there all along").await;
    let begin = async |_| {
        app.simulator.carrier(Method::POST, &json!(OUR_APPLICATION), &json!(ORPHAN)).await;
        app.app.reconcile(false).await.unwrap();
        app.later(TimeDelta::minutes(15)).await;
        mask
    };
    let compare = async |_, _| drop(app.app.reconcile(false).await);
    let commits = losing_each_commit(app, ada, begin, compare, async |_, _| ()).await;
    assert!(commits >= 6, "{commits}");
    assert_eq!(ledger(app).await, (commits + 2, commits + 1));
}

/// A database of the test's own, which can be killed.
struct House {
    cluster: Arc<Cluster>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        // Open to pass through, as PostgreSQL runs as somebody else where we are root.
        let mode = std::fs::Permissions::from_mode(0o711);
        let folder = tempfile::Builder::new().permissions(mode).tempdir().unwrap();
        let directory = folder.path().join("postgres");
        // What was committed before a kill has to be there after it.
        let settings = cluster::Settings { directory, durable: true, tied_to_this_process: true };
        let cluster = tokio::task::spawn_blocking(move || cluster::start(&settings).unwrap()).await.unwrap();
        Self { cluster: Arc::new(cluster), _folder: folder }
    }

    fn signal(&self, signal: &str) {
        let file = self.cluster.directory().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).unwrap();
        send(signal, text.lines().next().unwrap().parse().unwrap());
    }

    async fn runs_again(&self) {
        let cluster = self.cluster.clone();
        tokio::task::spawn_blocking(move || while !cluster.ensure_running().unwrap() {}).await.unwrap();
    }
}

fn is_away<T>(answer: &Result<T, DbError>) -> bool {
    matches!(answer, Err(DbError::Unavailable(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed_or_stopped_while_the_carrier_works() {
    let house = House::new().await;
    let database = Some(Database::of(&house.cluster).await);
    let app = TestApp::with(Options { work: false, limits: wide(), database, ..Options::default() }).await;
    let ada = app.person("ada", REAL).await;
    for (at, signal) in ["KILL", "INT", "QUIT"].into_iter().enumerate() {
        let back = rested_mask(&app, &ada, &format!("goes back {signal}")).await;
        let kept = app.app.wish_mask(ada.user, ada.wish(signal)).await.unwrap();
        for method in ["POST", "DELETE"] {
            let slow = json!({"kind": "slow", "method": method, "resource": "addresses", "times": 1, "milliseconds": 1500});
            app.simulator.fault(slow).await;
        }
        let steps = [0, 1].map(|_| {
            let server = app.app.clone();
            tokio::spawn(async move { server.step().await })
        });
        while ledger(&app).await != (2 * at + 2, at + 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        house.signal(signal);
        for step in join_all(steps).await {
            let step = step.unwrap();
            assert!(step.is_err(), "{signal}: it was noted in no database: {step:?}");
        }
        assert!(is_away(&app.app.step().await), "{signal}");
        let wished = app.app.wish_mask(ada.user, ada.wish("while it is away")).await;
        assert!(matches!(wished, Err(WishError::Db(DbError::Unavailable(_)))), "{signal}: {wished:?}");
        house.runs_again().await;
        settle(&app).await;
        calls(&app, &[&ada]).await;
        assert_eq!(app.state_of(back).await, "released", "{signal}");
        assert_eq!(app.state_of(kept).await, "active", "{signal}");
        assert_eq!(ledger(&app).await, (2 * at + 2, at + 1), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_has_no_connection_left_for_us() {
    let house = House::new().await;
    let database = Some(Database::of(&house.cluster).await);
    let app = TestApp::with(Options { work: false, limits: wide(), database, ..Options::default() }).await;
    let ada = app.person("ada", REAL).await;
    let kept = app.held_mask(&ada, "kept").await;
    let wished = app.app.wish_mask(ada.user, ada.wish("wished")).await.unwrap();
    let crowd = app.database.crowd().await;
    let (step, compared) = tokio::join!(app.app.step(), app.app.reconcile(false));
    assert!(is_away(&step) && is_away(&compared), "{step:?} {compared:?}");
    let revoked = app.app.revoke_mask(ada.user, kept).await;
    assert!(matches!(revoked, Err(ChangeError::Db(DbError::Unavailable(_)))), "{revoked:?}");
    drop(crowd);
    let mut nobody = app.anonymous();
    nobody.until("/readyz", |page| page.status == 200).await;
    settle(&app).await;
    calls(&app, &[&ada]).await;
    for mask in [kept, wished] {
        assert_eq!(app.state_of(mask).await, "active");
    }
}

fn advance(clocks: &[&Clock], time: TimeDelta) {
    for clock in clocks {
        clock.advance(time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_whose_clocks_are_wrong_compete_for_the_same_work() {
    let (app, ada) = scene().await;
    let wrong = [-10, -1, 1, 10].map(|minutes| app.worker(TimeDelta::minutes(minutes)));
    let servers: Vec<&App> = wrong.iter().map(|(server, _)| server).chain([&*app.app]).collect();
    let clocks: Vec<&Clock> = wrong.iter().map(|(_, clock)| clock).collect();
    let mut masks = vec![];
    for (round, kind) in ["reset-after", "reset-before", "server-error-after", "html"].into_iter().enumerate()
    {
        // The same form reaches every server, and each worker takes what there is.
        for at in 0..3 {
            let token = format!("round {round} wish {at}");
            let wished = servers.iter().map(|server| server.wish_mask(ada.user, ada.wish(&token)));
            let wished: Vec<MaskId> = join_all(wished).await.into_iter().map(Result::unwrap).collect();
            assert!(wished.iter().all(|mask| *mask == wished[0]), "{wished:?}");
            masks.push(wished[0]);
        }
        for method in ["POST", "DELETE"] {
            app.simulator
                .fault(json!({"kind": kind, "method": method, "resource": "addresses", "times": 2}))
                .await;
        }
        for _ in 0..6 {
            join_all(servers.iter().map(async |server| while server.step().await.unwrap() {})).await;
            join_all(servers.iter().map(async |server| server.reconcile(false).await.unwrap())).await;
            app.later(TimeDelta::seconds(20)).await;
            advance(&clocks, TimeDelta::seconds(20));
        }
        app.simulator.no_faults().await;
        let revoked = masks[3 * round];
        let servers_revoke =
            join_all(servers.iter().map(|server| server.revoke_mask(ada.user, revoked))).await;
        assert!(servers_revoke.iter().all(Result::is_ok), "{servers_revoke:?}");
        let days = TimeDelta::days(46);
        app.later(days).await;
        advance(&clocks, days);
    }
    settle(&app).await;
    calls(&app, &[&ada]).await;
    for (at, mask) in masks.iter().enumerate() {
        let expected = if at % 3 == 0 { "released" } else { "active" };
        assert_eq!(app.state_of(*mask).await, expected, "{at}");
    }
    assert_eq!(ledger(&app).await, (12, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_people_race_for_the_last_number() {
    let app = TestApp::with(Options { work: false, limits: wide(), ..Options::default() }).await;
    let people = people(&app, 20).await;
    let everybody: Vec<&Person> = people.iter().collect();
    let others = [app.worker(TimeDelta::zero()).0, app.worker(TimeDelta::zero()).0];
    let servers = [&*app.app, &others[0], &others[1]];
    // The last number of an area: one has it, and the others are told that theirs is from elsewhere.
    app.simulator.stock("1407", json!({"numbers": 1})).await;
    let wished = people.iter().map(|person| app.app.wish_mask(person.user, person.wish("area")));
    assert!(join_all(wished).await.iter().all(Result::is_ok));
    for _ in 0..3 {
        join_all(servers.iter().map(async |server| while server.step().await.unwrap() {})).await;
        app.later(TimeDelta::minutes(1)).await;
    }
    settle(&app).await;
    assert_eq!(calls(&app, &everybody).await, 20);
    assert_eq!(app.database.count("masks WHERE NOT elsewhere AND state = 'active'").await, 1);

    // The last number of the whole stock: one has it, and the others are told that there is none.
    for area in app.app.areas().await.unwrap().iter() {
        app.simulator.stock(&area.prefix, json!({"numbers": 0})).await;
    }
    app.simulator.stock("1407", json!({"numbers": 2})).await;
    let wished = people.iter().map(|person| app.app.wish_mask(person.user, person.wish("whole")));
    assert!(join_all(wished).await.iter().all(Result::is_ok));
    for _ in 0..3 {
        join_all(servers.iter().map(async |server| while server.step().await.unwrap() {})).await;
        app.later(TimeDelta::minutes(1)).await;
    }
    settle(&app).await;
    assert_eq!(calls(&app, &everybody).await, 21);
    let failed = app.database.rows("SELECT failure FROM masks WHERE state = 'failed'").await;
    assert_eq!(failed.len(), 19);
    assert!(failed.iter().all(|why| why.contains("no free number in that country")), "{failed:?}");
    assert_eq!(ledger(&app).await, (21, 0));
}
