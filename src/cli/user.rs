//! `maskline user …`: accounts made and promoted by whoever may read the deployment's settings.

use super::compose;
use super::database::Database;
use super::error::CliError;
use crate::app::App;
use crate::config::{self, environment};
use crate::db::DbError;
use crate::domain::user::{EmailAddress, Role};
use crate::telemetry;

/// Prints a link; the sentence about it goes to the standard error, so that a script gets the link alone.
pub(super) fn create(email: EmailAddress, admin: bool) -> Result<(), CliError> {
    let role = if admin { Role::Admin } else { Role::User };
    let (minutes, link) = with_app(async |app| {
        let link = app.invite(email, role).await?;
        Ok((app.settings().limits.link_life.num_minutes(), link))
    })?;
    let what = if admin { " and become an admin" } else { "" };
    eprintln!("Open this link once, within {minutes} minutes, to choose a password{what}:");
    println!("{link}");
    Ok(())
}

/// Makes the user of an account an admin.
pub(super) fn promote(email: EmailAddress) -> Result<(), CliError> {
    if !with_app(async |app| app.promote(email.clone()).await)? {
        return Err(CliError::NoAccount(email));
    }
    println!("{email} is an admin now and has to sign in again.");
    Ok(())
}

fn with_app<T>(work: impl AsyncFnOnce(&App) -> Result<T, DbError>) -> Result<T, CliError> {
    let config = config::Users::read(&environment::read()?)?;
    telemetry::start(&telemetry::Settings::of_a_command());
    let database = Database::open_existing(&config.database)?;
    database.prepare()?;
    let app = compose::app_of_a_command(&config, &database)?;
    Ok(compose::runtime()?.block_on(work(&app))?)
}
