//! A track of 2 GB passes through S3, aligned, in little memory. The part under test runs in a process of its own, so
//! that its peak is neither the server's nor another test's.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use trackscribe::audio::{Outcome, align};
use trackscribe::storage::{Patience, S3Storage, Storage};

use super::s3::{Operation, S3Server};
use super::support::{BUCKET, key, place, settings};

/// Bytes of the track, at least.
const TRACK: u64 = 2_000_000_000;
/// Kilobytes that the process may have had at most.
const PEAK: u64 = 300_000;
/// Where the track begins on the recording's clock, in milliseconds, so that it has to be written anew.
const LATE: u64 = 1_000;
/// One packet: the longest that Opus has for 20 ms (RFC 6716: fullband, stereo, one frame of 1275 bytes).
const PACKET: usize = 1 + 1275;
const TOC: u8 = 31 << 3 | 1 << 2;
/// Packets of a cluster.
const CLUSTER: u64 = 50;

/// Set in the process that is measured: the server's address.
const ENDPOINT: &str = "TRACKSCRIBE_TEST_ENDPOINT";
const NAME: &str = "two_gigabytes::a_track_of_2_gb_streams_through_s3_in_300_mb";

#[test]
#[ignore = "slow: writes, aligns and stores a track of 2 GB"]
fn a_track_of_2_gb_streams_through_s3_in_300_mb() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        return runtime.block_on(pad(&endpoint));
    }
    let server = S3Server::start(&[BUCKET]);
    let scratch = tempfile::tempdir().unwrap();
    let track = scratch.path().join("track");
    let packets = write_track(&track).unwrap();
    let length = track.metadata().unwrap().len();
    assert!(length >= TRACK);
    let storage = S3Storage::new(place(&format!("s3://{BUCKET}"), settings(&server)), Patience::default());
    runtime.block_on(storage.put_file(&key("track"), &track)).unwrap();
    std::fs::remove_file(&track).unwrap();

    let begin = Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--ignored", "--nocapture"])
        .env(ENDPOINT, server.endpoint())
        .env("TMPDIR", scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let told = |name: &str| -> u64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{said}"));
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let peak = told("VmHWM:");
    println!("{length} bytes in {:.0} s, peak {peak} kB", begin.elapsed().as_secs_f64());
    assert_eq!(told("packets:"), packets);
    assert!(peak < PEAK, "{peak} kB");
    let made = runtime.block_on(storage.size(&key("aligned"))).unwrap();
    assert!(made.is_some_and(|made| made > packets * PACKET as u64), "{made:?}");
    // The whole track went through in one piece, and what was made of it in many.
    assert!(server.count(Operation::Get) >= 1 && server.count(Operation::UploadPart) > 400);
}

/// What `pad_track` does with a track.
async fn pad(endpoint: &str) {
    let server = trackscribe::storage::S3Settings {
        endpoint: Some(endpoint.parse().unwrap()),
        region: Some(super::s3::REGION.to_owned()),
        access_key_id: Some(trackscribe::secret::Secret::new(super::s3::ACCESS_KEY_ID)),
        secret_access_key: Some(trackscribe::secret::Secret::new(super::s3::SECRET_ACCESS_KEY)),
        ..Default::default()
    };
    let storage = S3Storage::new(place(&format!("s3://{BUCKET}"), server), Patience::default());
    let source = storage.open(&key("track")).await.unwrap();
    let mut scratch = tempfile::NamedTempFile::new().unwrap();
    let aligned = tokio::task::spawn_blocking(move || {
        let alignment = align(source, scratch.as_file_mut(), None, &CancellationToken::new(), &mut |_| {});
        alignment.map(|alignment| (alignment, scratch))
    });
    let (alignment, scratch) = aligned.await.unwrap().unwrap();
    assert_eq!(alignment.outcome, Outcome::Aligned);
    assert_eq!(alignment.damage, None);
    storage.put_file(&key("aligned"), scratch.path()).await.unwrap();
    println!("\npackets: {}", alignment.packets);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
}

/// Writes a live WebM file as Daily does: no duration, no index, clusters of unknown size. Tells the number of packets.
fn write_track(path: &Path) -> io::Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0xE1], &element(&[0x9F], &[2])),
    ];
    file.write_all(&element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm")))?;
    file.write_all(&[&[0x18, 0x53, 0x80, 0x67][..], &UNKNOWN_SIZE].concat())?;
    file.write_all(&element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry.concat())))?;
    let mut sound = vec![0; PACKET];
    sound[0] = TOC;
    let packets = TRACK.div_ceil(PACKET as u64);
    for packet in 0..packets {
        let in_cluster = packet % CLUSTER;
        if in_cluster == 0 {
            file.write_all(&[&[0x1F, 0x43, 0xB6, 0x75][..], &UNKNOWN_SIZE].concat())?;
            file.write_all(&element(&[0xE7], &(LATE + packet * 20).to_be_bytes()))?;
        }
        // Sound that nobody ever heard, and each packet another.
        for (at, byte) in sound[1..].iter_mut().enumerate() {
            *byte = (packet as usize).wrapping_mul(31).wrapping_add(at * 7) as u8;
        }
        let relative = (in_cluster as i16 * 20).to_be_bytes();
        file.write_all(&element(&[0xA3], &[&[0x81][..], &relative, &[0x80], &sound].concat()))?;
    }
    file.flush()?;
    Ok(packets)
}

const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// An element with its size in four bytes.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(0x1000_0000 | body.len() as u32).to_be_bytes(), body].concat()
}
