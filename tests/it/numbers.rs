//! Real numbers: which are taken, how they are proved, what limits the codes, and who holds a number.

use chrono::TimeDelta;
use maskline::domain::ids::UserId;
use maskline::domain::limits::Limits;
use serde_json::json;

use crate::support::{CALLER, CODE_SENDER, Client, Options, Page, REAL, TestApp};

const SECOND: &str = "+14075550102";

/// Asks for a code.
async fn ask(client: &mut Client, path: &str, channel: &str) -> Page {
    let token = client.get("/numbers/new").await.hidden("csrf");
    client.post(path, &[("csrf", &token), ("channel", channel)]).await
}

/// Types a code.
async fn type_code(client: &mut Client, path: &str, code: &str) -> Page {
    let token = client.get("/numbers/new").await.hidden("csrf");
    client.post(&format!("{path}/code"), &[("csrf", &token), ("code", code)]).await
}

fn id_of(path: &str) -> &str {
    path.split('/').nth(2).unwrap()
}

/// Another code than this one.
fn not(code: &str) -> String {
    let digits: u32 = code.parse().unwrap();
    format!("{:06}", (digits + 1) % 1_000_000)
}

fn assert_refused(page: &Page, words: &str) {
    assert_eq!(page.status, 422, "{}", page.text);
    assert!(page.words().contains(words), "no {words:?} in {}", page.words());
}

fn assert_sent(page: &Page) {
    assert_eq!(page.status, 303, "{}", page.words());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_writings_of_a_number_are_one_number() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    for writing in [
        "(407) 555-0101",
        "407.555.0101",
        " 1 407 555 0101 ",
        "+1 (407) 555-0101",
        "tel:+14075550101",
        "４０７５５５０１０１",
        "+١٤٠٧٥٥٥٠١٠١",
    ] {
        assert_eq!(app.register(&mut ada, writing).await, path, "{writing}");
    }
    assert_eq!(app.database.one("SELECT count(*) FROM numbers").await, "1");
    assert!(ada.get(&path).await.words().contains("+1 407-555-0101"));
    let british = app.register(&mut ada, "+44 (0)20 7946 0123").await;
    assert_eq!(app.register(&mut ada, "\u{202d}011 44 20\u{2212}7946\u{2212}0123\u{202c}").await, british);
    assert!(ada.get(&british).await.words().contains("+44 20 7946 0123"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_may_not_be_used_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (_, mask) = app.mask(&mut ada, &number).await;
    let long = "4".repeat(65);
    for (typed, words) in [
        ("", "Type a phone number."),
        ("my phone", "That is not a phone number."),
        (&long, "That is not a phone number."),
        ("+1407\u{202e}5550102", "That is not a phone number."),
        ("+1407\u{0}5550102", "That is not a phone number."),
        ("sip:1@sip.tropo.com", "That is not a phone number."),
        ("+14155550123;postd=1234", "That is not a phone number."),
        (".;phone-context=", "That is not a phone number."),
        ("+dwPAA;phone-context=AA", "That is not a phone number."),
        ("407 555 0102 ext. 5", "Extensions cannot be called directly."),
        ("+14155550123;ext=5", "Extensions cannot be called directly."),
        ("911", "Emergency numbers and short codes cannot be used."),
        ("64192", "Emergency numbers and short codes cannot be used."),
        ("+15", "Emergency numbers and short codes cannot be used."),
        ("+1 407 555 01022", "No country has a number like that."),
        ("+44 20 7946 012", "No country has a number like that."),
        ("+1 273 555 0102", "We do not know numbers that begin like that."),
        ("+1 123 456 7890", "No country has a number like that."),
        ("+19005551212", "That is a premium-rate or shared-cost number."),
        ("+448712345678", "That is a premium-rate or shared-cost number."),
        ("+18005551212", "That is a toll-free number."),
        ("+15005550006", "That kind of number (personal, pager, voicemail or company-wide)"),
        ("+447012345678", "That kind of number (personal, pager, voicemail or company-wide)"),
        ("+881612345678", "Satellite and other numbers outside of any country cannot be used."),
        (
            "+18095551212",
            "in a country that is not served here. Numbers can be from the United States, Canada, the United Kingdom.",
        ),
        ("+390612345678", "in a country that is not served here."),
        ("+447911123456", "in a country that is not served here."),
        // A mask of anybody's; that it is one, nobody is told.
        (&mask, "That number cannot be used here."),
    ] {
        let page = ada.submit("/numbers/new", "/numbers", &[("number", typed)]).await;
        assert!(page.status == 422 && page.words().contains(words), "{typed:?}: {}", page.words());
    }
    assert_eq!(app.database.one("SELECT count(*) FROM numbers").await, "1");
    // Where the operator allows what the plans do not have yet, that is the one of them which is taken.
    let user = app.database.one("SELECT id FROM users WHERE email LIKE 'ada%'").await.parse().unwrap();
    let allowing = app.with_rules(|rules| rules.allowed.new_ranges = true);
    for (typed, is_taken) in
        [("+1 273 555 0102", true), ("+1 123 456 7890", false), ("+1 407 555 01022", false)]
    {
        assert_eq!(allowing.add_number(UserId(user), typed).await.is_ok(), is_taken, "{typed}");
    }
    let page = ada.submit("/numbers/new", "/numbers", &[("number", "+18005551212")]).await;
    assert!(page.text.contains("value=\"+18005551212\""), "what was typed is kept: {}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_says_the_code_slowly_and_twice_and_the_launch_gives_nothing_away() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    assert_sent(&ask(&mut ada, &path, "voice").await);
    let page = ada.get(&path).await.words();
    assert!(page.contains("a voice then says") || page.contains("A voice said six digits, twice"), "{page}");
    let code = app.simulator.code(REAL).await;
    let phone = app.simulator.get(&format!("/simulator/phones/{REAL}")).await;
    let heard = phone["calls"][0]["heard"].to_string();
    let slowly = code.split("").filter(|digit| !digit.is_empty()).collect::<Vec<_>>().join(", ");
    assert_eq!(heard.matches(&slowly).count(), 2, "{heard}");
    // First of all it is said who calls, without a digit of the code.
    let first = phone["calls"][0]["heard"][0].as_str().unwrap();
    assert!(
        first.contains("This is Maskline with the code that you asked for.") && first.contains("press 1"),
        "{first}"
    );
    assert!(!first.contains(&slowly) && !first.contains(&code), "{first}");
    assert_eq!(phone["calls"][0]["from"], CODE_SENDER);

    // The carrier was told a token and a name that means nothing to it.
    let launch = &app.simulator.launches().await[0];
    let posted = launch["steps"].as_array().unwrap().iter().find(|step| step["kind"] == "asks").unwrap();
    let parameters = posted["data"]["session"]["parameters"].as_object().unwrap();
    let mut names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["action", "token", "verification"]);
    let reference = parameters["verification"].as_str().unwrap();
    assert_eq!(reference.len(), 36, "{reference}");

    // The code is nowhere in the database, nor is the number.
    let everything = app.database.dump().await;
    let mut words = everything.split(|character: char| !character.is_ascii_alphanumeric());
    assert!(words.all(|word| word != code), "{everything}");
    assert!(!everything.contains("4075550101"), "{everything}");
    let proved = type_code(&mut ada, &path, &code).await;
    assert_eq!(proved.location(), "/masks");

    // The same right code once more is no error, nor is a look at the page.
    assert_eq!(type_code(&mut ada, &path, &code).await.location(), "/masks");
    assert_eq!(ada.get(&path).await.location(), "/masks");
    assert_eq!(ask(&mut ada, &path, "voice").await.location(), "/masks");
    assert_eq!(app.simulator.launches().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_is_played_again_or_made_up_says_nothing() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    ask(&mut ada, &path, "voice").await;
    let code = app.simulator.code(REAL).await;
    let reference = app.database.one("SELECT id FROM verifications").await;
    let session = |id: &str, reference: &str| {
        let parameters = json!({ "verification": reference, "action": "create" });
        json!({"session": { "id": id, "accountId": "33932", "parameters": parameters }}).to_string()
    };
    for (path, body) in [
        ("/tropo/transfer", session("another", &reference)),
        ("/tropo/message", session("another", &reference)),
        ("/tropo/transfer", session("another", "00000000-0000-4000-8000-000000000000")),
        ("/tropo/transfer", session("another", "'; DROP TABLE verifications")),
    ] {
        let answer = app.webhook(path, body).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"tropo": [{"hangup": null}]})));
    }
    assert_eq!(type_code(&mut ada, &path, &code).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_carries_the_code_and_a_landline_takes_none() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    assert_refused(&ask(&mut ada, &path, "pigeon").await, "Choose a call or a text.");
    assert_sent(&ask(&mut ada, &path, "text").await);
    assert!(ada.get(&path).await.words().contains("six digits from +1 989-555-0150. Type them here."));
    let code = app.simulator.code(REAL).await;
    let phone = app.simulator.get(&format!("/simulator/phones/{REAL}")).await;
    let text = phone["texts"][0]["text"].as_str().unwrap();
    assert!(text.contains(&code) && text.contains("10 minutes"), "{text}");
    assert_eq!(text.lines().last(), Some(format!("@127.0.0.1 #{code}").as_str()), "{text}");
    assert_eq!(phone["texts"][0]["from"], CODE_SENDER);
    assert_eq!(phone["calls"], json!([]));
    let bengali: String =
        code.chars().map(|digit| char::from_u32(0x9e6 - 0x30 + u32::from(digit)).unwrap()).collect();
    assert_eq!(type_code(&mut ada, &path, &format!("\u{200e}{bengali}")).await.location(), "/masks");

    let landline = "+442079460123";
    let path = app.register(&mut ada, landline).await;
    let page = ada.get(&path).await;
    assert!(page.words().contains("This is a landline, which takes no texts."), "{}", page.words());
    assert_refused(&ask(&mut ada, &path, "text").await, "cannot be reached that way");
    let phone = app.simulator.get(&format!("/simulator/phones/{landline}")).await;
    assert_eq!((&phone["texts"], &phone["calls"]), (&json!([]), &json!([])));
    // The refusal used nothing up.
    assert_sent(&ask(&mut ada, &path, "voice").await);
    let code = app.simulator.code(landline).await;
    assert_eq!(type_code(&mut ada, &path, &code).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_burn_it() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    assert_refused(&type_code(&mut ada, &path, "123456").await, "There is no code to type any more");
    ask(&mut ada, &path, "voice").await;
    let code = app.simulator.code(REAL).await;
    for typed in ["", "12345", "1234567", "12345a"] {
        assert_refused(&type_code(&mut ada, &path, typed).await, "Type the six digits of the code.");
    }
    for words in [
        "You have 4 more tries.",
        "You have 3 more tries.",
        "You have 2 more tries.",
        "You have one more try.",
        "it was the last try. Ask for another code.",
    ] {
        assert_refused(&type_code(&mut ada, &path, &not(&code)).await, words);
    }
    assert_refused(&type_code(&mut ada, &path, &code).await, "There is no code to type any more");
    assert_eq!(app.database.one("SELECT count(*) FROM numbers WHERE verified_at IS NOT NULL").await, "0");
    assert!(!ada.get(&path).await.words().contains("Type them here"), "a burnt code is not asked for");

    app.clock.advance(TimeDelta::minutes(1));
    assert_sent(&ask(&mut ada, &path, "voice").await);
    let code = app.simulator.code_after(REAL, 1).await;
    let typed = format!(" {} {} ", &code[..3], &code[3..]);
    assert_eq!(type_code(&mut ada, &path, &typed).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_counted_one_by_one() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    ask(&mut ada, &path, "voice").await;
    let wrong = not(&app.simulator.code(REAL).await);
    let guesses = (0..12).map(|_| {
        let (mut ada, path, wrong) = (ada.clone(), path.clone(), wrong.clone());
        async move { type_code(&mut ada, &path, &wrong).await.words() }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let compared = |words: &&String| words.contains("That is not the code") || words.contains("That was not");
    assert_eq!(answers.iter().filter(compared).count(), 5, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_ends_by_the_clock_and_by_the_next_one() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    ask(&mut ada, &path, "voice").await;
    let first = app.simulator.code(REAL).await;
    app.clock.advance(TimeDelta::minutes(1));
    ask(&mut ada, &path, "voice").await;
    let second = app.simulator.code_after(REAL, 1).await;
    assert_refused(&type_code(&mut ada, &path, &first).await, "That is not the code.");
    app.clock.advance(TimeDelta::minutes(10));
    assert_refused(
        &type_code(&mut ada, &path, &second).await,
        "There is no code to type any more: it ran out",
    );

    assert_sent(&ask(&mut ada, &path, "voice").await);
    let third = app.simulator.code_after(REAL, 2).await;
    app.clock.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
    assert_eq!(type_code(&mut ada, &path, &third).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_opens_one_number_of_one_user_and_holds_up_nobody() {
    let app = TestApp::start().await;
    let (mut ada, mut bob) = (app.signed_in("ada").await, app.signed_in("bob").await);
    let first = app.register(&mut ada, REAL).await;
    let second = app.register(&mut ada, SECOND).await;
    let of_bob = app.register(&mut bob, REAL).await;
    for path in [&first, &second] {
        assert_sent(&ask(&mut ada, path, "voice").await);
    }
    let (code, other) = (app.simulator.code(REAL).await, app.simulator.code(SECOND).await);
    assert_refused(&type_code(&mut ada, &second, &code).await, "That is not the code.");
    assert_refused(&type_code(&mut ada, &first, &other).await, "That is not the code.");
    // Bob was sent none yet; Ada's opens nothing for him, and his pages are not hers.
    assert_refused(&type_code(&mut bob, &of_bob, &code).await, "There is no code to type any more");
    for page in [
        ada.get(&of_bob).await,
        ask(&mut ada, &of_bob, "voice").await,
        type_code(&mut ada, &of_bob, &code).await,
        ada.get(&format!("/numbers/{}/removal", id_of(&of_bob))).await,
        ada.submit("/numbers/new", &format!("/numbers/{}/removal", id_of(&of_bob)), &[]).await,
    ] {
        assert_eq!(page.status, 404, "{}", page.text);
    }

    // Ada's code on the way does not keep Bob from proving the number at the same minute.
    assert_sent(&ask(&mut bob, &of_bob, "voice").await);
    app.simulator.code_after(REAL, 1).await;
    let codes = app.simulator.codes(REAL).await;
    let of_bobs = codes.iter().find(|known| **known != code).unwrap();
    assert_refused(&type_code(&mut bob, &of_bob, &code).await, "That is not the code.");
    assert_eq!(type_code(&mut bob, &of_bob, of_bobs).await.location(), "/masks");

    // Sealed twice, the two rows of one number look different, and are found by the same digest.
    let (first, of_bob) = (id_of(&first), id_of(&of_bob));
    let query = format!(
        "SELECT count(*), count(DISTINCT sealed), count(DISTINCT lookup) FROM numbers WHERE id IN ('{first}', '{of_bob}')"
    );
    assert_eq!(app.database.one(&query).await, "2|2|1");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_between_codes_grow_and_five_a_day_are_enough() {
    let limits = Limits::default();
    assert_eq!(limits.code_waits, [1, 2, 5, 15].map(TimeDelta::minutes));
    assert_eq!((limits.codes_per_user_and_number, limits.code_tries), (5, 5));
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    for (minutes, words) in
        [(1, "in 1 minute"), (2, "in 2 minutes"), (5, "in 5 minutes"), (15, "in 15 minutes")]
    {
        assert_sent(&ask(&mut ada, &path, "voice").await);
        let said = format!("You can ask for another code {words}.");
        assert!(ada.get(&path).await.words().contains(&said), "{said}");
        let told = format!("A code went out a moment ago. You can ask for another {words}.");
        assert_refused(&ask(&mut ada, &path, "voice").await, &told);
        app.clock.advance(TimeDelta::minutes(minutes) - TimeDelta::seconds(1));
        assert_refused(&ask(&mut ada, &path, "text").await, "in less than a minute");
        app.clock.advance(TimeDelta::seconds(1));
    }
    assert_sent(&ask(&mut ada, &path, "voice").await);
    app.clock.advance(TimeDelta::minutes(15));
    let refused = ask(&mut ada, &path, "voice").await;
    let told =
        "This number was sent as many codes as it may be in a day. You can ask for another in 24 hours.";
    assert_refused(&refused, told);
    // Whoever opens the page again is told the same.
    let page = ada.get(&path).await;
    assert!(page.words().contains("You can ask for another code in 24 hours."), "{}", page.words());
    assert!(!page.text.contains("value=\"voice\""), "no form that would only be refused: {}", page.text);

    // Removing the number and adding it again is no way around.
    ada.submit("/masks", &format!("/numbers/{}/removal", id_of(&path)), &[]).await;
    let path = app.register(&mut ada, REAL).await;
    assert_refused(&ask(&mut ada, &path, "voice").await, told);
    assert_eq!(app.database.one("SELECT count(*) FROM verifications").await, "0");
    assert_eq!(app.simulator.launches().await.len(), 5);

    // A day after the first of them, one is free again.
    app.clock.advance(TimeDelta::hours(24) - TimeDelta::minutes(38));
    assert_sent(&ask(&mut ada, &path, "voice").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_is_sent_ten_codes_a_day_whoever_asks() {
    assert_eq!(Limits::default().codes_per_number, 10);
    let app = TestApp::start().await;
    let (mut ada, mut bob) = (app.signed_in("ada").await, app.signed_in("bob").await);
    let (of_ada, of_bob) = (app.register(&mut ada, REAL).await, app.register(&mut bob, REAL).await);
    for minutes in [1, 2, 5, 15, 0] {
        assert_sent(&ask(&mut ada, &of_ada, "voice").await);
        assert_sent(&ask(&mut bob, &of_bob, "voice").await);
        app.clock.advance(TimeDelta::minutes(minutes));
    }
    app.clock.advance(TimeDelta::hours(2));
    let mut eve = app.signed_in("eve").await;
    let of_eve = app.register(&mut eve, REAL).await;
    let told =
        "This number was sent as many codes as it may be in a day. You can ask for another in 22 hours.";
    assert_refused(&ask(&mut eve, &of_eve, "voice").await, told);
    let another = app.register(&mut eve, SECOND).await;
    assert_sent(&ask(&mut eve, &another, "voice").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_five_codes_an_hour_and_ten_a_day() {
    assert_eq!(Limits::default().codes_per_user, (5, 10));
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let mut paths = vec![];
    for line in 101..106 {
        paths.push(app.register(&mut ada, &format!("+14075550{line}")).await);
    }
    let one_more = ada.submit("/numbers/new", "/numbers", &[("number", "+14075550106")]).await;
    assert_refused(&one_more, "You have 5 numbers that wait to be proved.");
    for path in &paths {
        assert_sent(&ask(&mut ada, path, "voice").await);
    }
    app.clock.advance(TimeDelta::minutes(2));
    let told = "You asked for as many codes as you may. You can ask for another in 58 minutes.";
    assert_refused(&ask(&mut ada, &paths[0], "voice").await, told);
    app.clock.advance(TimeDelta::minutes(58));
    for path in &paths {
        assert_sent(&ask(&mut ada, path, "text").await);
    }
    app.clock.advance(TimeDelta::hours(1));
    let told = "You asked for as many codes as you may. You can ask for another in 22 hours.";
    assert_refused(&ask(&mut ada, &paths[0], "voice").await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_an_area_and_the_house_have_their_limits() {
    let limits = Limits::default();
    assert_eq!(limits.codes_per_address, (10, 50));
    assert_eq!((limits.codes_per_area, limits.codes_in_all), (20, 200));
    let limits = Limits { codes_per_address: (2, 3), codes_per_area: 6, codes_in_all: 10, ..limits };
    let trusted_proxies = vec!["127.0.0.0/8"];
    let app = TestApp::with(Options { limits, trusted_proxies, ..Options::default() }).await;
    let people = [app.signed_in("ada").await, app.signed_in("bob").await];
    let mut turn = 0;
    let mut from = async |address: &str, number: &str| {
        turn += 1;
        let mut somebody = people[turn % 2].clone();
        somebody.extra = vec![("x-forwarded-for", address.to_owned())];
        let path = app.register(&mut somebody, number).await;
        ask(&mut somebody, &path, "voice").await
    };
    assert_sent(&from("203.0.113.7", "+14075550101").await);
    assert_sent(&from("203.0.113.8", "+14075550102").await);
    let told = "Many codes were asked for from your network. You can ask for another in 1 hour.";
    assert_refused(&from("203.0.113.250", "+14075550103").await, told);
    assert_sent(&from("2001:db8:0:1::7", "+14075550103").await);
    // Those who have not verified a number yet have had their half of the area's six.
    let told = "We are sending no more codes for the moment. You can ask for one in 1 hour.";
    assert_refused(&from("2001:db8:0:1:ffff::9", "+14075550104").await, told);
    assert_sent(&from("2001:db8:0:1:ffff::9", "+13055550104").await);
    let told = "Many codes were asked for from your network.";
    assert_refused(&from("2001:db8:0:1::8", "+13055550105").await, told);
    // A neighbor network counts for itself; then they have had their half of all ten.
    app.clock.advance(TimeDelta::minutes(30));
    assert_sent(&from("2001:db8:0:2::8", "+13055550105").await);
    let told = "We are sending no more codes for the moment. You can ask for one in 30 minutes.";
    assert_refused(&from("198.51.100.1", "+442079460105").await, told);
    assert_eq!(app.simulator.launches().await.len(), 5);
    // The other half is for those who have.
    app.database.execute(
        "UPDATE numbers SET verified_at = created_at WHERE id IN \
         (SELECT DISTINCT ON (user_id) id FROM numbers WHERE verified_at IS NULL ORDER BY user_id, created_at)",
    ).await;
    assert_sent(&from("198.51.100.1", "+442079460106").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_surely_sent_nothing_uses_nothing_up() {
    let mut app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    app.simulator.fault(json!({"kind": "forbidden", "resource": "sessions", "times": 6})).await;
    let counted = app.database.one("SELECT count(*) FROM rate_events").await;
    for _ in 0..6 {
        let page = ask(&mut ada, &path, "voice").await;
        assert_refused(&page, "did not take our request. Nothing was used up");
        assert!(!page.words().contains("Type them here"), "no code is on its way: {}", page.words());
    }
    assert_eq!(app.database.one("SELECT count(*) FROM rate_events").await, counted);
    // At once, without a wait.
    assert_sent(&ask(&mut ada, &path, "voice").await);
    app.simulator.code(REAL).await;
    app.clock.advance(TimeDelta::minutes(1));
    app.without_carrier().await;
    let page = ask(&mut ada, &path, "voice").await;
    assert_refused(&page, "did not take our request. Nothing was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_answer_of_the_carrier_is_told_as_unclear() {
    let app = TestApp::start().await;
    let mut ada = app.signed_in("ada").await;
    let path = app.register(&mut ada, REAL).await;
    let unclear = "We could not tell whether the code went out.";
    for (kind, minutes) in [("server-error", 1), ("html", 2), ("reset-before", 5), ("reset-after", 15)] {
        app.simulator.fault(json!({"kind": kind, "resource": "sessions", "times": 1})).await;
        let page = ask(&mut ada, &path, "voice").await;
        assert_eq!((page.status, page.location()), (303, path.clone()), "{kind}: {}", page.words());
        let page = ada.get(&path).await.words();
        assert!(page.contains(unclear) && page.contains("Type them here"), "{kind}: {page}");
        // It may have gone out, so it counts.
        assert_refused(&ask(&mut ada, &path, "voice").await, "A code went out a moment ago.");
        if kind != "reset-after" {
            app.clock.advance(TimeDelta::minutes(minutes));
        }
    }
    // The last did go out, only the answer was lost: the code is good.
    let code = app.simulator.code(REAL).await;
    assert_eq!(type_code(&mut ada, &path, &code).await.location(), "/masks");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_proves_a_number_now_holds_it() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (mask_path, mask) = app.mask(&mut ada, &number).await;
    app.clock.advance(TimeDelta::hours(1));
    let (_, of_bob) = app.with_number("bob", REAL).await;

    let letter = app.simulator.letter("ada@example.com").await;
    assert!(letter.contains("the phone number ending in 01 is theirs now"), "{letter}");
    assert!(!letter.contains("5550101") && !letter.contains("bob"), "{letter}");
    assert!(!ada.get("/masks").await.words().contains("+1 407-555-0101"));
    let trace = app.simulator.call(CALLER, &mask, "answered", 5).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    assert!(trace["heard"].to_string().contains("not in service"), "{trace}");

    // The mask comes back only onto a number that Ada has proved.
    let restoration = format!("{mask_path}/restoration");
    for fields in [vec![], vec![("number_id", of_bob.as_str())], vec![("number_id", number.as_str())]] {
        let page = ada.submit("/masks", &restoration, &fields).await;
        assert_refused(&page, "The number it led to is gone.");
    }
    let waiting = app.register(&mut ada, "+14075550103").await;
    let page = ada.submit("/masks", &restoration, &[("number_id", id_of(&waiting))]).await;
    assert_refused(&page, "The number it led to is gone.");
    let another = app.prove(&mut ada, SECOND).await;
    let page = ada.get(&mask_path).await;
    assert!(page.words().contains("Which of your numbers should it ring now?"), "{}", page.words());
    let back = ada.submit(&mask_path, &restoration, &[("number_id", &another)]).await;
    assert_eq!(back.location(), mask_path);
    let trace = app.simulator.call(CALLER, &mask, "answered", 5).await;
    assert_eq!(trace["rang"], json!([SECOND]), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_holds_three_numbers() {
    assert_eq!(Limits::default().numbers_per_user, 3);
    let app = TestApp::start().await;
    let (mut ada, _) = app.with_number("ada", REAL).await;
    app.prove(&mut ada, SECOND).await;
    let fourth = app.register(&mut ada, "+14075550104").await;
    app.prove(&mut ada, "+14075550103").await;
    assert!(!ada.get("/masks").await.text.contains("href=\"/numbers/new\""));
    let page = ada.submit("/numbers/new", "/numbers", &[("number", "+14075550105")]).await;
    assert_refused(&page, "You can have 3 numbers. Remove one before you add another.");
    assert_sent(&ask(&mut ada, &fourth, "voice").await);
    let code = app.simulator.code("+14075550104").await;
    let page = type_code(&mut ada, &fourth, &code).await;
    assert_refused(&page, "You have proved 3 numbers, as many as there may be. Remove one first.");
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_number_ends_its_masks_at_once() {
    let app = TestApp::start().await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let (mask_path, mask) = app.mask(&mut ada, &number).await;
    let waiting = app.register(&mut ada, SECOND).await;
    let removal = format!("/numbers/{}/removal", id_of(&waiting));
    assert!(ada.get(&removal).await.words().contains("No mask rings it, so nothing else changes."));
    assert_eq!(ada.submit(&removal, &removal, &[]).await.location(), "/masks");
    assert_eq!(ada.get(&waiting).await.status, 404);

    let removal = format!("/numbers/{number}/removal");
    let page = ada.get(&removal).await.words();
    assert!(page.contains("One mask rings it and ends with it, at once:"), "{page}");
    assert!(page.contains("For 45 days you can bring it back, onto another number"), "{page}");
    assert_eq!(ada.submit(&removal, &removal, &[]).await.location(), "/masks");
    let trace = app.simulator.call(CALLER, &mask, "answered", 5).await;
    assert_eq!(trace["rang"], json!([]), "{trace}");
    assert!(trace["heard"].to_string().contains("not in service"), "{trace}");
    assert_eq!(app.database.one("SELECT count(*) FROM numbers").await, "0");
    assert!(ada.get(&mask_path).await.words().contains("Not in service, can be restored"));
    // Nothing is given back before the rest is over.
    assert_eq!(app.simulator.ledger().await.1, Vec::<String>::new());
    assert_eq!(ada.submit("/numbers/new", &removal, &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_that_is_being_bought_for_a_removed_number_rings_nobody_and_is_not_kept() {
    let app = TestApp::with(Options { work: false, ..Options::default() }).await;
    let (mut ada, number) = app.with_number("ada", REAL).await;
    let early = ada.wish(&number, &[("area", "same")]).await.location();
    let removal = format!("/numbers/{number}/removal");
    assert_eq!(ada.submit(&removal, &removal, &[]).await.location(), "/masks");
    app.work().await;
    assert_eq!(app.simulator.ledger().await.0, Vec::<String>::new(), "nothing is bought for nobody");
    let page = ada.get(&early).await.words();
    assert!(page.contains("Nothing was used up."), "{page}");

    // Bought already, and only the answer was lost: it is found, and rests.
    let number = app.prove(&mut ada, SECOND).await;
    let late = ada.wish(&number, &[("area", "same")]).await.location();
    app.simulator
        .fault(json!({"kind": "reset-after", "method": "POST", "resource": "addresses", "times": 1}))
        .await;
    app.app.step().await.unwrap();
    let removal = format!("/numbers/{number}/removal");
    assert_eq!(ada.submit(&removal, &removal, &[]).await.location(), "/masks");
    app.clock.advance(TimeDelta::seconds(1));
    app.work().await;
    let page = ada.get(&late).await.words();
    assert!(page.contains("Not in service, can be restored"), "{page}");
    assert_eq!(app.simulator.ledger().await.0.len(), 1);
    app.clock.advance(TimeDelta::days(45));
    app.work().await;
    let (bought, released) = app.simulator.ledger().await;
    assert_eq!(bought, released);
}
