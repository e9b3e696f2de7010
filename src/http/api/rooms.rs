//! `/v1/rooms`: which rooms are configured.

use std::fmt;
use std::str::FromStr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Data;
use crate::http::Problem;
use crate::http::extract::{MaybeBody, Named};
use crate::store::rooms::{self, RoomRow};
use crate::trigger::base_name;

pub(super) fn routes(data: Data) -> Router {
    Router::new().route("/v1/rooms", get(list)).route("/v1/rooms/{name}", put(store).get(read)).with_state(data)
}

/// A room's base name.
struct RoomName(String);

/// Text that is no room's name.
enum NoRoomName {
    /// It has letters that no name has.
    Malformed,
    /// It is the name of a room that was made for one meeting; this is its base.
    OfOneMeeting(String),
}

impl fmt::Display for NoRoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a room's name has 1 to 200 letters and no control characters or slashes"),
            Self::OfOneMeeting(base) => {
                write!(f, "this is the name of one meeting's room; rooms are configured by their base name, {base}")
            }
        }
    }
}

impl FromStr for RoomName {
    type Err = NoRoomName;

    fn from_str(text: &str) -> Result<Self, NoRoomName> {
        let is_name = (1..=200).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() || c == '/');
        if !is_name || text.trim() != text {
            return Err(NoRoomName::Malformed);
        }
        match base_name(text) {
            base if base == text => Ok(Self(text.to_owned())),
            base => Err(NoRoomName::OfOneMeeting(base.to_owned())),
        }
    }
}

/// What may be said of a room.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomFields {
    title: Option<String>,
}

async fn list(State(data): State<Data>) -> Result<Json<Value>, Problem> {
    let rooms = rooms::list(&data.database).await?;
    // All on one page: there are as many as somebody has typed in.
    Ok(Json(json!({"items": rooms.iter().map(shown).collect::<Vec<_>>(), "next": null})))
}

async fn read(State(data): State<Data>, Named(RoomName(name)): Named<RoomName>) -> Result<Json<Value>, Problem> {
    let room = rooms::read(&data.database, &name).await?;
    room.as_ref().map(shown).map(Json).ok_or_else(|| Problem::not_found(format!("the room {name} is not configured")))
}

async fn store(
    State(data): State<Data>,
    Named(RoomName(name)): Named<RoomName>,
    MaybeBody(fields): MaybeBody<RoomFields>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let title = super::text("title", fields.unwrap_or_default().title)?;
    let new = rooms::put(&data.database, &name, title.as_deref(), data.clock.now()).await?;
    let room = rooms::read(&data.database, &name).await?.ok_or_else(Problem::internal)?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(shown(&room))))
}

fn shown(room: &RoomRow) -> Value {
    json!({
        "name": room.name,
        "title": room.title,
        "created_at": room.created_at.to_string(),
        "updated_at": room.updated_at.to_string(),
    })
}
