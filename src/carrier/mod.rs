//! A telephone company, in our words: who rents out numbers and moves calls.
//!
//! The product asks for what it needs through [`Carrier`]; each company's protocol lies in a module of its
//! own. Nothing here knows users, masks or the database.

#[cfg(test)]
pub mod fake;
pub mod tropo;

use std::future::Future;
use std::pin::Pin;

use crate::domain::phone::PhoneNumber;

/// What every request to a carrier returns: a future that can be kept behind `dyn`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, CarrierError>> + Send + 'a>>;

/// An area in which a carrier rents out numbers; that one is free is not promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// Country code and area code, digits only: `1407`.
    pub prefix: String,
    /// The town or city, where the carrier names one.
    pub city: Option<String>,
    /// The state or region, where the carrier names one.
    pub state: Option<String>,
    /// The country as the carrier writes it: `United States`.
    pub country: Option<String>,
    /// Whether numbers there can send and take texts; `None` where the carrier does not say.
    pub texts: Option<bool>,
    /// Whether callers pay nothing.
    pub toll_free: bool,
}

/// How a person is reached when the carrier starts the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A call.
    Voice,
    /// A text message.
    Text,
}

/// Why a carrier did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// There is no free number of that kind; nothing was bought.
    #[error("no number is free there")]
    NoneFree,
    /// The carrier will not do it, whoever asks again: money, rights, settings, a malformed request.
    #[error("the carrier refused: {0}")]
    Refused(String),
    /// The carrier does not know the thing that was named.
    #[error("the carrier does not know it")]
    NotFound,
    /// The request surely did not take effect (no connection), and may be tried again.
    #[error("the carrier cannot be reached: {0}")]
    Unavailable(String),
    /// Nobody knows whether it took effect: a time-out, a broken connection, a 5xx, an unreadable answer.
    #[error("the carrier's answer is unclear: {0}")]
    Unclear(String),
}

/// How our application stands at the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrangement {
    /// What is not as this deployment needs it.
    pub faults: Vec<Fault>,
    /// Whether we are billed; `None` where the carrier does not say.
    pub is_billed: Option<bool>,
}

/// Something about our application that is not as this deployment needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What, in words that hold no secret.
    pub what: &'static str,
    /// Whether [`Carrier::arrange`] sets it right.
    pub can_be_set: bool,
}

/// A company that rents out numbers and moves calls.
///
/// Each request is bounded in time, is never tried again by the carrier's client itself, and is called outside
/// of any database transaction.
pub trait Carrier: Send + Sync {
    /// Its name, as admins read it and as settings of a carrier are kept under.
    fn name(&self) -> &'static str;

    /// The areas in which numbers can be had.
    fn areas(&self) -> Answer<'_, Vec<Area>>;

    /// Free numbers that begin with the prefix (digits, without plus); an empty list says that none is free.
    fn available<'a>(&'a self, prefix: &'a str) -> Answer<'a, Vec<PhoneNumber>>;

    /// Rents this very number for our application.
    fn buy(&self, number: PhoneNumber) -> Answer<'_, ()>;

    /// Rents any free number that begins with the prefix.
    fn buy_any<'a>(&'a self, prefix: &'a str) -> Answer<'a, PhoneNumber>;

    /// All numbers that our application holds.
    fn owned(&self) -> Answer<'_, Vec<PhoneNumber>>;

    /// Gives a number back; one that is not ours any more counts as given back.
    fn release(&self, number: PhoneNumber) -> Answer<'_, ()>;

    /// Looks whether our application is as this deployment needs it.
    fn arrangement(&self) -> Answer<'_, Arrangement>;

    /// Sets our application as this deployment needs it; once `billed`, or billed already, it is so from then on. Asking
    /// twice is as good as once.
    fn arrange(&self, billed: bool) -> Answer<'_, ()>;

    /// Asks the carrier to start a conversation, which comes back to our webhook with the opaque `reference`.
    fn launch<'a>(&'a self, channel: Channel, reference: &'a str) -> Answer<'a, ()>;

    /// Ends a conversation that the carrier named by `session`; one that is over already is no error.
    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, ()>;
}
