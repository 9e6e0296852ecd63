//! A carrier that is never asked: nothing that is measured here buys a number or starts a call.

use maskline::carrier::{Answer, Area, Arrangement, Carrier, CarrierError, Channel};
use maskline::domain::phone::PhoneNumber;

pub(crate) struct NoCarrier;

fn nothing<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(async { Err(CarrierError::Unavailable("the bench has no carrier".into())) })
}

impl Carrier for NoCarrier {
    fn name(&self) -> &'static str {
        "none"
    }

    fn areas(&self) -> Answer<'_, Vec<Area>> {
        nothing()
    }

    fn available<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<PhoneNumber>> {
        nothing()
    }

    fn buy(&self, _: PhoneNumber) -> Answer<'_, ()> {
        nothing()
    }

    fn buy_any<'a>(&'a self, _: &'a str) -> Answer<'a, PhoneNumber> {
        nothing()
    }

    fn owned(&self) -> Answer<'_, Vec<PhoneNumber>> {
        nothing()
    }

    fn release(&self, _: PhoneNumber) -> Answer<'_, ()> {
        nothing()
    }

    fn arrangement(&self) -> Answer<'_, Arrangement> {
        nothing()
    }

    fn arrange(&self, _: bool) -> Answer<'_, ()> {
        nothing()
    }

    fn launch<'a>(&'a self, _: Channel, _: &'a str) -> Answer<'a, ()> {
        nothing()
    }

    fn end_session<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        nothing()
    }
}
