//! Reconciling: the carrier's list of our numbers is compared with our rows, and what differs is noted, told and mended.
//!
//! What counts as a difference [`crate::domain::agreement`] knows. The list is read outside of any transaction, under a
//! lease, so that two servers do not compare at once; what a comparison notes is fenced by its number.

use uuid::Uuid;

use super::App;
use super::lost::{lose, regain};
use super::orphans::Fate;
use crate::carrier::CarrierError;
use crate::db::audit::{self, Actor};
use crate::db::orphans::{self, Ended};
use crate::db::{Connection, DbError, masks, operations, reconciliation};
use crate::domain::agreement::{self, Doubt, Ours, Plan, RELEASES_A_RUN};
use crate::domain::ids::{MaskId, OrphanId};
use crate::domain::phone::PhoneNumber;
use crate::failpoint;
use crate::secrets;

pub use super::settings_there::SettingsThere;

/// How a comparison ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Another goes on at the moment.
    Busy,
    /// The list could not be read or was not believed; nothing was changed.
    NotCompared {
        /// Why not.
        alarm: String,
        /// Whether a person can say that the list is right all the same.
        may_be_right: bool,
    },
    /// Compared.
    Compared(Report),
}

impl Outcome {
    /// The same, with what was found about our application there.
    fn with(mut self, settings: SettingsThere) -> Self {
        if let Self::Compared(report) = &mut self {
            report.agrees &= matches!(settings, SettingsThere::Right | SettingsThere::Unknown(_));
            report.settings = Some(settings);
        }
        self
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Only tell what would follow.
    pub dry_run: bool,
    /// Whoever may run commands on the server says that the list is right, however it looks.
    pub believe: bool,
}

/// What a comparison found, and what was done about it, or would be.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many numbers the carrier has for us.
    pub listed: usize,
    /// How many numbers our masks hold.
    pub held: usize,
    /// Whether the carrier and our rows agree on everything.
    pub agrees: bool,
    /// What was found, number by number.
    pub findings: Vec<Finding>,
    /// How our application there is.
    pub settings: Option<SettingsThere>,
}

/// One number on which the carrier and our rows do not agree, or did not.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The number; of an orphan, or of a mask.
    pub number: PhoneNumber,
    /// What about it.
    pub what: What,
}

/// What is found about a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The carrier has it and no row explains it, seen for the first time.
    NewOrphan,
    /// So it is still, and nothing is done yet.
    StillOrphan,
    /// Its time had come; this came of it. In a dry run it is what would be tried.
    Due(Fate),
    /// It was on its way back, and is gone.
    GivenBack,
    /// It left the list by itself.
    Gone,
    /// One of our rows explains it after all.
    Explained,
    /// A mask holds it and the carrier does not have it, not yet long enough.
    Missing,
    /// It was missing and is there again.
    ThereAgain,
    /// The carrier has not had it for long enough: the mask is lost.
    Lost,
    /// Its mask was lost, and the carrier has it again.
    Found,
}

/// What became of the transaction that compares.
enum Compared {
    Superseded,
    Doubted(Doubt),
    Planned(Box<Planned>),
}

/// What follows from a list that is believed, our rows by which it was judged, and who is to be told.
struct Planned {
    plan: Plan,
    after: Ours,
    told: Vec<super::lost::Told>,
}

impl App {
    /// Compares the carrier's list with our rows and does what follows; a dry run only tells what would follow.
    pub async fn reconcile(&self, dry_run: bool) -> Result<Outcome, DbError> {
        self.reconcile_so(How { dry_run, believe: false }).await
    }

    /// The same, with a word about whether to believe the list.
    pub async fn reconcile_so(&self, how: How) -> Result<Outcome, DbError> {
        if how.dry_run {
            let outcome = self.compare(None, how.believe).await?;
            return Ok(outcome.with(self.see_to_settings(None).await?));
        }
        let now = self.now();
        let begun = self.work_db.transaction(move |conn| reconciliation::begin(conn, now)).await?;
        let Some(round) = begun else { return Ok(Outcome::Busy) };
        failpoint::here("comparison-begun");
        let outcome = self.compare(Some(round), how.believe).await;
        let settings = self.see_to_settings(Some(round)).await;
        self.work_db.transaction(move |conn| reconciliation::finish(conn, round)).await?;
        failpoint::here("comparison-ended");
        Ok(outcome?.with(settings?))
    }

    /// Compares; with the number of a round, does what follows.
    async fn compare(&self, round: Option<i64>, believe: bool) -> Result<Outcome, DbError> {
        let now = self.now();
        let before = self.work_db.transaction(move |conn| reconciliation::ours(conn, now)).await?;
        failpoint::here("rows-read");
        let list = self.carrier.owned().await;
        failpoint::here("list-answered");
        let list = match list {
            Ok(list) => self.without_code_sender(list, &before),
            Err(error) => {
                let text = format!("the carrier's list could not be read: {error}");
                return self.not_compared(round, text, None).await;
            }
        };
        match self.compare_rows(round, believe, before, list.clone()).await? {
            Compared::Superseded => Ok(Outcome::Busy),
            Compared::Doubted(doubt) => {
                let size = doubt.may_be_right().then_some(list.len());
                self.not_compared(round, doubt.to_string(), size).await
            }
            Compared::Planned(planned) => {
                let Planned { plan, after, told } = *planned;
                for told in told {
                    self.tell_owner(Some(told));
                }
                let mut report = report(&plan, &after, list.len());
                self.settle_due(round.is_none(), &plan.due, &after, &mut report).await?;
                Ok(Outcome::Compared(report))
            }
        }
    }

    /// The carrier's list of our numbers. One that lacks what our masks hold says nothing of what else it lacks, and
    /// counts as one that could not be read.
    pub(super) async fn believable_list(&self) -> Result<Result<Vec<PhoneNumber>, CarrierError>, DbError> {
        let now = self.now();
        let ours = move |conn: &mut Connection| reconciliation::ours(conn, now);
        let before = self.work_db.transaction(ours).await?;
        let list = match self.carrier.owned().await {
            Ok(list) => self.without_code_sender(list, &before),
            Err(error) => return Ok(Err(error)),
        };
        let after = self.work_db.transaction(ours).await?;
        let doubt = agreement::doubt(&before, &after, &list, None);
        Ok(doubt.map_or(Ok(list), |doubt| Err(CarrierError::Unavailable(doubt.to_string()))))
    }

    /// The list without the number that codes come from: it is no mask, and no orphan. One that a mask holds all the same
    /// stays in it, so that the mask is not lost.
    fn without_code_sender(&self, mut list: Vec<PhoneNumber>, ours: &Ours) -> Vec<PhoneNumber> {
        let sender = self.settings.code_sender;
        let is_held = |number: PhoneNumber| ours.held.iter().any(|held| held.number == number);
        list.retain(|number| sender != Some(*number) || is_held(*number));
        list
    }

    /// In one transaction: reads our rows again, compares, and notes what follows.
    async fn compare_rows(
        &self,
        round: Option<i64>,
        believe: bool,
        before: Ours,
        list: Vec<PhoneNumber>,
    ) -> Result<Compared, DbError> {
        let (now, rest) = (self.now(), self.settings.limits.rest);
        let work = move |conn: &mut _| {
            if let Some(round) = round
                && !reconciliation::hold(conn, round)?
            {
                return Ok(Compared::Superseded);
            }
            let after = reconciliation::ours(conn, now)?;
            let believed = reconciliation::standing(conn)?.believed_size;
            let believed = believed.and_then(|size| usize::try_from(size).ok());
            let believed = if believe { Some(list.len()) } else { believed };
            if let Some(doubt) = agreement::doubt(&before, &after, &list, believed) {
                return Ok(Compared::Doubted(doubt));
            }
            let plan = agreement::compare(&before, &after, &list, now);
            let mut told = vec![];
            if round.is_some() {
                if believe {
                    audit::write(conn, now, Actor::Command, "list believed", Uuid::nil(), "")?;
                }
                note_orphans(conn, &plan, now)?;
                reconciliation::miss(conn, &plan.missed, now)?;
                reconciliation::forget_absence(conn, &plan.there_again)?;
                for mask in &plan.lost {
                    told.extend(lose(conn, *mask, now)?);
                }
                for mask in &plan.found {
                    if let Some(mask) = masks::hold(conn, *mask)? {
                        told.extend(regain(conn, &mask, "the carrier has its number again", now, rest)?);
                    }
                }
                operations::read_back_again(conn, now)?;
                reconciliation::note_good(conn, list.len(), now)?;
            }
            failpoint::here("comparison-written");
            Ok::<_, DbError>(Compared::Planned(Box::new(Planned { plan, after, told })))
        };
        let compared = self.work_db.transaction(work).await?;
        failpoint::here("comparison-noted");
        self.wake.notify_one();
        Ok(compared)
    }

    /// Takes up the orphans whose time has come, or gives them back: a few in each run.
    async fn settle_due(
        &self,
        dry_run: bool,
        due: &[OrphanId],
        after: &Ours,
        report: &mut Report,
    ) -> Result<(), DbError> {
        let mut releases = 0;
        for orphan in after.orphans.iter().filter(|orphan| due.contains(&orphan.id)) {
            let is_taken =
                if dry_run { self.is_wished_for(orphan.id).await? } else { self.take_up(orphan.id).await? };
            let fate = if is_taken {
                Fate::TakenUp
            } else if releases == RELEASES_A_RUN {
                Fate::Waits
            } else {
                releases += 1;
                if dry_run { Fate::GivenBack } else { self.give_back(orphan.id, Actor::System).await? }
            };
            report.findings.push(Finding { number: orphan.number, what: What::Due(fate) });
        }
        Ok(())
    }

    /// Nothing is changed, and people are told; `size` is that of a list that may be right all the same.
    async fn not_compared(
        &self,
        round: Option<i64>,
        alarm: String,
        size: Option<usize>,
    ) -> Result<Outcome, DbError> {
        let (now, text) = (self.now(), alarm.clone());
        let work = move |conn: &mut _| {
            if let Some(round) = round
                && reconciliation::hold(conn, round)?
            {
                reconciliation::note_alarm(conn, &text, size, now)?;
            }
            failpoint::here("alarm-written");
            Ok::<_, DbError>(())
        };
        self.work_db.transaction(work).await?;
        failpoint::here("alarm-noted");
        tracing::error!(%alarm, "the carrier and our rows were not compared");
        Ok(Outcome::NotCompared { alarm, may_be_right: size.is_some() })
    }
}

fn note_orphans(
    conn: &mut Connection,
    plan: &Plan,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbError> {
    orphans::see_again(conn, &plan.seen_again, now)?;
    for number in &plan.new_orphans {
        let id = OrphanId(secrets::random_uuid());
        orphans::insert(conn, id, *number, now)?;
        audit::write(conn, now, Actor::System, "orphan seen", id.0, "")?;
        tracing::error!(orphan = %id, "the carrier has a number for us that no row explains");
    }
    let ended = [
        (&plan.given_back, Ended::Released, "orphan given back"),
        (&plan.gone, Ended::Gone, "orphan gone"),
        (&plan.explained, Ended::Explained, "orphan explained"),
    ];
    for (ids, how, action) in ended {
        for id in ids {
            orphans::end(conn, *id, how, now)?;
            audit::write(conn, now, Actor::System, action, id.0, "")?;
        }
    }
    Ok(())
}

/// The plan, number by number; what is due comes later, when it is settled.
fn report(plan: &Plan, after: &Ours, listed: usize) -> Report {
    let orphan =
        |id: &OrphanId| after.orphans.iter().find(|orphan| orphan.id == *id).map(|found| found.number);
    let mask = |id: &MaskId| {
        let held = after.held.iter().find(|held| held.mask == *id).map(|held| held.number);
        held.or_else(|| after.lost.iter().find(|(lost, _)| lost == id).map(|(_, number)| *number))
    };
    let mut findings: Vec<Finding> =
        plan.new_orphans.iter().map(|number| Finding { number: *number, what: What::NewOrphan }).collect();
    let still: Vec<OrphanId> = plan.seen_again.iter().filter(|id| !plan.due.contains(id)).copied().collect();
    for (ids, what) in [
        (&still, What::StillOrphan),
        (&plan.given_back, What::GivenBack),
        (&plan.gone, What::Gone),
        (&plan.explained, What::Explained),
    ] {
        findings.extend(ids.iter().filter_map(orphan).map(|number| Finding { number, what: what.clone() }));
    }
    for (ids, what) in [
        (&plan.missed, What::Missing),
        (&plan.there_again, What::ThereAgain),
        (&plan.lost, What::Lost),
        (&plan.found, What::Found),
    ] {
        findings.extend(ids.iter().filter_map(mask).map(|number| Finding { number, what: what.clone() }));
    }
    Report { listed, held: after.held.len(), agrees: plan.is_agreement(after), findings, settings: None }
}
