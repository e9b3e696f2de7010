//! Makes a long recording out of a short one, for benchmarks: a folder as `trackscribe replay` takes it, whose tracks
//! repeat the packets of fixture tracks until they are long enough. Talk shares, pauses and muted spans stay the fixture's.
//!
//! `make_recording MEETING OUT TRACKS MINUTES`
//!
//! Also a module of tests, by `#[path]`.
#![allow(dead_code, reason = "tests have a main of their own")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Milliseconds from the recording's start, and an Opus packet.
type Packet = (u64, Vec<u8>);

// WebM's elements, as far as they matter here.
const SEGMENT: u64 = 0x1853_8067;
const CLUSTER: u64 = 0x1F43_B675;
const TIMESTAMP: u64 = 0xE7;
const SIMPLE_BLOCK: u64 = 0xA3;

/// Milliseconds of a packet in the fixtures.
const PACKET_MS: u64 = 20;
/// Milliseconds by which each track is later than the one before, so that not all say the same at once.
const STAGGER_MS: u64 = 7_300;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [meeting, out, tracks, minutes] = arguments.as_slice() else {
        return Err("usage: make_recording MEETING OUT TRACKS MINUTES".into());
    };
    make(Path::new(meeting), Path::new(out), tracks.parse()?, minutes.parse()?)
}

/// Makes one of `tracks` tracks that last `minutes`.
pub fn make(meeting: &Path, out: &Path, tracks: usize, minutes: u64) -> Result<()> {
    let length = minutes * 60_000;
    fs::create_dir_all(out)?;

    let mut recording: Value = serde_json::from_slice(&fs::read(meeting.join("recording.json"))?)?;
    let sources = speech_files(meeting)?;
    let start = sources.first().and_then(|(name, _)| name.split('-').next()).ok_or("no tracks")?.to_owned();
    let start_ms: u64 = start.parse()?;
    let (mut listed, mut people) = (Vec::new(), Vec::new());
    for track in 0..tracks {
        let packets = packets(&sources[track % sources.len()].1)?;
        let offset = 1_000 + STAGGER_MS * track as u64;
        let id = format!("00000000-0000-4000-8000-{track:012}");
        let name = format!("{start}-{id}-cam-audio-{}.webm", start_ms + offset);
        write_track(&out.join(&name), &packets, offset, length)?;
        listed.push(json!({ "type": "audio", "s3Key": format!("bench/{name}") }));
        people.push(json!({
            "user_id": format!("user-{track}"), "participant_id": id, "user_name": format!("Person {}", track + 1),
            "join_time": (start_ms + offset) / 1000, "duration": (length - offset) / 1000,
        }));
    }
    recording["tracks"] = Value::Array(listed);
    recording["duration"] = json!(length / 1000);
    recording["max_participants"] = json!(tracks);
    fs::write(out.join("recording.json"), recording.to_string())?;
    fs::write(out.join("participants.json"), json!({ "data": people }).to_string())?;
    Ok(())
}

/// Name and path of each microphone's track, sorted.
fn speech_files(meeting: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(meeting)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.contains("-cam-audio-") {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

/// A track's packets, counted from its first one. Knows just enough WebM for the fixtures, which are whole.
fn packets(path: &Path) -> Result<Vec<Packet>> {
    let file = fs::read(path)?;
    let (mut at, mut cluster, mut packets) = (0, 0, Vec::<Packet>::new());
    while at < file.len() {
        let id = vint(&file, &mut at, false)?;
        let size = vint(&file, &mut at, true)?;
        if matches!(id, SEGMENT | CLUSTER) {
            continue; // Their size is unknown, their children follow.
        }
        let end = at.checked_add(usize::try_from(size)?).filter(|end| *end <= file.len()).ok_or("cut off")?;
        let body = &file[at..end];
        match id {
            TIMESTAMP => cluster = body.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            SIMPLE_BLOCK if body.len() > 4 => {
                let relative = i16::from_be_bytes([body[1], body[2]]);
                packets.push((cluster.saturating_add_signed(relative.into()), body[4..].to_vec()));
            }
            _ => {}
        }
        at = end;
    }
    let first = packets.first().ok_or("an empty track")?.0;
    Ok(packets.into_iter().map(|(time, data)| (time - first, data)).collect())
}

/// EBML's numbers of variable length: the zeros at the front tell how many bytes follow.
fn vint(file: &[u8], at: &mut usize, without_marker: bool) -> Result<u64> {
    let first = *file.get(*at).ok_or("cut off")?;
    let length = first.leading_zeros() as usize + 1;
    let bytes = file.get(*at..*at + length).ok_or("cut off")?;
    *at += length;
    let number = bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    Ok(if without_marker { number & !(1 << (7 * length)) } else { number })
}

/// Writes a live WebM file as Daily does: no duration, no index, clusters of unknown size, a cluster each second or so.
fn write_track(path: &Path, packets: &[Packet], offset: u64, length: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0xE1], &element(&[0x9F], &[1])),
    ];
    file.write_all(&element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm")))?;
    file.write_all(&[&[0x18, 0x53, 0x80, 0x67][..], &UNKNOWN_SIZE].concat())?;
    file.write_all(&element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry.concat())))?;
    let period = packets.last().map_or(0, |(time, _)| *time) + PACKET_MS;
    let mut cluster = None;
    for round in 0.. {
        for (time, data) in packets {
            let time = offset + round * period + time;
            if time + PACKET_MS > length {
                return Ok(file.flush()?);
            }
            let start = match cluster {
                Some(start) if time - start < 1000 => start,
                _ => {
                    file.write_all(&[&[0x1F, 0x43, 0xB6, 0x75][..], &UNKNOWN_SIZE].concat())?;
                    file.write_all(&element(&[0xE7], &time.to_be_bytes()))?;
                    cluster = Some(time);
                    time
                }
            };
            let relative = i16::try_from(time - start)?.to_be_bytes();
            file.write_all(&element(&[0xA3], &[&[0x81][..], &relative, &[0x80], data].concat()))?;
        }
    }
    Ok(())
}

const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// An element with its size in four bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(0x1000_0000 | body.len() as u32).to_be_bytes(), body].concat()
}
