//! What an operator meets: defaults, every mistake at once, no secret in a message, an example that is complete.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;

use super::limits::LIMITS;
use super::names::SETTINGS;
use super::*;
use crate::config::development::{self, RELAXED};
use crate::domain::limits::Limits;
use crate::seal::RootKeys;

const EXAMPLE: &str = include_str!("../../.env.example");

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What must be set where only this machine reaches us.
fn least() -> Variables {
    let key = RootKeys::generate();
    variables(&[
        ("MASKLINE_SECRET_KEY", &key),
        ("TROPO_USERNAME", "ada"),
        ("TROPO_PASSWORD", "a-password"),
        ("TROPO_MASKING_APP_ID", "123456"),
        ("TROPO_WEBHOOK_KEY", "wfRkv3_8hJ2mQpT0xZ6dLc"),
    ])
}

fn with(pairs: &[(&str, &str)]) -> Variables {
    let mut all = least();
    all.extend(variables(pairs));
    all
}

/// The names of the settings that a start complains about.
fn complaints(variables: &Variables) -> Vec<String> {
    let problems = Serve::read(variables).unwrap_err();
    let name = |problem: &String| problem.split([' ', ':']).next().unwrap().to_owned();
    problems.sentences().iter().map(name).collect()
}

#[test]
fn little_has_to_be_set_on_loopback() {
    let serve = Serve::read(&least()).unwrap();
    let listen = "127.0.0.1:8080".parse().unwrap();
    assert_eq!(serve.site.listen, Listen::Port(listen));
    assert_eq!(serve.site.address(Some(listen)).as_str(), "http://127.0.0.1:8080/");
    assert!(serve.database.url.is_none());
    assert_eq!(serve.database.private.to_str(), Some("var/postgres"));
    assert_eq!(serve.account.url.as_str(), "https://api.tropo.com/v1/");
    assert!(serve.provisioned.voice_token.is_none());
    assert_eq!(serve.mail.folder().unwrap().to_str(), Some("var/mail"));
    assert!(serve.mail.mailer(&serve.site.address(serve.site.listen.port())).is_ok());
    assert_eq!(serve.rules.number_countries, ["US".parse().unwrap()]);
    assert_eq!(serve.rules.limits, Limits::default());
    assert_eq!(serve.log.format, telemetry::Format::Json);
}

#[test]
fn a_free_port_is_in_the_address_and_a_public_url_stays_what_it_is() {
    let bound = Some("127.0.0.1:4711".parse().unwrap());
    let serve = Serve::read(&with(&[("MASKLINE_LISTEN", "127.0.0.1:0")])).unwrap();
    assert_eq!(serve.site.address(bound).as_str(), "http://127.0.0.1:4711/");
    let serve = Serve::read(&with(&[("MASKLINE_PUBLIC_URL", "http://localhost:9000")])).unwrap();
    assert_eq!(serve.site.address(bound).as_str(), "http://localhost:9000/");
}

#[test]
fn a_unix_socket_is_a_place_to_listen_where_it_is_said_how_people_get_there() {
    let socket = ("MASKLINE_LISTEN", "unix:/run/maskline.sock");
    assert_eq!(complaints(&with(&[socket])), ["MASKLINE_PUBLIC_URL"]);
    // Who may open the file is a proxy that is trusted.
    let mail = [("MASKLINE_MAIL", "folder:mail"), ("MASKLINE_MAIL_FROM", "masks@example.com")];
    let https = ("MASKLINE_PUBLIC_URL", "https://masks.example.com");
    let serve = Serve::read(&with(&[socket, https, mail[0], mail[1]])).unwrap();
    assert_eq!(serve.site.listen.to_string(), "unix:/run/maskline.sock");
    assert_eq!(serve.site.address(None).as_str(), "https://masks.example.com/");
    for wrong in ["unix:", "unix:maskline.sock", "/run/maskline.sock", "8080"] {
        let names = ["MASKLINE_LISTEN", "MASKLINE_WEBHOOK_LISTEN"];
        assert_eq!(complaints(&with(&names.map(|name| (name, wrong)))), names, "{wrong}");
    }
    let webhook = |listen| with(&[("MASKLINE_WEBHOOK_LISTEN", listen)]);
    for near in ["127.0.0.1:8082", "unix:/run/maskline-calls.sock"] {
        assert_eq!(Serve::read(&webhook(near)).unwrap().webhook_listen.unwrap().to_string(), near);
    }
    assert_eq!(complaints(&webhook("0.0.0.0:8082")), ["MASKLINE_WEBHOOK_LISTEN"]);
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let missing = complaints(&Variables::new());
    let expected = [
        "MASKLINE_SECRET_KEY",
        "TROPO_USERNAME",
        "TROPO_PASSWORD",
        "TROPO_MASKING_APP_ID",
        "TROPO_WEBHOOK_KEY",
    ];
    assert_eq!(BTreeSet::from_iter(missing), BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn every_value_that_is_wrong_is_told_at_once_and_none_is_shown() {
    let wrong = "hunter2 is wrong";
    let free_text = [
        "MASKLINE_STATE",
        "TROPO_USERNAME",
        "TROPO_PASSWORD",
        "TROPO_MASKING_APP_ID",
        "TROPO_ACCOUNT_ID",
        "TROPO_VOICE_TOKEN",
        "TROPO_MESSAGING_TOKEN",
    ];
    // The key is complained about by the name of the setting that is not expected beside it, and where the simulator
    // listens is no matter of the server.
    let elsewhere = ["MASKLINE_SECRET_KEY", "MASKLINE_SIMULATOR_LISTEN"];
    let checked: BTreeSet<&str> =
        all_names().filter(|name| !free_text.contains(name) && !elsewhere.contains(name)).collect();
    let all: Variables = all_names().map(|name| (name.to_owned(), wrong.to_owned())).collect();
    let told: BTreeSet<String> = complaints(&all).into_iter().collect();
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), checked);
    assert!(!Serve::read(&all).unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn metrics_are_served_where_strangers_do_not_come_by() {
    let listen = |address| with(&[("MASKLINE_METRICS_LISTEN", address)]);
    assert_eq!(Serve::read(&least()).unwrap().metrics, None);
    for address in ["127.0.0.1:9464", "[::1]:9464", "10.0.0.5:9464", "[fd00::5]:9464", "[::ffff:10.0.0.5]:1"]
    {
        let serve = Serve::read(&listen(address)).unwrap();
        assert_eq!(serve.metrics, Some(address.parse().unwrap()));
    }
    for address in
        ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "[2001:db8::1]:9464", "9464", "localhost:1"]
    {
        assert_eq!(complaints(&listen(address)), ["MASKLINE_METRICS_LISTEN"], "{address}");
    }
}

#[test]
fn a_misspelt_name_is_a_mistake() {
    let problems =
        Serve::read(&with(&[("MASKLINE_LISTN", "x"), ("TROPO_QUITE_ELSE", "y"), ("PATH", "/bin")]));
    assert_eq!(
        problems.unwrap_err().sentences(),
        [
            "MASKLINE_LISTN is not a setting: did you mean MASKLINE_LISTEN?",
            "TROPO_QUITE_ELSE is not a setting"
        ]
    );
}

#[test]
fn what_others_could_read_along_is_refused() {
    for url in ["http://masks.example.com", "ftp://localhost", "http://10.0.0.1:8080", "masks.example.com"] {
        assert!(complaints(&with(&[("MASKLINE_PUBLIC_URL", url)])).contains(&"MASKLINE_PUBLIC_URL".into()));
        assert_eq!(complaints(&with(&[("TROPO_URL", url)])), ["TROPO_URL"], "{url}");
    }
    for url in
        ["https://masks.example.com/path", "https://a:b@masks.example.com", "https://m.example.com/?a=b"]
    {
        assert!(complaints(&with(&[("MASKLINE_PUBLIC_URL", url)])).contains(&"MASKLINE_PUBLIC_URL".into()));
    }
    for url in ["http://localhost:8081/v1/", "http://127.1.2.3", "http://[::1]:8081/"] {
        assert!(Serve::read(&with(&[("TROPO_URL", url)])).is_ok(), "{url}");
    }
    assert_eq!(
        complaints(&with(&[("TROPO_WEBHOOK_KEY", "wfRkv3_8hJ2mQpT0xZ6dLc,short")])),
        ["TROPO_WEBHOOK_KEY"]
    );
}

#[test]
fn what_can_be_guessed_or_lets_anybody_in_is_refused_by_its_name() {
    let zeros = "A".repeat(43) + "=";
    let (same_letter, counted) = ("x".repeat(32), "abcdefghijklmnopqrstuvwxyz");
    let good = "wfRkv3_8hJ2mQpT0xZ6dLc";
    for (name, value) in [
        ("MASKLINE_SECRET_KEY", &*zeros),
        ("MASKLINE_SECRET_KEY", "ZXhhbXBsZSBleGFtcGxlIGV4YW1wbGUgZXhhbXBsZSE="),
        ("TROPO_WEBHOOK_KEY", &*same_letter),
        ("TROPO_WEBHOOK_KEY", counted),
        ("TROPO_WEBHOOK_KEY", "example-example-example"),
        ("TROPO_WEBHOOK_KEY", &format!("{good},{same_letter}")),
        ("MASKLINE_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("MASKLINE_TRUSTED_PROXIES", "::/0"),
        ("MASKLINE_TRUSTED_PROXIES", "127.0.0.1, 0.0.0.0/1, 128.0.0.0/1"),
        ("MASKLINE_TRUSTED_PROXIES", "::ffff:0.0.0.0/96"),
    ] {
        assert_eq!(complaints(&with(&[(name, value)])), [name], "{value}");
        assert!(!Serve::read(&with(&[(name, value)])).unwrap_err().to_string().contains(value), "{value}");
    }
    assert!(Serve::read(&with(&[("MASKLINE_TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8,::1")])).is_ok());
}

#[test]
fn a_server_that_others_reach_needs_an_address_and_mail() {
    let open = with(&[("MASKLINE_LISTEN", "0.0.0.0:8080")]);
    assert!(complaints(&open).contains(&"MASKLINE_PUBLIC_URL".into()));
    let public = [("MASKLINE_PUBLIC_URL", "https://masks.example.com")];
    let missing = ["MASKLINE_MAIL_FROM", "MASKLINE_MAIL", "MASKLINE_TRUSTED_PROXIES"];
    assert_eq!(complaints(&with(&public)), missing);
    let mail = [
        public[0],
        ("MASKLINE_TRUSTED_PROXIES", "127.0.0.1"),
        ("MASKLINE_MAIL", "smtp://ada:secret@mail.example.com:587?tls=required"),
        ("MASKLINE_MAIL_FROM", "Maskline <masks@example.com>"),
    ];
    let serve = Serve::read(&with(&mail)).unwrap();
    assert!(
        serve.mail.folder().is_none()
            && serve.mail.mailer(&serve.site.address(serve.site.listen.port())).is_ok()
    );
    assert!(!format!("{serve:?}").contains("secret@"));
}

#[test]
fn secrets_hide_themselves() {
    let serve = Serve::read(&with(&[
        ("TROPO_VOICE_TOKEN", "voice-token"),
        ("DATABASE_URL", "postgres://ada:db-password@db.example.com/maskline"),
    ]));
    let shown = format!("{:?}", serve.unwrap());
    for secret in ["a-password", "voice-token", "db-password", "wfRkv3_8hJ2mQpT0xZ6dLc"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn a_database_whose_password_could_end_up_in_an_error_is_refused() {
    for url in [
        "mysql://a@b/c",
        "host=db",
        "postgres://a:b@c@db/x",
        "postgres://a:b/c@db/x",
        "postgres://a:b?c@db/x",
    ] {
        assert_eq!(complaints(&with(&[("DATABASE_URL", url)])), ["DATABASE_URL"], "{url}");
    }
    for url in
        ["postgres://a:b%40c@db/x?sslmode=require", "postgresql:///x?host=/run/postgresql", "postgres://db"]
    {
        assert!(Serve::read(&with(&[("DATABASE_URL", url)])).is_ok(), "{url}");
    }
}

#[test]
fn the_secret_key_may_lie_in_a_file_that_others_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let mut all = with(&[("MASKLINE_SECRET_KEY_FILE", path.to_str().unwrap())]);
    assert!(complaints(&all).contains(&"MASKLINE_SECRET_KEY_FILE".into()));
    let key = all.remove("MASKLINE_SECRET_KEY").unwrap();
    let begin = |text: &str, mode| {
        // Nobody but root writes over a file that may only be read.
        drop(std::fs::remove_file(&path));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    let complaint = || match &*Serve::read(&all).unwrap_err().sentences().to_vec() {
        [sentence] => sentence.clone(),
        several => panic!("{several:?}"),
    };
    assert!(complaint().contains("cannot be read ("), "{}", complaint());
    for mode in [0o644, 0o602, 0o660] {
        begin(&key, mode);
        assert!(complaint().contains(&format!("open to others (its mode is {mode:o}): `chmod 600` it")));
    }
    let other = RootKeys::generate();
    for (text, said) in [
        ("", "it is empty"),
        ("not a key", "entry 1 is not base64"),
        (&format!("1:{key}\n2:{}\n", &other[4..]), "entry 2 has 29 bytes instead of 32"),
        (&format!("1:{key}\n1:{other}\n"), "the id 1 is there twice"),
        (&format!("0:{key}\n"), "entry 1 has no id from 1 to 65535"),
    ] {
        begin(text, 0o600);
        assert!(complaint().contains(said), "{said}: {}", complaint());
        assert!(!complaint().contains(&key) && !complaint().contains("not a key"), "{}", complaint());
    }
    for (text, mode) in [(format!("{key}\n"), 0o400), (format!("2:{other}\n1:{key}\n"), 0o640)] {
        begin(&text, mode);
        let serve = Serve::read(&all).unwrap();
        assert_eq!(serve.secret_key.derive("x"), RootKeys::parse(&key).unwrap().derive("x"));
    }
}

#[test]
fn limits_are_set_each_by_its_own_name() {
    let can_be_nothing = |name: &str| name.ends_with("WAIT_MINUTES") || name.starts_with("MASKLINE_PRICE_");
    for limit in LIMITS {
        let changed = Serve::read(&with(&[(limit.name, "7")])).unwrap().rules.limits;
        assert_ne!(changed, Limits::default(), "{}", limit.name);
        for (other, value) in [("0", can_be_nothing(limit.name)), ("-1", false), ("x", false)] {
            assert_eq!(Serve::read(&with(&[(limit.name, other)])).is_ok(), value, "{}={other}", limit.name);
        }
    }
    let waits = Serve::read(&with(&[("MASKLINE_LIMIT_CODE_WAIT_MINUTES", "0, 3")])).unwrap();
    assert_eq!(waits.rules.limits.code_waits, [TimeDelta::zero(), TimeDelta::minutes(3)]);
    let ringing = Serve::read(&with(&[("MASKLINE_LIMIT_RINGING_SECONDS", "30")])).unwrap();
    assert_eq!(ringing.rules.limits.ringing, TimeDelta::seconds(30));
}

/// The example as somebody has it who takes every `#` before a setting away.
fn example() -> Variables {
    assert!(
        EXAMPLE.lines().all(|line| line.is_empty() || line.starts_with('#')),
        "the example sets something"
    );
    let is_setting = |line: &&str| line.starts_with(char::is_uppercase);
    let settings = EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')).filter(is_setting);
    env_file::parse(&settings.collect::<Vec<_>>().join("\n")).unwrap()
}

#[test]
fn the_example_lists_every_setting_with_its_default() {
    let example = example();
    let names: BTreeSet<&str> = example.keys().map(String::as_str).collect();
    assert_eq!(names, all_names().collect());
    for (name, default) in SETTINGS {
        assert!(default.is_none_or(|default| example[*name] == default), "{name}");
    }
    let mut limits = example.clone();
    limits.retain(|name, _| name.starts_with("MASKLINE_LIMIT_") || name.starts_with("MASKLINE_PRICE_"));
    limits.extend(least());
    assert_eq!(Serve::read(&limits).unwrap().rules.limits, Limits::default());
}

#[test]
fn the_example_is_right() {
    let mut example = example();
    example.remove("MASKLINE_SECRET_KEY_FILE");
    // Whoever forgets to put in keys of their own is told so.
    assert_eq!(complaints(&example), ["MASKLINE_SECRET_KEY", "TROPO_WEBHOOK_KEY"]);
    let own = least();
    example.extend(
        ["MASKLINE_SECRET_KEY", "TROPO_WEBHOOK_KEY"].map(|name| (name.to_owned(), own[name].clone())),
    );
    let serve = Serve::read(&example).unwrap();
    assert!(serve.mail.mailer(&serve.site.address(serve.site.listen.port())).is_ok());
    assert_eq!(serve.webhook.networks.len(), 1);
}

#[test]
fn a_development_start_lacks_only_what_the_simulator_tells() {
    let mut made = env_file::parse(&development::text()).unwrap();
    assert_eq!(complaints(&made), ["TROPO_MASKING_APP_ID"]);
    made.insert("TROPO_MASKING_APP_ID".into(), "1".into());
    let limits = Serve::read(&made).unwrap().rules.limits;
    assert_eq!(limits.numbers_per_user, 20);
    assert!(RELAXED.iter().all(|(name, _)| LIMITS.iter().any(|limit| limit.name == *name)));
    assert!(Simulate::read(&made).is_ok());
    let again = env_file::parse(&development::text()).unwrap();
    for secret in ["MASKLINE_SECRET_KEY", "TROPO_PASSWORD", "TROPO_WEBHOOK_KEY"] {
        assert_ne!(made[secret], again[secret], "{secret}");
    }
}

#[test]
fn a_development_start_makes_its_settings_once_and_hides_them() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("var");
    development::begin(&state).unwrap();
    let path = development::path(&state);
    let first = std::fs::read_to_string(&path).unwrap();
    development::begin(&state).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn commands_ask_only_for_what_they_need() {
    assert!(database(&Variables::new()).is_ok());
    let key = least().remove("MASKLINE_SECRET_KEY").unwrap();
    assert!(Users::read(&variables(&[("MASKLINE_SECRET_KEY", &key)])).is_ok());
    let account = variables(&[("TROPO_USERNAME", "ada"), ("TROPO_PASSWORD", "x")]);
    let setup = Setup::read(&account, Some("https://tunnel.example.com")).unwrap();
    assert_eq!(setup.public_url.as_str(), "https://tunnel.example.com/");
    assert!(Setup::read(&account, Some("http://tunnel.example.com")).is_err());
}
