//! Whatever arrives at the webhook, reading it ends without a panic.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::vectors;
use crate::carrier::tropo::wire::{CallEvent, Event, ending, read};

/// Reads a body and uses all that was read.
fn exercise(body: &[u8]) {
    match read(body) {
        Ok(Event::Session(session)) => {
            for party in [&session.to, &session.from].into_iter().flatten() {
                let _ = (party.number(), party.candidates().count());
            }
            let _ = (session.channel(), format!("{session:?}"));
        }
        Ok(Event::Result(result)) => {
            let _ = (ending(CallEvent::Hangup, &result, Some(&result)), format!("{result:?}"));
        }
        Err(_) => {}
    }
}

fn bodies() -> Vec<Vec<u8>> {
    let cases = vectors("session").into_iter().chain(vectors("result"));
    cases.map(|(_, case)| case["input"].to_string().into_bytes()).collect()
}

#[test]
fn every_beginning_of_a_request_is_refused_or_read() {
    for body in bodies() {
        for length in 0..body.len() {
            exercise(&body[..length]);
            assert!(read(&body[..length]).is_err(), "a part of a request is no request");
        }
        assert!(read(&body).is_ok());
    }
}

#[test]
fn requests_with_random_bytes_in_them_never_panic() {
    let mut random = StdRng::seed_from_u64(20_151_223);
    let bodies = bodies();
    for _ in 0..8_000 {
        let mut body = bodies[random.random_range(0..bodies.len())].clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..body.len());
            match random.random_range(0..3) {
                0 => body[at] = random.random(),
                1 => body[at] ^= 1 << random.random_range(0..8),
                _ => body.splice(at..at, *b"\\ud83d").for_each(drop),
            }
        }
        exercise(&body);
    }
}
