//! Our application at the carrier: looked at with each comparison, and set again where it is not as it should be.
//!
//! That is no operation of its own: it is about no mask, and setting it twice is as good as once. What is wrong is
//! written down before the carrier is asked, under the lease of the comparison, and stays so until a later look finds
//! all in order; so a crash or a lost answer needs no reading back but the next comparison.

use uuid::Uuid;

use super::App;
use crate::carrier::{Arrangement, CarrierError};
use crate::db::audit::{self, Actor};
use crate::db::{DbError, reconciliation};
use crate::failpoint;

/// What is said where the carrier bills us no more.
const NOT_BILLED: &str = "it is back in the part that is not billed, which is limited";

/// What was found about our application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsThere {
    /// All is as it should be.
    Right,
    /// This was not, and is now.
    SetAgain(String),
    /// This is not.
    Wrong(String),
    /// Nobody can tell.
    Unknown(String),
}

/// What is not as it should be, in words, and whether any of it can be set from here.
struct Fault {
    words: String,
    can_be_set: bool,
}

fn fault(arrangement: &Arrangement, was_billed: bool) -> Option<Fault> {
    let mut words: Vec<&str> = arrangement.faults.iter().map(|fault| fault.what).collect();
    let lost_partition = was_billed && arrangement.is_billed == Some(false);
    words.extend(lost_partition.then_some(NOT_BILLED));
    let can_be_set = lost_partition || arrangement.faults.iter().any(|fault| fault.can_be_set);
    (!words.is_empty()).then(|| Fault { words: words.join("; "), can_be_set })
}

impl App {
    /// Looks whether our application at the carrier is as it should be; with the number of a comparison, sets it so.
    pub(super) async fn see_to_settings(&self, round: Option<i64>) -> Result<SettingsThere, DbError> {
        let was_billed = self.work_db.transaction(reconciliation::was_billed).await?;
        failpoint::here("settings-begun");
        let found = match self.carrier.arrangement().await {
            Ok(found) => found,
            Err(error) => return Ok(unknown(&error)),
        };
        failpoint::here("settings-answered");
        let wrong = fault(&found, was_billed);
        let is_ours = self.note_settings(round, &found, wrong.as_ref()).await?;
        failpoint::here("settings-noted");
        let Some(wrong) = wrong else { return Ok(SettingsThere::Right) };
        if !is_ours || !wrong.can_be_set {
            return Ok(SettingsThere::Wrong(wrong.words));
        }
        if let Err(error) = self.carrier.arrange(was_billed).await {
            tracing::warn!(%error, "the settings at the carrier were not set");
            return Ok(SettingsThere::Wrong(wrong.words));
        }
        failpoint::here("settings-asked");
        let now_found = match self.carrier.arrangement().await {
            Ok(found) => found,
            Err(error) => return Ok(unknown(&error)),
        };
        let still = fault(&now_found, was_billed);
        self.note_settings(round, &now_found, still.as_ref()).await?;
        Ok(still.map_or(SettingsThere::SetAgain(wrong.words), |still| SettingsThere::Wrong(still.words)))
    }

    /// Writes down how the settings are; tells whether this comparison still counts.
    async fn note_settings(
        &self,
        round: Option<i64>,
        found: &Arrangement,
        wrong: Option<&Fault>,
    ) -> Result<bool, DbError> {
        let Some(round) = round else { return Ok(false) };
        let (now, is_billed) = (self.now(), found.is_billed);
        let words = wrong.map(|wrong| wrong.words.clone());
        if let Some(words) = &words {
            tracing::error!(fault = %words, "the settings at the carrier are not as they should be");
        }
        let work = move |conn: &mut _| {
            if !reconciliation::hold(conn, round)? {
                return Ok(false);
            }
            let before = reconciliation::standing(conn)?.settings_fault;
            reconciliation::note_settings(conn, words.as_deref(), is_billed, now)?;
            if before != words {
                let action = if words.is_some() { "settings found wrong" } else { "settings right again" };
                let detail = words.or(before).unwrap_or_default();
                audit::write(conn, now, Actor::System, action, Uuid::nil(), &detail)?;
            }
            failpoint::here("settings-written");
            Ok::<_, DbError>(true)
        };
        self.work_db.transaction(work).await
    }
}

fn unknown(error: &CarrierError) -> SettingsThere {
    tracing::warn!(%error, "the settings at the carrier could not be looked at");
    SettingsThere::Unknown(error.to_string())
}
