//! The simulated phones: any number is one. What each received, and what each does when it rings.
//!
//! It must not know who called or why: it is told.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::engine::script::Answer;

/// How many calls and how many texts are remembered, over all phones.
const REMEMBERED: usize = 1000;

/// All phones that were ever used.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Phones {
    behaviours: BTreeMap<String, Behaviour>,
    calls: VecDeque<PhoneCall>,
    texts: VecDeque<PhoneText>,
    last: u64,
}

/// What a phone does by itself when it rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behaviour {
    pub(crate) answer: Answer,
    /// How long its owner talks.
    pub(crate) seconds: u32,
    /// What its owner presses when asked to, one entry for each question. Where nobody said, nothing is pressed in a
    /// call that somebody placed; one that an application placed while nobody watched gets the key it offers first.
    pub(crate) presses: Option<Vec<String>>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { answer: Answer::Answered, seconds: 12, presses: None }
    }
}

/// A call that a phone made or received.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PhoneCall {
    pub(crate) id: u64,
    pub(crate) phone: String,
    pub(crate) received: bool,
    pub(crate) at: DateTime<Utc>,
    /// The caller ID shown, or for a call made the number dialled.
    pub(crate) other: String,
    pub(crate) outcome: String,
    /// How long they were connected.
    pub(crate) seconds: u64,
    /// The sentences spoken to this phone.
    pub(crate) heard: Vec<String>,
}

/// A text that a phone sent or received.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PhoneText {
    pub(crate) phone: String,
    pub(crate) received: bool,
    pub(crate) at: DateTime<Utc>,
    pub(crate) other: String,
    pub(crate) text: String,
}

impl Phones {
    /// Notes a call that begins, and gives the name by which it is continued.
    pub(crate) fn begin(&mut self, mut call: PhoneCall) -> u64 {
        self.last += 1;
        call.id = self.last;
        self.calls.push_front(call);
        self.calls.truncate(REMEMBERED);
        self.last
    }

    /// Goes on with a call that began.
    pub(crate) fn go_on(&mut self, id: u64, change: impl FnOnce(&mut PhoneCall)) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.id == id) {
            change(call);
        }
    }

    /// Notes a text.
    pub(crate) fn note(&mut self, text: PhoneText) {
        self.texts.push_front(text);
        self.texts.truncate(REMEMBERED);
    }

    /// The calls of a phone, the latest first.
    pub(crate) fn calls<'a>(&'a self, phone: &'a str) -> impl Iterator<Item = &'a PhoneCall> {
        self.calls.iter().filter(move |call| call.phone == phone)
    }

    /// The texts of a phone, the latest first.
    pub(crate) fn texts<'a>(&'a self, phone: &'a str) -> impl Iterator<Item = &'a PhoneText> {
        self.texts.iter().filter(move |text| text.phone == phone)
    }

    /// Every phone that was used, the latest first.
    pub(crate) fn known(&self) -> Vec<String> {
        let calls = self.calls.iter().map(|call| (call.at, &call.phone));
        let mut used: Vec<_> = calls.chain(self.texts.iter().map(|text| (text.at, &text.phone))).collect();
        used.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut known: Vec<String> = Vec::new();
        for (_, phone) in used {
            if !known.contains(phone) {
                known.push(phone.clone());
            }
        }
        known
    }

    /// What a phone does when it rings.
    pub(crate) fn behaviour(&self, phone: &str) -> Behaviour {
        self.behaviours.get(phone).cloned().unwrap_or_default()
    }

    /// Tells a phone what to do when it rings.
    pub(crate) fn behave(&mut self, phone: &str, behaviour: Behaviour) {
        self.behaviours.insert(phone.to_owned(), behaviour);
    }
}

/// The codes in something spoken or written: four to eight digits, however they are spaced, and once where
/// they are said twice.
pub(crate) fn codes(text: &str) -> Vec<String> {
    let (mut runs, mut run) = (Vec::new(), String::new());
    let mut in_markup = false;
    for character in text.chars() {
        match character {
            '<' => in_markup = true,
            '>' => in_markup = false,
            _ if in_markup => {}
            digit if digit.is_ascii_digit() => run.push(digit),
            letter if letter.is_alphabetic() => runs.push(std::mem::take(&mut run)),
            _ => {}
        }
    }
    runs.push(run);
    let mut codes: Vec<String> = runs.iter().map(|run| once(run).to_owned()).collect();
    codes.retain(|code| (4..=8).contains(&code.len()));
    codes.dedup();
    codes
}

fn once(run: &str) -> &str {
    let (first, second) = run.split_at(run.len() / 2);
    if first == second && first.len() >= 4 { first } else { run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_however_they_are_spoken() {
        for (text, expected) in [
            ("Your code is 1, 2, 3, 4, 5, 6. Again: 1, 2, 3, 4, 5, 6.", vec!["123456"]),
            ("Your code is 1 2 3 4 5 6. 1 2 3 4 5 6.", vec!["123456"]),
            ("123456 is your code", vec!["123456"]),
            ("<speak>4<break time=\"500ms\"/>0 1 2</speak>", vec!["4012"]),
            ("Press 1 to take the call.", vec![]),
            ("Καλημέρα 1234 😀 5678 end", vec!["12345678"]),
            ("", vec![]),
        ] {
            assert_eq!(codes(text), expected, "{text}");
        }
    }
}
