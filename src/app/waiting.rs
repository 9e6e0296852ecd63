//! What waits for a person, and what a person can do about each: operations, orphans, lost numbers, a list that is not
//! believed.

use std::sync::Arc;

use uuid::Uuid;

use super::App;
use super::admin::given_reason;
use super::orphans::Fate;
use super::quotas::{MaskLimit, money_to_buy, room_to_restore};
use crate::db::audit::{self, Actor};
use crate::db::{DbError, masks, operations, orphans, users};
use crate::db::{reconciliation, waiting};
use crate::domain::agreement::{Orphan, OrphanState};
use crate::domain::ids::{MaskId, OperationId, OrphanId, UserId};
use crate::domain::mask::MaskState;

pub use crate::db::operations::{Chosen, Kind};
pub use crate::db::reconciliation::Standing;
pub use crate::db::waiting::{LostMask, NotedOrphan, WaitingOperation};

/// All that an admin may have to look after.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Operations that only a person can let go on.
    pub operations: Vec<WaitingOperation>,
    /// Numbers that the carrier has for us and no row explains.
    pub orphans: Vec<NotedOrphan>,
    /// Masks whose number the carrier does not have any more.
    pub lost: Vec<LostMask>,
    /// How the last comparisons went.
    pub standing: Standing,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum WaitingError {
    /// There is no such thing, or it does not wait any more.
    #[error("nothing like that waits any more")]
    Settled,
    /// No note was given, or too long a one.
    #[error("the note is missing or too long")]
    Note,
    /// A limit keeps the number from being bought.
    #[error("a limit was reached")]
    Limit(MaskLimit),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl App {
    /// All that may have to be looked after.
    pub async fn waiting(&self) -> Result<Waiting, DbError> {
        let work = |conn: &mut _| {
            Ok::<_, DbError>(Waiting {
                operations: waiting::operations(conn)?,
                orphans: waiting::orphans(conn)?,
                lost: waiting::lost(conn)?,
                standing: reconciliation::standing(conn)?,
            })
        };
        self.db.transaction(work).await
    }

    /// How many things nobody but a person can settle.
    pub async fn things_waiting(&self) -> Result<i64, DbError> {
        self.db.transaction(waiting::count).await
    }

    /// Lets an operation that waits for a person go on: a purchase is looked for again, a release is asked for again.
    pub async fn resume_operation(&self, admin: UserId, id: OperationId) -> Result<(), WaitingError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            if !operations::resume(conn, id, now)? {
                return Err(WaitingError::Settled);
            }
            Ok(audit::write(conn, now, Actor::Admin(admin), "operation resumed", id.0, "")?)
        };
        self.db.transaction(work).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// An orphan that is not settled.
    pub async fn orphan(&self, id: OrphanId) -> Result<Option<Orphan>, DbError> {
        self.db.transaction(move |conn| orphans::hold(conn, id)).await
    }

    /// The orphan is not given back until somebody says so; other admins read why.
    pub async fn keep_orphan(&self, admin: UserId, id: OrphanId, note: &str) -> Result<(), WaitingError> {
        let note = given_reason(note).ok_or(WaitingError::Note)?;
        let now = self.now();
        let work = move |conn: &mut _| {
            let orphan = orphans::hold(conn, id)?;
            orphan
                .filter(|orphan| matches!(orphan.state, OrphanState::Seen | OrphanState::NeedsPerson))
                .ok_or(WaitingError::Settled)?;
            orphans::set_state(conn, id, OrphanState::Kept, Some(&note))?;
            Ok(audit::write(conn, now, Actor::Admin(admin), "orphan kept", id.0, &note)?)
        };
        self.db.transaction(work).await
    }

    /// The orphan goes the way of all others again.
    pub async fn end_keeping(&self, admin: UserId, id: OrphanId) -> Result<(), WaitingError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let orphan = orphans::hold(conn, id)?;
            orphan.filter(|orphan| orphan.state == OrphanState::Kept).ok_or(WaitingError::Settled)?;
            orphans::set_state(conn, id, OrphanState::Seen, None)?;
            Ok(audit::write(conn, now, Actor::Admin(admin), "orphan not kept any more", id.0, "")?)
        };
        self.db.transaction(work).await
    }

    /// Gives the orphan back now, without waiting for the next comparison.
    pub async fn return_orphan(&self, admin: UserId, id: OrphanId) -> Result<Fate, DbError> {
        self.give_back(id, Actor::Admin(admin)).await
    }

    /// Wishes the number of a lost mask to be bought back, where nobody tries already.
    pub async fn wish_back(&self, admin: UserId, id: MaskId) -> Result<(), WaitingError> {
        let (now, limits, carrier) = (self.now(), self.settings.limits.clone(), self.carrier.name());
        let work = move |conn: &mut _| {
            let owner = masks::find_any(conn, id)?.ok_or(WaitingError::Settled)?.user;
            users::lock(conn, owner)?;
            let mask = masks::hold(conn, id)?.filter(|mask| mask.state == MaskState::Lost);
            let mask = mask.ok_or(WaitingError::Settled)?;
            if operations::is_open(conn, id)? {
                return Err(WaitingError::Settled);
            }
            money_to_buy(conn, owner, (carrier, mask.country), &limits, now)?.map_err(WaitingError::Limit)?;
            if !matches!(masks::state_before_loss(conn, id)?, MaskState::Resting { .. }) {
                room_to_restore(conn, owner, &limits, now)?.map_err(WaitingError::Limit)?;
            }
            super::lost::wish_back(conn, id, now)?;
            Ok(audit::write(conn, now, Actor::Admin(admin), "mask to be bought back", id.0, "")?)
        };
        self.db.transaction(work).await?;
        self.wake.notify_one();
        Ok(())
    }

    /// An admin says that a list of so many numbers, which was not believed, is right: it is compared once more behind
    /// their back, and counts if it is still as long.
    pub async fn believe_list(self: &Arc<Self>, admin: UserId, size: i32) -> Result<(), WaitingError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            if !reconciliation::believe(conn, size)? {
                return Err(WaitingError::Settled);
            }
            let detail = format!("{size} numbers");
            Ok(audit::write(conn, now, Actor::Admin(admin), "list believed", Uuid::nil(), &detail)?)
        };
        self.db.transaction(work).await?;
        let app = self.clone();
        self.behind(async move {
            if let Err(error) = app.reconcile(false).await {
                tracing::error!(%error, "the carrier and our rows were not compared");
            }
        });
        Ok(())
    }
}
