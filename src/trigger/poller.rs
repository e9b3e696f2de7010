//! Finds recordings whose webhook was missed (H21, H22), in Daily's own list, newest first, back to what was seen before.
//!
//! A fresh database begins now: what was over before is for `backfill`. A recording that is not finished is kept in mind
//! and asked for until it is, however far the list has moved on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::intake::{Intake, Taken, row_of, settled, why_not_raw};
use super::pages::Pages;
use super::{Origin, TriggerError};
use crate::clock::{SharedClock, Timestamp};
use crate::daily::{DailyError, DailySource, Recording, RecordingKind};
use crate::duty::Round;
use crate::failure::{Failure, FailureClass};
use crate::ids::RecordingId;
use crate::secret::redacted;
use crate::store::recording_standing::{self, FINISHED, IN_PROGRESS, Standing};
use crate::store::{StoreError, cursors};

const CURSOR: &str = "daily.recordings";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far before the last look the list is read again: a recording stands in it by its start, and may end a day later.
const OVERLAP: Duration = DAY;
/// How long a recording may take to be finished.
const UNFINISHED: Duration = Duration::from_secs(7 * DAY.as_secs());
/// How long Daily may not know a recording that it told of: one part of it may lag behind another.
const UNKNOWN: Duration = DAY;
/// Recordings kept in mind that are asked for in one round.
const BATCH: u32 = 200;

/// Looks into Daily's list.
pub struct Poller {
    /// Decides what is made of recordings.
    pub intake: Intake,
    /// Whose list it is.
    pub daily: Arc<dyn DailySource>,
    /// Time.
    pub clock: SharedClock,
}

/// What one look found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// Recordings that a run was asked for.
    pub asked: usize,
    /// Recordings that nothing is made of.
    pub ignored: usize,
    /// Recordings that are not finished.
    pub unfinished: usize,
}

/// How far the list was read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cursor {
    /// Recordings that were over before this moment, microseconds, are nobody's business.
    since: i64,
    /// When the list was last read to where it was read before, microseconds.
    seen: i64,
}

/// Why a look failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// Daily.
    #[error(transparent)]
    Daily(#[from] DailyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure for PollError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Daily(error) => error.class(),
            Self::Store(error) => error.class(),
        }
    }
}

impl Poller {
    /// Looks once: all that is new in the list, then all that was not finished before.
    ///
    /// # Errors
    /// When Daily or the database can't be asked. The cursor stays then, and after a list that broke off, so that nothing
    /// is missed.
    pub async fn once(&self) -> Result<Polled, PollError> {
        let now = self.clock.now();
        let cursor = self.cursor(now).await?;
        let floor = Timestamp::from_micros(cursor.seen).minus(OVERLAP);
        let mut polled = Polled::default();
        let mut listed = BTreeSet::new();
        let mut pages = Pages::of(self.daily.as_ref());
        while let Some(page) = pages.next().await? {
            for note in &page.notes {
                tracing::warn!(note, "an entry of Daily's list is left out");
            }
            let mut older = !page.recordings.is_empty();
            for recording in &page.recordings {
                listed.insert(recording.id.clone());
                older &= row_of(recording).started_at.is_some_and(|start| start < floor);
                self.listed(recording, &cursor, &mut polled).await?;
            }
            if older {
                pages.enough();
            }
        }
        match pages.whole() {
            Ok(()) => self.put_cursor(Cursor { seen: now.as_micros(), ..cursor }, now).await?,
            Err(why) => tracing::warn!(why, "it is read again from where it was read before"),
        }
        self.kept_in_mind(&listed, &mut polled).await?;
        Ok(polled)
    }

    async fn cursor(&self, now: Timestamp) -> Result<Cursor, StoreError> {
        if let Some(value) = cursors::read(&self.intake.database, CURSOR).await? {
            return serde_json::from_str(&value).map_err(|error| StoreError::garbled("cursor", error));
        }
        let cursor = Cursor { since: now.as_micros(), seen: now.as_micros() };
        self.put_cursor(cursor, now).await?;
        Ok(cursor)
    }

    async fn put_cursor(&self, cursor: Cursor, now: Timestamp) -> Result<(), StoreError> {
        let value = serde_json::to_string(&cursor).map_err(|error| StoreError::garbled("cursor", error))?;
        cursors::put(&self.intake.database, CURSOR, &value, now).await
    }

    /// A recording as the list has it.
    async fn listed(&self, recording: &Recording, cursor: &Cursor, polled: &mut Polled) -> Result<(), StoreError> {
        let standing = recording_standing::read(&self.intake.database, &recording.id).await?;
        match standing {
            Some(standing) if settled(&standing).is_some() || standing.ignored_reason.is_some() => Ok(()),
            Some(standing) => self.consider(recording, &standing, polled).await,
            None if is_older_than(recording, cursor.since, self.clock.now()) => Ok(()),
            None => {
                let row = row_of(recording);
                let status = if recording.is_in_progress() { IN_PROGRESS } else { FINISHED };
                recording_standing::note(&self.intake.database, &row, status, self.clock.now()).await?;
                match recording_standing::read(&self.intake.database, &recording.id).await? {
                    Some(standing) => self.consider(recording, &standing, polled).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// What was not finished when it was heard of, or was finished and forgotten by whoever died over it.
    async fn kept_in_mind(&self, listed: &BTreeSet<RecordingId>, polled: &mut Polled) -> Result<(), PollError> {
        for standing in recording_standing::unserved(&self.intake.database, BATCH).await? {
            let id = &standing.recording.id;
            if listed.contains(id) {
                continue;
            }
            match self.daily.recording(id).await {
                Ok(recording) => self.consider(&recording, &standing, polled).await?,
                Err(error) if concerns_all(&error) => return Err(error.into()),
                Err(error) => self.not_told(&standing, &error, polled).await?,
            }
        }
        Ok(())
    }

    /// Daily says nothing of one recording: asked again later, unless that has been so for too long.
    async fn not_told(&self, standing: &Standing, error: &DailyError, polled: &mut Polled) -> Result<(), StoreError> {
        let (id, said) = (&standing.recording.id, redacted(&error.to_string()));
        let patience = match (error, error.class()) {
            (DailyError::Unknown { .. } | DailyError::Status { status: 404, .. }, _) => Some(UNKNOWN),
            (_, FailureClass::Permanent) => Some(UNFINISHED),
            _ => None,
        };
        if patience.is_some_and(|patience| self.clock.now().since(standing.created_at) > patience) {
            tracing::warn!(recording = id.as_str(), error = said, "nothing is made of it");
            recording_standing::ignore(&self.intake.database, id, &format!("Daily does not tell of it: {said}"))
                .await?;
            polled.ignored += 1;
        } else {
            tracing::warn!(recording = id.as_str(), error = said, "asked again later");
            polled.unfinished += 1;
        }
        Ok(())
    }

    /// A recording that nothing was decided about.
    async fn consider(
        &self,
        recording: &Recording,
        standing: &Standing,
        polled: &mut Polled,
    ) -> Result<(), StoreError> {
        let mut row = row_of(recording);
        let not_raw = why_not_raw(recording);
        // Finished, and neither a file nor tracks: they are listed later, or never.
        let lists_nothing = not_raw.is_none() && recording.kind() == RecordingKind::Failed;
        // Daily still works on what has no length (H21), and may list some of its tracks only.
        let has_no_length = not_raw.is_none() && recording.duration.is_none();
        if recording.is_in_progress() || lists_nothing || has_no_length {
            let began = row.started_at.or(standing.recording.started_at).unwrap_or(standing.created_at);
            if self.clock.now().since(began.max(standing.created_at)) <= UNFINISHED {
                polled.unfinished += 1;
                return Ok(());
            }
            // Tracks that are there are not lost because Daily never says how long they are.
            if recording.is_in_progress() || lists_nothing {
                let days = UNFINISHED.as_secs() / DAY.as_secs();
                let why = format!("it was not finished, or listed no tracks, within {days} days");
                self.intake.ignore(&row, IN_PROGRESS, &why).await?;
                polled.ignored += 1;
                return Ok(());
            }
        }
        row.room_name = row.room_name.or_else(|| standing.recording.room_name.clone());
        match self.intake.take(&row, not_raw, Origin::Poller).await {
            Ok(Taken::Asked(_)) => polled.asked += 1,
            Ok(Taken::Ignored(_)) => polled.ignored += 1,
            Ok(Taken::Already(_)) => {}
            Err(TriggerError::Store(error)) => return Err(error),
            Err(error) => {
                tracing::error!(
                    recording = recording.id.as_str(),
                    error = redacted(&error.to_string()),
                    "not processed"
                );
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Round for Poller {
    type Error = PollError;

    async fn round(&self) -> Result<(), PollError> {
        let polled = self.once().await?;
        tracing::debug!(
            asked = polled.asked,
            ignored = polled.ignored,
            unfinished = polled.unfinished,
            "looked into Daily's list"
        );
        if polled.asked > 0 {
            tracing::info!(recordings = polled.asked, "found recordings whose webhook did not come");
        }
        Ok(())
    }
}

/// Whether a recording that was never heard of was over before `since`, or, if it is not over, is one that nobody finishes.
fn is_older_than(recording: &Recording, since: i64, now: Timestamp) -> bool {
    let row = row_of(recording);
    let Some(start) = row.started_at else { return false };
    if recording.is_in_progress() {
        return now.since(start) > UNFINISHED;
    }
    // One without a length may have ended just now.
    let length = row.duration.map_or(OVERLAP, |seconds| Duration::from_secs_f64(seconds.min(1e9)));
    start.plus(length).as_micros() < since
}

/// Whether an error about one recording says that asking about the others is no use. That the key is taken at all was just
/// seen: 403 is about the one recording.
fn concerns_all(error: &DailyError) -> bool {
    matches!(
        error,
        DailyError::Setting { .. }
            | DailyError::KeyRefused { status: 401, .. }
            | DailyError::Unreachable { .. }
            | DailyError::Busy { .. }
    )
}
