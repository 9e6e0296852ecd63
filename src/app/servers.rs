//! The servers that route calls, and whether all of them know what was changed.
//!
//! A change is made by its commit; it is confirmed once every server of the list has it, on disk too.

use std::time::Duration;

use super::App;
use crate::db::audit::{self, Actor};
use crate::db::servers::{self, Server};
use crate::db::{DbError, directory};
use crate::domain::ids::{ServerId, UserId};

/// How long somebody who changed something waits for it to be confirmed, until they are told that it goes on.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often it is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every server that routes calls has it.
    Everywhere,
    /// It is made, but some server may not have heard of it yet.
    NotYet,
}

/// A server of the list, and whether it is behind the newest change.
#[derive(Debug, Clone)]
pub struct ListedServer {
    /// The server.
    pub server: Server,
    /// Whether there are changes that it does not know.
    pub is_behind: bool,
}

impl App {
    /// Waits a moment until every server knows what was changed up to now. A database that does not answer is no answer.
    pub async fn reached(&self) -> Reach {
        self.directory.wake();
        let waited = tokio::time::timeout(PATIENCE, self.known_everywhere()).await;
        if matches!(waited, Ok(Ok(()))) { Reach::Everywhere } else { Reach::NotYet }
    }

    async fn known_everywhere(&self) -> Result<(), DbError> {
        let (_, version) = self.db.transaction(directory::version).await?;
        loop {
            let known = self.db.transaction(servers::known_by_all).await?;
            if known.is_none_or(|known| known >= version) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The servers that route calls.
    pub async fn servers(&self) -> Result<Vec<ListedServer>, DbError> {
        let work = |conn: &mut _| {
            let (_, version) = directory::version(conn)?;
            let listed = |server: Server| ListedServer { is_behind: server.version < version, server };
            Ok::<_, DbError>(servers::list(conn)?.into_iter().map(listed).collect())
        };
        self.db.transaction(work).await
    }

    /// Takes a server off the list, which changes then wait for no more; `false` if it is not there.
    pub async fn strike_off_server(&self, admin: UserId, id: ServerId) -> Result<bool, DbError> {
        let now = self.now();
        let work = move |conn: &mut _| {
            let was_there = servers::strike_off(conn, id)?;
            if was_there {
                audit::write(conn, now, Actor::Admin(admin), "server taken off the list", id.0, "")?;
            }
            Ok::<_, DbError>(was_there)
        };
        self.db.transaction(work).await
    }

    /// How the directory of this server stands.
    pub fn directory_standing(&self) -> super::directory::Standing {
        self.directory.standing()
    }

    /// How the records of this server's calls stand.
    pub fn records_standing(&self) -> super::recorder::Standing {
        self.recorder.standing()
    }
}
