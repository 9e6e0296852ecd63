//! Who has an account: e-mail addresses, roles and what a password must be.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;

/// The shortest password that protects an account on its own (NIST SP 800-63B-4), in characters.
pub const SHORTEST_PASSWORD: u32 = 15;
/// The longest password, in characters; a bound on the work of hashing it.
pub const LONGEST_PASSWORD: usize = 256;

/// How many letters and digits of a password must be more than the owner's address and this site's name.
const OWN_LETTERS: usize = 6;

/// An e-mail address in lower case, at most 254 characters, fit to be written to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Type an e-mail address, such as ada@example.com.")]
pub struct NotAnEmailAddress;

impl FromStr for EmailAddress {
    type Err = NotAnEmailAddress;

    fn from_str(text: &str) -> Result<Self, NotAnEmailAddress> {
        let text = text.trim().to_lowercase();
        let (local, host) = text.rsplit_once('@').ok_or(NotAnEmailAddress)?;
        let plain = |character: char| {
            character.is_ascii_graphic()
                && !matches!(
                    character,
                    '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\' | '[' | ']' | '@'
                )
        };
        let labels = host.split('.').all(|label| {
            !label.is_empty()
                && label.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
        });
        let fits = text.len() <= 254 && (1..=64).contains(&local.len()) && local.chars().all(plain);
        let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if fits && dots && labels && host.contains('.') { Ok(Self(text)) } else { Err(NotAnEmailAddress) }
    }
}

impl EmailAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("EmailAddress(…)")
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Own numbers and masks.
    User,
    /// Those, and every mask's outside.
    Admin,
}

impl Role {
    /// Its word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role that the word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == word)
    }
}

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

    /// Takes a new password, if it is long enough and not one of those that are tried first.
    ///
    /// There are no rules of composition. `email` is the owner's, so that it is not made of that.
    pub fn chosen(text: &str, email: &EmailAddress) -> Result<Self, WeakPassword> {
        let password = Self::typed(text).ok_or(WeakPassword::TooLong)?;
        if password.0.chars().count() < SHORTEST_PASSWORD as usize {
            return Err(WeakPassword::TooShort);
        }
        let mut context = vec!["maskline", "mask", "masks", "tropo", "phone", "number", email.as_str()];
        context.extend(email.as_str().split(['@', '.', '-', '_', '+']));
        if own_letters(&password.0, &context) < OWN_LETTERS {
            return Err(WeakPassword::EasyToGuess);
        }
        match zxcvbn::zxcvbn(&password.0, &context).score() {
            zxcvbn::Score::Three | zxcvbn::Score::Four => Ok(password),
            _ => Err(WeakPassword::EasyToGuess),
        }
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// How many letters and digits are left of a password without the words that anybody would try for its owner.
fn own_letters(password: &str, words: &[&str]) -> usize {
    let mut words: Vec<&str> = words.iter().copied().filter(|word| word.len() > 2).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(password.to_lowercase(), |rest, word| rest.replace(word, " "));
    rest.chars().filter(|character| character.is_alphanumeric()).count()
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lowered_and_odd_ones_refused() {
        assert_eq!(" Ada@Example.COM ".parse::<EmailAddress>().unwrap().as_str(), "ada@example.com");
        for text in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a b@example.com",
            "a@b@example.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@exa mple.com",
            "<ada@example.com>",
            "ada@example..com",
            "a\u{0}da@example.com",
            ".ada@example.com",
            &format!("{}@example.com", "a".repeat(65)),
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(NotAnEmailAddress), "{text:?}");
        }
    }

    #[test]
    fn passwords_are_long_unusual_and_not_made_of_the_address() {
        let email: EmailAddress = "ada.lovelace@example.com".parse().unwrap();
        let refused = |text: &str| Password::chosen(text, &email).unwrap_err();
        assert_eq!(refused("short"), WeakPassword::TooShort);
        assert_eq!(refused("fourteen chars"), WeakPassword::TooShort);
        assert_eq!(refused(&"x1 ".repeat(100)), WeakPassword::TooLong);
        for text in [
            "passwordpassword",
            "123456789012345",
            "aaaaaaaaaaaaaaaaaaaa",
            "ada.lovelace@example.com",
            "AdaLovelace-Ada-Lovelace-1815",
            "masklinemaskline",
            "qwertyuiopasdfgh",
        ] {
            assert_eq!(refused(text), WeakPassword::EasyToGuess, "{text}");
        }
        assert!(Password::chosen("copper violin seventeen marsh", &email).is_ok());
        assert!(Password::chosen(" tr0ubl3-and-$trife ", &email).is_ok());
    }

    #[test]
    fn the_same_password_typed_on_another_keyboard_is_the_same() {
        let composed = Password::typed("caf\u{e9}").unwrap();
        let decomposed = Password::typed("cafe\u{301}").unwrap();
        assert_eq!(composed.as_bytes(), decomposed.as_bytes());
        assert_ne!(Password::typed("cafe ").unwrap().as_bytes(), Password::typed("cafe").unwrap().as_bytes());
    }
}
