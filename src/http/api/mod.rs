//! The API: rooms, meetings, consent, transcripts.

mod consent;
mod meetings;
mod paging;
mod process;
mod rooms;
mod transcripts;

use std::sync::Arc;

use axum::Router;

use super::{ConsentDesk, Problem, Processing};
use crate::clock::SharedClock;
use crate::store::Database;

/// Titles and names are no longer, in bytes.
const LONGEST_TEXT: usize = 500;

/// What most of the API needs.
#[derive(Clone)]
struct Data {
    database: Database,
    clock: SharedClock,
}

pub(super) fn routes(
    database: &Database,
    clock: &SharedClock,
    processing: Arc<dyn Processing>,
    consent: Arc<dyn ConsentDesk>,
) -> Router {
    let data = Data { database: database.clone(), clock: clock.clone() };
    Router::new()
        .merge(rooms::routes(data.clone()))
        .merge(meetings::routes(data.clone()))
        .merge(transcripts::routes(data))
        .merge(process::routes(processing))
        .merge(consent::routes(consent))
}

/// Text that people gave, without white space around it; empty text is none.
fn text(field: &str, given: Option<String>) -> Result<Option<String>, Problem> {
    let Some(text) = given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("{field} may have {LONGEST_TEXT} bytes and no control characters")));
    }
    Ok(Some(text))
}
