//! Daily.co's side of a meeting: what its REST API says of a recording and of who joined, what the names of its track
//! files mean, and recorded folders that answer in the API's stead. Knows no transcript, no engine, no audio.

mod anonymise;
mod client;
mod consent;
mod epoch;
mod error;
mod folder_index;
mod http;
mod json;
mod listing;
mod rate_limit;
mod recorded;
mod recorded_folders;
mod rest;
mod retry_after;
mod source;
mod stored_json;
pub mod subscriptions;
mod track_name;
mod tracks;
pub mod webhook;

pub use anonymise::Anonymiser;
pub use client::DailyClient;
pub use consent::Consent;
pub use error::DailyError;
pub use http::DailyTimeouts;
pub use listing::{LARGEST_PAGE, RecordingPage, RecordingQuery, parse_recordings};
pub use rate_limit::RateLimiter;
pub use recorded::RecordedFolder;
pub use recorded_folders::RecordedFolders;
pub use rest::{ListedTrack, ParticipantRow, Recording, RecordingKind, S3Place, parse_participants, parse_recording};
pub use source::DailySource;
pub use track_name::{InvalidTrackName, TrackKind, TrackName, last_part};
pub use tracks::{RecordingTrack, recording_start, recording_tracks};
