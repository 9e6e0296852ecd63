//! From the webhook to its answer, beside a bare actix handler: how much of it, how fast, at what cost, with how many masks,
//! and while the database is away. And the page of masks.
//!
//! Everything runs on this machine: the program as people run it, a throw-away PostgreSQL with fsync, the handler in a
//! process of its own, and the load. `script/bench` runs this. What counts is the ratio of two things that ran in turn.

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
use load::Load;
use measures::{Beside, calls_at_once, cost_of_calls, patience, size, starts};
use report::Report;

fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("bare") {
        return bare::serve();
    }
    let (cores, load) = (std::thread::available_parallelism()?.get(), report::load());
    let mut report = Report::default();
    println!("Starting a database and filling it with 100,000 masks…");
    let mut database = Database::open()?;
    let many = database.with_masks(100_000)?;
    {
        let server = Server::start(&database, &many, "many")?;
        server.sample(&many)?;
        let beside = Beside { bare: bare::Bare::start()?, server: &server, masks: &many, load: Load::new()? };
        println!("Measuring; this takes some minutes, in which the machine should do nothing else…");
        calls_at_once(&beside, &mut report)?;
        cost_of_calls(&beside, &mut report)?;
        patience(&beside, &mut database, &mut report)?;
        measures::pages(&beside, &database, &mut report)?;
        server.drained(Duration::from_mins(10))?;
        ensure!(report.failed == 0.0, "{} requests had another answer than 200, or none", report.failed);
        Database::check(&many, report.calls)?;
    }
    println!("Filling a database with 1,000,000 masks…");
    let (few, most) = (database.with_masks(1_000)?, database.with_masks(1_000_000)?);
    starts(&database, &most, &mut report)?;
    size(&database, &few, &most, &mut report)?;
    let postgres = database.version()?;
    println!("\n{}; load before the run {load}.\n", report::machine(cores, &postgres));
    report.tell();
    Ok(())
}
