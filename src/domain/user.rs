//! Who has an account: e-mail addresses and roles.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

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
    /// An address that was taken before, maybe by rules of then: it is not judged again, so that whoever has it stays
    /// readable.
    pub fn of_stored(text: String) -> Self {
        Self(text)
    }

    /// The mailbox that mail to it arrives in, whatever tag stands behind a plus: `ada+shop@example.com` is read where
    /// `ada@example.com` is. Gmail reads no dots either.
    pub fn mailbox(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let untagged = local.split('+').next().filter(|name| !name.is_empty()).unwrap_or(local);
        match domain {
            "gmail.com" | "googlemail.com" => format!("{}@gmail.com", untagged.replace('.', "")),
            _ => format!("{untagged}@{domain}"),
        }
    }

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
    fn a_tag_makes_no_other_mailbox() {
        for (address, mailbox) in [
            ("ada@example.com", "ada@example.com"),
            ("Ada+Shop+2@example.com", "ada@example.com"),
            ("ada.l@example.com", "ada.l@example.com"),
            ("a.d.a+x@gmail.com", "ada@gmail.com"),
            ("ada@googlemail.com", "ada@gmail.com"),
            ("+x@example.com", "+x@example.com"),
        ] {
            assert_eq!(address.parse::<EmailAddress>().unwrap().mailbox(), mailbox);
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
}
