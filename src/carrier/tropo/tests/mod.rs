//! Tests of Tropo's protocols against published and recorded requests and replies.

mod documents;
mod failing;
mod parties;
mod pretend;
mod provisioning;
mod robustness;
mod sessions;

use serde_json::Value;

use crate::domain::phone::PhoneNumber;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tropo");

/// A recorded case by its file's name without `.json`.
fn vector(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FIXTURES}/{name}.json")).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// All recorded cases of a kind with their names.
fn vectors(kind: &str) -> Vec<(String, Value)> {
    let files = std::fs::read_dir(FIXTURES).unwrap().map(|file| file.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let cases = names.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let case = vector(&name);
        (name, case)
    });
    let cases: Vec<_> = cases.filter(|(_, case)| case["kind"] == kind).collect();
    assert!(!cases.is_empty(), "no cases of the kind {kind}");
    cases
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_e164(text).expect(text)
}
