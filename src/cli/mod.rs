//! The command line, and the one place where the parts are put together.
//!
//! Whatever goes wrong ends as one message in plain words and exit code 1; a command that was written wrongly ends
//! with 2. `maskline tropo reconcile` alone has a scale of its own.

mod banner;
mod code_sender;
mod compose;
mod database;
mod descriptors;
mod develop;
mod error;
mod keys;
mod listeners;
mod notify;
mod reconcile;
mod serve;
mod setup;
mod simulate;
mod stop;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::domain::user::EmailAddress;

/// Phone numbers to hand out instead of one's own.
///
/// Settings come from the environment and from .env in the current folder; .env.example explains each. Where
/// `MASKLINE_STATE` is not set, the state lies in var/ of the current folder: run every command from the same one.
#[derive(Debug, Parser)]
#[command(name = "maskline", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve,
    /// Bring the database to this version's tables
    Migrate,
    /// Make accounts and admins; works while the server runs
    #[command(subcommand)]
    User(User),
    /// Change the keys that numbers are sealed with; works while servers run
    #[command(subcommand)]
    Keys(Keys),
    /// Work on the account at Tropo
    #[command(subcommand)]
    Tropo(Tropo),
    /// Run a pretend Tropo on this machine
    Simulate,
    /// Run everything on this machine to try it out: a private database, a pretend Tropo, the server
    Develop,
}

#[derive(Debug, Subcommand)]
enum User {
    /// Print a link with which somebody chooses a password: for a new account, or for one that is there
    Create {
        /// Their e-mail address
        email: EmailAddress,
        /// Whoever uses the link becomes an admin
        #[arg(long)]
        admin: bool,
    },
    /// Make the user of an account an admin
    Promote {
        /// Their e-mail address
        email: EmailAddress,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Say how many numbers and callers need which key
    Status,
    /// Seal again, under the first key of the list, whatever is sealed under another
    ///
    /// Run it once every server has the new key as its first one, and again once the old key is off the list. It may be
    /// killed at any time and begun again. Exit code 1 if something is left.
    Rotate,
}

#[derive(Debug, Subcommand)]
enum Tropo {
    /// Make or update the application at Tropo, its launch tokens and the number that codes come from; print the settings
    /// to keep
    ///
    /// The printed settings are secrets: with --write they go into .env instead (readable by its owner alone). Rents one
    /// number, unless there is one already or `TROPO_CALLER_ID` names one.
    Setup(setup::Arguments),
    /// Compare the numbers that Tropo has for us with our own list, and mend what differs
    ///
    /// The server does so by itself every five minutes. Ends with 0 if both agree, 1 if they differ, 2 if they could
    /// not be compared.
    Reconcile(reconcile::Arguments),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let done = match command {
        Command::Serve => serve::serve(),
        Command::Migrate => database::migrate(),
        Command::User(User::Create { email, admin }) => user::create(email, admin),
        Command::User(User::Promote { email }) => user::promote(email),
        Command::Keys(Keys::Status) => keys::status(),
        Command::Keys(Keys::Rotate) => keys::rotate(),
        Command::Tropo(Tropo::Setup(arguments)) => setup::run(&arguments),
        Command::Tropo(Tropo::Reconcile(arguments)) => return reconcile::run(&arguments),
        Command::Simulate => simulate::run(),
        Command::Develop => develop::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maskline: {error}");
            ExitCode::FAILURE
        }
    }
}
