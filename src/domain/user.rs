//! Who has an account: e-mail addresses, roles and what a password must be.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization as _;

/// The shortest password that protects an account on its own (NIST SP 800-63B-4), in characters.
pub const SHORTEST_PASSWORD: u32 = 15;
/// The longest password, in characters; a bound on the work of hashing it.
pub const LONGEST_PASSWORD: usize = 256;

/// How many letters and digits of a password must be more than the owner's address and this site's name.
const OWN_LETTERS: usize = 6;

/// An e-mail address that mail can be sent to from anywhere: plain ASCII in lower case, a domain of another script as
/// its `xn--` form (IDNA 2008, UTS 46), at most 254 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// Why no mail can be sent to what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEmailAddress {
    /// It is no address.
    #[error("Enter an e-mail address, such as ada@example.com.")]
    Malformed,
    /// What stands before the @ has letters that many mail servers do not take (it needs SMTPUTF8 all the way).
    #[error(
        "We can't send mail to that address: before the @ only unaccented letters, digits and signs such as . + - work."
    )]
    LocalPart,
    /// What stands behind the @ is no domain.
    #[error("Check the part after the @: it has to be a domain, such as example.com.")]
    Domain,
}

/// The longest part before the @ (RFC 5321), in bytes.
const LONGEST_LOCAL_PART: usize = 64;
/// The longest address (RFC 5321), in bytes.
const LONGEST_ADDRESS: usize = 254;

impl FromStr for EmailAddress {
    type Err = NotAnEmailAddress;

    fn from_str(text: &str) -> Result<Self, NotAnEmailAddress> {
        let (local, host) = text.trim().rsplit_once('@').ok_or(NotAnEmailAddress::Malformed)?;
        if local.chars().any(|character| !character.is_ascii() && character.is_alphanumeric()) {
            return Err(NotAnEmailAddress::LocalPart);
        }
        let plain = |character: char| {
            character.is_ascii_graphic()
                && !matches!(
                    character,
                    '<' | '>' | '(' | ')' | ',' | ';' | ':' | '"' | '\\' | '[' | ']' | '@'
                )
        };
        let fits = (1..=LONGEST_LOCAL_PART).contains(&local.len()) && local.chars().all(plain);
        let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
        if !fits || !dots {
            return Err(NotAnEmailAddress::Malformed);
        }
        let host = ascii_domain(host).filter(|host| is_public(host)).ok_or(NotAnEmailAddress::Domain)?;
        let address = format!("{}@{host}", local.to_ascii_lowercase());
        if address.len() > LONGEST_ADDRESS {
            return Err(NotAnEmailAddress::Domain);
        }
        Ok(Self(address))
    }
}

/// A domain as it goes over the wire: lower case ASCII, other scripts as `xn--`; `None` where it is no domain.
pub fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii.ok().map(|ascii| ascii.to_ascii_lowercase())
}

/// Whether a domain can be one of the internet: with a dot, and no digits at its end, as an IP address has.
fn is_public(domain: &str) -> bool {
    let top = domain.rsplit_once('.').map(|(_, top)| top);
    top.is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit()))
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
    fn one_mailbox_is_one_address_however_it_is_typed() {
        let long = format!("{}@example.com", "a".repeat(64));
        for (typed, address) in [
            (" Ada@Example.COM ", "ada@example.com"),
            ("ada+tag@example.com", "ada+tag@example.com"),
            ("o'brien_{x}@mail.example.co.uk", "o'brien_{x}@mail.example.co.uk"),
            ("user@bücher.example", "user@xn--bcher-kva.example"),
            ("user@BÜCHER。example", "user@xn--bcher-kva.example"),
            ("user@xn--bcher-kva.example", "user@xn--bcher-kva.example"),
            ("user@例え.テスト", "user@xn--r8jz45g.xn--zckzah"),
            ("user@straße.example", "user@xn--strae-oqa.example"),
            ("ada@ｅｘａｍｐｌｅ.com", "ada@example.com"),
            (&long, &long),
        ] {
            assert_eq!(typed.parse::<EmailAddress>().unwrap().as_str(), address, "{typed}");
        }
    }

    #[test]
    fn addresses_that_no_mail_can_be_sent_to_are_refused_with_the_part_to_look_at() {
        use NotAnEmailAddress::{Domain, LocalPart, Malformed};
        let (long_local, long_label) =
            (format!("{}@example.com", "a".repeat(65)), format!("ada@{}.com", "a".repeat(64)));
        let long = format!("ada@{}com", "abcdefghi.".repeat(25));
        for (text, why) in [
            ("", Malformed),
            ("ada", Malformed),
            ("@example.com", Malformed),
            ("a b@example.com", Malformed),
            ("a@b@example.com", Malformed),
            ("<ada@example.com>", Malformed),
            ("\"ada lovelace\"@example.com", Malformed),
            ("ada@example.com\r\nBcc: eve@example.com", Malformed),
            ("a\u{0}da@example.com", Malformed),
            (".ada@example.com", Malformed),
            ("a..da@example.com", Malformed),
            (&long_local, Malformed),
            ("gr\u{fc}\u{df}e@example.com", LocalPart),
            ("\u{212a}ate@example.com", LocalPart),
            ("ada@", Domain),
            ("ada@example", Domain),
            ("ada@localhost", Domain),
            ("ada@exa mple.com", Domain),
            ("ada@example..com", Domain),
            ("ada@example.com.", Domain),
            ("ada@-example.com", Domain),
            ("ada@exa_mple.com", Domain),
            ("ada@[192.0.2.1]", Domain),
            ("ada@192.0.2.1", Domain),
            ("ada@example.com\r\nBcc:", Domain),
            ("ada@example.com>", Domain),
            (&long_label, Domain),
            (&long, Domain),
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(why), "{text:?}");
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
