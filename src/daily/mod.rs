//! Daily.co's side of a meeting: what its REST API says of a recording and of who joined, what the names of its track
//! files mean, and recorded folders that answer in the API's stead. Knows no transcript, no engine, no audio.

mod consent;
mod error;
mod folder_index;
mod recorded;
mod recorded_folders;
mod rest;
mod source;
mod track_name;
mod tracks;

pub use consent::Consent;
pub use error::DailyError;
pub use recorded::RecordedFolder;
pub use recorded_folders::RecordedFolders;
pub use rest::{ListedTrack, ParticipantRow, Recording, RecordingKind, S3Place, parse_participants, parse_recording};
pub use source::DailySource;
pub use track_name::{InvalidTrackName, TrackKind, TrackName, last_part};
pub use tracks::{RecordingTrack, recording_start, recording_tracks};
