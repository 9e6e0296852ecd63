//! From the webhook to its answer, beside a bare actix handler: how much of it, how fast, at what cost, with how many masks,
//! and while the database is away. And the page of masks.
//!
//! Everything runs on this machine: the program as people run it, a throw-away PostgreSQL with fsync, the handler in a
//! process of its own, and the load. `script/bench` runs this; with the names of parts (rate, cost, patience, pages, size)
//! it runs these alone. What counts is the ratio of two things that ran in turn.

mod bare;
mod deployment;
mod load;
mod measures;
mod people;
mod process;
mod report;

use std::time::Duration;

use anyhow::ensure;

use deployment::{Database, Server};
use measures::{Beside, calls_at_once, cost_of_calls, pages, patience, size, starts};
use report::Report;

/// What can be asked for alone: the first four with one server, the last with several.
const PARTS: [&str; 5] = ["rate", "cost", "patience", "pages", "size"];

fn main() -> anyhow::Result<()> {
    // What cargo adds is no part's name.
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if named == ["bare"] {
        return bare::serve();
    }
    let unknown = named.iter().find(|name| !PARTS.contains(&name.as_str()));
    ensure!(unknown.is_none(), "there is no part {unknown:?}; there are {PARTS:?}");
    let wants = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let (cores, load) = (std::thread::available_parallelism()?.get(), report::load());
    let (mut report, database) = (Report::default(), Database::open()?);
    if PARTS[..4].iter().any(|part| wants(part)) {
        println!("Filling a database with 100,000 masks…");
        calls(&database, &wants, &mut report)?;
    }
    if wants("size") {
        println!("Filling a database with 1,000,000 masks…");
        let (few, most) = (database.with_masks(1_000)?, database.with_masks(1_000_000)?);
        starts(&database, &most, &mut report)?;
        size(&database, &few, &most, &mut report)?;
    }
    let postgres = database.version()?;
    println!("\n{}; load before the run {load}.\n", report::machine(cores, &postgres));
    report.tell();
    Ok(())
}

/// All that is measured with one server and its hundred thousand masks.
fn calls(database: &Database, wants: &dyn Fn(&str) -> bool, report: &mut Report) -> anyhow::Result<()> {
    let many = database.with_masks(100_000)?;
    let server = Server::start(database, &many, "many")?;
    server.sample(&many)?;
    let beside = Beside::new(&server, &many)?;
    println!("Measuring; this takes some minutes, in which the machine should do nothing else…");
    if wants("rate") {
        calls_at_once(&beside, report)?;
    }
    if wants("cost") {
        cost_of_calls(&beside, report)?;
    }
    if wants("patience") {
        patience(&beside, database, report)?;
    }
    if wants("pages") {
        pages(&beside, database, report)?;
    }
    server.drained(Duration::from_mins(10))?;
    ensure!(report.failed == 0.0, "{} requests had another answer than 200, or none", report.failed);
    Database::check(&many, report.calls)
}
