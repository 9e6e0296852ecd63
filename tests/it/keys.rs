//! The change of root keys while servers run, what a wrong key is told, and what a value that does not open spoils.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use maskline::domain::limits::Limits;
use maskline::domain::phone::PhoneNumber;
use maskline::seal::{Place, RootKeys, Sealer};
use maskline::secrets;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{
    Beside, CALLER, Client, Database, Installation, Options, REAL, Running, TestApp, WEBHOOK_KEY, called,
};

/// A number that goes from hand to hand while keys change.
const PASSED_ON: &str = "+13125550104";

/// Rows that are under another key than this one.
fn not_under(id: u16) -> String {
    format!(
        "SELECT (SELECT count(*) FROM numbers WHERE substr(sealed, 2, 2) <> '\\x{id:04x}') || ' ' || \
                (SELECT count(*) FROM calls WHERE substr(caller_sealed, 2, 2) <> '\\x{id:04x}') AS rows"
    )
}

/// An old key and a new one, and the lists that name them.
struct KeyChange {
    alone: String,
    known: String,
    turned: String,
    dropped: String,
}

impl KeyChange {
    fn new() -> Self {
        let (old, new) = (RootKeys::generate(), RootKeys::generate());
        Self {
            known: format!("1:{old},2:{new}"),
            turned: format!("2:{new},1:{old}"),
            dropped: format!("2:{new}"),
            alone: old,
        }
    }
}

/// Limits that are not what is tested here, but for the calls of one caller: six a day.
fn limits() -> Limits {
    Limits {
        codes_per_address: (1000, 1000),
        codes_per_area: 1000,
        calls_per_mask: (10_000, 10_000, 10_000),
        calls_per_caller: (100, 6),
        calls_in_a_loop: 100,
        ..Limits::default()
    }
}

async fn deployment(keys: &str) -> TestApp {
    TestApp::with(Options { limits: limits(), keys: keys.to_owned(), ..Options::default() }).await
}

/// Writes calls of a mask as rows, sealed under a key, with ids from 1 on.
async fn seed_calls(app: &TestApp, keys: &str, mask: &str, count: u32) {
    let sealer = Sealer::new(&RootKeys::parse(keys).unwrap());
    let mask: Uuid = mask.parse().unwrap();
    let caller = PhoneNumber::from_e164("+12125550149").unwrap();
    let lookup = secrets::hex(&sealer.caller_lookup(mask, caller));
    let mut rows = String::from(
        "INSERT INTO calls (id, mask_id, event_key, caller_sealed, caller_lookup, received_at, decision, ended_at) VALUES ",
    );
    for nth in 1..=count {
        let id = Uuid::from_u128(nth.into());
        let sealed = secrets::hex(&sealer.seal(caller, Place::caller(id)));
        let between = if nth == 1 { "" } else { ", " };
        let at = "'2026-11-20 09:00Z'";
        write!(
            rows,
            "{between}('{id}', '{mask}', 'seeded|{nth}', '\\x{sealed}', '\\x{lookup}', {at}, 'connected', {at})"
        )
        .unwrap();
    }
    app.database.execute(&rows).await;
}

/// What a command about keys needs to know.
fn settings<'a>(database: &'a Database, keys: &'a str) -> [(&'a str, &'a str); 2] {
    [("DATABASE_URL", &database.url), ("MASKLINE_SECRET_KEY", keys)]
}

/// Users who call and register numbers at a server, over and over, until they are told to stop.
async fn load(
    server: SocketAddr,
    mask: String,
    mut client: Client,
    begun: watch::Sender<u32>,
    stop: watch::Receiver<bool>,
) {
    let mut rounds = 0;
    // Each of forty callers calls at most six times a day; past that, they would be turned away.
    while !*stop.borrow() && rounds < 240 {
        let caller = format!("+1212555{:04}", 100 + rounds % 40);
        let answer = called(server, &caller, &mask).await;
        assert!(answer.contains("transfer") && answer.contains(REAL), "{answer}");
        // As many numbers as a user may try in a day.
        if rounds < 20 {
            let path = client.register(&format!("+1617555{:04}", 100 + rounds)).await;
            let removal = path.replace("/verification", "/removal");
            let removed = client.submit(&removal, &removal, &[]).await;
            assert_eq!(removed.status, 303, "{}", removed.words());
        }
        rounds += 1;
        begun.send_replace(rounds);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_step_by_step_and_nothing_is_lost_or_doubled() {
    let (keys, house) = (KeyChange::new(), Installation::new());
    let app = deployment(&keys.alone).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (page, mask) = app.mask(&mut ada, &number).await;
    for _ in 0..3 {
        assert_eq!(app.simulator.call(CALLER, &mask, "answered", 5).await["rang"], json!([REAL]));
        app.clock.advance(TimeDelta::minutes(1));
    }
    app.with_number("bob", PASSED_ON).await;
    let holds = "SELECT email FROM numbers n JOIN users u ON u.id = user_id \
                 WHERE verified_at IS NOT NULL AND email <> 'ada@example.com'";

    // One server knows the new key, the other does not yet: both find what the other writes.
    let known = Beside::start(&app, &keys.known, |_| {}).await;
    assert!(known.called(CALLER, &mask).await.contains(REAL));
    app.signed_in("carol").await;
    known.signed_in("carol").await.prove(&app.simulator, PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "carol@example.com");
    app.clock.advance(TimeDelta::minutes(5));
    app.with_number("dan", PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "dan@example.com");
    assert!(known.called(CALLER, &mask).await.contains(REAL));
    assert_eq!(app.database.one(&not_under(1)).await, "0 0", "the new key writes nothing yet");

    // Now every server knows it: the one that does not is gone. The new key writes, beside a server that only reads by it.
    app.carrier_asks(known.address).await;
    let turned = Beside::start(&app, &keys.turned, |_| {}).await;
    app.clock.advance(TimeDelta::minutes(5));
    app.signed_in("erin").await;
    turned.signed_in("erin").await.prove(&app.simulator, PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "erin@example.com");
    app.clock.advance(TimeDelta::minutes(5));
    known.signed_in("bob").await.prove(&app.simulator, PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "bob@example.com");

    // Everything is sealed again while calls and registrations go on.
    seed_calls(&app, &keys.alone, page.strip_prefix("/masks/").unwrap(), 1_700).await;
    let (begun, mut has_begun) = watch::channel(0);
    let (stop, stopped) = watch::channel(false);
    app.signed_in("frank").await;
    let frank = turned.signed_in("frank").await;
    let busy = tokio::spawn(load(turned.address, mask.clone(), frank, begun, stopped));
    has_begun.wait_for(|rounds| *rounds > 0).await.unwrap();
    let rotated = house.run(&["keys", "rotate"], &settings(&app.database, &keys.turned)).await;
    stop.send_replace(true);
    busy.await.unwrap();
    assert_eq!(rotated.code, Some(0), "{}\n{}", rotated.out, rotated.err);
    assert!(rotated.err.contains("numbers: ") && rotated.err.contains("callers: "), "{}", rotated.err);
    assert!(
        rotated.out.contains("key 1: numbers 0, callers 0, letters 0. Nothing needs it"),
        "{}",
        rotated.out
    );
    assert_eq!(app.database.one(&not_under(2)).await, "0 0");
    // A server that still writes under the old key can read and find everything.
    assert!(known.called("+12125550148", &mask).await.contains(REAL));

    // The old key is dropped: first by one server, then by the other.
    let late = house.run(&["keys", "status"], &settings(&app.database, &keys.turned)).await;
    assert!(late.out.contains("key 1: numbers 0, callers 1, letters 0. They need it"), "{}", late.out);
    let rotated = house.run(&["keys", "rotate"], &settings(&app.database, &keys.turned)).await;
    assert_eq!(rotated.code, Some(0), "{}\n{}", rotated.out, rotated.err);
    let dropped = Beside::start(&app, &keys.dropped, |_| {}).await;
    app.clock.advance(TimeDelta::minutes(5));
    app.carrier_asks(dropped.address).await;
    dropped.signed_in("carol").await.prove(&app.simulator, PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "carol@example.com");
    app.clock.advance(TimeDelta::minutes(5));
    app.carrier_asks(turned.address).await;
    turned.signed_in("dan").await.prove(&app.simulator, PASSED_ON).await;
    assert_eq!(app.database.one(holds).await, "dan@example.com");
    let last = house.run(&["keys", "rotate"], &settings(&app.database, &keys.dropped)).await;
    assert_eq!(last.code, Some(0), "{}\n{}", last.out, last.err);
    assert!(!last.out.contains("key 1"), "{}", last.out);
    assert_eq!(app.database.one("SELECT count(*) FROM numbers WHERE lookup <> lookup_next").await, "0");

    // All is there under the new key alone, and counts go on.
    let mut ada = dropped.signed_in("ada").await;
    let log = ada.get(&page).await.words();
    assert!(log.contains("+1 407-555-0101") && log.contains("+1 212-555-01"), "{log}");
    assert!(!log.contains("cannot read"), "{log}");
    assert_eq!(ada.register(REAL).await, format!("/numbers/{number}/verification"), "it is registered twice");
    assert!(dropped.called(CALLER, &mask).await.contains(REAL), "the sixth call of the day");
    let seventh = dropped.called(CALLER, &mask).await;
    assert!(seventh.contains("too often"), "calls from before were forgotten: {seventh}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_killed_in_the_middle_goes_on_where_it_was() {
    let (keys, house) = (KeyChange::new(), Installation::new());
    let app = deployment(&keys.alone).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (page, mask) = app.mask(&mut ada, &number).await;
    seed_calls(&app, &keys.alone, page.strip_prefix("/masks/").unwrap(), 1_200).await;
    let settings = settings(&app.database, &keys.turned);
    let turned = Beside::start(&app, &keys.turned, |_| {}).await;

    // A number that somebody holds is waited for without standing in anybody's way.
    let held = app.database.hold("SELECT 1 FROM numbers FOR UPDATE").await;
    // The third batch of calls does not get through.
    let stuck = "CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
                 CREATE TRIGGER stuck BEFORE UPDATE ON calls FOR EACH ROW \
                 WHEN (OLD.id = '00000000-0000-0000-0000-00000000044c') EXECUTE FUNCTION stuck()";
    app.database.execute(stuck).await;
    let mut rotating = house.start(&["keys", "rotate"], &settings);
    rotating.until("numbers: 1 looked at, 0 sealed again").await;
    drop(held);
    rotating.until("numbers: 1 looked at, 1 sealed again").await;
    rotating.until("it is tried again").await;
    assert!(turned.called(CALLER, &mask).await.contains(REAL));
    rotating.signal("KILL");
    assert_eq!(rotating.ended().await.code, None);
    assert_eq!(app.database.one(&not_under(2)).await, "0 200");

    app.database.execute("DROP TRIGGER stuck ON calls; DROP FUNCTION stuck").await;
    let status = house.run(&["keys", "status"], &settings).await;
    assert!(status.out.contains("key 1: numbers 0, callers 200, letters 0. They need it"), "{}", status.out);
    let resumed = house.run(&["keys", "rotate"], &settings).await;
    assert_eq!(resumed.code, Some(0), "{}\n{}", resumed.out, resumed.err);
    assert!(resumed.err.contains("callers: 1201 looked at, 200 sealed again"), "{}", resumed.err);
    assert!(resumed.err.contains("numbers: 1 looked at, 0 sealed again"), "{}", resumed.err);
    assert_eq!(app.database.one(&not_under(2)).await, "0 0");
}

/// What a server needs beside its keys and its database.
const REST: [(&str, &str); 5] = [
    ("TROPO_URL", "http://127.0.0.1:9/v1/"),
    ("TROPO_USERNAME", "tester"),
    ("TROPO_PASSWORD", "not a secret"),
    ("TROPO_MASKING_APP_ID", "1"),
    ("TROPO_WEBHOOK_KEY", WEBHOOK_KEY),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_at_the_start_and_changes_nothing() {
    let (keys, house) = (KeyChange::new(), Installation::new());
    let app = deployment(&keys.alone).await;
    app.with_number("ada", REAL).await;
    let before = app.database.one("SELECT sealed || lookup FROM numbers").await;
    let serve = |keys: &str| -> Running {
        house.start(&["serve"], &[&settings(&app.database, keys)[..], &REST].concat())
    };

    let other = RootKeys::generate();
    for wrong in [&other, &keys.dropped] {
        let refused = serve(wrong).ended().await;
        assert_eq!((refused.code, refused.err.lines().count()), (Some(1), 1), "{}", refused.err);
        assert!(refused.err.contains("sealed with another key than MASKLINE_SECRET_KEY"), "{}", refused.err);
        let rotated = house.run(&["keys", "rotate"], &settings(&app.database, wrong)).await;
        assert_eq!(rotated.code, Some(1), "{}", rotated.err);
        assert!(
            rotated.err.contains("not everything is under the key that writes (1 left"),
            "{}",
            rotated.err
        );
    }
    let status = house.run(&["keys", "status"], &settings(&app.database, &keys.dropped)).await;
    let needed =
        "key 1, which is not in the list: numbers 1, callers 0, letters 0. They cannot be read without it";
    assert!(status.code == Some(0) && status.out.contains(needed), "{}", status.out);
    assert_eq!(app.database.one("SELECT sealed || lookup FROM numbers").await, before);

    // The same from a file that others can read, and from one that they cannot.
    let file = house.path("key");
    fs::write(&file, &keys.alone).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let from_file = [("DATABASE_URL", app.database.url.as_str()), ("MASKLINE_SECRET_KEY_FILE", "key")];
    let open = house.run(&["keys", "status"], &from_file).await;
    assert_eq!(open.code, Some(1));
    assert!(open.err.contains("open to others (its mode is 644): `chmod 600` it"), "{}", open.err);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let closed = house.run(&["keys", "status"], &from_file).await;
    assert_eq!(
        (closed.code, closed.out.as_str()),
        (Some(0), "key 1, which writes: numbers 1, callers 0, letters 0\n")
    );

    let mut right = serve(&keys.turned);
    right.until("\"ready\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_open_spoils_its_own_call_and_nothing_else() {
    let app = deployment(&RootKeys::generate()).await;
    let (mut ada, hers) = app.with_number("ada", REAL).await;
    let (mut bob, his) = app.with_number("bob", "+13125550104").await;
    let (mut carol, third) = app.with_number("carol", "+12125550105").await;
    let (page, mask) = app.mask(&mut ada, &hers).await;
    let (_, of_bob) = app.mask(&mut bob, &his).await;
    let (_, of_carol) = app.mask(&mut carol, &third).await;
    for caller in [CALLER, "+14155550124"] {
        assert_eq!(app.simulator.call(caller, &mask, "answered", 5).await["rang"], json!([REAL]));
    }
    let works = "SELECT sealed FROM numbers ORDER BY id";
    let before = app.database.rows(works).await;
    let is_unavailable = async |mask: &str| {
        let failures = app.app.sealing_failures();
        let trace = app.simulator.call(CALLER, mask, "answered", 5).await;
        assert_eq!(trace["rang"], json!([]), "{trace}");
        assert!(trace["heard"].to_string().contains("temporarily unavailable"), "{trace}");
        assert!(app.app.sealing_failures() > failures, "no alarm");
    };

    // Two numbers in each other's rows: neither call gets through, and nobody gets the other's.
    let swap = "UPDATE numbers n SET sealed = o.sealed FROM numbers o \
                WHERE n.id <> o.id AND n.id IN ($IDS) AND o.id IN ($IDS)";
    let swap = swap.replace("$IDS", &format!("'{hers}', '{his}'"));
    app.database.execute(&swap).await;
    is_unavailable(&mask).await;
    is_unavailable(&of_bob).await;
    let trace = app.simulator.call(CALLER, &of_carol, "answered", 5).await;
    assert_eq!(trace["rang"], json!(["+12125550105"]), "{trace}");
    let removal = format!("/numbers/{hers}/removal");
    for path in ["/masks", &page, &removal] {
        let shown = ada.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.words());
        assert!(shown.words().contains("A number that we cannot read"), "{path}: {}", shown.words());
    }
    assert_eq!(ada.get("/masks/new").await.status, 200);
    let wished = ada.wish(&hers, &[("area", "same")]).await;
    assert!(wished.status == 422 && wished.words().contains("cannot read"), "{}", wished.words());
    let mut admin = app.admin().await;
    let all = admin.get("/admin/masks").await;
    assert!(all.status == 200 && all.words().contains("··05"), "{}", all.words());
    assert_eq!(all.words().matches("cannot be read").count(), 2, "{}", all.words());
    app.database.execute(&swap).await;
    assert_eq!(app.database.rows(works).await, before);
    assert_eq!(app.simulator.call(CALLER, &mask, "answered", 5).await["rang"], json!([REAL]));

    // Two callers in each other's rows: both are shown as unreadable, the third is not.
    let mixed = "UPDATE calls c SET caller_sealed = o.caller_sealed FROM calls o \
                 WHERE c.id <> o.id AND c.caller_lookup <> o.caller_lookup AND c.mask_id = o.mask_id \
                 AND c.received_at = (SELECT min(received_at) FROM calls) \
                 AND o.received_at = (SELECT min(received_at) FROM calls)";
    let calls = app.database.count("calls").await;
    app.database.execute(mixed).await;
    let log = ada.get(&page).await;
    assert_eq!(log.status, 200);
    let unreadable = log.words().matches("A caller that we cannot read").count();
    assert!(unreadable >= 2, "{unreadable} of {calls}: {}", log.words());

    // A bit that fell over; the owner adds the number again, and all goes on.
    app.database
        .execute(&format!(
            "UPDATE numbers SET sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) WHERE id = '{hers}'"
        ))
        .await;
    is_unavailable(&mask).await;
    ada.register(REAL).await;
    assert_eq!(app.simulator.call("+14155550125", &mask, "answered", 5).await["rang"], json!([REAL]));
    assert_eq!(app.database.count("numbers").await, 3);
}

/// Whoever adds a sealed column, or a digest of numbers, teaches `maskline keys rotate` about it and lists it here.
#[tokio::test(flavor = "multi_thread")]
async fn every_sealed_column_is_known_to_the_change_of_keys() {
    let database = Database::create().await;
    let bytes = "SELECT table_name || '.' || column_name AS it FROM information_schema.columns \
                 WHERE table_schema = 'public' AND data_type = 'bytea' ORDER BY 1";
    let changed = [
        "calls.caller_lookup",
        "calls.caller_sealed",
        "letters.sealed",
        "numbers.lookup",
        "numbers.lookup_next",
        "numbers.sealed",
    ];
    // Digests of random tokens, which no key is in; and buckets, which begin anew.
    let others = ["mailed_links.token_digest", "rate_events.bucket", "sessions.key_digest"];
    let mut known = [&changed[..], &others].concat();
    known.sort_unstable();
    assert_eq!(database.rows(bytes).await, known);
}
