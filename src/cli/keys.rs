//! `maskline keys …`: which keys the database still needs, and how it comes to need one less.
//!
//! Walks over the tables in batches, and goes on where somebody held a row or the database was away for a moment.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::compose;
use super::database::Database;
use super::error::CliError;
use crate::app::App;
use crate::app::keys::{Needs, Sealed};
use crate::config::{self, environment};
use crate::db::DbError;
use crate::telemetry;

/// How often a batch is tried again when the database does not answer, or refuses because somebody holds it.
const TRIES: u32 = 10;
/// How long lies between two tries, and between two walks over a table in which rows were held.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a table is walked over for rows that somebody held.
const WALKS: usize = 10;
/// How many batches lie between two lines about the progress.
const BATCHES_OF_A_LINE: usize = 20;

const ALL: [(Sealed, &str); 3] =
    [(Sealed::Numbers, "numbers"), (Sealed::Callers, "callers"), (Sealed::Letters, "letters")];

/// How many numbers, callers and letters need each key.
type Table = BTreeMap<Needs, [u64; ALL.len()]>;

/// Writes again what is not under the key that writes.
pub(super) fn rotate() -> Result<(), CliError> {
    with_app(async |app| {
        for (sealed, name) in ALL {
            let mut walks = 0;
            while walk(app, sealed, name).await? > 0 && walks < WALKS {
                walks += 1;
                sleep(PAUSE).await;
            }
        }
        let table = count(app).await?;
        print(app, &table);
        let writing = Needs::Key(app.writing_key());
        let left: u64 = table.iter().filter(|(needs, _)| **needs != writing).flat_map(|(_, rows)| rows).sum();
        if left > 0 { Err(CliError::UnderOtherKeys(left)) } else { Ok(()) }
    })
}

/// Says how much is under which key.
pub(super) fn status() -> Result<(), CliError> {
    with_app(async |app| {
        print(app, &count(app).await?);
        Ok(())
    })
}

fn with_app<T>(work: impl AsyncFnOnce(&App) -> Result<T, CliError>) -> Result<T, CliError> {
    let config = config::Users::read(&environment::read()?)?;
    telemetry::start(&telemetry::Settings::of_a_command());
    let database = Database::open_existing(&config.database)?;
    database.prepare()?;
    let app = compose::app_of_a_command(&config, &database)?;
    compose::runtime()?.block_on(work(&app))
}

/// Goes over a table from its first row to its last; tells how many rows should have been changed but were held.
async fn walk(app: &App, sealed: Sealed, name: &str) -> Result<usize, CliError> {
    let (mut after, mut looked_at, mut changed, mut held) = (Uuid::nil(), 0, 0, 0);
    for batches in 1.. {
        let batch = patiently(|| app.reseal(sealed, after)).await?;
        looked_at += batch.looked_at;
        changed += batch.changed;
        held += batch.held;
        if batch.last.is_none() || batches % BATCHES_OF_A_LINE == 0 {
            eprintln!("{name}: {looked_at} looked at, {changed} sealed again");
        }
        let Some(last) = batch.last else { break };
        after = last;
    }
    Ok(held)
}

async fn count(app: &App) -> Result<Table, CliError> {
    let mut table: Table = app.key_ids().into_iter().map(|id| (Needs::Key(id), [0; ALL.len()])).collect();
    for (place, (sealed, _)) in ALL.into_iter().enumerate() {
        let mut after = Uuid::nil();
        loop {
            let counted = patiently(|| app.count_keys(sealed, after)).await?;
            for (needs, rows) in counted.rows {
                table.entry(needs).or_default()[place] += rows;
            }
            let Some(last) = counted.last else { break };
            after = last;
        }
    }
    Ok(table)
}

/// Tries again for as long as a server would take to come back.
async fn patiently<T>(work: impl AsyncFn() -> Result<T, DbError>) -> Result<T, CliError> {
    let mut tries = 0;
    loop {
        match work().await {
            Err(DbError::Unavailable(reason)) if tries < TRIES => {
                tries += 1;
                eprintln!("the database does not take it at the moment, so it is tried again: {reason}");
                sleep(PAUSE).await;
            }
            done => return Ok(done?),
        }
    }
}

fn print(app: &App, table: &Table) {
    let listed = app.key_ids();
    for (needs, [numbers, callers, letters]) in table {
        let rows = format!("numbers {numbers}, callers {callers}, letters {letters}");
        match needs {
            Needs::Key(id) if *id == app.writing_key() => println!("key {id}, which writes: {rows}"),
            Needs::Key(id) if !listed.contains(id) => {
                println!("key {id}, which is not in the list: {rows}. They cannot be read without it");
            }
            Needs::Key(id) if numbers + callers + letters == 0 => {
                println!("key {id}: {rows}. Nothing needs it: it can be taken off the list of every server");
            }
            Needs::Key(id) => println!("key {id}: {rows}. They need it"),
            Needs::Broken => {
                println!("no key: {rows}. They are damaged, or were moved, or another key had the same id");
            }
        }
    }
}
