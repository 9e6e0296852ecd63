//! What the worker does: one operation after another, so that the carrier and Postgres agree.
//!
//! No request to the carrier is made inside of a transaction. What is about to be asked for is written down first; an
//! unclear answer is read back before anything else is tried. Buying is told in [`super::purchases`].

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::carrier::CarrierError;
use crate::db::audit::{self, Actor};
use crate::db::operations::{self, Claimed, Kind, Next};
use crate::db::{DbError, masks};
use crate::domain::mask::MaskState;
use crate::domain::phone::PhoneNumber;
use crate::failpoint;

/// What has become of a mask that is to be released.
enum Release {
    /// Its number goes back.
    Number(PhoneNumber),
    /// It rests until then.
    NotYet(DateTime<Utc>),
    /// It was brought back, or is gone.
    NotWanted,
}

impl App {
    /// Takes the operation that is most overdue and does what can be done about it now; `false` if none is due.
    pub async fn step(&self) -> Result<bool, DbError> {
        let now = self.now();
        let claim = move |conn: &mut _| {
            let claimed = operations::claim(conn, now)?;
            if claimed.is_some() {
                failpoint::here("claim-written");
            }
            Ok::<_, DbError>(claimed)
        };
        let Some(claimed) = self.work_db.transaction(claim).await? else { return Ok(false) };
        failpoint::here("claim-noted");
        match claimed.kind {
            Kind::Buy if claimed.unclear => self.look_for_purchase(&claimed).await?,
            Kind::Buy => self.buy(&claimed).await?,
            Kind::Release => self.release(&claimed).await?,
        }
        Ok(true)
    }

    async fn release(&self, claimed: &Claimed) -> Result<(), DbError> {
        failpoint::here("release-begun");
        let number = match self.begin_release(claimed).await? {
            Release::Number(number) => number,
            Release::NotYet(until) => return self.settle(claimed, Next::Again(until), None).await,
            Release::NotWanted => {
                return self.settle(claimed, Next::Failed, Some("the mask does not rest any more")).await;
            }
        };
        failpoint::here("releasing-noted");
        let given_back = self.carrier.release(number).await;
        failpoint::here("release-asked");
        let error = match given_back {
            Ok(()) => return self.released(claimed).await,
            Err(error) => error,
        };
        tracing::warn!(operation = %claimed.id, %error, "a release was not done");
        let next = match error {
            CarrierError::Refused(_) => Next::NeedsPerson,
            // Giving back twice is as good as once, so an unclear answer is simply asked again.
            _ => Next::LookFor(self.now() + pause(claimed.attempts)),
        };
        self.settle(claimed, next, Some(&error.to_string())).await
    }

    /// From now on the mask cannot be brought back.
    async fn begin_release(&self, claimed: &Claimed) -> Result<Release, DbError> {
        let (now, id) = (self.now(), claimed.mask);
        let work = move |conn: &mut _| {
            let Some(mask) = masks::hold(conn, id)? else { return Ok(Release::NotWanted) };
            match (&mask.state, mask.phone) {
                (MaskState::Releasing, Some(phone)) => Ok(Release::Number(phone)),
                (MaskState::Resting { until, .. }, _) if *until > now => Ok(Release::NotYet(*until)),
                (MaskState::Resting { .. }, Some(phone)) => {
                    masks::set_state(conn, id, &MaskState::Releasing, now)?;
                    audit::write(conn, now, Actor::System, "mask releasing", id.0, "")?;
                    failpoint::here("releasing-written");
                    Ok(Release::Number(phone))
                }
                _ => Ok::<_, DbError>(Release::NotWanted),
            }
        };
        self.work_db.transaction(work).await
    }

    async fn released(&self, claimed: &Claimed) -> Result<(), DbError> {
        let (claimed, now) = (claimed.clone(), self.now());
        let work = move |conn: &mut _| {
            let id = claimed.mask;
            masks::hold(conn, id)?;
            if !operations::hold(conn, &claimed)? {
                return Ok(());
            }
            masks::set_state(conn, id, &MaskState::Released, now)?;
            operations::settle(conn, claimed.id, &Next::Succeeded, None, now)?;
            audit::write(conn, now, Actor::System, "mask released", id.0, "")?;
            failpoint::here("release-written");
            Ok::<_, DbError>(())
        };
        self.work_db.transaction(work).await?;
        failpoint::here("release-noted");
        Ok(())
    }

    /// Notes how an operation goes on, unless another has claimed it meanwhile.
    pub(super) async fn settle(
        &self,
        claimed: &Claimed,
        next: Next,
        error: Option<&str>,
    ) -> Result<(), DbError> {
        if next == Next::NeedsPerson {
            tracing::error!(operation = %claimed.id, mask = %claimed.mask, error, "an operation needs a person");
        }
        let (claimed, now, error) = (claimed.clone(), self.now(), error.map(str::to_owned));
        failpoint::here("outcome-begun");
        let work = move |conn: &mut _| {
            if operations::hold(conn, &claimed)? {
                operations::settle(conn, claimed.id, &next, error.as_deref(), now)?;
            }
            failpoint::here("outcome-written");
            Ok::<_, DbError>(())
        };
        self.work_db.transaction(work).await?;
        failpoint::here("outcome-noted");
        Ok(())
    }
}

/// How long to wait after so many tries: 2, 4, 8 … at most 60 seconds.
pub(super) fn pause(attempts: i32) -> TimeDelta {
    TimeDelta::seconds(1 << attempts.clamp(1, 6)).min(TimeDelta::seconds(60))
}
