//! Whether the server answers at all, asked before anything else is: a pool tries for long, and then tells nothing but that it
//! has tried.

use std::time::Duration;

use sqlx::{AnyConnection, Connection};

use super::{Database, DatabaseKind};
use crate::failure::{Failure as _, FailureClass, with_causes};
use crate::secret::redacted;
use crate::store::StoreError;

/// How long a server may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);
/// What to look at when nobody answers.
const ADVICE: &str = "Is it running, and is the address right?";

impl Database {
    /// Makes one connection to the server and closes it again. A file is not touched.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], with the server's address and the cause.
    pub async fn reach(&self) -> Result<(), StoreError> {
        if self.kind() == DatabaseKind::Sqlite {
            return Ok(());
        }
        let shown = self.shown();
        let at = shown.split('?').next().unwrap_or_default();
        let connecting = async { AnyConnection::connect_with(&self.options).await?.close().await };
        let (said, class) = match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(())) => return Ok(()),
            Err(_) => {
                (format!("no answer from {at} within {} s. {ADVICE}", PATIENCE.as_secs()), FailureClass::Retryable)
            }
            Ok(Err(sqlx::Error::Io(error))) => {
                (format!("no answer from {at}: {error}. {ADVICE}"), FailureClass::Retryable)
            }
            Ok(Err(sqlx::Error::Database(error))) => {
                let said = format!("{at} lets nobody in: {}", redacted(error.message()));
                (said, StoreError::Sql(sqlx::Error::Database(error)).class())
            }
            Ok(Err(error)) => {
                let said = format!("{at} can't be used: {}", redacted(&with_causes(&error)));
                (said, StoreError::Sql(error).class())
            }
        };
        Err(StoreError::Unreachable { said, class })
    }
}
