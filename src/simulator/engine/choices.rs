//! What a question takes for an answer: Tropo's simple grammar, as `choices` hold it.

use std::ops::RangeInclusive;

use super::signals::are_keys;

/// The answers that a question takes. Without any alternative it takes whatever is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    alternatives: Vec<Alternative>,
    mode: Mode,
    /// The key that says that all is given.
    terminator: Option<char>,
}

#[derive(Debug, Clone)]
enum Alternative {
    /// `[ANY]`: whatever a text says. Calls never match it.
    AnyText,
    /// `[4-6 DIGITS]`
    Digits(RangeInclusive<usize>),
    /// `red(red, 1)`; a phrase that stands alone is its own concept.
    Concept { name: String, phrases: Vec<String> },
    /// A grammar of another kind, such as the address of one: it takes anything here.
    Foreign,
}

/// How an answer may be given in a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Any,
    Keys,
    Speech,
}

/// An answer that was taken, in the words of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    /// The concept, or what was given where there is none.
    pub(crate) value: String,
    /// Which of its phrases was given.
    pub(crate) interpretation: String,
    /// What was given, keys with blanks between.
    pub(crate) utterance: String,
}

impl Choices {
    /// Reads `choices`: the grammar, the mode (`dtmf`, `keypad`, `speech` or `any`) and the terminating key.
    pub(crate) fn read(grammar: &str, mode: Option<&str>, terminator: Option<&str>) -> Self {
        let mode = match mode.map(str::to_ascii_lowercase).as_deref() {
            Some("dtmf" | "keypad") => Mode::Keys,
            Some("speech") => Mode::Speech,
            _ => Mode::Any,
        };
        Self {
            alternatives: alternatives(grammar),
            mode,
            terminator: terminator.and_then(|keys| keys.chars().next()),
        }
    }

    /// Takes an answer, where it is one of the choices.
    pub(crate) fn take(&self, given: &str, in_text: bool) -> Option<Match> {
        let given = given.trim();
        let pressed = self.without_terminator(given);
        let (given, keys) =
            if !in_text && are_keys(pressed) { (pressed, true) } else { (given, are_keys(given)) };
        let possible = in_text || self.mode == Mode::Any || keys == (self.mode == Mode::Keys);
        if !possible {
            return None;
        }
        let value = if self.alternatives.is_empty() {
            given.to_owned()
        } else {
            self.alternatives.iter().find_map(|alternative| alternative.value(given, in_text))?
        };
        let spaced = |keys: &str| keys.chars().map(String::from).collect::<Vec<_>>().join(" ");
        Some(Match {
            interpretation: if without_blanks(given) == value { value.clone() } else { given.to_owned() },
            utterance: if keys && !in_text { spaced(given) } else { given.to_owned() },
            value,
        })
    }

    /// Whether nothing that could be pressed after these keys would make another answer of them.
    pub(crate) fn complete(&self, keys: &str) -> bool {
        let terminated = self.terminator.is_some_and(|terminator| keys.ends_with(terminator));
        let open = self.alternatives.is_empty()
            || self.alternatives.iter().any(|alternative| alternative.goes_on_after(keys));
        terminated || !open
    }

    /// The keys that are offered first: those of the first phrase that can be pressed.
    pub(crate) fn first_offered(&self) -> Option<&str> {
        self.alternatives.iter().find_map(|alternative| match alternative {
            Alternative::Concept { phrases, .. } => {
                phrases.iter().map(String::as_str).find(|it| are_keys(it))
            }
            _ => None,
        })
    }

    fn without_terminator<'a>(&self, given: &'a str) -> &'a str {
        let ends = |terminator| given.strip_suffix::<char>(terminator);
        self.terminator.and_then(ends).filter(|rest| !rest.is_empty()).unwrap_or(given)
    }
}

impl Alternative {
    fn read(text: &str) -> Self {
        if let Some(built_in) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return Self::built_in(built_in);
        }
        if text.contains("://") || text.starts_with('<') {
            return Self::Foreign;
        }
        let (name, phrases) = match text.split_once('(') {
            Some((name, phrases)) => (name.trim(), phrases.trim_end().trim_end_matches(')')),
            None => (text, text),
        };
        let phrases = phrases.split(',').map(|phrase| phrase.trim().to_owned());
        Self::Concept {
            name: name.to_owned(),
            phrases: phrases.filter(|phrase| !phrase.is_empty()).collect(),
        }
    }

    /// `ANY`, `DIGITS`, `4 DIGITS`, `4-6 DIGITS`.
    fn built_in(text: &str) -> Self {
        let text = text.trim().to_ascii_uppercase();
        if text == "ANY" {
            return Self::AnyText;
        }
        let count = text.strip_suffix("DIGITS").or_else(|| text.strip_suffix("DIGIT")).map(str::trim);
        let read = |count: &str| count.trim().parse::<usize>().ok();
        match count {
            Some("") => Self::Digits(1..=usize::MAX),
            Some(count) => {
                let (least, most) = count.split_once('-').unwrap_or((count, count));
                read(least).zip(read(most)).map_or(Self::Foreign, |(least, most)| Self::Digits(least..=most))
            }
            None => Self::Foreign,
        }
    }

    /// The value of an answer that fits.
    fn value(&self, given: &str, in_text: bool) -> Option<String> {
        match self {
            Self::AnyText => in_text.then(|| given.to_owned()),
            Self::Foreign => Some(given.to_owned()),
            Self::Digits(count) => {
                let digits = without_blanks(given);
                let fits = digits.bytes().all(|byte| byte.is_ascii_digit()) && count.contains(&digits.len());
                fits.then_some(digits)
            }
            Self::Concept { name, phrases } => {
                let same = |phrase: &String| phrase.to_lowercase() == given.to_lowercase();
                phrases.iter().any(same).then(|| name.clone())
            }
        }
    }

    fn goes_on_after(&self, keys: &str) -> bool {
        match self {
            Self::AnyText => false,
            Self::Foreign => true,
            Self::Digits(count) => keys.bytes().all(|key| key.is_ascii_digit()) && keys.len() < *count.end(),
            Self::Concept { phrases, .. } => {
                phrases.iter().any(|phrase| phrase.len() > keys.len() && phrase.starts_with(keys))
            }
        }
    }
}

/// Splits at the commas outside of brackets.
fn alternatives(grammar: &str) -> Vec<Alternative> {
    let (mut depth, mut parts) = (0_usize, vec![String::new()]);
    for character in grammar.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match parts.last_mut() {
            _ if character == ',' && depth == 0 => parts.push(String::new()),
            Some(part) => part.push(character),
            None => {}
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.map(Alternative::read).collect()
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(grammar: &str, given: &str, in_text: bool) -> Option<String> {
        Choices::read(grammar, None, None).take(given, in_text).map(|taken| taken.value)
    }

    /// Grammars of Tropo's documentation and of the examples of its libraries.
    #[test]
    fn answers_are_taken_as_documented() {
        for (grammar, given, expected) in [
            ("[5 DIGITS]", "12345", Some("12345")),
            ("[5 DIGITS]", "1 2 3 4 5", Some("12345")),
            ("[5 DIGITS]", "1234", None),
            ("[1 DIGIT]", "7", Some("7")),
            ("[4-5 DIGITS]", "1234", Some("1234")),
            ("[4-5 DIGITS]", "12345", Some("12345")),
            ("[4-5 DIGITS]", "123456", None),
            ("[DIGITS]", "123456789", Some("123456789")),
            ("[DIGITS]", "", None),
            ("[digits]", "12", Some("12")),
            ("1,2,3,4", "3", Some("3")),
            ("1,2,3,4", "5", None),
            ("red(red,1), green(green, 2)", "1", Some("red")),
            ("red(red,1), green(green, 2)", "Green", Some("green")),
            ("red(red,1), green(green, 2)", "3", None),
            ("BBQ (BBQ, Bar Bee Que)", "bar bee que", Some("BBQ")),
            ("department(support, engineering, sales), person(jose, jason, adam)", "jason", Some("person")),
            ("department(support, engineering, sales), person(jose, jason, adam)", "person", None),
            ("PHP, Ruby(Ruby, Rails, Ruby on Rails), Perl", "php", Some("PHP")),
            ("PHP, Ruby(Ruby, Rails, Ruby on Rails), Perl", "Ruby on Rails", Some("Ruby")),
            ("[4 DIGITS], operator(operator, 0)", "0", Some("operator")),
            ("yes, ναι", "ΝΑΙ", Some("ναι")),
            ("http://example.com/drinks.grxml", "beer", Some("beer")),
            ("", "anything", Some("anything")),
            ("[ANY]", "1", None),
        ] {
            assert_eq!(value(grammar, given, false).as_deref(), expected, "{grammar} <- {given}");
        }
        for (grammar, text, expected) in [
            ("[ANY]", "At the dentist, back at 3!", Some("At the dentist, back at 3!")),
            ("[any]", "x", Some("x")),
            ("yes(yes, y, 1), no(no, n, 2)", "Y", Some("yes")),
            ("[5 DIGITS]", "94070", Some("94070")),
        ] {
            assert_eq!(value(grammar, text, true).as_deref(), expected, "{grammar} <- {text}");
        }
    }

    #[test]
    fn a_result_tells_what_was_given_from_what_it_means() {
        let taken = |grammar: &str, given| {
            let taken = Choices::read(grammar, None, Some("#")).take(given, false).unwrap();
            [taken.value, taken.interpretation, taken.utterance]
        };
        assert_eq!(taken("[4 DIGITS]", "1980"), ["1980", "1980", "1 9 8 0"]);
        assert_eq!(taken("[4-6 DIGITS]", "1980#"), ["1980", "1980", "1 9 8 0"]);
        assert_eq!(taken("red(red,1)", "1"), ["red", "1", "1"]);
        assert_eq!(taken("BBQ (BBQ, Bar Bee Que)", "Bar Bee Que"), ["BBQ", "Bar Bee Que", "Bar Bee Que"]);
    }

    #[test]
    fn a_mode_takes_keys_or_words_alone() {
        for (mode, given, fits) in [
            ("dtmf", "1", true),
            ("dtmf", "red", false),
            ("keypad", "red", false),
            ("speech", "red", true),
            ("speech", "1", false),
            ("any", "1", true),
        ] {
            let choices = Choices::read("red(red, 1)", Some(mode), None);
            assert_eq!(choices.take(given, false).is_some(), fits, "{mode} {given}");
            assert!(choices.take(given, true).is_some(), "a mode is about calls alone");
        }
    }

    #[test]
    fn keys_are_complete_once_no_other_answer_could_come_of_them() {
        for (grammar, keys, complete) in [
            ("1", "1", true),
            ("1", "2", true),
            ("1,2,10", "1", false),
            ("1,2,10", "2", true),
            ("[4-6 DIGITS]", "1234", false),
            ("[4-6 DIGITS]", "123456", true),
            ("[4-6 DIGITS]", "1234#", true),
            ("[DIGITS]", "12", false),
            ("[4 DIGITS], stop(stop, *)", "*", true),
            ("", "1", false),
        ] {
            assert_eq!(Choices::read(grammar, None, Some("#")).complete(keys), complete, "{grammar} {keys}");
        }
        let first = |grammar: &str| Choices::read(grammar, None, None).first_offered().map(str::to_owned);
        assert_eq!(first("red(red, 2), green(3)").as_deref(), Some("2"));
        assert_eq!((first("[4 DIGITS]"), first("red")), (None, None));
    }
}
