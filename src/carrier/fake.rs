//! A carrier in memory, for unit tests of what the product does: it remembers what it was told.
//!
//! Must not know any real carrier; everything else is tested against the simulator.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Answer, Area, Arrangement, Carrier, CarrierError, Channel};
use crate::domain::phone::PhoneNumber;

/// One request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// [`Carrier::areas`]
    Areas,
    /// [`Carrier::available`]
    Available(String),
    /// [`Carrier::buy`]
    Buy(PhoneNumber),
    /// [`Carrier::buy_any`]
    BuyAny(String),
    /// [`Carrier::owned`]
    Owned,
    /// [`Carrier::release`]
    Release(PhoneNumber),
    /// [`Carrier::arrangement`]
    Arrangement,
    /// [`Carrier::arrange`]
    Arrange(bool),
    /// [`Carrier::launch`]
    Launch(Channel, String),
    /// [`Carrier::end_session`]
    EndSession(String),
}

/// When an error that is planned strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done.
    Before,
    /// All is done, and the answer is lost.
    After,
}

/// The carrier that is none.
#[derive(Debug, Default)]
pub struct FakeCarrier(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    areas: Vec<Area>,
    free: BTreeSet<PhoneNumber>,
    held: BTreeSet<PhoneNumber>,
    faults: Vec<Planned>,
    told: Vec<Told>,
}

#[derive(Debug)]
struct Planned {
    fits: fn(&Told) -> bool,
    fault: Fault,
    error: CarrierError,
}

impl FakeCarrier {
    /// Adds an area to what it lists.
    pub fn list_area(&self, area: Area) {
        self.memory().areas.push(area);
    }

    /// Puts a number up for rent.
    pub fn stock(&self, number: PhoneNumber) {
        self.memory().free.insert(number);
    }

    /// Has our application hold a number that was not bought through here.
    pub fn hold(&self, number: PhoneNumber) {
        self.memory().held.insert(number);
    }

    /// The next request that fits, such as `|told| matches!(told, Told::Buy(_))`, fails once with the error.
    pub fn fail_next(&self, fits: fn(&Told) -> bool, fault: Fault, error: CarrierError) {
        self.memory().faults.push(Planned { fits, fault, error });
    }

    /// All requests so far, in order.
    pub fn told(&self) -> Vec<Told> {
        self.memory().told.clone()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        told: Told,
        effect: impl FnOnce(&mut Memory) -> Result<T, CarrierError>,
    ) -> Answer<'_, T> {
        let mut memory = self.memory();
        let fault = memory.faults.iter().position(|planned| (planned.fits)(&told));
        let fault = fault.map(|at| memory.faults.remove(at));
        memory.told.push(told);
        let answer = match fault {
            Some(Planned { fault: Fault::Before, error, .. }) => Err(error),
            Some(Planned { fault: Fault::After, error, .. }) => match effect(&mut memory) {
                Ok(_) | Err(_) => Err(error),
            },
            None => effect(&mut memory),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Memory {
    fn free_from(&self, prefix: &str) -> Vec<PhoneNumber> {
        self.free.iter().copied().filter(|number| number.digits().starts_with(prefix)).collect()
    }

    fn rent(&mut self, number: PhoneNumber) -> Result<PhoneNumber, CarrierError> {
        if !self.free.remove(&number) {
            return Err(CarrierError::NoneFree);
        }
        self.held.insert(number);
        Ok(number)
    }
}

impl Carrier for FakeCarrier {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn areas(&self) -> Answer<'_, Vec<Area>> {
        self.answer(Told::Areas, |memory| Ok(memory.areas.clone()))
    }

    fn available<'a>(&'a self, prefix: &'a str) -> Answer<'a, Vec<PhoneNumber>> {
        self.answer(Told::Available(prefix.to_owned()), |memory| Ok(memory.free_from(prefix)))
    }

    fn buy(&self, number: PhoneNumber) -> Answer<'_, ()> {
        self.answer(Told::Buy(number), |memory| memory.rent(number).map(|_| ()))
    }

    fn buy_any<'a>(&'a self, prefix: &'a str) -> Answer<'a, PhoneNumber> {
        self.answer(Told::BuyAny(prefix.to_owned()), |memory| {
            let first = memory.free_from(prefix).into_iter().next();
            first.ok_or(CarrierError::NoneFree).and_then(|number| memory.rent(number))
        })
    }

    fn owned(&self) -> Answer<'_, Vec<PhoneNumber>> {
        self.answer(Told::Owned, |memory| Ok(memory.held.iter().copied().collect()))
    }

    fn release(&self, number: PhoneNumber) -> Answer<'_, ()> {
        self.answer(Told::Release(number), |memory| {
            if memory.held.remove(&number) {
                memory.free.insert(number);
            }
            Ok(())
        })
    }

    fn arrangement(&self) -> Answer<'_, Arrangement> {
        self.answer(Told::Arrangement, |_| Ok(Arrangement::default()))
    }

    fn arrange(&self, billed: bool) -> Answer<'_, ()> {
        self.answer(Told::Arrange(billed), |_| Ok(()))
    }

    fn launch<'a>(&'a self, channel: Channel, reference: &'a str) -> Answer<'a, ()> {
        self.answer(Told::Launch(channel, reference.to_owned()), |_| Ok(()))
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, ()> {
        self.answer(Told::EndSession(session.to_owned()), |_| Ok(()))
    }
}

#[tokio::test]
async fn it_rents_and_remembers_what_it_was_told() {
    let carrier = FakeCarrier::default();
    let number = PhoneNumber::from_e164("+14075550150").unwrap();
    carrier.stock(number);
    assert_eq!(carrier.buy_any("1305").await, Err(CarrierError::NoneFree));
    assert_eq!(carrier.buy_any("1407").await, Ok(number));
    assert_eq!(carrier.buy(number).await, Err(CarrierError::NoneFree));
    assert_eq!(carrier.release(number).await, Ok(()));
    assert_eq!(carrier.available("1407").await, Ok(vec![number]));
    assert_eq!(carrier.told()[..2], [Told::BuyAny("1305".to_owned()), Told::BuyAny("1407".to_owned())]);
}

#[tokio::test]
async fn a_planned_fault_strikes_once_before_or_after_the_effect() {
    let carrier = FakeCarrier::default();
    let number = PhoneNumber::from_e164("+14075550150").unwrap();
    let reset = CarrierError::Unclear("reset".to_owned());
    let buying: fn(&Told) -> bool = |told| matches!(told, Told::Buy(_));
    carrier.stock(number);
    carrier.fail_next(buying, Fault::Before, reset.clone());
    assert_eq!(carrier.buy(number).await, Err(reset.clone()));
    assert_eq!(carrier.owned().await, Ok(vec![]));
    carrier.fail_next(buying, Fault::After, reset.clone());
    assert_eq!(carrier.buy(number).await, Err(reset));
    assert_eq!(carrier.owned().await, Ok(vec![number]));
    assert_eq!(carrier.buy(number).await, Err(CarrierError::NoneFree));
}
