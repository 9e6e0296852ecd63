//! What is measured, and how.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::bare::Bare;
use crate::deployment::{Database, Masks, Server, filled};
use crate::load::{self, CONNECTIONS, Hands, Kind, Pace, Round};
use crate::people;
use crate::process::{processor_seconds, resident_bytes};
use crate::report::{Both, Report, Spread};

/// Rounds of each, in turn: many short ones, as the machine is not the same from one moment to the next.
const ROUNDS: u32 = 7;
/// How long a round takes, in seconds.
const ROUND: u32 = 3;
/// Rounds in which it is measured how long callers wait.
const WAITING_ROUNDS: usize = 3;
/// Calls a second of the steady load: a large house at its busiest.
const STEADY: Pace = Pace { per_second: 200, seconds: 10 };
/// How long a connection pauses at the load at which processor time is compared, in milliseconds: some 5,000 calls a second.
const BUSY: u32 = 6;
/// Sign-ins a second that run beside calls.
const SIGN_INS: Pace = Pace { per_second: 50, seconds: 10 };
/// How long records may take until all are in the database.
const DRAINING: Duration = Duration::from_mins(5);

/// The program and its measure, beside each other.
pub(crate) struct Beside<'a> {
    pub(crate) bare: Bare,
    pub(crate) server: &'a Server,
    pub(crate) masks: &'a Masks,
    callers: Hands,
    callers_of_bare: Hands,
    users: Hands,
}

impl<'a> Beside<'a> {
    /// The server beside a bare handler that is started, with hands for both, and for people who sign in.
    pub(crate) fn new(server: &'a Server, masks: &'a Masks) -> anyhow::Result<Self> {
        let (callers, callers_of_bare, users) = (Hands::new(8)?, Hands::new(8)?, Hands::new(100)?);
        Ok(Self { bare: Bare::start()?, server, masks, callers, callers_of_bare, users })
    }
}

/// The name of the next session: no two are the same.
fn next() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn steady(hands: &Hands, url: &str, masks: &Masks) -> anyhow::Result<Round> {
    // A prime, so that neighbours in time are not neighbours in the table.
    let session =
        |nth: u32| filled(&format!("7c{:030}", next()), &people::mask(nth.wrapping_mul(7919) % masks.count));
    hands.steady(url, STEADY, &Kind { content_type: "application/json", headers: &[] }, session)
}

fn busy(url: &str, masks: &Masks) -> anyhow::Result<Round> {
    load::sessions(url, masks.count, ROUND, BUSY)
}

/// As many calls as there can be.
pub(crate) fn calls_at_once(beside: &Beside<'_>, report: &mut Report) -> anyhow::Result<()> {
    let (bare, webhook, masks) = (beside.bare.url(), beside.server.webhook(), beside.masks.count);
    let sessions = |url: &str| load::sessions(url, masks, ROUND, 0);
    sessions(&bare)?;
    report.answered(&[sessions(&webhook)?]);
    beside.server.drained(DRAINING)?;
    let (mut bare_rounds, mut rounds) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        bare_rounds.push(sessions(&bare)?);
        rounds.push(sessions(&webhook)?);
        // What was told is written down before anything else is measured.
        beside.server.drained(DRAINING)?;
    }
    report.answered(&rounds);
    report.rate(&format!("bare actix handler, {CONNECTIONS} connections"), &bare_rounds);
    report.rate(&format!("`/tropo/transfer`, {CONNECTIONS} connections"), &rounds);
    let share = rounds.iter().zip(&bare_rounds).map(|(ours, bare)| ours.per_second / bare.per_second);
    report.ratio("… as a share of the bare handler's rate", Spread::of(share), "at least 0.85");
    Ok(())
}

/// What a call costs the processors, records and all.
pub(crate) fn cost_of_calls(beside: &Beside<'_>, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut bare, mut rounds) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (cost, round) = cost(beside.bare.id(), || busy(&beside.bare.url(), beside.masks))?;
        bare.push(cost);
        ensure!(round.failed == 0.0, "the bare handler failed");
        let (cost, round) = cost_of_server(beside.server, beside.masks)?;
        rounds.push(round);
        ours.push(cost);
    }
    report.answered(&rounds);
    report.rate("calls while processor time is measured", &rounds);
    let micro = |costs: &[f64]| Spread::of(costs.iter().map(|cost| cost * 1e6));
    report.figure("processor time of the bare handler", micro(&bare), "µs a call");
    report.figure("processor time of the server, records included", micro(&ours), "µs a call");
    let ratio = Spread::of(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare));
    report.ratio("… beside the bare handler", ratio, "at most 1.3");
    Ok(())
}

fn cost_of_server(server: &Server, masks: &Masks) -> anyhow::Result<(f64, Round)> {
    cost(server.id(), || {
        let round = busy(&server.webhook(), masks)?;
        server.drained(DRAINING)?;
        Ok(round)
    })
}

/// Seconds of processor time that a process spends on each call of a round.
fn cost(process: u32, round: impl FnOnce() -> anyhow::Result<Round>) -> anyhow::Result<(f64, Round)> {
    let before = processor_seconds(process)?;
    let round = round()?;
    Ok(((processor_seconds(process)? - before) / round.answers, round))
}

/// How long callers wait at a steady load, while all is well and while it is not; and how long the bare handler's do at the
/// same time, as this machine is not the same from one moment to the next.
pub(crate) fn patience(beside: &Beside<'_>, database: &Database, report: &mut Report) -> anyhow::Result<()> {
    let calls = || calls_at_once_to_both(beside);
    report.latency("calls, 200 a second", &rounds(calls)?, "p99 at most 2 ms");
    let target = "p99 at most 4 ms";
    let hung = rounds(|| {
        database.signal("STOP")?;
        let both = calls();
        database.signal("CONT")?;
        both
    })?;
    report.latency("… while PostgreSQL hangs", &hung, target);
    database.stop()?;
    report.latency("… while PostgreSQL is stopped", &rounds(calls)?, target);
    let starting = rounds(|| {
        let both = while_it_starts(database, calls)?;
        beside.server.drained(DRAINING)?;
        database.stop()?;
        Ok(both)
    })?;
    report.latency("… while PostgreSQL starts and takes what waited", &starting, target);
    database.start()?;
    beside.server.drained(DRAINING)?;
    let signing = rounds(|| with_sign_ins(beside, report))?;
    report.latency("… while 50 sign-ins a second run", &signing, target);
    Ok(())
}

fn rounds(round: impl FnMut() -> anyhow::Result<Both>) -> anyhow::Result<Vec<Both>> {
    std::iter::repeat_with(round).take(WAITING_ROUNDS).collect()
}

fn while_it_starts(
    database: &Database,
    calls: impl FnOnce() -> anyhow::Result<Both>,
) -> anyhow::Result<Both> {
    let (started, both) = std::thread::scope(|scope| {
        let start = scope.spawn(move || database.start().map_err(|error| error.to_string()));
        let both = calls();
        (start.join(), both)
    });
    ensure!(matches!(started, Ok(Ok(()))), "PostgreSQL did not start: {started:?}");
    both
}

/// A steady load on each of the two at the same time.
fn calls_at_once_to_both(beside: &Beside<'_>) -> anyhow::Result<Both> {
    let (webhook, bare) = (beside.server.webhook(), beside.bare.url());
    let (bare, ours) = std::thread::scope(|scope| {
        let bare = scope.spawn(|| steady(&beside.callers_of_bare, &bare, beside.masks));
        let ours = steady(&beside.callers, &webhook, beside.masks);
        (bare.join(), ours)
    });
    Ok(Both { ours: ours?, bare: bare.map_err(|_| anyhow::anyhow!("the load panicked"))?? })
}

/// A steady load, and people who sign in with wrong passwords beside it.
fn with_sign_ins(beside: &Beside<'_>, report: &mut Report) -> anyhow::Result<Both> {
    let (csrf, cookie) = beside.server.form(&beside.server.url("/sign-in"))?;
    let url = beside.server.url("/sign-in");
    let (signed, both) = std::thread::scope(|scope| {
        let headers = [("cookie", cookie), ("x-forwarded-for", "10.0.@NTH@.1".to_owned())];
        let sign_ins = scope.spawn(move || {
            let body = |nth: u32| {
                format!("csrf={csrf}&email=nobody{nth}%40example.com&password=wrong-wrong-wrong-{nth}")
            };
            let kind = Kind { content_type: "application/x-www-form-urlencoded", headers: &headers };
            beside.users.steady(&url, SIGN_INS, &kind, body)
        });
        let both = calls_at_once_to_both(beside);
        (sign_ins.join(), both)
    });
    let signed = signed.map_err(|_| anyhow::anyhow!("signing in panicked"))??;
    report.note(format!(
        "Of the sign-ins, {:.0} a second, half were answered within {:.0} ms.",
        signed.per_second, signed.p50
    ));
    both
}

/// The page of masks, signed in.
pub(crate) fn pages(beside: &Beside<'_>, database: &Database, report: &mut Report) -> anyhow::Result<()> {
    let (cookie, masks) = beside.server.sign_in(database, beside.masks)?;
    let page = beside.server.masks(&cookie)?;
    ensure!(
        masks.iter().all(|mask| page.contains(mask.as_str())) || page.contains("916-555-0150"),
        "no masks: {page}"
    );
    let url = beside.server.url("/masks");
    load::pages(&url, &cookie, ROUND)?;
    let rounds: Vec<Round> =
        (0..ROUNDS).map(|_| load::pages(&url, &cookie, ROUND)).collect::<Result<_, _>>()?;
    report.failed += rounds.iter().map(|round| round.failed).sum::<f64>();
    report.rate(&format!("`/masks`, signed in, {CONNECTIONS} connections"), &rounds);
    Ok(())
}

/// How long it takes until the first call is handed over, with a million masks.
pub(crate) fn starts(database: &Database, masks: &Masks, report: &mut Report) -> anyhow::Result<()> {
    let mut start = |name: &str, target: &str| -> anyhow::Result<Server> {
        let begun = Instant::now();
        let server = Server::begin(database, masks, "most")?;
        let took = server.first_call(begun)?;
        report.figure(name, Spread::of([took.as_secs_f64()]), &format!("s{target}"));
        Ok(server)
    };
    let target = ", at most 2";
    let first = start("first call after the very first start, 1,000,000 masks", "")?;
    first.drained(DRAINING)?;
    first.stop()?;
    start("first call after a start, 1,000,000 masks", target)?.stop()?;
    database.stop()?;
    let without = start("… without PostgreSQL", target);
    database.start()?;
    without?.stop()
}

/// What a mask takes of memory, and what a call costs among few and among many.
pub(crate) fn size(
    database: &Database,
    few: &Masks,
    most: &Masks,
    report: &mut Report,
) -> anyhow::Result<()> {
    let small = Server::start(database, few, "few")?;
    let large = Server::start(database, most, "most")?;
    let bytes =
        (resident_bytes(large.id())? - resident_bytes(small.id())?) / f64::from(most.count - few.count);
    report.figure("memory of a mask", Spread::of([bytes]), "bytes, at most 250");
    let mut ratios = vec![];
    for _ in 0..ROUNDS {
        let (of_few, _) = cost_of_server(&small, few)?;
        let (of_most, _) = cost_of_server(&large, most)?;
        ratios.push(of_most / of_few);
    }
    report.ratio("processor time of a call, 1,000,000 masks beside 1,000", Spread::of(ratios), "at most 1.1");
    small.stop()?;
    large.stop()
}
