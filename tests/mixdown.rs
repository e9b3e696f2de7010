//! The mixdown as ffmpeg hears it: in time from start to end, as long as the recording, never clipped, nobody's level
//! moved by anybody else, and the same bytes however many threads made it.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_util::sync::CancellationToken;
use trackscribe::audio::{AudioError, DecodeRate, Mixdown, Source, TrackDecoder, align, mix};
use trackscribe::failure::{Failure, FailureClass};

const RATE: usize = 48_000;

fn fixture_tracks(meeting: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(meeting);
    let mut tracks: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains("-cam-audio-"))
        .collect();
    tracks.sort();
    assert!(tracks.len() >= 3, "the fixtures are missing");
    tracks
}

fn aligned(track: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let source: Source = Box::new(std::fs::File::open(track).unwrap());
    align(source, &mut bytes, None, &CancellationToken::new(), &mut |_| {}).unwrap();
    bytes
}

fn source(bytes: &[u8]) -> Source {
    Box::new(Cursor::new(bytes.to_vec()))
}

fn mixed(tracks: &[Vec<u8>], duration: f64, threads: usize) -> (Vec<u8>, Mixdown) {
    let mut sink = Cursor::new(Vec::new());
    let sources = tracks.iter().map(|bytes| source(bytes)).collect();
    let mixdown = mix(sources, duration, &mut sink, threads, &CancellationToken::new(), &mut |_| {}).unwrap();
    (sink.into_inner(), mixdown)
}

/// Decodes an MP3 with ffmpeg to mono floats, which show overshoot beyond full scale if there is any.
fn decoded_by_ffmpeg(mp3: &[u8]) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audio.mp3");
    std::fs::write(&path, mp3).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-i", path.to_str().unwrap(), "-f", "f32le", "-ac", "1", "-"])
        .output()
        .unwrap_or_else(|error| panic!("this test needs ffmpeg (Debian package ffmpeg): {error}"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    output.stdout.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn decoded(track: &[u8]) -> Vec<f32> {
    let mut decoder = TrackDecoder::open(source(track), DecodeRate::Hz48000, &CancellationToken::new()).unwrap();
    let mut sound = Vec::new();
    while decoder.read(&mut sound).unwrap() {}
    sound
}

fn sum(tracks: &[Vec<u8>]) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for track in tracks {
        let sound = decoded(track);
        sum.resize(sum.len().max(sound.len()), 0.0);
        sum.iter_mut().zip(sound).for_each(|(sum, sample)| *sum += sample);
    }
    sum
}

/// By how many seconds `other` is late around a sample, and how alike the two are there.
fn lag(reference: &[f32], other: &[f32], at: usize) -> (f64, f32) {
    const WINDOW: usize = RATE / 2;
    const REACH: usize = RATE * 15 / 1000;
    let window = &reference[at..at + WINDOW];
    let energy: f32 = window.iter().map(|x| x * x).sum();
    let likeness = |shift: usize| {
        let there = &other[at + shift - REACH..][..WINDOW];
        let dot: f32 = window.iter().zip(there).map(|(a, b)| a * b).sum();
        dot / (energy * there.iter().map(|b| b * b).sum::<f32>()).sqrt().max(1e-9)
    };
    let (best, alike) =
        (0..=2 * REACH).map(|shift| (shift, likeness(shift))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    ((best as f64 - REACH as f64) / RATE as f64, alike)
}

/// A made-up voice: harmonics with syllables, `level` at its peaks, from `from` to `to` seconds of `length`.
fn voice(hz: f32, level: f32, from: f32, to: f32, length: f32) -> Vec<u8> {
    let sound: Vec<f32> = (0..(length * RATE as f32) as usize)
        .map(|at| {
            let t = at as f32 / RATE as f32;
            let syllable = (t * 3.0 * std::f32::consts::PI).sin().abs();
            let tone: f32 = (1..8).map(|h| (t * hz * h as f32 * std::f32::consts::TAU).sin() / h as f32).sum();
            if t < from || t >= to { 0.0 } else { (level * syllable * tone / 1.6).clamp(-1.0, 1.0) }
        })
        .collect();
    opus_in_webm(&sound)
}

/// The smallest live WebM: one mono Opus track in clusters of one second.
fn opus_in_webm(sound: &[f32]) -> Vec<u8> {
    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        let size = 0x1000_0000 | body.len() as u32;
        [id, &size.to_be_bytes(), body].concat()
    }
    let entry = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0xE1], &element(&[0x9F], &[1])),
    ]
    .concat();
    let mut file = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm"));
    file.extend([0x18, 0x53, 0x80, 0x67, 0xFF]);
    file.extend(element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry)));
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Audio).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(96_000)).unwrap();
    for (at, frame) in sound.chunks_exact(960).enumerate() {
        if at % 50 == 0 {
            file.extend([0x1F, 0x43, 0xB6, 0x75, 0xFF]);
            file.extend(element(&[0xE7], &(at as u32 * 20).to_be_bytes()));
        }
        let relative = ((at % 50) * 20) as i16;
        let packet = encoder.encode_vec_float(frame, 1500).unwrap();
        file.extend(element(&[0xA3], &[&[0x81][..], &relative.to_be_bytes(), &[0x80], &packet].concat()));
    }
    file
}

#[test]
fn the_mixdown_is_in_time_from_start_to_end_and_exactly_as_long_as_the_recording() {
    for meeting in ["standup", "wild"] {
        let tracks: Vec<_> = fixture_tracks(meeting).iter().map(|track| aligned(track)).collect();
        let expected = sum(&tracks);
        let duration = expected.len() as f64 / RATE as f64 + 1.2345;
        let (mp3, mixdown) = mixed(&tracks, duration, 2);
        let heard = decoded_by_ffmpeg(&mp3);
        assert_eq!(heard.len(), (duration * RATE as f64).round() as usize, "{meeting}");
        assert!((mixdown.duration - duration).abs() < 1e-4);
        assert_eq!(mixdown.envelope.length().0 as usize, heard.len());

        let loud: Vec<usize> = (RATE..expected.len() - 2 * RATE)
            .step_by(RATE / 2)
            .filter(|at| expected[*at..at + RATE / 2].iter().map(|x| x * x).sum::<f32>() > RATE as f32 / 2.0 * 1e-3)
            .collect();
        for at in loud.iter().take(3).chain(loud.iter().rev().take(3)) {
            let (late, alike) = lag(&expected, &heard, *at);
            assert!(late.abs() <= 0.010 && alike > 0.9, "{meeting}: {late} s at sample {at}, alike {alike}");
        }
    }
}

#[test]
fn a_recording_longer_than_its_tracks_ends_in_silence_and_tracks_longer_than_it_are_kept() {
    let track = voice(150.0, 0.5, 0.0, 3.0, 3.0);
    let (mp3, _) = mixed(std::slice::from_ref(&track), 5.0, 1);
    let heard = decoded_by_ffmpeg(&mp3);
    assert_eq!(heard.len(), 5 * RATE);
    assert!(heard[RATE * 7 / 2..].iter().all(|sample| sample.abs() < 1e-3));
    let (mp3, mixdown) = mixed(&[track], 1.0, 1);
    assert_eq!((decoded_by_ffmpeg(&mp3).len(), mixdown.duration), (3 * RATE, 3.0));
}

#[test]
fn nothing_but_silence_is_still_a_file_of_the_right_length() {
    let (mp3, mixdown) = mixed(&[], 2.5, 2);
    let heard = decoded_by_ffmpeg(&mp3);
    assert_eq!(heard.len(), 120_000);
    assert!(heard.iter().all(|sample| sample.abs() < 1e-4));
    assert_eq!(mixdown.envelope.reduce(255), vec![0.0; 255]);
    let (_, mixdown) = mixed(&[], 0.0, 2);
    assert_eq!(mixdown.duration, 0.0);
}

#[test]
fn four_loud_voices_at_once_do_not_clip() {
    let tracks: Vec<_> = [110.0, 147.0, 196.0, 233.0].into_iter().map(|hz| voice(hz, 0.9, 0.5, 6.0, 6.0)).collect();
    let expected = sum(&tracks);
    assert!(expected.iter().any(|sample| sample.abs() > 2.0), "the sum itself would clip");
    let (mp3, mixdown) = mixed(&tracks, 6.0, 2);
    assert!(mixdown.limited > 0.5);
    let heard = decoded_by_ffmpeg(&mp3);
    let peak = heard.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    println!("peak {peak}");
    assert!(peak <= 1.0, "{peak}");
    assert!(peak > 0.6, "{peak}");
}

#[test]
fn a_lone_voice_keeps_its_level_whatever_the_others_do_at_other_times() {
    let alone = voice(150.0, 0.4, 0.0, 14.0, 14.0);
    let crowd: Vec<_> = [110.0, 196.0, 233.0].into_iter().map(|hz| voice(hz, 0.9, 5.0, 9.0, 14.0)).collect();
    let (quiet, _) = mixed(std::slice::from_ref(&alone), 14.0, 1);
    let (busy, _) = mixed(&[vec![alone.clone()], crowd].concat(), 14.0, 1);
    let (quiet, busy, original) = (decoded_by_ffmpeg(&quiet), decoded_by_ffmpeg(&busy), decoded(&alone));
    let level = |sound: &[f32], from: usize, to: usize| {
        let window = &sound[from * RATE..to * RATE];
        10.0 * (window.iter().map(|x| x * x).sum::<f32>() / window.len() as f32).log10()
    };
    for (from, to) in [(1, 4), (10, 13)] {
        let original = level(&original, from, to);
        assert!((level(&quiet, from, to) - original).abs() < 0.5);
        assert!((level(&busy, from, to) - original).abs() < 0.5, "{} and {original}", level(&busy, from, to));
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let tracks: Vec<_> = fixture_tracks("edge").iter().map(|track| aligned(track)).collect();
    let (one, first) = mixed(&tracks, 38.0, 1);
    for threads in [2, 3, 16] {
        let (bytes, mixdown) = mixed(&tracks, 38.0, threads);
        assert!(bytes == one, "{threads} threads");
        assert_eq!(mixdown, first);
    }
}

#[test]
fn e10_a_cancelled_mix_stops_at_once() {
    let track = aligned(&fixture_tracks("standup")[0]);
    let cancel = CancellationToken::new();
    let mut sink = Cursor::new(Vec::new());
    let mut told = 0;
    let result = mix(vec![source(&track)], 3600.0, &mut sink, 2, &cancel, &mut |_| {
        told += 1;
        cancel.cancel();
    });
    assert!(matches!(result, Err(AudioError::Cancelled)));
    assert_eq!(result.unwrap_err().class(), FailureClass::Cancelled);
    assert_eq!(told, 1, "not one more block after the cancellation");
}

#[test]
fn a_full_disk_is_reported_as_such_and_may_be_retried() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl std::io::Seek for Full {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let track = voice(150.0, 0.5, 0.0, 3.0, 3.0);
    let error = mix(vec![source(&track)], 3.0, &mut Full, 1, &CancellationToken::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, AudioError::Write(_)));
    assert_eq!(error.class(), FailureClass::Retryable);
}

#[test]
fn h13_a_track_is_read_only_as_far_as_it_is_mixed_however_long_it_is() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// An endless talk, read from a live file that is made while it is read, and how many seconds of it were asked for.
    struct Talk {
        header: Cursor<Vec<u8>>,
        second: Vec<u8>,
        at: u64,
        length: u64,
        asked: Arc<AtomicU64>,
    }
    impl std::io::Read for Talk {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let read = self.header.read(buffer)?;
            if read > 0 || self.at == self.length {
                return Ok(read);
            }
            let mut cluster = self.second.clone();
            cluster[10..14].copy_from_slice(&(self.at as u32 * 1000).to_be_bytes());
            self.at += 1;
            self.asked.store(self.at, Ordering::Relaxed);
            self.header = Cursor::new(cluster);
            self.read(buffer)
        }
    }
    let file = voice(150.0, 0.3, 0.0, 1.0, 1.0);
    let cluster = file.windows(4).position(|four| four == [0x1F, 0x43, 0xB6, 0x75]).unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let talk = |length| -> Source {
        let (header, second) = file.split_at(cluster);
        Box::new(Talk {
            header: Cursor::new(header.to_vec()),
            second: second.to_vec(),
            at: 0,
            length,
            asked: asked.clone(),
        })
    };
    let mut furthest = 0.0f64;
    let mut ahead = |done: f64| furthest = furthest.max(asked.load(Ordering::Relaxed) as f64 - done);
    let mut sink = Cursor::new(Vec::new());
    let mixdown = mix(vec![talk(120)], 120.0, &mut sink, 1, &CancellationToken::new(), &mut ahead).unwrap();
    assert_eq!(mixdown.duration, 120.0);
    let mut sink = std::io::sink();
    align(talk(3600), &mut sink, None, &CancellationToken::new(), &mut ahead).unwrap();
    assert!(furthest < 10.0, "{furthest} s were read ahead");
}
