//! The program as its users run it: what it prints, what it refuses, what outlasts a stop, and what the log holds.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use maskline::clock::Clock;
use maskline::seal::RootKeys;
use maskline::simulator::{self, Simulator};
use serde_json::{Value, json};

use crate::support::{
    CALLER, Client, Database, Installation, PASSWORD, REAL, Running, Simulated, WEBHOOK_KEY, free_address,
    is_alive, send,
};

/// What must not come back out of the program.
const SECRET: &str = "hunter2";

fn browser(house: &Installation) -> Client {
    Client::new(format!("http://{}", house.address))
}

/// Starts everything and waits until the last line of what it has to say.
async fn develop(house: &Installation) -> (Running, String) {
    let mut running = house.start(&["develop"], &[]);
    let banner = running.until("\"channel\":\"VOICE\"}}}'\n").await.out;
    (running, banner)
}

/// Types what the program told to type, and answers with what came out.
fn typed(house: &Installation, line: &str) -> String {
    let output = house.bare("sh").args(["-c", line]).env("no_proxy", "*").output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The indented lines that follow the first one with these words.
fn command_after(banner: &str, words: &str) -> String {
    let rest = &banner[banner.find(words).unwrap_or_else(|| panic!("no {words:?} in {banner}"))..];
    let lines: Vec<&str> = rest.lines().skip(1).take_while(|line| line.starts_with("  ")).collect();
    lines.join("\n")
}

/// The path of a printed link.
fn path_of(link: &str) -> String {
    link.trim()[link.find("/links/").unwrap_or_else(|| panic!("no link: {link}"))..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_prints_what_a_newcomer_needs_and_a_second_one_finds_everything_again() {
    let house = Installation::new();
    let (running, banner) = develop(&house).await;
    for printed in [format!("http://{}/", house.address), format!("http://{}/", house.simulator)] {
        assert!(banner.contains(&printed), "{banner}");
    }
    assert!(banner.contains(house.path("var/postgres").to_str().unwrap()), "{banner}");

    // What it tells to type does what it says.
    let answer = typed(&house, &command_after(&banner, "Tell the webhook of a call"));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["tropo"][0]["say"]["value"].to_string().contains("not in service"), "{answer}");
    let command = command_after(&banner, "Make an admin").replace("you@", "ada@");
    let link = path_of(&typed(&house, &command));
    let mut ada = browser(&house);
    let chosen = ada.submit(&link, &link, &[("new_password", PASSWORD)]).await;
    assert_eq!(chosen.location(), "/masks", "{}", chosen.words());
    assert!(ada.get("/admin/masks").await.words().contains("Nothing found"));
    let nobody = house.run(&["user", "promote", "nobody@example.com"], &[]).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("no account has the address nobody@example.com"), "{}", nobody.err);

    // A second start in the same folder says which setting to change.
    for (other, setting) in
        [("MASKLINE_SIMULATOR_LISTEN", "MASKLINE_LISTEN"), ("MASKLINE_LISTEN", "MASKLINE_SIMULATOR_LISTEN")]
    {
        let second = house.run(&["develop"], &[(other, &free_address().to_string())]).await;
        assert_eq!(second.code, Some(1), "{}", second.err);
        let last = second.err.lines().last().unwrap();
        assert!(last.starts_with("maskline: ") && last.contains(&format!(" {setting} ")), "{}", second.err);
    }

    // A mask, and what the log says meanwhile.
    let simulator = Simulated::new(house.simulator);
    let number = ada.prove(&simulator, REAL).await;
    let (page, mask) = ada.mask(&number).await;
    let opened = ada.get(&format!("{page}?{SECRET}={SECRET}")).await;
    assert_eq!(opened.status, 200);
    let log = running.said().err;
    let request = opened.header("x-request-id");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(request)).collect();
    let [line] = *lines else { panic!("{request}: {lines:?} in {log}") };
    for part in ["method=GET", "/masks/{id}", "status=200"] {
        assert!(line.contains(part), "{line}");
    }
    let key = &banner[banner.find("?key=").unwrap() + 5..][..22];
    let session = ada.cookies.values().next().unwrap();
    let token = link.strip_prefix("/links/").unwrap();
    let hidden = [SECRET, key, session, token, "ada@", PASSWORD, "5550101", "555-0101", &mask];
    assert_eq!(hidden.into_iter().find(|hidden| log.contains(hidden)), None, "{log}");

    // Stops when asked, and the private database with it.
    let postmaster = house.postmaster().unwrap();
    running.signal("TERM");
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(house.postmaster(), None);
    assert!(!is_alive(postmaster), "the private database runs on");

    // A second start finds the account, and the carrier its numbers.
    let (_running, _) = develop(&house).await;
    let signed_in = browser(&house).sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(signed_in.location(), "/masks", "{}", signed_in.words());
    let trace = simulator.call(CALLER, &mask, "answered", 12).await;
    assert_eq!(trace["rang"], serde_json::json!([REAL]), "{trace}");
    ada.until(&page, |page| page.words().contains("Answered 12 s")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_the_next_start_or_the_server_itself_mends_it() {
    let house = Installation::new();
    let (running, _) = develop(&house).await;
    let postmaster = house.postmaster().unwrap();
    running.signal("KILL");
    assert_eq!(running.ended().await.code, None);
    assert!(is_alive(postmaster), "nobody was there to stop the database");

    // The next start joins the database that was left running.
    let (running, _) = develop(&house).await;
    assert_eq!(house.postmaster(), Some(postmaster));
    let mut anybody = browser(&house);
    assert_eq!(anybody.get("/readyz").await.status, 200);

    // A database that dies is started again; pages recover by themselves.
    send("KILL", postmaster);
    let again = house.postmaster_after(postmaster).await;
    anybody.until("/readyz", |page| page.status == 200).await;
    let unknown = anybody.sign_in("ada@example.com", PASSWORD).await;
    assert_eq!(unknown.status, 422, "{}", unknown.words());

    // Both killed at once.
    running.signal("KILL");
    send("KILL", again);
    running.ended().await;
    let (running, _) = develop(&house).await;
    assert_eq!(anybody.get("/readyz").await.status, 200);
    let postmaster = house.postmaster().unwrap();
    running.signal("INT");
    assert_eq!(running.ended().await.code, Some(0));
    assert!(!is_alive(postmaster), "the private database runs on");
}

/// What a server needs beside its database.
pub(crate) fn settings(key: &str) -> Vec<(&str, &str)> {
    vec![
        ("MASKLINE_SECRET_KEY", key),
        ("TROPO_URL", "http://127.0.0.1:9/v1/"),
        ("TROPO_USERNAME", "tester"),
        ("TROPO_PASSWORD", SECRET),
        ("TROPO_MASKING_APP_ID", "1"),
        ("TROPO_WEBHOOK_KEY", WEBHOOK_KEY),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_all_that_is_wrong_with_its_settings_at_once_and_repeats_no_secret() {
    let house = Installation::new();
    let bare = house.run(&["serve"], &[]).await;
    assert_eq!(bare.code, Some(1));
    let missing = [
        "MASKLINE_SECRET_KEY",
        "TROPO_USERNAME",
        "TROPO_PASSWORD",
        "TROPO_MASKING_APP_ID",
        "TROPO_WEBHOOK_KEY",
    ];
    for name in missing {
        assert!(bare.err.contains(&format!("  {name} is not set: expected ")), "{name}: {}", bare.err);
    }
    assert!(!house.path("var").exists(), "it made a database all the same");

    fs::write(house.path(".env"), format!("TROPO_WEBHOOK_KEY={SECRET}\nMASKLINE_VOIP={SECRET}\n")).unwrap();
    let database = format!("mysql://ada:{SECRET}@db.example.com/maskline");
    let wrong = [
        ("DATABASE_URL", database.as_str()),
        ("MASKLINE_SECRET_KEY", SECRET),
        ("MASKLINE_PUBLIC_URL", "http://masks.example.com/hunter2"),
        ("MASKLINE_MAIL", "hunter2://mail.example.com"),
        ("MASKLINE_LISTN", SECRET),
    ];
    let refused = house.run(&["serve"], &wrong).await;
    assert_eq!(refused.code, Some(1));
    for (name, _) in wrong.into_iter().chain([("TROPO_WEBHOOK_KEY", ""), ("MASKLINE_VOIP", "")]) {
        assert!(refused.err.contains(&format!("  {name}")), "{name}: {}", refused.err);
    }
    assert!(refused.err.contains("did you mean MASKLINE_LISTEN?"), "{}", refused.err);
    assert!(!refused.err.contains(SECRET), "{}", refused.err);
    assert_eq!(house.run(&["srve"], &[]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_somebody_else_is_migrated_only_when_asked() {
    let (house, database) = (Installation::new(), Database::empty().await);
    let key = RootKeys::generate();
    let mut settings = settings(&key);
    settings.push(("DATABASE_URL", &database.url));
    for command in [&["serve"][..], &["user", "create", "ada@example.com"]] {
        let behind = house.run(command, &settings).await;
        assert_eq!(behind.code, Some(1));
        assert!(behind.err.contains("run `maskline migrate` first"), "{}", behind.err);
    }
    let tables = "SELECT 1 FROM information_schema.tables WHERE table_schema = 'public'";
    assert!(database.rows(tables).await.is_empty());

    let migrated = house.run(&["migrate"], &settings).await;
    assert_eq!(migrated.code, Some(0), "{}", migrated.err);
    assert!(!migrated.out.is_empty());
    let again = house.run(&["migrate"], &settings).await;
    assert_eq!((again.code, again.out.contains("already")), (Some(0), true), "{}", again.out);

    let mut server = house.start(&["serve"], &settings);
    let log = server.until("\"ready\"").await.err;
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert_eq!(browser(&house).get("/readyz").await.status, 200);
    server.signal("TERM");
    assert_eq!(server.ended().await.code, Some(0));
    assert!(!house.path("var/postgres").exists(), "a private database was made beside");
}

/// A pretend Tropo, and its address for the settings.
fn tropo(folder: &Installation) -> (Simulator, String) {
    let settings = simulator::Settings {
        listen: "127.0.0.1:0".into(),
        state_dir: folder.path("tropo"),
        mail_dir: None,
        username: "tester".into(),
        password: SECRET.into(),
        account_id: "33932".into(),
        maskline_url: None,
        webhook_timeout: Duration::from_secs(15),
    };
    let simulator = simulator::start(settings, Clock::System).unwrap();
    let url = format!("http://{}/v1/", simulator.address());
    (simulator, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setup_makes_what_is_needed_once_and_keeps_it_where_the_server_finds_it() {
    let house = Installation::new();
    let (_simulator, url) = tropo(&house);
    let env = house.path(".env");
    let mine = "# mine\nTROPO_USERNAME=tester\n# home\nMASKLINE_COUNTRY='CA'\n";
    fs::write(&env, mine).unwrap();
    fs::set_permissions(&env, Permissions::from_mode(0o644)).unwrap();
    let setup = async |more: &[&str], password: &str| {
        let arguments = [&["tropo", "setup"], more].concat();
        house.run(&arguments, &[("TROPO_URL", &url), ("TROPO_PASSWORD", password)]).await
    };

    // What is refused changes nothing.
    let open = setup(&["--url", "http://public.example", "--write"], SECRET).await;
    assert_eq!(open.code, Some(1));
    assert!(open.err.contains("MASKLINE_PUBLIC_URL: expected an address such as https://"), "{}", open.err);
    let stranger = setup(&["--write"], "a-wrong-password").await;
    assert_eq!((stranger.code, stranger.err.lines().count()), (Some(1), 1), "{}", stranger.err);
    assert!(stranger.err.contains("TROPO_USERNAME, TROPO_PASSWORD"), "{}", stranger.err);
    assert!(!stranger.err.contains("a-wrong-password"), "{}", stranger.err);
    assert_eq!(fs::read_to_string(&env).unwrap(), mine);

    // Then an application and two tokens are made, and kept.
    let made = setup(&["--url", "https://tunnel.example", "--write"], SECRET).await;
    assert_eq!((made.code, made.out.as_str()), (Some(0), ""), "{}", made.err);
    for sentence in [
        "Made an application",
        "a token that starts calls",
        "a token that starts texts",
        "Renting +1 905-555-0150 at Tropo, to send codes from",
    ] {
        assert!(made.err.contains(sentence), "{}", made.err);
    }
    let kept = fs::read_to_string(&env).unwrap();
    assert!(kept.starts_with(mine), "{kept}");
    assert_eq!(fs::metadata(&env).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<&str> =
        kept[mine.len()..].lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(
        names,
        [
            "TROPO_MASKING_APP_ID",
            "TROPO_VOICE_TOKEN",
            "TROPO_MESSAGING_TOKEN",
            "TROPO_CALLER_ID",
            "TROPO_WEBHOOK_KEY",
            "MASKLINE_PUBLIC_URL"
        ]
    );
    let values = kept[mine.len()..].lines().filter_map(|line| Some(line.split_once('=')?.1));
    for value in values.skip(1).take(4) {
        assert!(!made.err.contains(value), "{}", made.err);
    }

    // Again: the same are pointed elsewhere, and nothing new is made.
    let again = setup(&["--url", "https://masks.example", "--write"], SECRET).await;
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("Updated the application") && !again.err.contains("Made"), "{}", again.err);
    assert!(!again.err.contains("Renting"), "{}", again.err);
    let moved = kept.replace("https://tunnel.example", "https://masks.example");
    assert_eq!(fs::read_to_string(&env).unwrap(), moved);
    let printed = setup(&[], SECRET).await;
    assert!(
        printed.out.lines().all(|line| kept.contains(line)) && !printed.out.is_empty(),
        "{}",
        printed.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_codes_is_rented_once_even_if_the_answer_or_the_setting_is_lost() {
    let house = Installation::new();
    let (simulator, url) = tropo(&house);
    let simulated = Simulated::new(simulator.address());
    let setup = async |more: &[(&str, &str)]| {
        let account = [("TROPO_URL", url.as_str()), ("TROPO_USERNAME", "tester"), ("TROPO_PASSWORD", SECRET)];
        let variables = [&account[..], more].concat();
        house.run(&["tropo", "setup", "--url", "https://masks.example"], &variables).await
    };
    let purchases = async || {
        let ledger = simulated.get("/simulator/ledger").await;
        ledger.as_array().unwrap().iter().filter(|entry| entry["action"] == "purchase").count()
    };
    // A named number is taken as it is, and none is rented.
    let named = setup(&[("TROPO_CALLER_ID", "+14165550150")]).await;
    assert_eq!((named.code, purchases().await), (Some(0), 0), "{}", named.err);
    assert!(named.out.lines().any(|line| line == "TROPO_CALLER_ID=+14165550150"), "{}", named.out);
    // With what it made before, the purchase is all that is left to do, and its answer gets lost.
    let known: Vec<(&str, &str)> = named.out.lines().filter_map(|line| line.split_once('=')).collect();
    let known: Vec<_> = known.into_iter().filter(|(name, _)| *name != "TROPO_CALLER_ID").collect();
    let lost = json!({"kind": "reset-after", "method": "POST", "resource": "addresses", "times": 1});
    simulated.fault(lost).await;
    let rented = setup(&known).await;
    assert_eq!(rented.code, Some(0), "{}", rented.err);
    assert!(rented.err.contains("looking whether the number was rented"), "{}", rented.err);
    let line = rented.out.lines().find(|line| line.starts_with("TROPO_CALLER_ID=")).unwrap();
    // Nobody kept what it printed: the next run finds the same number.
    let again = setup(&known).await;
    assert!(again.code == Some(0) && again.out.lines().any(|printed| printed == line), "{}", again.out);
    assert_eq!(purchases().await, 1);
}

/// Makes a PostgreSQL in the folder, with a certificate that nobody knows, and becomes it.
const REMOTE: &str = r#"set -e
cd "$1"
found=$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n1)
programs=$(dirname "$(readlink -f "$found")")
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out certificate.pem \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>openssl.log
chmod 600 key.pem
"$programs/initdb" -D data -U maskline --pwfile=password --auth=scram-sha-256 -E UTF8 --no-sync >initdb.log
echo 'hostssl all all 127.0.0.1/32 scram-sha-256' >data/pg_hba.conf
exec "$programs/postgres" -D data -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
    -c ssl=on -c ssl_cert_file="$1/certificate.pem" -c ssl_key_file="$1/key.pem""#;

/// A database of somebody else, which is reached by TCP and TLS alone.
async fn remote(house: &Installation, port: u16) -> Running {
    let (folder, mut command) = house.without_root("remote", REMOTE, &[&port.to_string()]);
    fs::write(folder.join("password"), SECRET).unwrap();
    let mut running = Running::start(&mut command);
    running.until("ready to accept connections").await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_over_the_network_is_reached_by_tls_and_its_password_is_never_repeated() {
    let house = Installation::new();
    let port = free_address().port();
    let database = remote(&house, port).await;
    let certificate = house.path("remote/certificate.pem");
    let home = house.path("").display().to_string();
    let migrate = async |server: &str, password: &str, tls: &str| {
        let url = format!("postgres://maskline:{password}@{server}/postgres?{tls}");
        house.run(&["migrate"], &[("DATABASE_URL", &url), ("HOME", &home)]).await
    };
    let server = format!("localhost:{port}");

    let encrypted = migrate(&server, SECRET, "sslmode=require").await;
    assert_eq!(encrypted.code, Some(0), "{}", encrypted.err);
    let known = format!("sslmode=verify-full&sslrootcert={}", certificate.display());
    let proved = migrate(&server, SECRET, &known).await;
    assert_eq!(proved.code, Some(0), "{}", proved.err);

    let nowhere = format!("127.0.0.1:{}", free_address().port());
    let refused = [
        (&server, SECRET, "sslmode=verify-full&sslrootcert=system"),
        (&server, SECRET, "sslmode=disable"),
        (&server, "an-old-password", "sslmode=require"),
        (&nowhere, SECRET, "sslmode=require"),
    ];
    // The words are those of PostgreSQL, OpenSSL and the system, which change with each and with the language.
    let mut reasons = BTreeSet::new();
    for (server, password, tls) in refused {
        let ended = migrate(server, password, tls).await;
        assert_eq!((ended.code, ended.err.lines().count()), (Some(1), 1), "{tls}: {}", ended.err);
        let reason =
            ended.err.strip_prefix("maskline: the database that DATABASE_URL names cannot be used: ");
        let reason = reason.unwrap_or_else(|| panic!("{}", ended.err));
        assert!(!ended.err.contains(password), "{}", ended.err);
        assert!(reasons.insert(reason.replace(server.as_str(), "")), "it is not told apart: {}", ended.err);
    }
    database.signal("INT");
    assert_eq!(database.ended().await.code, Some(0));
}
