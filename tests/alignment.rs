//! Aligned tracks against ffmpeg and ffprobe, which know nothing of this program: the packets, the times, the sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_util::sync::CancellationToken;
use trackscribe::audio::{Alignment, DecodeRate, Outcome, Source, TrackDecoder, align};

/// Samples a second in which lags are measured.
const RATE: usize = 8_000;

fn fixture_tracks() -> Vec<PathBuf> {
    let meetings = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings");
    let mut tracks: Vec<PathBuf> = std::fs::read_dir(meetings)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains("-audio-"))
        .collect();
    tracks.sort();
    assert!(tracks.len() >= 18, "the fixtures are missing");
    tracks
}

/// The offset that a file's name tells, in seconds.
fn named_offset(path: &Path) -> f64 {
    let name = path.file_name().unwrap().to_string_lossy().replace(".webm", "");
    let start: f64 = name.split('-').next().unwrap().parse().unwrap();
    let track: f64 = name.rsplit('-').next().unwrap().parse().unwrap();
    (track - start) / 1000.0
}

fn run(program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {program} (Debian package ffmpeg): {error}"));
    (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

struct Aligned {
    report: Alignment,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn aligned(source: &Path) -> Aligned {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aligned.ogg");
    let mut sink = std::fs::File::create(&path).unwrap();
    let input: Source = Box::new(std::fs::File::open(source).unwrap());
    let hint = Some(named_offset(source));
    let report = align(input, &mut sink, hint, &CancellationToken::new(), &mut |_| {}).unwrap();
    Aligned { report, path, _folder: folder }
}

/// (time in seconds, hash of the bytes) of each packet, as ffprobe sees them.
fn packets(path: &Path) -> Vec<(f64, String)> {
    let path = path.to_str().unwrap();
    let what = "packet=pts_time,data_hash";
    let how = ["-select_streams", "a:0", "-show_data_hash", "md5", "-show_entries", what, "-of", "csv=p=0"];
    let (out, warnings) = run("ffprobe", &[&["-v", "warning"], &how[..], &[path]].concat());
    assert_eq!(warnings, "", "{path}");
    let line = |line: &str| {
        let (time, hash) = line.split_once(',').unwrap();
        (time.parse().unwrap(), hash.trim_end_matches(',').to_owned())
    };
    String::from_utf8(out).unwrap().lines().map(line).collect()
}

fn decoded_by_ffmpeg(path: &Path, filter: Option<&str>) -> (Vec<f32>, String) {
    let rate = RATE.to_string();
    let mut arguments = vec!["-v", "warning", "-i", path.to_str().unwrap()];
    if let Some(filter) = filter {
        arguments.extend(["-af", filter]);
    }
    arguments.extend(["-f", "f32le", "-ac", "1", "-ar", &rate, "-"]);
    let (out, warnings) = run("ffmpeg", &arguments);
    (out.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect(), warnings)
}

/// The source on the recording's clock by ffmpeg's own means: gaps filled by time, the lead as a delay.
fn reference(source: &Path) -> Vec<f32> {
    let lead = packets(source)[0].0;
    let (sound, _) = decoded_by_ffmpeg(source, Some("aresample=async=1:min_hard_comp=0.005"));
    let mut reference = vec![0.0; (lead * RATE as f64).round() as usize];
    reference.extend(sound);
    reference
}

fn decoded_by_us(path: &Path) -> Vec<f32> {
    let source: Source = Box::new(std::fs::File::open(path).unwrap());
    let mut decoder = TrackDecoder::open(source, DecodeRate::Hz16000, &CancellationToken::new()).unwrap();
    let mut sound = Vec::new();
    while decoder.read(&mut sound).unwrap() {}
    assert_eq!(decoder.concealed(), 0);
    sound.chunks(2).map(|pair| pair.iter().sum::<f32>() / pair.len() as f32).collect()
}

/// For each window of one second with speech in it: when it is, and how many seconds late `other` is there.
fn lags(reference: &[f32], other: &[f32], name: &str) -> Vec<(f64, f64)> {
    const WINDOW: usize = RATE;
    const REACH: usize = RATE * 40 / 1000;
    let mut lags = Vec::new();
    let mut at = REACH;
    while at + WINDOW + REACH < reference.len().min(other.len()) {
        let window = &reference[at..at + WINDOW];
        let energy: f32 = window.iter().map(|x| x * x).sum();
        if energy / WINDOW as f32 > 2e-5 {
            let likeness = |shift: usize| {
                let there = &other[at + shift - REACH..][..WINDOW];
                let dot: f32 = window.iter().zip(there).map(|(a, b)| a * b).sum();
                let other_energy: f32 = there.iter().map(|b| b * b).sum();
                dot / (energy * other_energy).sqrt().max(1e-9)
            };
            let (best, similarity) =
                (0..=2 * REACH).map(|shift| (shift, likeness(shift))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            let second = at as f64 / RATE as f64;
            assert!(similarity > 0.5, "{name}: no likeness at {second} s: {similarity}");
            lags.push((second, (best as f64 - REACH as f64) / RATE as f64));
        }
        at += WINDOW;
    }
    lags
}

fn assert_in_time(lags: &[(f64, f64)], name: &str) {
    for (second, lag) in lags {
        assert!(lag.abs() < 0.020, "{name}: {lag} s off at {second} s");
    }
    let mut sizes: Vec<f64> = lags.iter().map(|(_, lag)| lag.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    if let Some(median) = sizes.get(sizes.len() / 2) {
        assert!(*median < 0.005, "{name}: median {median} s");
    }
    println!("{name}: {} windows, largest lag {:?} s", lags.len(), sizes.last());
}

#[test]
fn u7_every_fixture_track_is_aligned_unchanged_and_in_time() {
    for source in fixture_tracks() {
        let name = source.file_name().unwrap().to_string_lossy().into_owned();
        let Aligned { report, path, _folder } = aligned(&source);
        assert_eq!(report.damage, None, "{name}");
        assert_eq!(report.outcome, Outcome::Aligned, "{name}: all fixtures have a lead");

        let before = packets(&source);
        let after = packets(&path);
        assert_eq!(report.packets as usize, before.len(), "{name}");
        assert!((report.offset - before[0].0).abs() < 0.0015, "E22 {name}: {} and {}", report.offset, before[0].0);

        let mut rest = after.iter();
        for (time, hash) in &before {
            let there = rest.find(|(_, other)| other == hash);
            let (there, _) = there.unwrap_or_else(|| panic!("{name}: the packet at {time} s is lost"));
            assert!((there - time).abs() < 0.020, "{name}: the packet at {time} s is at {there} s");
        }

        let (sound, warnings) = decoded_by_ffmpeg(&path, None);
        assert_eq!(warnings, "", "{name}");
        let seconds = sound.len() as f64 / RATE as f64;
        assert!((seconds - report.duration).abs() < 0.01, "E24 {name}: {seconds} s of {} s", report.duration);
        let reference = reference(&source);
        assert_in_time(&lags(&reference, &sound, &name), &name);

        let ours = decoded_by_us(&path);
        assert!((ours.len() as f64 / RATE as f64 - report.duration).abs() < 0.001, "E24 {name}");
        assert_in_time(&lags(&reference, &ours, &name), &name);
    }
}

#[test]
fn u26_aligned_files_start_at_zero_in_their_container_too() {
    for source in fixture_tracks() {
        let Aligned { path, _folder, .. } = aligned(&source);
        let what = ["-v", "warning", "-show_entries", "format=start_time:stream=start_time", "-of", "csv=p=0"];
        let (out, _) = run("ffprobe", &[&what[..], &[path.to_str().unwrap()]].concat());
        let starts: Vec<f64> = String::from_utf8(out).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(starts, [0.0, 0.0], "{}", source.display());
    }
}

#[test]
fn a_source_decodes_to_the_same_sound_as_its_aligned_track() {
    for source in fixture_tracks() {
        let Aligned { path, _folder, .. } = aligned(&source);
        assert!(decoded_by_us(&source) == decoded_by_us(&path), "{}", source.display());
    }
}
