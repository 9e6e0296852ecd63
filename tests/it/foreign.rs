//! Databases that somebody else runs: which are worked with, and which are refused with what to do.

use std::time::Duration;

use maskline::seal::RootKeys;

use crate::command_line::settings;
use crate::support::{Database, Installation, Running, free_address};

/// Runs a command to its end: its code and its last line.
async fn run(house: &Installation, command: &str, key: &str, url: &str) -> (Option<i32>, String) {
    let mut settings = settings(key);
    settings.push(("DATABASE_URL", url));
    let ended = house.run(&[command], &settings).await;
    (ended.code, ended.err.lines().last().unwrap_or_default().to_owned())
}

async fn refuses(house: &Installation, commands: &[&str], url: &str, what_to_do: &str) {
    let key = RootKeys::generate();
    for command in commands {
        let (code, said) = run(house, command, &key, url).await;
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(
            said.starts_with("maskline: the database that DATABASE_URL names cannot be used: "),
            "{said}"
        );
        assert!(said.contains(what_to_do), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_which_nothing_would_work_is_refused_and_left_as_it_was() {
    let house = Installation::new();
    for options in [
        "TEMPLATE template0 LOCALE 'C' ENCODING 'LATIN1'",
        "TEMPLATE template0 LOCALE 'C' ENCODING 'WIN1252'",
        "TEMPLATE template0 LOCALE 'C' ENCODING 'SQL_ASCII'",
    ] {
        let database = Database::made(options).await;
        refuses(&house, &["migrate", "serve"], &database.url, "ENCODING 'UTF8'").await;
        // Fails if somebody made it before.
        database.execute("CREATE TABLE __diesel_schema_migrations ()").await;
    }
    let database = Database::empty().await;
    let name = database.one("SELECT current_database()").await;
    let set = async |setting: &str| database.execute(&format!("ALTER DATABASE {name} {setting}")).await;
    set("SET session_replication_role = 'replica'").await;
    refuses(&house, &["migrate", "serve"], &database.url, "RESET session_replication_role").await;
    set("RESET session_replication_role").await;
    // It may be writable again soon, so that a server routes calls meanwhile by what it knows.
    set("SET default_transaction_read_only = on").await;
    refuses(&house, &["migrate"], &database.url, "RESET default_transaction_read_only").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_database_that_are_in_the_way_do_not_count_in_our_sessions() {
    let (house, database) = (Installation::new(), Database::empty().await);
    let name = database.one("SELECT current_database()").await;
    for setting in ["default_transaction_isolation = 'serializable'", "standard_conforming_strings = off"] {
        database.execute(&format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    let migrated = run(&house, "migrate", &RootKeys::generate(), &database.url).await;
    assert_eq!(migrated.0, Some(0), "{}", migrated.1);
}

/// Becomes a pooler before a PostgreSQL on a socket, with a database for each way of pooling.
const POOLER: &str = r#"set -e
cd "$1"
for mode in session transaction statement; do
    echo "$mode = host='$3' port=5432 user=maskline dbname=$4 pool_mode=$mode"
done >databases
{ echo '[databases]'; cat databases; echo '[pgbouncer]'; } >pgbouncer.ini
printf 'listen_addr=127.0.0.1\nlisten_port=%s\nunix_socket_dir=\nauth_type=any\n' "$2" >>pgbouncer.ini
PATH="$PATH:/usr/sbin"
exec pgbouncer pgbouncer.ini"#;

/// A pooler before a database, and its address.
async fn pooler(house: &Installation, database: &Database) -> (Running, String) {
    let field = |name: &str| {
        let mut fields = database.url.split_once('?').unwrap().1.split('&');
        fields.find_map(|field| field.strip_prefix(name)).unwrap().replace("%2F", "/")
    };
    let address = free_address();
    let name = database.one("SELECT current_database()").await;
    let arguments = [&*address.port().to_string(), &*field("host="), &*name];
    let (_, mut command) = house.without_root("pooler", POOLER, &arguments);
    let mut running = Running::start(&mut command);
    running.until("process up").await;
    (running, format!("postgres://maskline@{address}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_sessions_is_worked_with_and_one_of_transactions_or_statements_is_refused() {
    let (house, database) = (Installation::new(), Database::empty().await);
    let (_pooler, url) = pooler(&house, &database).await;
    for mode in ["transaction", "statement"] {
        refuses(&house, &["migrate", "serve"], &format!("{url}/{mode}"), "pool_mode = session").await;
    }
    let (key, by_session) = (RootKeys::generate(), format!("{url}/session"));
    let migrated = run(&house, "migrate", &key, &by_session).await;
    assert_eq!(migrated.0, Some(0), "{}", migrated.1);
    let mut settings = settings(&key);
    settings.push(("DATABASE_URL", &by_session));
    let mut server = house.start(&["serve"], &settings);
    server.until("\"ready\"").await;
    let ready = crate::support::http().get(format!("http://{}/readyz", house.address));
    assert_eq!(ready.timeout(Duration::from_secs(30)).send().await.unwrap().status(), 200);
    server.signal("TERM");
    assert_eq!(server.ended().await.code, Some(0));
}
