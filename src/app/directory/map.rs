//! Where every rented number leads, in memory.
//!
//! Knows neither the database nor the disk: what changes, it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::db::directory::{Change, Leading};
use crate::domain::ids::{MaskId, NumberId, UserId};
use crate::domain::mask::Standing;
use crate::domain::phone::{Country, PhoneNumber};
use crate::domain::stop::Stop;

/// Where one number leads.
pub(in crate::app) struct Entry {
    pub(in crate::app) mask: MaskId,
    pub(in crate::app) user: UserId,
    pub(in crate::app) country: Country,
    pub(in crate::app) standing: Standing,
    /// The real number, sealed.
    pub(in crate::app) real: Option<(NumberId, Box<[u8]>)>,
    /// Whether the rules of the house let calls go there: not looked at yet, no, or the letters of its country. Rules stay
    /// as long as the process does, and whoever changes the real number makes another entry.
    allowed: AtomicU8,
}

const NOT_LOOKED_AT: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

impl Entry {
    fn new(leading: Leading) -> (PhoneNumber, Arc<Self>) {
        let Leading { phone, mask, user, country, standing, real } = leading;
        let real = real.map(|(number, sealed)| (number, sealed.into_boxed_slice()));
        (phone, Arc::new(Self { mask, user, country, standing, real, allowed: AtomicU8::new(NOT_LOOKED_AT) }))
    }

    /// The same as the database tells it.
    pub(super) fn leading(&self, phone: PhoneNumber) -> Leading {
        Leading {
            phone,
            mask: self.mask,
            user: self.user,
            country: self.country,
            standing: self.standing,
            real: self.real.as_ref().map(|(number, sealed)| (*number, sealed.to_vec())),
        }
    }

    /// Whether calls may go there; `look` is asked the first time only.
    pub(in crate::app) fn is_allowed(&self, look: impl FnOnce() -> bool) -> bool {
        let mut known = self.allowed.load(Ordering::Relaxed);
        if known == NOT_LOOKED_AT {
            known = if look() { YES } else { NO };
            self.allowed.store(known, Ordering::Relaxed);
        }
        known == YES
    }
}

/// All numbers, and the switches that stop spending.
#[derive(Default)]
pub(in crate::app) struct Map {
    entries: HashMap<PhoneNumber, Arc<Entry>>,
    stops: Arc<[Stop]>,
}

impl Map {
    /// Where the number leads, if a mask holds it.
    pub(in crate::app) fn find(&self, phone: PhoneNumber) -> Option<Arc<Entry>> {
        self.entries.get(&phone).cloned()
    }

    /// Whether a mask holds the number.
    pub(in crate::app) fn holds(&self, phone: PhoneNumber) -> bool {
        self.entries.contains_key(&phone)
    }

    /// The switches that are thrown.
    pub(in crate::app) fn stops(&self) -> Arc<[Stop]> {
        self.stops.clone()
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every number with where it leads.
    pub(super) fn all(&self) -> impl Iterator<Item = Leading> {
        self.entries.iter().map(|(phone, entry)| entry.leading(*phone))
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.entries.reserve(more);
    }

    pub(super) fn insert(&mut self, leading: Leading) {
        let (phone, entry) = Entry::new(leading);
        self.entries.insert(phone, entry);
    }

    /// Follows a change of a number; the switches are told by [`Map::set_stops`].
    pub(super) fn follow(&mut self, change: Change) {
        match change {
            Change::Number(_, Some(leading)) => self.insert(leading),
            Change::Number(phone, None) => {
                self.entries.remove(&phone);
            }
            Change::Stops => {}
        }
    }

    pub(super) fn set_stops(&mut self, stops: Vec<Stop>) {
        self.stops = stops.into();
    }
}
