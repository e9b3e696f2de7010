//! `/v1/meetings`: what somebody says of Daily's meeting sessions.

use std::ops::Range;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Data;
use super::paging::{page, page_size};
use crate::clock::Timestamp;
use crate::http::Problem;
use crate::http::extract::{Body, Fields, Named};
use crate::ids::MeetingId;
use crate::store::meetings::{self, MeetingRow};

/// When meetings may have begun: 1970 to 9998, UTC.
const BEGINNINGS: Range<Timestamp> = Timestamp::from_micros(0)..Timestamp::from_micros(253_370_764_800_000_000);

pub(super) fn routes(data: Data) -> Router {
    Router::new().route("/v1/meetings", get(list)).route("/v1/meetings/{id}", get(read).put(store)).with_state(data)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFields {
    room: Option<String>,
    limit: Option<u32>,
    cursor: Option<MeetingId>,
}

/// All that may be said of a meeting; what is left out is not known.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeetingFields {
    room_name: Option<String>,
    title: Option<String>,
    /// RFC 3339.
    started_at: Option<jiff::Timestamp>,
}

async fn list(State(data): State<Data>, Fields(fields): Fields<ListFields>) -> Result<Json<Value>, Problem> {
    let limit = page_size(fields.limit)?;
    let room = super::text("room", fields.room)?;
    let found = meetings::list(&data.database, room.as_deref(), fields.cursor.as_ref(), limit + 1).await?;
    page(found, limit, |meeting| meeting.id.to_string(), |meeting| Ok(shown(&meeting))).map(Json)
}

async fn read(State(data): State<Data>, Named(id): Named<MeetingId>) -> Result<Json<Value>, Problem> {
    let meeting = meetings::read(&data.database, &id).await?;
    meeting.as_ref().map(shown).map(Json).ok_or_else(|| Problem::not_found(format!("nothing is known of meeting {id}")))
}

async fn store(
    State(data): State<Data>,
    Named(id): Named<MeetingId>,
    Body(fields): Body<MeetingFields>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let now = data.clock.now();
    let meeting = MeetingRow {
        id,
        room_name: super::text("room_name", fields.room_name)?,
        title: super::text("title", fields.title)?,
        started_at: fields.started_at.map(beginning).transpose()?,
        created_at: now,
        updated_at: now,
    };
    let new = meetings::put(&data.database, &meeting, now).await?;
    let meeting = meetings::read(&data.database, &meeting.id).await?.ok_or_else(Problem::internal)?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(shown(&meeting))))
}

/// When a meeting began. Times that no calendar of others can write are refused.
fn beginning(moment: jiff::Timestamp) -> Result<Timestamp, Problem> {
    let at = Timestamp::from_micros(moment.as_microsecond());
    if !BEGINNINGS.contains(&at) {
        return Err(Problem::invalid("started_at must be a time of the years 1970 to 9998"));
    }
    Ok(at)
}

fn shown(meeting: &MeetingRow) -> Value {
    json!({
        "id": meeting.id,
        "room_name": meeting.room_name,
        "title": meeting.title,
        "started_at": meeting.started_at.map(|at| at.to_string()),
        "created_at": meeting.created_at.to_string(),
        "updated_at": meeting.updated_at.to_string(),
    })
}
