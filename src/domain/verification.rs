//! The code that proves a number: its form, its life, and when the next may be sent.

use chrono::{DateTime, TimeDelta, Utc};

use super::typed;

/// How many digits a code has (some 20 bits).
pub const DIGITS: usize = 6;

/// What a try at a code came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the code.
    Right,
    /// It is not; so many tries are left.
    Wrong {
        /// Tries that are left; none means that the code is dead.
        left: u32,
    },
}

/// Why a code did not reach anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// The line was busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// The call did not get through, for whatever reason.
    NotReached,
    /// Somebody or something picked up, and no key was pressed.
    NoKey,
    /// An answering machine or a fax picked up.
    Machine,
    /// The call ended before a key was pressed.
    HungUp,
    /// The text was not taken.
    TextFailed,
}

impl Undelivered {
    const ALL: [Self; 7] = [
        Self::Busy,
        Self::NoAnswer,
        Self::NotReached,
        Self::NoKey,
        Self::Machine,
        Self::HungUp,
        Self::TextFailed,
    ];

    /// Its word in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::NotReached => "not_reached",
            Self::NoKey => "no_key",
            Self::Machine => "machine",
            Self::HungUp => "hung_up",
            Self::TextFailed => "text_failed",
        }
    }

    /// The one that the word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// The code as six digits, from the first bytes of a keyed digest of the verification's id.
pub fn code_from_digest(digest: &[u8; 32]) -> String {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    // 2^64 modulo 10^6 leaves a bias of less than one in 10^13.
    format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000)
}

/// The digits of what a person typed or pasted as a code: blanks and dashes do not count.
pub fn typed_code(text: &str) -> Option<String> {
    let plain = typed::plain(text);
    let digits: String = plain.trim().chars().filter(|character| !matches!(character, ' ' | '-')).collect();
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// The code as it is spoken, slowly: `4, 0, 7, …`.
pub fn spoken(code: &str) -> String {
    code.chars().map(String::from).collect::<Vec<_>>().join(", ")
}

/// When a user may have the next code for a number, after `sent` codes in a day of which the last went at
/// `last`.
pub fn next_send(sent: usize, last: DateTime<Utc>, waits: &[TimeDelta]) -> DateTime<Utc> {
    let wait = waits.get(sent.saturating_sub(1)).or(waits.last()).copied().unwrap_or_default();
    last + wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for reason in Undelivered::ALL {
            assert_eq!(Undelivered::from_word(reason.word()), Some(reason));
        }
    }

    #[test]
    fn codes_have_six_digits_and_are_read_with_blanks() {
        assert_eq!(code_from_digest(&[0; 32]), "000000");
        assert_eq!(code_from_digest(&[0xff; 32]).len(), 6);
        for text in [
            " 123 456 ",
            "123-456\r\n",
            "١٢٣٤٥٦",
            "১২৩−৪৫৬",
            "１２３ー４５６",
            "\u{202d}123456\u{202c}",
            "\u{200e}123\u{ad}456",
        ] {
            assert_eq!(typed_code(text).as_deref(), Some("123456"), "{text}");
        }
        for text in ["12345", "1234567", "12345a", "", "\u{202e}123456", "123\u{0}456", "①23456"] {
            assert_eq!(typed_code(text), None, "{text}");
        }
        assert_eq!(spoken("407"), "4, 0, 7");
    }

    #[test]
    fn each_send_waits_longer_than_the_one_before() {
        let waits = [1, 2, 5, 15].map(TimeDelta::minutes);
        let last = DateTime::UNIX_EPOCH;
        let minutes = |sent| (next_send(sent, last, &waits) - last).num_minutes();
        assert_eq!([1, 2, 3, 4, 5].map(minutes), [1, 2, 5, 15, 15]);
    }
}
