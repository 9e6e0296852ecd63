//! What a thief finds who has all but the key: a dump of the database, every file of the state folder, the log. No real
//! number and no caller is in them, in any form that can be turned back without the key.
//!
//! Whatever a server writes into its state folder is looked at by itself; what makes it write more belongs into the
//! story.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::support::{Client, Database, Installation, PASSWORD, Simulated};

/// Numbers of people: hers by a spoken code, hers by a written one, and those of callers.
const NUMBERS: [&str; 5] = ["+14075550131", "+13125550132", "+14155550133", "+12125550134", "+442079460135"];
const EMAIL: &str = "ada.of.the.dump@example.com";
/// Of the state folder, what belongs to the pretend telephone company, which knows who calls whom.
const ANOTHER_COMPANY: &str = "simulator";

/// The dump as the tools of PostgreSQL make it, wherever a package has put them.
const DUMP: &str = r#"found=$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | tail -n1)
exec "$(dirname "$(readlink -f "$found")")/pg_dump" --inserts -d "$1""#;

/// Bytes that tell a number, and in which form.
struct Trace {
    form: String,
    bytes: Vec<u8>,
    /// Whether it tells a number only where no other letter or digit stands beside it.
    alone: bool,
}

/// How a number may be written down.
fn written(number: &str) -> Vec<String> {
    let digits = &number[1..];
    let national = if number.starts_with("+44") { &digits[2..] } else { &digits[1..] };
    let (area, exchange, line) = (&national[..3], &national[3..6], &national[6..]);
    let mut all: Vec<String> = [number, digits, national].map(str::to_owned).to_vec();
    for between in ["-", " ", ".", "\u{a0}"] {
        all.push([area, exchange, line].join(between));
        all.push([exchange, line].join(between));
    }
    all.push(format!("({area}) {exchange}"));
    all.push(digits.chars().rev().collect());
    all
}

/// The letters of a text's base64 that stay the same whatever stands before and after it.
fn in_base64(text: &[u8], before: usize) -> [String; 2] {
    let padded = [&vec![0; before], text].concat();
    let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)].map(|coded| coded[from..to].to_owned())
}

/// The digest of a text in hexadecimal digits, by a program of the system.
fn digest(program: &str, text: &str) -> String {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    maskline::secrets::hex(bytes)
}

/// Everything by which somebody without the key would know the number.
fn traces(number: &str) -> Vec<Trace> {
    let mut all = vec![];
    let mut add = |form: String, bytes: Vec<u8>| all.push(Trace { form, bytes, alone: false });
    for text in written(number) {
        add(format!("{text:?}"), text.clone().into_bytes());
    }
    for text in &written(number)[..3] {
        let mut coded = vec![hex(text.as_bytes()), hex(text.as_bytes()).to_uppercase()];
        coded.extend((0..3).flat_map(|before| in_base64(text.as_bytes(), before)));
        for coded in coded {
            add(format!("{text} as {coded}"), coded.into_bytes());
        }
        for program in ["sha256sum", "sha1sum", "md5sum"] {
            let found = digest(program, text);
            let raw = bytes_of(&found);
            add(format!("{program} of {text}, as base64"), in_base64(&raw, 0)[0].clone().into_bytes());
            add(format!("{program} of {text}, as bytes"), raw);
            add(format!("{program} of {text}"), found.into_bytes());
        }
        let figure: u64 = text.trim_start_matches('+').parse().unwrap();
        add(format!("{text} as a figure"), figure.to_be_bytes().to_vec());
        add(format!("{text} as a figure"), figure.to_le_bytes().to_vec());
    }
    let last = number[number.len() - 7..].to_owned();
    all.push(Trace { form: format!("the last digits {last}"), bytes: last.into_bytes(), alone: true });
    all
}

/// The forms in which the numbers are found in the bytes.
fn found(bytes: &[u8], traces: &[Trace]) -> Vec<String> {
    let mut by_start: HashMap<[u8; 2], Vec<&Trace>> = HashMap::new();
    for trace in traces {
        by_start.entry([trace.bytes[0], trace.bytes[1]]).or_default().push(trace);
    }
    let is_beside = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    let mut found = vec![];
    for at in 0..bytes.len().saturating_sub(1) {
        for trace in by_start.get(&[bytes[at], bytes[at + 1]]).into_iter().flatten() {
            let neighbours =
                [at.checked_sub(1).and_then(|at| bytes.get(at)), bytes.get(at + trace.bytes.len())];
            let fits = !trace.alone || !neighbours.into_iter().any(is_beside);
            if fits && bytes[at..].starts_with(&trace.bytes) {
                found.push(trace.form.clone());
            }
        }
    }
    found
}

fn assert_silent(what: &str, bytes: &[u8], traces: &[Trace]) {
    let told = found(bytes, traces);
    assert!(told.is_empty(), "{what} tells {told:?}");
}

/// Looks at every file of a folder but the other company's; tells how many there were.
fn look_through(folder: &Path, traces: &[Trace]) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_silent("a file's name", path.to_str().unwrap().as_bytes(), traces);
        if path.is_dir() && path.file_name().is_some_and(|name| name != ANOTHER_COMPANY) {
            files += look_through(&path, traces);
        } else if path.is_file() {
            assert_silent(path.to_str().unwrap(), &fs::read(&path).unwrap(), traces);
            files += 1;
        }
    }
    files
}

/// The records of calls that wait on disk, the file of each.
fn spooled(state: &Path) -> Vec<PathBuf> {
    let folders =
        fs::read_dir(state.join("servers")).unwrap().map(|server| server.unwrap().path().join("spool"));
    folders.flat_map(|spool| fs::read_dir(spool).unwrap()).map(|file| file.unwrap().path()).collect()
}

fn dump(database: &Database) -> Vec<u8> {
    let output = Command::new("sh").args(["-c", DUMP, "sh", &database.url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Signs up, proves a number by a call and another by a text, and gets a mask for each: their paths and numbers.
async fn begin(ada: &mut Client, simulator: &Simulated) -> [(String, String); 2] {
    ada.submit("/sign-up", "/sign-up", &[("email", EMAIL)]).await;
    let letter = simulator.letter_that(EMAIL, |letter| letter.contains("/links/")).await;
    let link = letter[letter.find("/links/").unwrap()..].split_whitespace().next().unwrap();
    let chosen = ada.submit(link, link, &[("new_password", PASSWORD)]).await;
    assert_eq!(chosen.location(), "/masks", "{}", chosen.words());
    let spoken = ada.prove(simulator, NUMBERS[0]).await;
    let path = ada.register(NUMBERS[1]).await;
    ada.submit(&path, &path, &[("channel", "text")]).await;
    let code = simulator.code(NUMBERS[1]).await;
    let proved = ada.submit(&path, &format!("{path}/code"), &[("code", &code)]).await;
    assert_eq!(proved.location(), "/masks", "{}", proved.words());
    [ada.mask(&spoken).await, ada.mask(path.split('/').nth(2).unwrap()).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_everything_but_the_key_learns_no_number() {
    let (house, database) = (Installation::new(), Database::create().await);
    let mut running = house.start(
        &["develop"],
        &[("DATABASE_URL", &database.url), ("MASKLINE_LOG", "debug"), ("MASKLINE_LOG_FORMAT", "json")],
    );
    running.until("\"channel\":\"VOICE\"}}}'\n").await;
    let simulator = Simulated::new(house.simulator);
    let mut ada = Client::new(format!("http://{}", house.address));
    let [(page, mask), (_, other)] = begin(&mut ada, &simulator).await;
    for (caller, answer) in [
        (NUMBERS[2], "answered"),
        (NUMBERS[3], "busy"),
        (NUMBERS[4], "no-answer"),
        (NUMBERS[0], "answered"),
        ("Unknown", "answered"),
    ] {
        simulator.call(caller, &mask, answer, 7).await;
        simulator.call(caller, &other, answer, 7).await;
    }
    let log = ada.until(&page, |page| page.text.contains("+44 20 7946 0135")).await;
    assert!(log.words().contains("+1 415-555-0133"), "{}", log.words());
    let traces: Vec<Trace> = NUMBERS.iter().flat_map(|number| traces(number)).collect();
    let (state, before) = (house.path("var"), dump(&database));
    look_through(&state, &traces);

    // With the database away, calls go on, and what happens to them lies on disk.
    database.let_in(false).await;
    simulator.call(NUMBERS[3], &other, "answered", 7).await;
    let patience = Instant::now() + Duration::from_mins(1);
    while spooled(&state).is_empty() {
        assert!(Instant::now() < patience, "nothing was laid down");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    look_through(&state, &traces);
    database.let_in(true).await;
    ada.until(&page, |page| page.status == 200).await;

    let revocation = format!("{page}/revocation");
    assert_eq!(ada.submit(&revocation, &revocation, &[]).await.location(), page);
    simulator.call(NUMBERS[2], &mask, "answered", 7).await;
    let number = database.one("SELECT number_id AS id FROM masks WHERE state = 'resting'").await;
    let removal = format!("/numbers/{number}/removal");
    assert_eq!(ada.submit(&removal, &removal, &[]).await.status, 303);
    let after = dump(&database);
    running.signal("TERM");
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);

    for (what, dump) in [("the dump before the end", before), ("the dump after it", after)] {
        let text = String::from_utf8_lossy(&dump);
        let kept = [EMAIL, &mask, "INSERT INTO public.calls", "INSERT INTO public.numbers", "caller_lookup"];
        assert!(kept.into_iter().all(|kept| text.contains(kept)), "{what} is not whole");
        assert_silent(what, &dump, &traces);
    }
    assert!(ended.err.contains("records of calls are not written"), "the log was looked at");
    assert_silent("the log", ended.err.as_bytes(), &traces);
    assert!(look_through(&state, &traces) > 0, "the state folder was looked at");
}

#[test]
fn every_form_of_a_number_would_be_seen() {
    let traces = traces(NUMBERS[0]);
    for told in [
        "call +14075550131 now",
        "(407) 555-0131",
        "407.555.0131",
        "ends in 5550131.",
        "KzE0MDc1NTUwMTMx",
        "eyJuIjoiKzE0MDc1NTUwMTMxIn0",
        "2b3134303735353530313331",
        &digest("sha256sum", NUMBERS[0]),
        &digest("md5sum", "4075550131"),
    ] {
        assert!(!found(told.as_bytes(), &traces).is_empty(), "{told}");
    }
    assert!(!found(&bytes_of(&digest("sha1sum", "14075550131")), &traces).is_empty());
    assert!(found(b"0a5550131f +14075550132", &traces).is_empty());
}
