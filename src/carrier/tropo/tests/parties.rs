//! How a party's number is read, case by case.

use serde_json::{Value, json};

use super::number;
use crate::carrier::tropo::wire::{Event, Party, read};

fn party(fields: &Value) -> Party {
    let body = json!({ "session": { "from": fields } }).to_string();
    match read(body.as_bytes()) {
        Ok(Event::Session(session)) => session.from.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_is_the_first_of_its_spellings_that_holds() {
    for (fields, expected) in [
        (json!({ "e164Id": "14155550123", "id": "4155550199" }), "+14155550123"),
        (json!({ "e164Id": "+14155550123" }), "+14155550123"),
        (json!({ "e164Id": "4155550123", "id": "4155550199" }), "+14155550199"),
        (json!({ "e164Id": "Unknown", "id": "4155550199" }), "+14155550199"),
        (json!({ "e164Id": null, "id": "442079460123" }), "+442079460123"),
        (json!({ "id": "+442079460123" }), "+442079460123"),
        (json!({ "id": "4155550123" }), "+14155550123"),
        (json!({ "id": "14155550123" }), "+14155550123"),
        (json!({ "id": 4_155_550_123_u64 }), "+14155550123"),
        (json!({ "id": "442079460123" }), "+442079460123"),
        (json!({ "id": "390612345678" }), "+390612345678"),
        (json!({ "id": "1-415-555-0123" }), "+14155550123"),
        (json!({ "id": "+44 20 7946-0123" }), "+442079460123"),
        (json!({ "id": "(415) 555-0123" }), "+14155550123"),
        (json!({ "e164Id": "+1-415-555-0123", "id": "415-555-0199" }), "+14155550123"),
        (json!({ "id": "\u{200e}415\u{2212}555\u{2212}0123" }), "+14155550123"),
        (json!({ "name": "+14155550123" }), "+14155550123"),
        (json!({ "id": null, "name": "+1-415-555-0123" }), "+14155550123"),
        (json!({ "id": " ", "name": "+442079460123" }), "+442079460123"),
        (json!({ "id": "254187123456", "e164Id": "254187123456" }), "+254187123456"),
        (json!({ "id": "254187123456" }), "+254187123456"),
        (json!({ "id": "+12735550123" }), "+12735550123"),
        (json!({ "e164Id": "12735550123", "id": "2735550123" }), "+12735550123"),
        (json!({ "id": "+905822123456" }), "+905822123456"),
        (json!({ "id": "4930901820", "name": "ten digits that are no number of +1" }), "+4930901820"),
    ] {
        assert_eq!(party(&fields).number(), Some(number(expected)), "{fields}");
    }
}

#[test]
fn whoever_hides_or_has_no_number_is_hidden() {
    for id in [
        "Unknown",
        "unknown",
        "anonymous",
        "Anonymous",
        "0000000000000",
        "sip:4155550123@sip.tropo.com",
        "+4155550123000000",
        "+0014155550123",
        "+00000000000",
        "+11111111111",
        "+9991234567890",
        "+7000000000",
        "+33000000000",
        "tel:anonymous",
        "4155550123\u{202e}",
        "415\u{0}5550123",
        "bob",
        "sip:bob@192.0.2.1",
        "9991427589",
        "4155550123@sip.tropo.com",
        "415555O123",
        "911",
        "123",
        "+123",
        "+",
        "0000000000",
        "99999999999999",
        "14155550123;ext=5",
        "+14155550123,+14155550124",
    ] {
        assert_eq!(party(&json!({ "id": id, "name": "+14155550123" })).number(), None, "{id}");
    }
    let long = json!({ "id": "x".repeat(500), "e164Id": "1".repeat(500) });
    assert_eq!(party(&long).number(), None);
    assert_eq!(party(&json!({})).number(), None);
}

#[test]
fn candidates_are_all_spellings_the_likeliest_first() {
    let candidates = |fields: Value| party(&fields).candidates().collect::<Vec<_>>();
    let both = json!({ "e164Id": "14075550150", "id": "4075550150" });
    assert_eq!(candidates(both), ["+14075550150", "+14075550150", "+4075550150"].map(number));
    assert_eq!(candidates(json!({ "id": "9995550150" })), ["+19995550150", "+9995550150"].map(number));
    assert_eq!(candidates(json!({ "id": "+14075550150" })), [number("+14075550150")]);
    assert_eq!(candidates(json!({ "id": "Unknown" })), []);
    assert_eq!(candidates(json!({ "id": "é".repeat(5) })), []);
}

#[test]
fn words_typed_on_keys_and_numbers_that_nobody_has_are_hidden() {
    let cases = include_str!("../../../../tests/fixtures/numbers/callers.tsv");
    let ids = cases.lines().filter_map(|line| line.split_once('\t')).map(|(id, _)| id);
    let others = [
        "+266696687",
        "+17378742833",
        "+86282452253",
        "+186282452253",
        "+1266696687",
        "+7748283",
        "+94844353",
        "+194844353",
        "+688632732",
    ];
    for id in ids.filter(|id| !id.starts_with('#')).chain(others) {
        let digits = id.trim_start_matches('+');
        for fields in [
            json!({ "id": id }),
            json!({ "id": digits }),
            json!({ "id": digits, "e164Id": digits }),
            json!({ "id": digits, "e164Id": id, "name": id }),
            json!({ "id": "Unknown", "e164Id": digits }),
            json!({ "name": id }),
        ] {
            assert_eq!(party(&fields).number(), None, "{fields}");
        }
    }
    for name in ["14155550123", "John 5", "sip.tropo.com", "192.0.2.1", "+", "+1415555012345678"] {
        assert_eq!(party(&json!({ "name": name })).number(), None, "{name}");
    }
}
