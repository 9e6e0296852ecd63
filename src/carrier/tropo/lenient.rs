//! JSON values that may be anything: what cannot be used reads as absent instead of failing the whole.
//!
//! Without trees of values: text and numbers are taken as they pass, all else is skipped.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The longest name that is kept, in bytes: Tropo's ids have 32 to 60.
const LONGEST_IDENTIFIER: usize = 128;

/// One text or number, or something else that was skipped.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Text(String),
    Whole(u64),
    Fraction(f64),
    Flag(bool),
    Other,
}

impl Scalar {
    /// The text, if it is one.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A name: printable ASCII of at most 128 bytes, blanks around it cut off; whole numbers count as digits.
    pub(super) fn identifier(self) -> Option<String> {
        match self {
            Self::Text(text) => {
                let name = text.trim();
                let fits = (1..=LONGEST_IDENTIFIER).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_graphic());
                match (fits, name.len() == text.len()) {
                    (true, true) => Some(text),
                    (true, false) => Some(name.to_owned()),
                    (false, _) => None,
                }
            }
            Self::Whole(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A count, such as seconds; fractions are cut off.
    pub(super) fn count(self) -> Option<u32> {
        match self {
            Self::Whole(number) => number.try_into().ok(),
            Self::Fraction(number) if (0.0..=f64::from(u32::MAX)).contains(&number) => {
                format!("{number:.0}", number = number.trunc()).parse().ok()
            }
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Yes or no, also where it is written as a text.
    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => text.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Fraction(number))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_seq(entries).map(|_| Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Scalar, A::Error> {
        IgnoredAny.visit_map(entries).map(|_| Scalar::Other)
    }
}

/// What is read from the fields of an object, each by its name. A field that comes twice: the last counts.
pub(super) trait Fields: Default {
    /// Takes the value of the field named `key`, also where it has no use for it.
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, value: &mut A) -> Result<(), A::Error>;
}

/// Skips a value.
pub(super) fn skip<'de, A: MapAccess<'de>>(value: &mut A) -> Result<(), A::Error> {
    value.next_value::<IgnoredAny>().map(|_| ())
}

/// What stands where an object is expected: one, a list of some, or nothing of use.
pub(super) enum Standing<T> {
    One(T),
    Many(Vec<T>),
    Nothing,
}

impl<T> Standing<T> {
    /// The object, if one stands there alone.
    pub(super) fn one(self) -> Option<T> {
        match self {
            Self::One(object) => Some(object),
            _ => None,
        }
    }

    /// However many objects there are.
    pub(super) fn all(self) -> Vec<T> {
        match self {
            Self::One(object) => vec![object],
            Self::Many(objects) => objects,
            Self::Nothing => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, T: Fields> Deserialize<'de> for Standing<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(StandingVisitor(PhantomData))
    }
}

struct StandingVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for StandingVisitor<T> {
    type Value = Standing<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Standing<T>, A::Error> {
        let mut object = T::default();
        while let Some(Key(key)) = entries.next_key()? {
            object.take(&key, &mut entries)?;
        }
        Ok(Standing::One(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Standing<T>, A::Error> {
        let mut objects = Vec::new();
        while let Some(entry) = entries.next_element::<Standing<T>>()? {
            objects.extend(entry.one());
        }
        Ok(Standing::Many(objects))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }

    fn visit_unit<E: Error>(self) -> Result<Standing<T>, E> {
        Ok(Standing::Nothing)
    }
}
