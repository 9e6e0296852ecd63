//! Why the database did not do what it was asked, told apart by its codes and by time, never by its words: those are in
//! the language of the server (`lc_messages`).
//!
//! Diesel hands on the kinds that it knows by their codes (SQLSTATE) and no code itself, and a role may rarely choose the
//! server's language. So what Diesel does not know is told by how long the statement took:
//!
//! - From [`LOCK_WAIT`] on it counts as an outage: the two time-outs that we set, and a deadlock where `deadlock_timeout` is
//!   not below its default of 1 s, come no sooner. A fault of ours in a statement that was slow before it failed is taken
//!   for an outage, too.
//! - Before, it counts as a fault of ours. So does what cannot be told from one: a full disk (53100), too little memory
//!   (53200), a statement that an administrator cancels (57014). Each is in the log in the server's words.

use std::cell::Cell;
use std::time::{Duration, Instant};

use diesel::connection::InstrumentationEvent;
use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::session::LOCK_WAIT;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It is away, starting, stopping, overloaded or too slow.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It is there, and nothing of ours would work in it.
    #[error(transparent)]
    Unsuitable(#[from] super::Unsuitable),
    /// A row that must be unique is there already.
    #[error("the database has it already ({0})")]
    Conflict(String),
    /// A row holds what it should not.
    #[error("a row of the database cannot be read: {0}")]
    Unreadable(&'static str),
    /// A row that the rules of a table forbid, whenever it comes.
    #[error("the database forbids it: {0}")]
    Forbidden(String),
    /// Anything else; a fault of ours.
    #[error("a query failed: {0}")]
    Failed(String),
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        let (kind, about) = match error {
            DieselError::DatabaseError(kind, about) => (kind, about),
            DieselError::RollbackErrorOnCommit { commit_error, .. } => return Self::from(*commit_error),
            DieselError::BrokenTransactionManager => return Self::Unavailable(text),
            _ => return Self::Failed(text),
        };
        match kind {
            DatabaseErrorKind::UniqueViolation => {
                Self::Conflict(about.constraint_name().unwrap_or_default().to_owned())
            }
            DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::ReadOnlyTransaction
            | DatabaseErrorKind::SerializationFailure => Self::Unavailable(text),
            DatabaseErrorKind::CheckViolation
            | DatabaseErrorKind::NotNullViolation
            | DatabaseErrorKind::ForeignKeyViolation
            | DatabaseErrorKind::RestrictViolation
            | DatabaseErrorKind::ExclusionViolation => Self::Forbidden(text),
            _ if LAST_FAILURE_TOOK.get() >= LOCK_WAIT => Self::Unavailable(text),
            _ => Self::Failed(text),
        }
    }
}

thread_local! {
    static BEGUN: Cell<Option<Instant>> = const { Cell::new(None) };
    /// How long the last statement took that failed on this thread, on which its error is read, too.
    static LAST_FAILURE_TOOK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Takes the time of each statement of a connection.
pub(super) fn take_time(event: &InstrumentationEvent<'_>) {
    match event {
        InstrumentationEvent::StartQuery { .. } => BEGUN.set(Some(Instant::now())),
        InstrumentationEvent::FinishQuery { error: Some(_), .. } => {
            LAST_FAILURE_TOOK.set(BEGUN.get().map_or(Duration::ZERO, |begun| begun.elapsed()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a German server says of a statement that took too long; Diesel knows its code not.
    fn unknown() -> DieselError {
        let words = "storniere Anfrage wegen Zeitüberschreitung der Sperre".to_owned();
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words))
    }

    #[test]
    fn whatever_language_the_server_speaks_a_time_out_is_an_outage_and_a_fault_of_ours_is_none() {
        LAST_FAILURE_TOOK.set(Duration::from_millis(3));
        assert!(matches!(DbError::from(unknown()), DbError::Failed(_)));
        LAST_FAILURE_TOOK.set(LOCK_WAIT);
        assert!(matches!(DbError::from(unknown()), DbError::Unavailable(_)));
        let closed = || {
            let words = "schließe Verbindung aufgrund von Anweisung des Administrators".to_owned();
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(words))
        };
        LAST_FAILURE_TOOK.set(Duration::ZERO);
        assert!(matches!(DbError::from(closed()), DbError::Unavailable(_)));
        let on_commit = DieselError::RollbackErrorOnCommit {
            rollback_error: Box::new(DieselError::BrokenTransactionManager),
            commit_error: Box::new(closed()),
        };
        assert!(matches!(DbError::from(on_commit), DbError::Unavailable(_)));
    }
}
