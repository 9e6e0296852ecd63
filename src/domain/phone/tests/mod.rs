//! How numbers are read, refused and shown.

mod every_region;

use super::*;

fn parse(text: &str) -> Result<String, Refusal> {
    let number = PhoneNumber::parse(text, Country::US)?;
    number.line_kind(Allowed { voip: true, new_ranges: false })?;
    Ok(number.e164())
}

#[test]
fn usual_writings_become_one_e164_number() {
    for text in [
        "+14155550123",
        "tel:+14155550123",
        "+1 (415) 555-0123",
        "415.555.0123",
        "1-415-555-0123",
        "４１５ ５５５ ０１２３",
        "٤١٥٥٥٥٠١٢٣",
        " (415) 555‑0123 ",
    ] {
        assert_eq!(parse(text).as_deref(), Ok("+14155550123"), "{text}");
    }
    assert_eq!(parse("+390612345678").as_deref(), Ok("+390612345678"));
    let london = PhoneNumber::parse("020 7946 0123", "GB".parse().unwrap()).unwrap();
    assert_eq!(london.e164(), "+442079460123");
    let rome = PhoneNumber::parse("06 1234 5678", "IT".parse().unwrap()).unwrap();
    assert_eq!(rome.e164(), "+390612345678");
    assert_eq!(rome.line_kind(Allowed::default()), Ok(LineKind::FixedLine));
}

#[test]
fn countries_are_those_of_the_plan_not_of_the_dialling_code() {
    for (text, country) in [
        ("+14155550123", "US"),
        ("+18095551212", "DO"),
        ("+18765551212", "JM"),
        ("+14735551212", "GD"),
        ("+17875551212", "PR"),
        ("+18675551212", "CA"),
        ("+447911123456", "GG"),
        ("+442079460123", "GB"),
        ("+390612345678", "IT"),
    ] {
        let number = PhoneNumber::from_e164(text).unwrap();
        assert_eq!(number.country().map(|country| country.to_string()).as_deref(), Some(country), "{text}");
    }
}

#[test]
fn lines_that_cost_extra_or_are_no_phones_are_refused_with_the_reason() {
    for (text, refusal) in [
        ("+19005551212", Refusal::PremiumRate),
        ("+448712345678", Refusal::PremiumRate),
        ("+449012345678", Refusal::PremiumRate),
        ("+18005551212", Refusal::TollFree),
        ("+15005550006", Refusal::NotALine),
        ("+447012345678", Refusal::NotALine),
        ("+881612345678", Refusal::NoCountry),
        ("+870773111632", Refusal::NoCountry),
        ("+1911", Refusal::ShortCode),
        ("+112", Refusal::ShortCode),
        ("911", Refusal::ShortCode),
        ("+14155550123;ext=5", Refusal::Extension),
        ("415 555 0123 x5", Refusal::Extension),
        ("+10005550123", Refusal::NotValid),
        ("+999123456789", Refusal::NotValid),
        ("", Refusal::Empty),
        ("   ", Refusal::Empty),
    ] {
        assert_eq!(parse(text), Err(refusal), "{text}");
    }
}

#[test]
fn addresses_parameters_and_odd_characters_are_no_numbers() {
    for text in [
        "sip:1@sip.tropo.com",
        "+14155550123;postd=1234",
        "+1415\u{202e}5550123",
        "+1415555\u{0}0123",
        ".;phone-context=",
        "+dwPAA;phone-context=AA",
        "+14155550123,+14155550124",
        "++14155550123",
        "Unknown",
        &"4".repeat(400),
    ] {
        assert_eq!(parse(text), Err(Refusal::NotANumber), "{text:?}");
    }
}

#[test]
fn a_number_shows_itself_only_when_asked() {
    let number = PhoneNumber::from_e164("+14155550123").unwrap();
    assert_eq!(format!("{number:?}"), "PhoneNumber(…)");
    assert_eq!(number.grouped(), "+1 415-555-0123");
    assert_eq!(number.last_two(), "23");
}

#[test]
fn only_the_strict_form_is_read_back() {
    for text in
        ["14155550123", "+0155550123", "+123456", "+1234567890123456", "+1415555012a", "+1 4155550123"]
    {
        assert!(PhoneNumber::from_e164(text).is_none(), "{text}");
    }
}

/// The rows of a table of cases, each as its columns.
fn rows(cases: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = cases.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

fn country(code: &str) -> Country {
    code.parse().unwrap()
}

#[test]
fn numbers_that_rang_strangers_or_were_refused_are_read_as_they_were_meant() {
    for row in rows(include_str!("../../../../tests/fixtures/numbers/numbers.tsv")) {
        let [kind, default, typed, right, line, region] = row[..] else { panic!("{row:?}") };
        let new_ranges = kind == "J";
        let parsed = PhoneNumber::parse(typed, country(default)).and_then(|number| {
            let found = number.line_kind(Allowed { voip: false, new_ranges })?;
            Ok((number, found))
        });
        if right == "refuse" {
            assert!(parsed.is_err(), "{row:?}");
            continue;
        }
        let Ok((number, found)) = parsed else { panic!("{row:?}: {parsed:?}") };
        assert_eq!(number.e164(), right, "{row:?}");
        assert!(number.is_in(&[country(region)]), "{row:?}");
        let fits = match found {
            LineKind::FixedLine => line == "fixed",
            LineKind::Mobile => line == "mobile",
            LineKind::FixedLineOrMobile => line == "either" || new_ranges,
            LineKind::Voip => false,
        };
        assert!(fits, "{row:?}: {found:?}");
        if new_ranges {
            assert_eq!(number.line_kind(Allowed::default()), Err(Refusal::NotInPlan));
            assert_eq!(number.grouped(), right);
        }
    }
}

#[test]
fn what_is_pasted_with_marks_or_in_other_scripts_is_read() {
    for row in rows(include_str!("../../../../tests/fixtures/numbers/paste.tsv")) {
        let [default, _, escaped, right] = row[..] else { panic!("{row:?}") };
        let mut pieces = escaped.split("\\u");
        let mut typed = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (code, rest) = piece.split_at(4);
            typed.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
            typed.push_str(rest);
        }
        let parsed = PhoneNumber::parse(&typed, country(default));
        assert_eq!(parsed.map(|number| number.e164()).as_deref(), Ok(right), "{row:?}");
        for wrong in ['\u{202e}', '\u{0}'] {
            typed.push(wrong);
            assert_eq!(PhoneNumber::parse(&typed, country(default)), Err(Refusal::NotANumber), "{row:?}");
            typed.pop();
        }
    }
}

#[test]
fn numbers_are_read_as_they_are_dialled_at_home() {
    for (default, typed, right) in [
        ("US", "(415) 555-0123", "+14155550123"),
        ("US", "1 415 555 0123", "+14155550123"),
        ("US", "011 44 20 7946 0123", "+442079460123"),
        ("US", "011 44 (0)20 7946 0123", "+442079460123"),
        ("US", "00 44 20 7946 0123", "+442079460123"),
        ("US", "787 555 0123", "+17875550123"),
        ("AG", "460 1234", "+12684601234"),
        ("GB", "020 7946 0123", "+442079460123"),
        ("GB", "20 7946 0123", "+442079460123"),
        ("GB", "44 20 7946 0123", "+442079460123"),
        ("GB", "44 (0) 20 7946 0123", "+442079460123"),
        ("GB", "(+44) (0)20 7946 0123", "+442079460123"),
        ("GB", "00 1 415 555 0123", "+14155550123"),
        ("GG", "01481 256789", "+441481256789"),
        ("GG", "256789", "+441481256789"),
        ("JE", "01534 712345", "+441534712345"),
        ("IM", "01624 756789", "+441624756789"),
        ("JP", "090-1234-5678", "+819012345678"),
        ("JP", "010 49 30 23125 123", "+493023125123"),
        ("KR", "010-1234-5678", "+821012345678"),
        ("KR", "82 10-1234-5678", "+821012345678"),
        ("DE", "030 23125 123", "+493023125123"),
        ("DE", "0049 (0)30 23125 123", "+493023125123"),
        ("IT", "06 1234 5678", "+390612345678"),
        ("IT", "39 06 1234 5678", "+390612345678"),
        ("IT", "+39 (0)6 1234 5678", "+390612345678"),
        ("VA", "06 698 12345", "+390669812345"),
        ("SM", "0549 886377", "+3780549886377"),
        ("SM", "886377", "+3780549886377"),
        ("HU", "06 1 234 5678", "+3612345678"),
        ("HU", "06 20 123 4567", "+36201234567"),
        ("HU", "+36 06 20 123 4567", "+36201234567"),
        ("CI", "01 23 45 67 89", "+2250123456789"),
        ("AR", "011 15 2345-6789", "+5491123456789"),
        ("AR", "11 15 2345-6789", "+5491123456789"),
        ("AR", "0343 15 555 1212", "+5493435551212"),
        ("AR", "+54 9 11 2345 6789", "+5491123456789"),
        ("AR", "011 4123-4567", "+541141234567"),
        ("MX", "55 1234 5678", "+525512345678"),
        ("BR", "0 15 11 96123-4567", "+5511961234567"),
        ("BR", "0 21 2123-4567", "+552121234567"),
        ("BR", "0 21 21 2123-4567", "+552121234567"),
        ("BR", "+55 (0)11 96123-4567", "+5511961234567"),
        ("RU", "8 (812) 123-45-67", "+78121234567"),
        ("RU", "812 123 45 67", "+78121234567"),
        ("RU", "7 812 123 45 67", "+78121234567"),
        ("RU", "8~10 49 30 23125 123", "+493023125123"),
        ("RU", "8~10 81 3-1234-5678", "+81312345678"),
        ("KZ", "8~10 855 91 234 567", "+85591234567"),
        ("IT", "390 612 3456", "+393906123456"),
        ("BR", "011 96123-4567", "+5511961234567"),
        ("KZ", "8 701 234 56 78", "+77012345678"),
        ("KZ", "701 234 56 78", "+77012345678"),
        ("KZ", "7 701 234 56 78", "+77012345678"),
        ("AX", "018 12345", "+35818 12345"),
        ("AX", "0457 123 4567", "+3584571234567"),
        ("US", "+358 18 12345", "+35818 12345"),
        ("FI", "+358 (0)18 12345", "+35818 12345"),
        ("PL", "48 123 45 67", "+48481234567"),
        ("LT", "8 612 34567", "+37061234567"),
        ("CK", "71 234", "+68271234"),
        ("NU", "4002", "+6834002"),
        ("KE", "000 254 712 345 678", "+254712345678"),
    ] {
        let parsed = PhoneNumber::parse(typed, country(default));
        let right = right.replace(' ', "");
        assert_eq!(parsed.map(|number| number.e164()), Ok(right), "{default}: {typed}");
    }
}

#[test]
fn a_zero_in_brackets_is_left_out_where_no_plan_has_it() {
    for (typed, right) in [
        ("+34 (0) 912 34 56 78", "+34912345678"),
        ("+48 (0) 22 123 45 67", "+48221234567"),
        ("+36 (0) 1 234 5678", "+3612345678"),
        ("+420 (0) 601 123 456", "+420601123456"),
        ("+7 (0) 812 123 45 67", "+78121234567"),
        ("+351 (0) 212 345 678", "+351212345678"),
        ("+47 (0) 412 34 567", "+4741234567"),
        ("+45 (0) 32 12 34 56", "+4532123456"),
        ("+30 (0) 21 0123 4567", "+302101234567"),
        ("+65 (0) 6123 4567", "+6561234567"),
        ("+1 (0) 415 555 0123", "+14155550123"),
        ("0034 (0) 912 34 56 78", "+34912345678"),
        // Not a new range with the zero kept.
        ("+39 (0) 347 123 4567", "+393471234567"),
        ("+39 (0) 6 1234 5678", "+390612345678"),
    ] {
        let parsed = PhoneNumber::parse(typed, country("DE"));
        assert_eq!(parsed.map(|number| number.e164()).as_deref(), Ok(right), "{typed}");
    }
    // Ascension's plan has it with the zero, as a company's number.
    let ascension = PhoneNumber::parse("+247 (0) 62889", Country::US).unwrap();
    assert_eq!(ascension.line_kind(Allowed { voip: true, new_ranges: true }), Err(Refusal::NotALine));
    for (default, typed) in [("IT", "0347 123 4567"), ("DE", "+34 (00) 912 34 56 78")] {
        assert_eq!(PhoneNumber::parse(typed, country(default)), Err(Refusal::NotValid), "{typed}");
    }
}

#[test]
fn a_slash_stands_behind_an_area_code_and_a_tilde_behind_an_8() {
    for (default, typed, right) in [
        ("DE", "030/23125 123", "+493023125123"),
        ("DE", "+49 30/23125 123", "+493023125123"),
        ("DE", "+49 (0)30 / 23125 123", "+493023125123"),
        ("US", "01149 30/23125 123", "+493023125123"),
        ("DE", "033056/12345", "+493305612345"),
        ("BE", "0470/12.34.56", "+32470123456"),
        ("US", "415/555-0123", "+14155550123"),
        ("RU", "8 ~ 10 49 30 23125 123", "+493023125123"),
    ] {
        let parsed = PhoneNumber::parse(typed, country(default));
        assert_eq!(parsed.map(|number| number.e164()).as_deref(), Ok(right), "{default}: {typed}");
    }
    for (default, typed) in [
        ("US", "+49 30 1234567/8"),
        ("DE", "030 1234567/8"),
        ("DE", "030 1234567／68"),
        ("DE", "030/1234567/8"),
        ("US", "415 555 0123/4"),
        ("US", "555 0123/0124"),
        ("GG", "256789/90"),
        ("DE", "34567/34568"),
        ("DE", "02641/1"),
        ("US", "+4/93023125123"),
        ("US", "+49 30 1234567~8"),
        ("RU", "812 123 45 67~8"),
        ("RU", "8~812 123 45 67"),
        ("RU", "8~~10 49 30 23125 123"),
    ] {
        assert_eq!(
            PhoneNumber::parse(typed, country(default)),
            Err(Refusal::Ambiguous),
            "{default}: {typed}"
        );
    }
}

#[test]
fn what_could_be_another_number_is_refused() {
    for (default, typed, refusal) in [
        // Another country's trunk prefix, or code, in this country.
        ("US", "030 23125 123", Refusal::NotValid),
        ("GB", "0152 28817386", Refusal::NotValid),
        ("US", "44 20 7946 0123", Refusal::NotValid),
        ("US", "+1 1 415 555 0123", Refusal::NotValid),
        ("US", "+375 801 123 45670", Refusal::NotValid),
        ("GB", "+7 8 (812) 123-45-67", Refusal::NotValid),
        ("US", "+011 44 20 7946 0123", Refusal::NotValid),
        ("US", "+00 44 20 7946 0123", Refusal::NotValid),
        // Half of Japan reads it with 00 in front, half of Tennessee with 008.
        ("KR", "0081 90 1234 5678", Refusal::Ambiguous),
        // With the code and no plus, or an area code without the 0 that is dialed there.
        ("DE", "4915123456789", Refusal::Ambiguous),
        ("SE", "468123456", Refusal::Ambiguous),
        // Mexico's mobile prefix of until 2019.
        ("US", "+52 1 55 1234 5678", Refusal::NotValid),
        ("US", "555 0123", Refusal::NotValid),
        ("AD", "112", Refusal::ShortCode),
        ("FO", "112", Refusal::ShortCode),
        ("DE", "110", Refusal::ShortCode),
        ("US", "41411", Refusal::ShortCode),
        ("US", "+1 000 555 0123", Refusal::NotValid),
    ] {
        assert_eq!(PhoneNumber::parse(typed, country(default)), Err(refusal), "{default}: {typed}");
    }
}

#[test]
fn countries_that_share_numbers_share_them() {
    let mobile = PhoneNumber::from_e164("+358412345678").unwrap();
    for (code, is_in) in [("AX", true), ("FI", true), ("SE", false)] {
        assert_eq!(mobile.is_in(&[country(code)]), is_in, "{code}");
    }
    let guernsey = PhoneNumber::from_e164("+447911123456").unwrap();
    assert!(guernsey.is_in(&[country("GG")]) && !guernsey.is_in(&[country("GB")]));
    let new = PhoneNumber::from_e164("+254187123456").unwrap();
    assert!(new.is_in(&[country("KE")]) && !new.is_in(&[country("US")]));
}
