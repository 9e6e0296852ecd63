//! Random tokens, digests, keyed digests, password hashes and comparisons in constant time.
//!
//! Knows no users and no numbers: it works on bytes.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Different bytes that a random secret has at the least. 22 hexadecimal digits have fewer in 1 of 10 million cases.
const FEWEST_DIFFERENT: usize = 6;

/// A text that must not be seen: it hides itself in `Debug` and has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text under cover.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// `N` bytes from the system's random source.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// 128 random bits as 22 characters that may stand in a URL.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// SHA-256, for tokens that are random themselves; never for numbers or passwords.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA-256.
#[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
pub fn keyed_digest(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// The bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(half), 16));
        }
        text
    })
}

/// Whether two byte strings are the same, in a time that tells only their lengths.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Hashes a password by argon2id at the crate's default cost (19 MiB, two passes), as a PHC string.
///
/// Takes tens of milliseconds and 19 MiB: callers bound how many run at once.
#[expect(clippy::missing_panics_doc, reason = "the default cost and a fresh salt are always accepted")]
pub fn hash_password(password: &[u8]) -> String {
    Argon2::default()
        .hash_password(password)
        .expect("the default cost and a fresh salt are accepted")
        .to_string()
}

/// Whether the password is the one that was hashed. With no hash to compare with, as much work is done in vain, so
/// that the time tells nothing.
pub fn is_password(password: &[u8], hash: Option<&str>) -> bool {
    static NOBODY: LazyLock<String> = LazyLock::new(|| hash_password(&random_bytes::<16>()));
    let parsed = PasswordHash::new(hash.unwrap_or(&NOBODY));
    let matches = parsed.is_ok_and(|parsed| Argon2::default().verify_password(password, &parsed).is_ok());
    matches && hash.is_some()
}

/// Whether a secret follows a pattern that no random source would give it: a block that repeats, steps of one size
/// (`abcdef…`, `0, 1, 2, …`), or hardly any different bytes. One of 16 random bytes or more is never taken for one, whether
/// it stands as bytes, as base64 or as hexadecimal digits.
pub fn is_pattern(secret: &[u8]) -> bool {
    let repeats =
        |period: usize| secret.iter().zip(&secret[period..]).all(|(earlier, later)| earlier == later);
    let mut steps = secret.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let first_step = steps.next();
    let different: HashSet<&u8> = secret.iter().collect();
    (1..=secret.len() / 2).any(repeats)
        || steps.all(|step| Some(step) == first_step)
        || different.len() < FEWEST_DIFFERENT.min(secret.len())
}

/// A random (version 4) UUID.
pub fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random_bytes()).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let hash = hash_password(b"copper violin seventeen marsh");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_password(b"copper violin seventeen marsh", Some(&hash)));
        assert!(!is_password(b"copper violin seventeen", Some(&hash)));
        assert!(!is_password(b"", None));
        assert!(!is_password(b"x", Some("not a hash")));
    }

    #[test]
    fn secrets_that_somebody_typed_are_told_from_random_ones() {
        let counting: Vec<u8> = (0..32).collect();
        let odd: Vec<u8> = (0..32).map(|place: u8| 250_u8.wrapping_sub(place * 2)).collect();
        for secret in [
            &[0; 32][..],
            &[0xff; 32],
            b"xxxxxxxxxxxxxxxxxxxxxx",
            b"abcdefghijklmnopqrstuv",
            b"0123456701234567012345",
            b"example-example-example",
            b"secretsecretsecretsecretsecret12"[..30].as_ref(),
            b"aaaaaaaaaaaaaaaaaaaaab",
            b"1111111111122222222222",
            b"abcabcabcabcabcabcabca",
            &counting,
            &odd,
        ] {
            assert!(is_pattern(secret), "{:?}", String::from_utf8_lossy(secret));
        }
        for _ in 0..1000 {
            assert!(!is_pattern(&random_bytes::<32>()));
            assert!(!is_pattern(random_token().as_bytes()));
            assert!(!is_pattern(hex(&random_bytes::<16>()).as_bytes()));
        }
    }
}
