//! A seeded random run: people, servers with wrong clocks, a carrier and a database that are not well, crashes at named
//! points. Whatever happens is drawn from the seed alone, so that a run can be repeated; `script/chaos` asks for one.
//!
//! Some things happen at once, some before them; every few rounds all faults end, everything is settled, and all
//! invariants are checked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use maskline::app::App;
use maskline::clock::Clock;
use maskline::db::operations::buy_key;
use maskline::domain::ids::MaskId;
use maskline::domain::limits::Limits;
use maskline::domain::money::Money;
use maskline::failpoint::{Point, die_at};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;

use crate::support::{OUR_APPLICATION, Options, Person, TestApp, agreement, calls, settle, stranger};

/// How long it goes on where nobody asks for more, and from which seed.
const SECONDS: u64 = 10;
const SEED: u64 = 3;
const PEOPLE: usize = 6;
/// How wrong the clocks of the servers are, in seconds.
const CLOCKS: [i64; 3] = [0, -200, 45];
/// How many rounds lie between two checks of everything.
const ROUNDS: usize = 8;
/// How many wishes back a form is sent once more.
const NEWEST: usize = 12;

/// The state of a mask that is not over, in SQL.
const NOT_OVER: &str = "NOT IN ('failed', 'released')";

const FOR_WORK: &[&str] = &[
    "claim-noted",
    "purchase-begun",
    "choice-begun",
    "choice-noted",
    "purchase-asked",
    "purchase-noted",
    "failure-noted",
    "outcome-begun",
    "outcome-noted",
    "look-begun",
    "look-answered",
    "look-compared",
    "release-begun",
    "releasing-noted",
    "release-asked",
    "release-noted",
    "buy-back-begun",
    "buy-back-noted",
    "buy-back-asked",
    "bought-back-noted",
];
const FOR_COMPARING: &[&str] = &[
    "comparison-begun",
    "rows-read",
    "list-answered",
    "comparison-noted",
    "alarm-noted",
    "comparison-ended",
    "orphan-taken-noted",
    "orphan-releasing-noted",
    "orphan-asked",
    "orphan-released-noted",
];
const SPOILED: &[&str] = &[
    "reset-before",
    "reset-after",
    "truncated",
    "server-error",
    "server-error-after",
    "html",
    "html-after",
    "other-json",
    "none-free",
    "forbidden",
    "empty-list",
    "half-list",
    "doubled-list",
    "account-list",
];

/// What people and servers do. A wish is known by the number of its form; masks that are not over are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Wish(usize),
    Cancel(usize),
    Revoke(usize),
    Restore(usize),
    Pause(usize),
    Resume(usize),
    Work,
    Compare,
}

/// What happens to everybody.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Spoil(&'static str, &'static str, u32),
    Stranger(u32),
    Vanish(usize),
    LoseCommit(i64),
    SendAway,
    ShutOut,
    Later(i64),
}

/// One act, at which server, and where it is cut off.
#[derive(Debug, Clone, Copy)]
struct Planned {
    act: Act,
    server: usize,
    dies: Option<&'static str>,
}

/// What is drawn for one round: what happens first, and what then happens at once.
#[derive(Debug)]
struct Round {
    before: Vec<Weather>,
    at_once: Vec<Planned>,
    called: usize,
}

/// Draws rounds from a seed, knowing nothing of what comes of them.
struct Dice {
    random: StdRng,
    forms: usize,
}

impl Dice {
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())]
    }

    /// One of the newest forms.
    fn form(&mut self) -> usize {
        let forms = self.forms.max(1);
        self.random.random_range(forms.saturating_sub(NEWEST)..forms)
    }

    /// One of the masks that are not over, however many there are.
    fn mask(&mut self) -> usize {
        self.random.random_range(0..usize::from(u16::MAX))
    }

    fn planned(&mut self) -> Planned {
        let act = match self.random.random_range(0..22) {
            0..5 => {
                self.forms += 1;
                Act::Wish(self.forms - 1)
            }
            5 => Act::Wish(self.form()),
            6..9 => Act::Revoke(self.mask()),
            9..11 => Act::Restore(self.mask()),
            11 => Act::Pause(self.mask()),
            12 => Act::Resume(self.mask()),
            13..18 => Act::Work,
            18..20 => Act::Cancel(self.mask()),
            _ => Act::Compare,
        };
        let points = match act {
            Act::Work => FOR_WORK,
            Act::Compare => FOR_COMPARING,
            Act::Wish(_) => &["wish-begun", "wish-noted"],
            Act::Cancel(_) => &["cancel-begun", "cancel-noted"],
            Act::Revoke(_) => &["revoke-begun", "revoke-noted"],
            Act::Restore(_) => &["restore-begun", "restore-noted"],
            Act::Pause(_) | Act::Resume(_) => &[],
        };
        let may_die = self.random.random_bool(if act == Act::Work { 0.5 } else { 0.25 });
        let dies = (may_die && !points.is_empty()).then(|| self.one_of(points));
        Planned { act, server: self.random.random_range(0..CLOCKS.len()), dies }
    }

    fn weather(&mut self) -> Weather {
        match self.random.random_range(0..24) {
            0..9 => {
                let kind = self.one_of(SPOILED);
                let method = if kind.ends_with("-list") {
                    "GET"
                } else {
                    self.one_of(&["POST", "POST", "DELETE", "GET"])
                };
                Weather::Spoil(kind, method, self.random.random_range(1..3))
            }
            9..11 => Weather::Stranger(self.random.random_range(150..200)),
            11 => Weather::Vanish(self.mask()),
            12..15 => Weather::LoseCommit(self.random.random_range(0..5)),
            15 => Weather::SendAway,
            16 if self.random.random_ratio(1, 4) => Weather::ShutOut,
            _ => Weather::Later(self.one_of(&[1, 5, 30, 60, 300, 900, 7200, 90_000, 800_000])),
        }
    }

    fn round(&mut self) -> Round {
        let (weathers, acts) = (self.random.random_range(0..3), self.random.random_range(1..6));
        let mut before: Vec<Weather> = (0..weathers).map(|_| self.weather()).collect();
        // Where nobody is let in, nothing else can be arranged.
        before.sort_by_key(|weather| matches!(weather, Weather::ShutOut));
        Round { before, at_once: (0..acts).map(|_| self.planned()).collect(), called: self.mask() }
    }
}

struct World {
    app: TestApp,
    servers: Vec<(Arc<App>, Clock)>,
    people: Vec<Person>,
    /// Forms whose mask was shown active when everything was settled last, and that nothing has happened to since.
    steady: BTreeSet<usize>,
    /// Since everything was settled last: whether a number has vanished, and how many strangers have come.
    odd: usize,
    counts: BTreeMap<String, usize>,
}

impl World {
    async fn new() -> Self {
        let limits = Limits {
            masks_per_user: (3, 40, 200),
            masks_in_all: (14, 60),
            calls_per_mask: (999, 9999, 99),
            minutes_a_month: (9999, 9999),
            codes_per_area: 99,
            codes_per_address: (99, 99),
            rest: TimeDelta::days(1),
            spend: (Money::cents(1_500), Money::cents(6_000)),
            ..Limits::default()
        };
        let app = TestApp::with(Options { work: false, limits, ..Options::default() }).await;
        let mut servers = vec![(app.app.clone(), app.clock.clone())];
        for wrong in &CLOCKS[1..] {
            let (server, clock) = app.worker(TimeDelta::seconds(*wrong));
            servers.push((Arc::new(server), clock));
        }
        let mut people = vec![];
        for at in 0..PEOPLE {
            people.push(app.person(&format!("person{at}"), &format!("+1407555{:04}", 101 + at)).await);
        }
        Self { app, servers, people, steady: BTreeSet::new(), odd: 0, counts: BTreeMap::new() }
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn owner(&self, form: usize) -> &Person {
        &self.people[form % PEOPLE]
    }

    /// The form of one of the masks of which that is true, by their count.
    async fn form(&self, count: usize, state: &str) -> Option<usize> {
        let query = format!(
            "SELECT split_part(split_part(o.key, '|', 3), '-', 1)::int AS form \
             FROM operations o JOIN masks m ON m.id = o.mask_id \
             WHERE o.key LIKE 'buy|%' AND m.state {state} ORDER BY 1"
        );
        let forms = self.app.database.rows(&query).await;
        (!forms.is_empty()).then(|| forms[count % forms.len()].parse().unwrap())
    }

    /// What is drawn by count, by its form, and the mask that this has made so far.
    async fn with_form(&self, planned: &Planned) -> (Planned, Option<MaskId>) {
        let (Act::Cancel(count)
        | Act::Revoke(count)
        | Act::Restore(count)
        | Act::Pause(count)
        | Act::Resume(count)) = planned.act
        else {
            return (*planned, None);
        };
        let is_cancelled = matches!(planned.act, Act::Cancel(_));
        let state = if is_cancelled { "= 'requested'" } else { NOT_OVER };
        let Some(form) = self.form(count, state).await else { return (*planned, None) };
        let act = match planned.act {
            Act::Cancel(_) => Act::Cancel(form),
            Act::Revoke(_) => Act::Revoke(form),
            Act::Restore(_) => Act::Restore(form),
            Act::Pause(_) => Act::Pause(form),
            _ => Act::Resume(form),
        };
        (Planned { act, ..*planned }, self.mask(form).await)
    }

    /// The mask that a form has made, if it has.
    async fn mask(&self, form: usize) -> Option<MaskId> {
        let person = self.owner(form);
        let key = buy_key(person.user, &person.wish(&form.to_string()).token);
        let query = format!("SELECT mask_id FROM operations WHERE key = '{key}'");
        self.app.database.rows(&query).await.first().map(|id| MaskId(id.parse().unwrap()))
    }

    /// Does it as one server does, up to where it is cut off; tells how it ended.
    async fn act(&self, planned: &Planned, mask: Option<MaskId>) -> String {
        let (server, _) = &self.servers[planned.server];
        let work = async {
            match planned.act {
                Act::Work => format!("{:?}", server.step().await),
                Act::Compare => format!("{:?}", server.reconcile(false).await)
                    .chars()
                    .take_while(|letter| *letter != '{')
                    .collect(),
                Act::Wish(form) => {
                    let person = self.owner(form);
                    let wished = server.wish_mask(person.user, person.wish(&form.to_string())).await;
                    wished.map_or_else(|error| format!("{error:?}"), |_| "Ok".into())
                }
                Act::Cancel(form) => {
                    let Some(mask) = mask else { return "no such mask".into() };
                    let cancelled = server.cancel_mask(self.owner(form).user, mask).await;
                    cancelled.map_or_else(|error| format!("{error:?}"), |()| "Ok".into())
                }
                Act::Revoke(form) | Act::Restore(form) | Act::Pause(form) | Act::Resume(form) => {
                    let Some(mask) = mask else { return "no such mask".into() };
                    let user = self.owner(form).user;
                    let changed = match planned.act {
                        Act::Revoke(_) => server.revoke_mask(user, mask).await,
                        Act::Restore(_) => server.restore_mask(user, mask, None).await,
                        Act::Pause(_) => server.pause_mask(user, mask).await,
                        _ => server.resume_mask(user, mask).await,
                    };
                    changed.map_or_else(|error| format!("{error:?}"), |reach| format!("{reach:?}"))
                }
            }
        };
        match planned.dies.and_then(Point::parse) {
            Some(point) => die_at(point, work).await.unwrap_or_else(|| "died".into()),
            None => work.await,
        }
    }

    async fn befall(&mut self, weather: Weather) {
        println!("     {weather:?}");
        self.count(format!("{weather:?}").split('(').next().unwrap());
        match weather {
            Weather::Spoil(kind, method, times) => {
                let fault = json!({"kind": kind, "method": method, "resource": "addresses", "times": times});
                self.app.simulator.fault(fault).await;
            }
            Weather::Stranger(line) if self.odd < 3 => {
                self.odd += 1;
                let number = json!(format!("+1305555{line:04}"));
                self.app.simulator.try_carrier(Method::POST, &json!(OUR_APPLICATION), &number).await;
            }
            Weather::Vanish(count) if self.odd < 3 => {
                let form = self.form(count, NOT_OVER).await.filter(|form| self.steady.remove(form));
                let Some(form) = form else { return };
                self.odd += 1;
                let number = self.app.number_of(self.mask(form).await.unwrap()).await;
                self.app.simulator.try_carrier(Method::DELETE, &json!(OUR_APPLICATION), &json!(number)).await;
            }
            Weather::LoseCommit(told) => self.app.line.lose_answer_after(told),
            Weather::SendAway => {
                let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                              WHERE datname = current_database() AND pid <> pg_backend_pid()";
                self.app.database.execute(others).await;
            }
            Weather::ShutOut => self.app.database.let_in(false).await,
            Weather::Later(seconds) => {
                let time = TimeDelta::seconds(seconds);
                self.app.later(time).await;
                for (_, clock) in &self.servers[1..] {
                    clock.advance(time);
                }
            }
            Weather::Stranger(_) | Weather::Vanish(_) => {}
        }
    }

    async fn round(&mut self, at: usize, round: &Round) {
        println!("{at:>4} round");
        let mut at_once = vec![];
        for planned in &round.at_once {
            at_once.push(self.with_form(planned).await);
        }
        for weather in &round.before {
            self.befall(*weather).await;
        }
        for (planned, _) in &at_once {
            if let Act::Revoke(form) | Act::Pause(form) | Act::Restore(form) | Act::Resume(form) = planned.act
            {
                self.steady.remove(&form);
            }
        }
        let ended = join_all(at_once.iter().map(|(planned, mask)| self.act(planned, *mask))).await;
        // Calls have a story of their own.
        if self.app.line.has_lost_an_answer() {
            self.count("answers to commits lost");
        }
        if round.before.iter().any(|weather| matches!(weather, Weather::ShutOut)) {
            self.app.database.let_in(true).await;
        }
        for ((Planned { act, server, dies }, _), ended) in at_once.iter().zip(&ended) {
            let dies = dies.map_or(String::new(), |point| format!(", to die at {point}"));
            println!("     {act:?} at server {server}{dies}: {ended}");
            self.count(format!("{act:?}").split('(').next().unwrap());
            if ended == "died" {
                self.count("died");
            }
        }
        self.keeps_its_word(&at_once, &ended).await;
        if let Some(form) = self.form(round.called, NOT_OVER).await.filter(|form| self.steady.contains(form))
        {
            self.rings(form, true).await;
            self.count("checked I7 at once");
        }
    }

    /// Who was told that a mask is revoked is not rung through it any more.
    async fn keeps_its_word(&mut self, at_once: &[(Planned, Option<MaskId>)], ended: &[String]) {
        let restored: Vec<usize> = at_once.iter().filter_map(|(planned, _)| restored(planned.act)).collect();
        for ((planned, _), ended) in at_once.iter().zip(ended) {
            if let Act::Revoke(form) = planned.act
                && ended == "Everywhere"
                && !restored.contains(&form)
            {
                self.rings(form, false).await;
                self.count("checked I6 at once");
            }
        }
    }

    async fn rings(&self, form: usize, rings: bool) {
        let number = self.app.number_of(self.mask(form).await.unwrap()).await;
        // A mask that never had a number rings nobody.
        if number != "∅" {
            self.app.anonymous().until("/readyz", |page| page.status == 200).await;
            let trace = self.app.simulator.call(&stranger(), &number, "answered", 1).await;
            let expected = if rings { json!([self.owner(form).real]) } else { json!([]) };
            assert_eq!(trace["rang"], expected, "wish {form}: {trace}");
        }
    }

    /// All faults end, everything is settled, and everything is checked.
    async fn check(&mut self) {
        self.app.simulator.no_faults().await;
        self.app.anonymous().until("/readyz", |page| page.status == 200).await;
        settle(&self.app).await;
        agreement(&self.app).await;
        // Settling took time, and the other clocks go on as wrong as they were.
        for ((_, clock), wrong) in self.servers.iter().zip(CLOCKS).skip(1) {
            clock.advance(self.app.clock.now() + TimeDelta::seconds(wrong) - clock.now());
        }
        let people: Vec<&Person> = self.people.iter().collect();
        let called = calls(&self.app, &people).await;
        println!("     settled: I1 to I10 hold; {called} numbers were called");
        for invariant in 1..=10 {
            self.count(format!("checked I{invariant}"));
        }
        self.odd = 0;
        let active = "SELECT split_part(split_part(o.key, '|', 3), '-', 1) FROM operations o \
                      JOIN masks m ON m.id = o.mask_id WHERE o.key LIKE 'buy|%' AND m.state = 'active'";
        let forms = self.app.database.rows(active).await;
        self.steady = forms.iter().map(|form| form.parse().unwrap()).collect();
    }
}

fn restored(act: Act) -> Option<usize> {
    if let Act::Restore(form) = act { Some(form) } else { None }
}

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_run_keeps_every_promise() {
    let (seconds, seed) = (asked("MASKLINE_CHAOS_SECONDS", SECONDS), asked("MASKLINE_CHAOS_SEED", SEED));
    println!("a random run of {seconds} s from seed {seed}");
    let mut dice = Dice { random: StdRng::seed_from_u64(seed), forms: 0 };
    let mut world = World::new().await;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut rounds = 0;
    while Instant::now() < end {
        for _ in 0..ROUNDS {
            let round = dice.round();
            world.round(rounds, &round).await;
            rounds += 1;
        }
        world.check().await;
    }
    let (bought, released) = world.app.simulator.ledger().await;
    println!(
        "{rounds} rounds from seed {seed}; the carrier sold {} numbers and took {} back",
        bought.len(),
        released.len()
    );
    for (what, count) in &world.counts {
        println!("{count:>6} {what}");
    }
}
