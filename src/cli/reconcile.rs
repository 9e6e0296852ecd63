//! `maskline tropo reconcile`: one comparison of Tropo's list with our rows, told number by number.
//!
//! Decides nothing: what is compared, and what follows, `app` knows.

use std::process::ExitCode;

use super::compose;
use super::database::Database;
use super::error::CliError;
use crate::app::orphans::Fate;
use crate::app::reconciliation::{How, Outcome, Report, SettingsThere, What};
use crate::config::{self, environment};
use crate::telemetry;

/// The exit status where Tropo and our rows differ.
const DIFFERENT: u8 = 1;
/// The exit status where nothing could be compared.
const NOT_COMPARED: u8 = 2;

/// How the comparison is called.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Change nothing; tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Take Tropo's list for right even if it is much shorter or longer than expected
    #[arg(long)]
    believe: bool,
}

/// Compares, prints the report, and says by its exit status what came of it.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match compare(arguments) {
        Ok(Outcome::Compared(report)) => {
            print(&report, arguments.dry_run);
            if report.agrees { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
        }
        Ok(Outcome::Busy) => not_compared("another comparison goes on at the moment: try again in a minute"),
        Ok(Outcome::NotCompared { alarm, may_be_right }) => {
            let hint = if may_be_right { "; if the list is right, say so with --believe" } else { "" };
            not_compared(&format!("{alarm}: nothing was changed{hint}"))
        }
        Err(error) => not_compared(&error.to_string()),
    }
}

fn not_compared(why: &str) -> ExitCode {
    eprintln!("maskline: {why}");
    ExitCode::from(NOT_COMPARED)
}

fn compare(arguments: &Arguments) -> Result<Outcome, CliError> {
    let config = config::Serve::read(&environment::read()?)?;
    telemetry::start(&telemetry::Settings::of_a_command());
    let database = Database::open_existing(&config.database)?;
    database.prepare()?;
    let runtime = compose::runtime()?;
    let _inside = runtime.enter();
    let app = compose::app(&config, &config.site.address(config.site.listen.port()), &database)?;
    let how = How { dry_run: arguments.dry_run, believe: arguments.believe };
    let outcome = runtime.block_on(async {
        let outcome = app.reconcile_so(how).await;
        app.letters_sent().await;
        outcome
    });
    Ok(outcome?)
}

fn print(report: &Report, dry_run: bool) {
    println!("Tropo has {} numbers for us; our masks hold {}.", report.listed, report.held);
    for finding in &report.findings {
        println!("{}  {}", finding.number.grouped(), said(&finding.what, dry_run));
    }
    if let Some(said) = report.settings.as_ref().and_then(settings_said) {
        println!("{said}");
    }
    if report.agrees {
        println!("Both agree.");
    } else if dry_run {
        println!("They differ. This was a dry run: nothing was changed.");
    } else {
        println!("They differ.");
    }
}

/// What was found about the application, where there is something to say.
fn settings_said(settings: &SettingsThere) -> Option<String> {
    match settings {
        SettingsThere::Right => None,
        SettingsThere::SetAgain(fault) => Some(format!("settings: {fault}; set right again")),
        SettingsThere::Wrong(fault) => Some(format!(
            "settings: {fault}; the next comparison sets right what it can, `maskline tropo setup` all"
        )),
        SettingsThere::Unknown(error) => Some(format!("settings: they could not be looked at ({error})")),
    }
}

/// What was found about a number, and what was done or would be.
fn said(what: &What, dry_run: bool) -> String {
    let done = |done: &str, would: &str| if dry_run { would.to_owned() } else { done.to_owned() };
    match what {
        What::NewOrphan => format!(
            "orphan: Tropo has it and nothing here explains it; {}",
            done(
                "noted, and given back if it is still there in 15 minutes",
                "it would be noted, and given back if it is still there in 15 minutes",
            )
        ),
        What::StillOrphan => "orphan: still there; nothing is to be done now".into(),
        What::Due(fate) => format!("orphan: {}", fate_said(fate, dry_run)),
        What::GivenBack => "was an orphan on its way back, and is gone".into(),
        What::Gone => "was an orphan, and left Tropo's list by itself".into(),
        What::Explained => "was taken for an orphan, and belongs to a mask after all".into(),
        What::Missing => {
            "missing: a mask holds it and Tropo does not have it; lost if it stays so for 15 minutes".into()
        }
        What::ThereAgain => "was missing, and is there again".into(),
        What::Lost => done(
            "lost: Tropo has not had it for 15 minutes; its owner is told, and it is bought back if it can be",
            "lost: Tropo has not had it for 15 minutes; its owner would be told, and it would be bought back",
        ),
        What::Found => done(
            "was lost, and Tropo has it again; its mask is back",
            "was lost, and Tropo has it again; its mask would come back",
        ),
    }
}

fn fate_said(fate: &Fate, dry_run: bool) -> String {
    match fate {
        Fate::TakenUp if dry_run => "a wish that failed had asked for it: that mask would get it".into(),
        Fate::TakenUp => "a wish that failed had asked for it: that mask has it now".into(),
        Fate::GivenBack if dry_run => "it would be given back".into(),
        Fate::GivenBack => "given back".into(),
        Fate::Refused(error) => format!("Tropo refused to take it back ({error})"),
        Fate::Unclear(error) => {
            format!("it is not known whether it was given back ({error}); the next run sees")
        }
        Fate::Explained => "something here explains it after all, or it is settled".into(),
        Fate::AskedFor => "a purchase that is not settled may have bought it: that is found out first".into(),
        Fate::Kept => "a person keeps it".into(),
        Fate::Waits => "waits for the next run, as a few are given back in each".into(),
    }
}
