//! Numbers that the carrier has for us and no row explains: taken up by the wish that failed over them, or given back.
//!
//! A release is written down before the carrier is asked. Until it is settled no purchase can choose the number, and
//! none by area begins that could come to it.

use chrono::{DateTime, TimeDelta, Utc};

use super::App;
use crate::carrier::CarrierError;
use crate::db::audit::{self, Actor};
use crate::db::orphans::{self, Ended};
use crate::db::{Connection, DbError, masks, operations, users};
use crate::domain::agreement::{Orphan, OrphanState};
use crate::domain::ids::{MaskId, OrphanId};
use crate::domain::limits::Limits;
use crate::domain::mask::MaskState;
use crate::domain::phone::PhoneNumber;
use crate::failpoint;

/// How long after a wish failed its number is still its own.
const TAKE_UP: TimeDelta = TimeDelta::days(1);

/// What has become of an orphan whose time had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The wish that had asked for it, and failed, has it now.
    TakenUp,
    /// It was given back.
    GivenBack,
    /// The carrier refused to take it back: a person must look.
    Refused(String),
    /// It is not known whether it was taken back; the next run sees.
    Unclear(String),
    /// A row of ours explains it after all, or it is settled already.
    Explained,
    /// A purchase that is not settled asked for it, or may have: that is found out first.
    AskedFor,
    /// A person keeps it.
    Kept,
    /// It waits for the next run: so many were given back in this one.
    Waits,
}

/// What stands before giving back.
enum Begin {
    Ask(PhoneNumber),
    Not(Fate),
}

impl App {
    /// Takes the orphan up where a wish that failed had asked for it; tells whether that was so.
    pub(super) async fn take_up(&self, id: OrphanId) -> Result<bool, DbError> {
        let (now, limits) = (self.now(), self.settings.limits.clone());
        let work = move |conn: &mut _| {
            let Some(mask) = wish_for(conn, id, now)? else { return Ok(None) };
            take_up_held(conn, id, mask, &limits, now)
        };
        let told = self.work_db.transaction(work).await?;
        let is_taken = told.is_some();
        if is_taken {
            failpoint::here("orphan-taken-noted");
        }
        self.tell_owner(told);
        Ok(is_taken)
    }

    /// Whether a wish that failed had asked for the orphan.
    pub(super) async fn is_wished_for(&self, id: OrphanId) -> Result<bool, DbError> {
        let now = self.now();
        Ok(self.work_db.transaction(move |conn| wish_for(conn, id, now)).await?.is_some())
    }

    /// Gives the orphan back to the carrier, on whose wish it may be.
    pub(super) async fn give_back(&self, id: OrphanId, actor: Actor) -> Result<Fate, DbError> {
        let number = match self.begin_to_give_back(id, actor).await? {
            Begin::Ask(number) => number,
            Begin::Not(fate) => return Ok(fate),
        };
        failpoint::here("orphan-releasing-noted");
        let asked = self.carrier.release(number).await;
        failpoint::here("orphan-asked");
        let (now, given) = (self.now(), asked.clone());
        let work = move |conn: &mut _| {
            if orphans::hold(conn, id)?.is_none_or(|orphan| orphan.state != OrphanState::Releasing) {
                return Ok(());
            }
            match given {
                Ok(()) => {
                    orphans::end(conn, id, Ended::Released, now)?;
                    audit::write(conn, now, actor, "orphan given back", id.0, "")?;
                    failpoint::here("orphan-released-written");
                    Ok(())
                }
                Err(error @ CarrierError::Refused(_)) => {
                    orphans::set_state(conn, id, OrphanState::NeedsPerson, Some(&error.to_string()))
                }
                Err(error) => orphans::set_state(conn, id, OrphanState::Releasing, Some(&error.to_string())),
            }
        };
        self.work_db.transaction(work).await?;
        failpoint::here("orphan-released-noted");
        Ok(match asked {
            Ok(()) => Fate::GivenBack,
            Err(error) => {
                tracing::warn!(orphan = %id, %error, "an orphan was not given back");
                let text = error.to_string();
                if matches!(error, CarrierError::Refused(_)) {
                    Fate::Refused(text)
                } else {
                    Fate::Unclear(text)
                }
            }
        })
    }

    /// From now on the number is on its way back, unless one of our rows explains it meanwhile.
    async fn begin_to_give_back(&self, id: OrphanId, actor: Actor) -> Result<Begin, DbError> {
        let (now, code_sender) = (self.now(), self.settings.code_sender);
        let work = move |conn: &mut _| {
            let Some(Orphan { number, state, .. }) = orphans::hold(conn, id)? else {
                return Ok(Begin::Not(Fate::Explained));
            };
            if code_sender == Some(number) {
                orphans::end(conn, id, Ended::Explained, now)?;
                return Ok(Begin::Not(Fate::Explained));
            }
            if state == OrphanState::Kept {
                return Ok(Begin::Not(Fate::Kept));
            }
            // From here on nobody chooses, until what is written below can be seen.
            if operations::is_asked_for(conn, number)? {
                return Ok(Begin::Not(Fate::AskedFor));
            }
            if !masks::known_of(conn, &[number], now)?.is_empty() {
                orphans::end(conn, id, Ended::Explained, now)?;
                return Ok(Begin::Not(Fate::Explained));
            }
            orphans::set_state(conn, id, OrphanState::Releasing, None)?;
            audit::write(conn, now, actor, "orphan on its way back", id.0, "")?;
            failpoint::here("orphan-releasing-written");
            Ok::<_, DbError>(Begin::Ask(number))
        };
        self.work_db.transaction(work).await
    }
}

/// The mask whose wish failed after it had asked the carrier for this very number, within the last day.
fn wish_for(conn: &mut Connection, id: OrphanId, now: DateTime<Utc>) -> Result<Option<MaskId>, DbError> {
    let orphan = orphans::hold(conn, id)?.filter(|orphan| orphan.state == OrphanState::Seen);
    match orphan {
        Some(orphan) => operations::failed_wish_for(conn, orphan.number, now - TAKE_UP),
        None => Ok(None),
    }
}

/// The failed wish has its number after all, if its owner has room for it.
fn take_up_held(
    conn: &mut Connection,
    id: OrphanId,
    mask: MaskId,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Option<super::lost::Told>, DbError> {
    let Some(owner) = masks::find_any(conn, mask)?.map(|mask| mask.user) else { return Ok(None) };
    users::lock(conn, owner)?;
    let is_room = super::quotas::room_to_restore(conn, owner, limits, now)?.is_ok();
    let held = masks::hold(conn, mask)?.filter(|mask| matches!(mask.state, MaskState::Failed { .. }));
    let (Some(mask), Some(orphan)) = (held, orphans::hold(conn, id)?) else { return Ok(None) };
    if !is_room || !masks::known_of(conn, &[orphan.number], now)?.is_empty() {
        return Ok(None);
    }
    let wanted = mask.wanted_prefix.as_ref();
    let elsewhere = wanted.is_some_and(|prefix| !orphan.number.digits().starts_with(prefix));
    masks::set_phone(conn, mask.id, orphan.number, elsewhere)?;
    masks::set_state(conn, mask.id, &MaskState::Active, now)?;
    orphans::end(conn, id, Ended::TakenUp(mask.id), now)?;
    audit::write(
        conn,
        now,
        Actor::System,
        "mask rented",
        mask.id.0,
        "its failed wish had bought it after all",
    )?;
    failpoint::here("orphan-taken-written");
    super::lost::told_back(conn, &mask, orphan.number)
}
