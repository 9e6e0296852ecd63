//! Turns at hashing passwords: so many at once, and a queue that holds a few seconds of work.
//!
//! Whoever is known goes first, so that a flood of strangers' guesses keeps nobody out who signed in before. One account has
//! two places in the queue, so that it does not keep out the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::oneshot::{self, Receiver, Sender};

use super::passwords::Busy;
use crate::db::rates::Bucket;

/// How long a hash takes, until it is known.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// How many one account has waiting or at work; its others wait until they may join.
const PLACES_OF_ONE: usize = 2;

/// Whose turn it is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    /// Who goes first.
    pub(super) priority: Priority,
    /// The bucket of the account. Strangers have another than the devices of its owner, who does not wait for them.
    pub(super) whose: Bucket,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// A user who is signed in, has a mailed link, or signed in on this device before.
    Known,
    /// Anybody.
    Stranger,
}

/// The queue.
pub(super) struct HashQueue {
    at_once: usize,
    /// How much work may wait: in seconds of this machine, not in passwords.
    longest: Duration,
    state: Mutex<State>,
    /// The places of each account that has or wants some.
    places: Mutex<HashMap<Bucket, Arc<Semaphore>>>,
}

struct State {
    running: usize,
    known: VecDeque<Sender<Turn>>,
    strangers: VecDeque<Sender<Turn>>,
    /// How long a turn takes, as a moving average.
    turn: Duration,
}

/// A place among those that hash at once; the next one has it when it is dropped.
pub(super) struct Turn {
    queue: Option<Arc<HashQueue>>,
    begun: Instant,
}

impl HashQueue {
    /// A queue for so many at once, in which about so much work may wait.
    pub(super) fn new(at_once: usize, longest: Duration) -> Arc<Self> {
        let (known, strangers) = (VecDeque::new(), VecDeque::new());
        let state = Mutex::new(State { running: 0, known, strangers, turn: FIRST_GUESS });
        Arc::new(Self { at_once, longest, state, places: Mutex::default() })
    }

    /// The places of an account, of which one is to be held from before it joins until its turn is over.
    pub(super) fn places_of(&self, whose: Bucket) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, of_one| Arc::strong_count(of_one) > 1);
        places.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(PLACES_OF_ONE))).clone()
    }

    /// Waits for a turn, or is refused at once where it would take too long. Whoever drops the receiver has left.
    pub(super) fn join(self: &Arc<Self>, priority: Priority) -> Result<Receiver<Turn>, Busy> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.running < self.at_once {
            state.running += 1;
            drop(state);
            // The receiver is at hand.
            let _ = sender.send(Turn::begin(self.clone()));
            return Ok(receiver);
        }
        state.known.retain(|waiting| !waiting.is_closed());
        state.strangers.retain(|waiting| !waiting.is_closed());
        let mut ahead = state.running + state.known.len();
        if priority == Priority::Stranger {
            ahead += state.strangers.len();
        }
        let rounds = u32::try_from(ahead / self.at_once).unwrap_or(u32::MAX);
        if state.turn.saturating_mul(rounds) > self.longest {
            return Err(Busy);
        }
        match priority {
            Priority::Known => state.known.push_back(sender),
            Priority::Stranger => state.strangers.push_back(sender),
        }
        Ok(receiver)
    }

    /// Passes a place on to the first who still waits.
    fn pass_on(self: Arc<Self>, took: Duration) {
        let mut state = self.state();
        state.turn = (state.turn * 7 + took) / 8;
        loop {
            let Some(next) = state.known.pop_front().or_else(|| state.strangers.pop_front()) else {
                state.running -= 1;
                return;
            };
            match next.send(Turn::begin(self.clone())) {
                Ok(()) => return,
                // Whoever waited has left, and this place is still ours to give.
                Err(mut unused) => unused.queue = None,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn begin(queue: Arc<HashQueue>) -> Self {
        Self { queue: Some(queue), begun: Instant::now() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.pass_on(self.begun.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_waits_as_is_done_in_time_and_who_is_known_goes_first() {
        // With what a hash takes at first, 20 a second on two cores: the queue holds half a second.
        let queue = HashQueue::new(2, FIRST_GUESS * 5);
        let mut running: Vec<_> =
            (0..2).map(|_| queue.join(Priority::Stranger).unwrap().try_recv().unwrap()).collect();
        let mut strangers = vec![];
        while let Ok(stranger) = queue.join(Priority::Stranger) {
            strangers.push(stranger);
        }
        assert_eq!(strangers.len(), 10);
        let mut known = queue.join(Priority::Known).expect("strangers are not ahead of who is known");
        // One has left, and makes room for nobody ahead of the first.
        drop(strangers.remove(0));
        drop(running.pop());
        let turn = known.try_recv().expect("who is known is next");
        assert!(strangers[0].try_recv().is_err());
        drop(turn);
        assert!(strangers[0].try_recv().is_ok(), "then the first of the others");
        drop((known, running, strangers));
        // All have left, and all places are free again.
        let free: Vec<_> =
            (0..2).map(|_| queue.join(Priority::Stranger).unwrap().try_recv().unwrap()).collect();
        assert_eq!((free.len(), queue.state().running), (2, 2));
    }

    #[test]
    fn one_account_has_two_places_and_no_account_is_remembered_without_any() {
        let queue = HashQueue::new(2, FIRST_GUESS * 5);
        let take = |whose: u8| queue.places_of([whose; 32]).try_acquire_owned();
        let mut held = vec![take(1).unwrap(), take(1).unwrap()];
        assert!(take(1).is_err(), "a third waits");
        held.push(take(2).expect("another account does not"));
        drop(held.remove(0));
        assert!(take(1).is_ok());
        drop(held);
        assert!(take(3).is_ok());
        assert_eq!(queue.places.lock().unwrap().len(), 1);
    }
}
