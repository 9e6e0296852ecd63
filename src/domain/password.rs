//! Passwords: what one must be, and how hard one is to guess.
//!
//! Strength is estimated by `zxcvbn`, whose time grows with the square of the letters and with every way to read a letter
//! that stands for another (`1` for `i` or `l`). So it is given little: at most 64 letters, with few ways to read them.
//! What is left out makes a password weaker in its eyes, never stronger.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use unicode_normalization::UnicodeNormalization as _;

use super::user::EmailAddress;

/// The shortest password that protects an account on its own (NIST SP 800-63B-4), in characters.
pub const SHORTEST_PASSWORD: u32 = 15;
/// The longest password, in characters; a bound on the work of hashing it.
pub const LONGEST_PASSWORD: usize = 256;

/// How many letters and digits of a password must be more than the owner's address and this site's name.
const OWN_LETTERS: usize = 6;
/// How many letters of a password are looked at.
const JUDGED: usize = 64;
/// A piece that the end of those letters may have cut out of a word or a pattern is shorter than this.
const LONGEST_CUT: usize = 24;
/// Guesses that a password must withstand: where `zxcvbn`'s score of 3 begins.
const FEWEST_GUESSES: f64 = 1e8;
/// In how many ways the letters of a password may be read at most; with all ten digits there are 16.
const MOST_READINGS: usize = 16;

/// A password as it will be hashed: in Unicode's NFKC form, of a length that may be.
#[derive(Clone)]
pub struct Password(String);

/// Why a password cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than 15 characters.
    #[error(
        "Use at least {SHORTEST_PASSWORD} characters. Four unusual words with spaces between them are easy to remember."
    )]
    TooShort,
    /// More than 256 characters.
    #[error("Use at most {LONGEST_PASSWORD} characters.")]
    TooLong,
    /// On the lists of what is tried first, or made of the e-mail address and the name of this site.
    #[error(
        "That password is easy to guess: it is a common one, a pattern, or made of your e-mail address. Choose another."
    )]
    EasyToGuess,
}

impl Password {
    /// Takes a password that somebody types to sign in; its length is bounded, nothing else is asked.
    pub fn typed(text: &str) -> Option<Self> {
        let normal: String = text.nfkc().take(LONGEST_PASSWORD + 1).collect();
        (normal.chars().count() <= LONGEST_PASSWORD).then_some(Self(normal))
    }

    /// Takes a new password whose length may be; whether it is easy to guess is not asked yet.
    pub fn of_length(text: &str) -> Result<Self, WeakPassword> {
        let password = Self::typed(text).ok_or(WeakPassword::TooLong)?;
        let is_long = password.0.chars().count() >= SHORTEST_PASSWORD as usize;
        if is_long { Ok(password) } else { Err(WeakPassword::TooShort) }
    }

    /// Whether it is none of those that are tried first. There are no rules of composition. `email` is the owner's, so that
    /// it is not made of that. Takes some milliseconds, 50 at the worst.
    pub fn judge(&self, email: &EmailAddress) -> Result<(), WeakPassword> {
        let mut context = vec!["maskline", "mask", "masks", "tropo", "phone", "number", email.as_str()];
        context.extend(KEYBOARD);
        context.extend(email.as_str().split(['@', '.', '-', '_', '+']));
        // A word of one or two letters is nobody's name, and would be found everywhere.
        context.retain(|word| word.len() > 2);
        if own_letters(&self.0, &context) < OWN_LETTERS || !is_hard_to_guess(&self.0, &context) {
            return Err(WeakPassword::EasyToGuess);
        }
        Ok(())
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(…)")
    }
}

/// How many letters and digits are left of a password without the words that anybody would try for its owner.
fn own_letters(password: &str, words: &[&str]) -> usize {
    let mut words = words.to_vec();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(password.to_lowercase(), |rest, word| rest.replace(word, " "));
    rest.chars().filter(|character| character.is_alphanumeric()).count()
}

/// Whether a password withstands enough guesses, and also does so without what repeats in it.
fn is_hard_to_guess(password: &str, context: &[&str]) -> bool {
    let letters: Vec<char> = password.chars().collect();
    let without_runs = {
        let mut letters = letters.clone();
        letters.dedup();
        letters
    };
    [without_repeats(&letters), without_runs]
        .iter()
        .all(|letters| guesses(letters, context) >= FEWEST_GUESSES)
}

/// The letters with at most two of what stands three times or more in a row, be it a letter or a longer piece. What is
/// left does not depend on where the letters that are looked at end.
fn without_repeats(letters: &[char]) -> Vec<char> {
    let mut kept: Vec<char> = Vec::with_capacity(letters.len());
    for letter in letters {
        kept.push(*letter);
        // The third of a piece goes as soon as it is whole, so that at most a part of one stays behind.
        let third = (1..=kept.len() / 3).find(|piece| {
            let (before, last) = kept.split_at(kept.len() - piece);
            before.ends_with(last) && before[..before.len() - piece].ends_with(last)
        });
        kept.truncate(kept.len() - third.unwrap_or(0));
    }
    kept
}

/// How many guesses the first 64 letters withstand at the least. What their end may have cut in two is not counted.
fn guesses(letters: &[char], context: &[&str]) -> f64 {
    let judged = &letters[..letters.len().min(JUDGED)];
    let Some((guesses, last)) = estimate(judged, context) else { return 0.0 };
    if judged.len() == letters.len() || judged.len() - last >= LONGEST_CUT {
        return guesses;
    }
    estimate(&judged[..last], context).map_or(0.0, |(guesses, _)| guesses)
}

/// The guesses that letters withstand, and where the last word or pattern in them begins. `None` where there is nothing to
/// judge, or `zxcvbn` gives up.
fn estimate(letters: &[char], context: &[&str]) -> Option<(f64, usize)> {
    let plain: String = if readings(letters) > MOST_READINGS {
        letters.iter().map(|letter| unsigned(*letter)).collect()
    } else {
        letters.iter().collect()
    };
    let judged = catch_unwind(AssertUnwindSafe(|| zxcvbn::zxcvbn(&plain, context))).ok()?;
    let last = judged.sequence().last()?.i;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    Some((judged.guesses() as f64, last))
}

/// What `zxcvbn` takes letters for: for each, the digits and signs that stand for it.
const STAND_INS: [(char, &str); 12] = [
    ('a', "4@"),
    ('b', "8"),
    ('c', "({[<"),
    ('e', "3"),
    ('g', "69"),
    ('i', "1!|"),
    ('l', "1|7"),
    ('o', "0"),
    ('s', "$5"),
    ('t', "+7"),
    ('x', "%"),
    ('z', "2"),
];

/// The rows and columns of keyboards, there and back: `zxcvbn` takes several of them in a row for a strong password.
const KEYBOARD: [&str; 27] = [
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "poiuytrewq",
    "lkjhgfdsa",
    "mnbvcxz",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1234567890",
    "0987654321",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "zaq1",
    "xsw2",
    "cde3",
    "vfr4",
    "bgt5",
    "nhy6",
    "mju7",
];

/// Signs that stand for either of two letters.
const AMBIGUOUS: [char; 3] = ['1', '|', '7'];

/// In how many ways letters can be read at most, as each letter has one sign, and each sign one letter, at a time.
fn readings(letters: &[char]) -> usize {
    let of_letter =
        |(_, signs): &(char, &str)| signs.chars().filter(|sign| letters.contains(sign)).count().max(1);
    let ambiguous = AMBIGUOUS.iter().filter(|sign| letters.contains(sign)).count();
    STAND_INS.iter().map(of_letter).product::<usize>() << ambiguous
}

/// The letter that a sign stands for; digits stay, as they may be a date.
fn unsigned(letter: char) -> char {
    if letter.is_ascii_digit() {
        return letter;
    }
    STAND_INS.iter().find(|(_, signs)| signs.contains(letter)).map_or(letter, |(letter, _)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<(), WeakPassword> {
        let email = "ada.lovelace@example.com".parse().unwrap();
        Password::of_length(text)?.judge(&email)
    }

    #[test]
    fn passwords_are_long_unusual_and_not_made_of_the_address() {
        assert_eq!(chosen("short"), Err(WeakPassword::TooShort));
        assert_eq!(chosen("fourteen chars"), Err(WeakPassword::TooShort));
        assert_eq!(chosen(&"x1 ".repeat(100)), Err(WeakPassword::TooLong));
        for text in [
            "passwordpassword",
            "123456789012345",
            "aaaaaaaaaaaaaaaaaaaa",
            "ada.lovelace@example.com",
            "AdaLovelace-Ada-Lovelace-1815",
            "masklinemaskline",
            "qwertyuiopasdfgh",
            "qwertyuiopasdfghjklzxcvbnm1234567890",
            "zaq12wsxcde34rfvbgt5",
            "aabbccddeeffgghhiijjkkll",
            "11111112222222333333344444445555555",
        ] {
            assert_eq!(chosen(text), Err(WeakPassword::EasyToGuess), "{text}");
        }
        for text in ["copper violin seventeen marsh", " tr0ubl3-and-$trife ", "x(K{9!|3$+t@4<[8%57s1L0o2z"] {
            assert_eq!(chosen(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn length_alone_makes_no_password_strong() {
        let unrelated: String = ('\u{4e00}'..).take(100).collect();
        for text in [
            "20242024".repeat(30),
            "password".repeat(30),
            "abc".repeat(60),
            // Where the letters that are looked at end, they end within a piece.
            format!("Q{}", "ab".repeat(80)),
            format!("{}{}", "a".repeat(100), "b".repeat(100)),
            "qwertyuiop".repeat(20),
            "qwertyuiopasdfghjklzxcvbnm".repeat(9),
            "1!|7lL".repeat(40),
            "\u{65e5}\u{672c}\u{8a9e}".repeat(70),
            format!("{unrelated}password123"),
            "ada.lovelace@example.com".repeat(10),
        ] {
            assert_eq!(chosen(&text), Err(WeakPassword::EasyToGuess), "{text}");
        }
        let long = format!("{}@{}.example", "violin".repeat(10), "marsh".repeat(10));
        let judged = Password::of_length(&long).unwrap().judge(&long.parse().unwrap());
        assert_eq!(judged, Err(WeakPassword::EasyToGuess));
        // A strong one stays strong, whatever follows.
        for text in
            ["copper violin seventeen marsh ".repeat(8), format!("x(K{{9!|3$+t@4<[8%{}", "a".repeat(200))]
        {
            assert_eq!(chosen(&text), Ok(()), "{text}");
        }
    }

    /// Each of these made `zxcvbn` overflow, or count for seconds.
    #[test]
    fn letters_that_can_be_read_in_many_ways_are_judged_all_the_same() {
        let signs = "4@8({[<369!|17$5+%20";
        assert_eq!(readings(&signs.chars().filter(char::is_ascii_digit).collect::<Vec<_>>()), MOST_READINGS);
        assert!(readings(&signs.chars().collect::<Vec<_>>()) > 4_000);
        for text in [
            signs.repeat(4),
            "7h3 p4$$w0rd (4n n07 83 gu3$$3d 8y 4ny0n3 w17h <1e4r 3y3$ |n [h1n4 {1ub+%".to_owned(),
            (0..82_u32).filter_map(|place| char::from_u32(0x21 + place * 37 % 94)).collect(),
            "the a i of to in it is on be at or as he we me ".repeat(5),
            "12/11/2024 11.12.24 1-1-99 ".repeat(9),
            "\u{df}\u{130}\u{1f468}\u{200d}"
                .chars()
                .cycle()
                .zip('\u{3b1}'..)
                .take(120)
                .flat_map(|(a, b)| [a, b])
                .collect(),
        ] {
            assert_eq!(chosen(&text), Ok(()), "{text}");
        }
        assert_eq!(chosen(&"20242024".repeat(12)), Err(WeakPassword::EasyToGuess));
    }

    #[test]
    fn the_same_password_typed_on_another_keyboard_is_the_same() {
        let composed = Password::typed("caf\u{e9}").unwrap();
        let decomposed = Password::typed("cafe\u{301}").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
        assert_ne!(Password::typed("cafe ").unwrap().as_bytes(), Password::typed("cafe").unwrap().as_bytes());
    }
}
