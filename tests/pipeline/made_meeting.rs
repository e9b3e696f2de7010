//! Meetings written by a test: real speech from a recorded one, on as many tracks and at such times as the test wants.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trackscribe::audio::align;
use trackscribe::daily::RecordedFolder;

/// Milliseconds since the epoch.
const RECORDING_START: u64 = 1_767_603_600_000;
/// Milliseconds.
const PACKET: u64 = 20;

/// A meeting to be written.
pub struct MadeMeeting {
    /// What Daily says, seconds.
    pub duration: Option<f64>,
    pub tracks: Vec<MadeTrack>,
}

/// A track to be written.
pub struct MadeTrack {
    /// A number that makes the session's id.
    pub session: u32,
    pub user: Option<String>,
    pub name: String,
    /// Milliseconds from the recording's start, and seconds of speech from there.
    pub spoken: Vec<(u64, u64)>,
    /// Written as it is in place of a track.
    pub garbage: Option<Vec<u8>>,
}

impl MadeTrack {
    /// Somebody who speaks for `seconds` from `start` (milliseconds) on.
    pub fn speaking(session: u32, name: &str, start: u64, seconds: u64) -> Self {
        Self {
            session,
            user: Some(format!("user-{name}")),
            name: name.to_owned(),
            spoken: vec![(start, seconds)],
            garbage: None,
        }
    }

    fn session_id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.session)
    }

    /// The file's name.
    pub fn file_name(&self) -> String {
        let first = self.spoken.first().map_or(0, |(start, _)| *start);
        format!("{RECORDING_START}-{}-cam-audio-{}.webm", self.session_id(), RECORDING_START + first)
    }
}

impl MadeMeeting {
    /// Two people, one after the other, a few seconds each.
    pub fn short() -> Self {
        let tracks = vec![MadeTrack::speaking(1, "Ann", 300, 4), MadeTrack::speaking(2, "Bert", 2500, 4)];
        Self { duration: Some(7.0), tracks }
    }

    /// Writes the folder; `prefix` begins all keys.
    pub fn write(&self, folder: &Path, prefix: &str) -> RecordedFolder {
        std::fs::create_dir_all(folder).unwrap();
        let packets = spoken_packets();
        let mut people: Vec<Value> = Vec::new();
        let mut listed: Vec<Value> = Vec::new();
        for track in &self.tracks {
            let bytes = track.garbage.clone().unwrap_or_else(|| webm(&track.spoken, packets));
            std::fs::write(folder.join(track.file_name()), bytes).unwrap();
            listed.push(json!({"type": "audio", "s3Key": format!("{prefix}{}", track.file_name()), "size": 1}));
            let joined =
                RECORDING_START as f64 / 1000.0 + track.spoken.first().map_or(0.0, |(at, _)| *at as f64 / 1000.0);
            people.push(json!({
                "user_id": track.user, "participant_id": track.session_id(), "user_name": track.name,
                "join_time": joined, "duration": 60,
            }));
        }
        let recording = json!({
            "id": "6d5f2f0c-0000-4000-8000-0000000000aa", "room_name": "made-up", "start_ts": RECORDING_START / 1000,
            "status": "finished", "type": "raw-tracks", "max_participants": people.len(), "duration": self.duration,
            "s3": {"bucket_name": "b", "bucket_region": "us-west-2"}, "tracks": listed,
        });
        std::fs::write(folder.join("recording.json"), recording.to_string()).unwrap();
        std::fs::write(folder.join("participants.json"), json!({"data": people}).to_string()).unwrap();
        RecordedFolder::open(folder).unwrap()
    }
}

/// Opus packets of 20 ms, mono, in which a woman speaks, from a recorded meeting.
fn spoken_packets() -> &'static [Vec<u8>] {
    static PACKETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    PACKETS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings/standup");
        let mut names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let alice = names.find(|path| path.to_string_lossy().contains("-bd299753-")).unwrap();
        let source = Box::new(std::fs::File::open(alice).unwrap());
        let mut aligned = Vec::new();
        align(source, &mut aligned, None, &CancellationToken::new(), &mut |_| {}).unwrap();
        let mut reader = ogg::PacketReader::new(std::io::Cursor::new(aligned));
        let all = std::iter::from_fn(move || reader.read_packet().unwrap());
        // Two headers, and short packets of silence where she had not joined or was muted.
        all.skip(2).map(|packet| packet.data).filter(|data| data.len() > 3).collect()
    })
}

fn webm(spoken: &[(u64, u64)], packets: &[Vec<u8>]) -> Vec<u8> {
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0xE1], &element(&[0x9F], &[1])),
    ]
    .concat();
    let mut file = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm"));
    file.extend(endless(&[0x18, 0x53, 0x80, 0x67]));
    file.extend(element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry)));
    for (start, seconds) in spoken {
        // From the first sentence on, round and round.
        let stretch: Vec<&Vec<u8>> = packets.iter().cycle().skip(70).take((seconds * 1000 / PACKET) as usize).collect();
        for (number, cluster) in stretch.chunks(50).enumerate() {
            let at = start + number as u64 * 50 * PACKET;
            file.extend(endless(&[0x1F, 0x43, 0xB6, 0x75]));
            file.extend(element(&[0xE7], &at.to_be_bytes()));
            for (position, packet) in cluster.iter().enumerate() {
                let relative = (position as u64 * PACKET) as i16;
                let block = [&[0x81][..], &relative.to_be_bytes(), &[0x80], packet].concat();
                file.extend(element(&[0xA3], &block));
            }
        }
    }
    file
}

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(0x1000_0000 | body.len() as u32).to_be_bytes(), body].concat()
}

fn endless(id: &[u8]) -> Vec<u8> {
    [id, &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]].concat()
}
