//! From the webhook to its answer with 100,000 masks, beside a bare actix handler; and the page of masks.
//!
//! Everything runs on this machine: the server as `maskline serve` has it, a throw-away PostgreSQL with fsync, and
//! `wrk` that loads them in turn. `script/bench` runs this, with the server's log in a file as a deployment has it.
//! `wrk` counts a stall against the requests that it held up too, so its p99 tells much of what else the machine does.

mod bare;
mod carrier;
mod deployment;
mod load;
mod people;
mod report;

use std::time::Duration;

use anyhow::ensure;
use maskline::telemetry;
use tokio::runtime::Runtime;

use deployment::{Database, Deployment};
use load::{CONNECTIONS, Round};

/// Rounds of each, in turn.
const ROUNDS: u32 = 3;
/// How long a round takes, and one before those that count.
const ROUND: u32 = 5;
const WARMING: u32 = 2;
/// Calls a second of the steady load, and how long it lasts: a large house at its busiest.
const STEADY: u32 = 200;
const STEADY_SECONDS: u32 = 10;
/// Calls that are looked at closely before anything is measured.
const SAMPLE: u32 = 50;

/// What was measured.
struct Figures {
    bare: Vec<Round>,
    webhook: Vec<Round>,
    bare_steady: Round,
    webhook_steady: Round,
    pages: Vec<Round>,
}

fn main() -> anyhow::Result<()> {
    telemetry::start(&telemetry::Settings { filter: "info".into(), format: telemetry::Format::Json });
    let (cores, load) = (std::thread::available_parallelism()?.get(), report::load());
    println!("Starting a database and filling it with {} masks…", people::MASKS);
    let database = Database::open()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = measure(&runtime, &database, cores.max(2));
    runtime.shutdown_timeout(Duration::from_secs(5));
    let figures = measured?;
    let postgres = database.ask("SELECT split_part(current_setting('server_version'), ' ', 1) AS value")?;
    println!("\n{}; load before the run {load}.\n", report::machine(cores, &postgres));
    tell(&figures);
    check(&database, &figures)
}

fn measure(runtime: &Runtime, database: &Database, workers: usize) -> anyhow::Result<Figures> {
    let _inside = runtime.enter();
    let deployment = Deployment::start(database, workers)?;
    let document = runtime.block_on(sample(&deployment))?;
    let bare = format!("http://{}/tropo/transfer?key=none", bare::serve(&document, workers)?);
    let webhook = deployment.webhook();
    let mut seed = 1;
    let mut sessions = |url: &str, seconds| {
        seed += 1;
        load::sessions(url, seconds, seed)
    };
    println!("Measuring; this takes a minute…");
    sessions(&bare, WARMING)?;
    sessions(&webhook, WARMING)?;
    let (mut bare_rounds, mut webhook_rounds) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        bare_rounds.push(sessions(&bare, ROUND)?);
        webhook_rounds.push(sessions(&webhook, ROUND)?);
    }
    let steady = |url| load::steady(runtime.handle(), url, STEADY, STEADY_SECONDS, session);
    let (bare_steady, webhook_steady) = (steady(&bare)?, steady(&webhook)?);
    let (cookie, masks) = runtime.block_on(deployment.sign_in(database))?;
    runtime.block_on(look(&deployment, &cookie, &masks))?;
    let page = format!("http://{}/masks", deployment.address);
    load::pages(&page, &cookie, WARMING)?;
    let pages = (0..ROUNDS).map(|_| load::pages(&page, &cookie, ROUND)).collect::<Result<_, _>>()?;
    Ok(Figures { bare: bare_rounds, webhook: webhook_rounds, bare_steady, webhook_steady, pages })
}

/// A session as the carrier sends it, with a name that no other has; every mask has its turn.
fn session(nth: u32) -> String {
    // A prime, so that neighbours in time are not neighbours in the table.
    let place = nth.wrapping_mul(7919) % people::MASKS;
    filled(&format!("7c{nth:030}"), &people::mask(place))
}

fn filled(id: &str, mask: &str) -> String {
    include_str!("session.json")
        .replace("@SESSION@", id)
        .replace("@MASK@", mask)
        .replace("@CALLER@", "6465550123")
}

/// Calls some masks and sees to it that each call is handed over to the right phone; answers with a document.
async fn sample(deployment: &Deployment) -> anyhow::Result<String> {
    let mut document = String::new();
    for nth in 0..SAMPLE {
        let place = nth * (people::MASKS / SAMPLE);
        document = deployment.call(filled(&format!("5a{nth:030}"), &people::mask(place))).await?;
        let read: serde_json::Value = serde_json::from_str(&document)?;
        let to = &read["tropo"][0]["transfer"]["to"];
        ensure!(to == &people::real(place), "a call to mask {place} was answered {document}");
    }
    Ok(document)
}

/// Calls the three masks, so that the page has last calls to tell, and sees to it that they are on it.
async fn look(deployment: &Deployment, cookie: &str, masks: &[String]) -> anyhow::Result<()> {
    for (nth, mask) in masks.iter().enumerate() {
        deployment.call(filled(&format!("6b{nth:030}"), mask)).await?;
    }
    let page = deployment.masks(cookie).await?;
    ensure!(masks.iter().all(|mask| page.contains(&format!("tel:+1{mask}"))), "a mask is missing: {page}");
    Ok(())
}

fn tell(figures: &Figures) {
    report::head();
    report::line(&format!("bare actix handler, {CONNECTIONS} connections"), &figures.bare);
    report::line(&format!("`/tropo/transfer`, {CONNECTIONS} connections"), &figures.webhook);
    report::ratio("… as a share of the bare handler", &figures.webhook, &figures.bare);
    report::line("bare actix handler, steady load", &[figures.bare_steady]);
    report::line("`/tropo/transfer`, steady load", &[figures.webhook_steady]);
    report::ratio("… beside the bare handler", &[figures.webhook_steady], &[figures.bare_steady]);
    report::line(&format!("`/masks`, {CONNECTIONS} connections"), &figures.pages);
}

/// Figures count only if what was answered was right: every call handed over, but for those that took too long to decide.
fn check(database: &Database, figures: &Figures) -> anyhow::Result<()> {
    let count = |which: &str| -> anyhow::Result<f64> {
        Ok(database.ask(&format!("SELECT count(*)::text AS value FROM calls WHERE {which}"))?.parse()?)
    };
    let handed_over = count("decision = 'connected' AND ending IS NULL")?;
    let (late, refused) = (count("ending = 'did_not_connect'")?, count("decision <> 'connected'")?);
    let webhook: Vec<&Round> = figures.webhook.iter().chain([&figures.webhook_steady]).collect();
    let answered: f64 = webhook.iter().map(|round| round.answers).sum();
    println!(
        "\nOf at least {answered} calls, {late} were told to try again as their decision took too long."
    );
    ensure!(
        refused == 0.0 && handed_over + late >= answered,
        "{handed_over} were handed over, {refused} refused"
    );
    let others = figures.bare.iter().chain([&figures.bare_steady]).chain(&figures.pages);
    let failed: f64 = webhook.into_iter().chain(others).map(|round| round.failed).sum();
    ensure!(failed == 0.0, "{failed} requests had another answer than 200, or none");
    Ok(())
}
