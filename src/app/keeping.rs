//! What a server keeps beside answering: the directory up to date, and the records of calls written down.
//!
//! Each on a thread and a runtime of its own, so that neither pages nor the worker hold it up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::App;
use super::directory::{Keeper, OpenError};
use super::recorder::RecordKeeper;
use super::slots::Slot;

/// What is kept, before it begins.
pub struct Keeping {
    directory: Keeper,
    records: RecordKeeper,
}

impl Keeping {
    /// Takes a place in the folder for this server alone, and loads what calls are routed by: from there, and from the
    /// database, for which it waits `patience` where the folder would do. `name` is the server's for people.
    pub async fn open(
        app: &Arc<App>,
        folder: &Path,
        name: &str,
        patience: Duration,
    ) -> Result<Self, OpenError> {
        let failed = |error| OpenError::new(folder, error);
        let slot = Slot::take(folder).map_err(failed)?;
        let records = RecordKeeper::open(app, &slot.folder, slot.server).map_err(failed)?;
        let directory = Keeper::open(app, slot, name.to_owned(), patience).await;
        Ok(Self { directory, records })
    }

    /// Keeps until `shutdown` turns true, and a moment longer: what was told until then is written down. Ends early only
    /// by a fault of ours.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let Self { directory, records } = self;
        let until = shutdown.clone();
        let threads = [
            on_its_own("directory", move || directory.run(until)),
            on_its_own("records", move || records.run(shutdown)),
        ];
        for thread in threads {
            // A panic has been told by whoever panicked.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn on_its_own<W: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> W + Send + 'static,
) -> std::thread::JoinHandle<()> {
    let begun = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(work());
                // A database that hangs holds up nobody who ends.
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "nothing is kept"),
        }
    });
    // A machine that has no thread left at the start of a server has nothing to run it with.
    begun.unwrap_or_else(|error| panic!("no thread for {name}: {error}"))
}
