//! What is seen of the product from outside: its metrics.

use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::App;
use super::sign_ins::SignInError;
use super::spending::spent;
use crate::db::spend::{self, Used};
use crate::db::users::User;
use crate::db::{DbError, figures};
use crate::metrics::{Figures, Kept, Metrics, SignInFailure, Spending, whole};

/// How long a scrape waits for the database; Prometheus itself waits 10 s unless told otherwise.
const SCRAPE: Duration = Duration::from_secs(1);

impl App {
    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Every metric as Prometheus reads them. With the database away, what is known without it.
    pub async fn scrape(&self) -> String {
        let now = self.now();
        let work = move |conn: &mut _| Ok::<_, DbError>((figures::read(conn, now)?, spend::used(conn, now)?));
        let asked = self.work_db.transaction(work);
        let told = tokio::time::timeout(SCRAPE, asked).await.ok().and_then(Result::ok);
        let (stored, used) = told.unzip();
        let spending = used.map(|(today, month)| self.seen_spending(today, month));
        self.metrics.text(&Figures {
            stored,
            spending,
            sealing_failures: self.sealing_failures(),
            kept: self.kept(),
        })
    }

    fn seen_spending(&self, today: Used, month: Used) -> Spending {
        let limits = &self.settings.limits;
        let cost = |used| spent(used, &limits.prices).in_units();
        let (day_cap, month_cap) = limits.spend;
        let periods =
            [("day", cost(today), day_cap.in_units()), ("month", cost(month), month_cap.in_units())];
        Spending { currency: self.settings.currency.clone(), periods }
    }

    fn kept(&self) -> Kept {
        let (directory, records) = (self.directory_standing(), self.records_standing());
        let now = self.now();
        let age = |at: DateTime<Utc>| (now - at).as_seconds_f64();
        Kept {
            numbers: directory.version.map(|_| whole(directory.numbers as u64)),
            age_seconds: directory.confirmed_at.map(age),
            file_bytes: directory.file_bytes.map(whole),
            queued: whole(records.queued as u64),
            spool_bytes: whole(records.spool_bytes),
            lost: records.lost,
        }
    }

    /// The user with that address and password. Takes as long for an unknown address as for a known one. `device` is
    /// what the browser was given when somebody signed in there before.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &str,
        address: IpAddr,
        device: Option<&str>,
    ) -> Result<User, SignInError> {
        let signed_in = self.proved_user(email, password, address, device).await;
        match &signed_in {
            Err(SignInError::Wrong) => self.metrics.sign_in_failed(SignInFailure::Wrong),
            Err(SignInError::LinkNeeded) => self.metrics.sign_in_failed(SignInFailure::LinkNeeded),
            Err(SignInError::TooMany { .. } | SignInError::TooOften { .. }) => {
                self.metrics.sign_in_failed(SignInFailure::TooMany);
            }
            Ok(_) | Err(SignInError::Db(_) | SignInError::Busy(_)) => {}
        }
        signed_in
    }
}
