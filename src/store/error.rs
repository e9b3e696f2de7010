//! How the store fails, and what that means for whoever called.

use std::io;
use std::path::PathBuf;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// A failure of the database or of what is stored in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another executor has taken the database over: write nothing more, stop.
    #[error("executor generation {generation} was replaced by a newer one")]
    Fenced {
        /// The generation that is no longer current.
        generation: i64,
    },
    /// Another process executes the runs of this database. Let it, or stop it first.
    #[error("another process is at work on this database (it holds {lock})")]
    Locked {
        /// What it holds.
        lock: String,
    },
    /// A newer run works on the transcript: this one changes nothing any more.
    #[error("transcript {transcript} is being worked on by a newer run")]
    Superseded {
        /// The transcript.
        transcript: String,
    },
    /// No such transcript.
    #[error("there is no transcript {transcript}")]
    NoTranscript {
        /// The id that was asked for.
        transcript: String,
    },
    /// The database's address can't be used. Configuration error, permanent.
    #[error("database URL {url:?} is not usable: {why}")]
    BadUrl {
        /// The address, without credentials.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server does not answer, or lets nobody in.
    #[error("{said}")]
    Unreachable {
        /// Which server, without its password, and why.
        said: String,
        /// What kind of failure it is.
        class: FailureClass,
    },
    /// The database's file or folder can't be made or locked.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The schema could not be brought up to date; nothing of the failed step was applied.
    #[error("cannot migrate the database")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// A statement failed.
    #[error("database")]
    Sql(#[from] sqlx::Error),
    /// The store failed for too long while somebody else used it for us.
    #[error("the store failed: {why}")]
    Abandoned {
        /// What kind of failure it was.
        class: FailureClass,
        /// Its error.
        why: String,
    },
    /// A stored value can't be read back.
    #[error("stored {what} is not readable: {why}")]
    Garbled {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// Wraps an error that made a stored value unreadable.
    pub fn garbled(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Garbled { what, why: why.to_string() }
    }

    /// Whether a unique constraint refused the write.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

impl Failure for StoreError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Fenced { .. } | Self::Superseded { .. } => FailureClass::Cancelled,
            Self::Abandoned { class, .. } | Self::Unreachable { class, .. } => *class,
            Self::NoTranscript { .. } | Self::BadUrl { .. } | Self::Garbled { .. } | Self::Locked { .. } => {
                FailureClass::Permanent
            }
            Self::File { source, .. } => classify(Cause::Io(source.kind())),
            Self::Migration(error) => match &**error {
                sqlx::migrate::MigrateError::Execute(inner)
                | sqlx::migrate::MigrateError::ExecuteMigration(inner, _) => sql_class(inner),
                _ => FailureClass::Permanent,
            },
            Self::Sql(error) => sql_class(error),
        }
    }
}

/// Lost connections, locks and full disks pass; broken SQL, constraints and unreadable rows do not.
fn sql_class(error: &sqlx::Error) -> FailureClass {
    match error {
        // Only servers fail in these ways, and whatever the kind they may be back: a Unix socket's file is missing while its
        // server is down, an answer is cut short when it goes.
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => FailureClass::Retryable,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => FailureClass::Retryable,
        sqlx::Error::Database(error) => error.code().map_or(FailureClass::Permanent, |code| code_class(&code)),
        _ => FailureClass::Permanent,
    }
}

/// SQLite gives a decimal extended result code (<https://www.sqlite.org/rescode.html>), PostgreSQL five characters
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn code_class(code: &str) -> FailureClass {
    let passes = if code.len() == 5 {
        // Connection exception, transaction rollback, insufficient resources, operator intervention, system error.
        matches!(&code.as_bytes()[..2], b"08" | b"40" | b"53" | b"57" | b"58")
            // A standby that was the primary until just now; a transaction that was idle for too long; a lock that did not
            // come free in time.
            || matches!(code, "25006" | "25P03" | "55P03")
    } else {
        // The low byte is the primary code: BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN, PROTOCOL.
        code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 10 | 13 | 14 | 15))
    };
    if passes { FailureClass::Retryable } else { FailureClass::Permanent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_full_disks_pass_constraints_do_not() {
        use FailureClass::{Permanent, Retryable};
        let table = [
            ("5", Retryable),
            ("261", Retryable),
            ("517", Retryable),
            ("13", Retryable),
            ("2067", Permanent),
            ("1", Permanent),
            ("11", Permanent),
            ("40001", Retryable),
            ("08006", Retryable),
            ("57P01", Retryable),
            ("25P03", Retryable),
            ("55P03", Retryable),
            ("28P01", Permanent),
            ("3D000", Permanent),
            ("23505", Permanent),
            ("42601", Permanent),
        ];
        for (code, class) in table {
            assert_eq!(code_class(code), class, "{code}");
        }
    }
}
