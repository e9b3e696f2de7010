//! What alignment promises, on tracks written for each promise.

use std::io::Cursor;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::ebml::id;
use super::ogg_reader::OggOpusReader;
use super::placement::Placed;
use super::sample_webm::{SampleTrack, block, element, packets};
use super::{Alignment, AudioError, DecodeRate, Gap, Outcome, Source, StartFrom, TrackDecoder, align};
use crate::failure::{Failure, FailureClass};

fn source(bytes: &[u8]) -> Source {
    Box::new(Cursor::new(bytes.to_vec()))
}

fn try_align(bytes: &[u8], hint: Option<f64>) -> Result<(Alignment, Vec<u8>), AudioError> {
    let mut sink = Vec::new();
    let report = align(source(bytes), &mut sink, hint, &CancellationToken::new(), &mut |_| {})?;
    Ok((report, sink))
}

fn aligned(bytes: &[u8]) -> (Alignment, Vec<Placed>) {
    let (report, sink) = try_align(bytes, None).unwrap();
    (report, ogg_packets(&sink))
}

fn ogg_packets(bytes: &[u8]) -> Vec<Placed> {
    let mut reader = OggOpusReader::open(Cursor::new(bytes), &CancellationToken::new()).unwrap();
    std::iter::from_fn(|| reader.next_packet().unwrap()).collect()
}

fn decoded(bytes: &[u8]) -> Vec<f32> {
    let mut decoder = TrackDecoder::open(source(bytes), DecodeRate::Hz16000, &CancellationToken::new()).unwrap();
    let mut sound = Vec::new();
    while decoder.read(&mut sound).unwrap() {}
    sound
}

/// Milliseconds at which the source's own packets lie.
fn places(packets: &[Placed]) -> Vec<f64> {
    let mut clock = 0;
    let mut places = Vec::new();
    for packet in packets {
        if !packet.is_fill {
            places.push(clock as f64 / 48.0);
        }
        clock += packet.duration.0;
    }
    places
}

fn own(packets: &[Placed]) -> Vec<Vec<u8>> {
    packets.iter().filter(|packet| !packet.is_fill).map(|packet| packet.data.to_vec()).collect()
}

fn bodies(packets: &[(u64, Vec<u8>)]) -> Vec<Vec<u8>> {
    packets.iter().map(|(_, packet)| packet.clone()).collect()
}

fn fixture(meeting: &str, part: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(meeting);
    let mut names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    std::fs::read(names.find(|path| path.to_string_lossy().contains(part)).unwrap()).unwrap()
}

#[test]
fn a_track_from_zero_without_gaps_is_passed_through() {
    let (report, _) = aligned(&SampleTrack::default().file(&packets((0..200).map(|at| at * 20))));
    assert_eq!(report.outcome, Outcome::PassedThrough);
    assert_eq!((report.offset, report.duration, report.packets, report.channels), (0.0, 4.0, 200, 1));
    assert_eq!(report.start_from, StartFrom::Packets);
}

#[test]
fn u7_a_track_without_a_lead_still_has_its_gaps_filled() {
    let times = (0..50).map(|at| at * 20).chain((0..50).map(|at| 3000 + at * 20));
    let written = packets(times);
    let (report, packets) = aligned(&SampleTrack::default().file(&written));
    assert_eq!(report.outcome, Outcome::Aligned);
    assert_eq!(report.gaps.longest, [Gap { start: 1.0, duration: 2.0 }]);
    assert_eq!((report.gaps.count, report.duration), (1, 4.0));
    assert_eq!(places(&packets)[50], 3000.0);
    assert_eq!(own(&packets), bodies(&written));
}

#[test]
fn leads_and_gaps_off_the_grid_are_met_to_a_few_milliseconds() {
    let times: Vec<u64> = (0..30).map(|at| 313 + at * 20).chain((0..30).map(|at| 2931 + at * 20)).collect();
    let (report, packets) = aligned(&SampleTrack::default().file(&super::sample_webm::packets(times.clone())));
    assert!((report.offset - 0.313).abs() < 1e-9);
    for (place, time) in places(&packets).iter().zip(&times) {
        assert!((place - *time as f64).abs() <= 5.0, "{place} for {time}");
    }
    assert!((places(&packets)[0] - 313.0).abs() <= 1.25);
}

#[test]
fn e23_jitter_of_a_few_milliseconds_is_not_a_gap_and_a_lost_packet_is_exactly_one() {
    let jitter = [0, 3, -4, 4, -3, 2, 0, -4];
    let times: Vec<u64> =
        (10..400).filter(|at| at % 97 != 0).map(|at| (at * 20 + jitter[(at % 8) as usize]) as u64).collect();
    let (report, packets) = aligned(&SampleTrack::default().file(&super::sample_webm::packets(times.clone())));
    assert_eq!(report.gaps.count, 4);
    assert!((report.gaps.total - 0.08).abs() < 1e-9, "{:?}", report.gaps);
    for (place, time) in places(&packets).iter().zip(&times) {
        assert!((place - *time as f64).abs() < 20.0);
    }
}

#[test]
fn packets_behind_the_clock_are_kept_and_the_next_gap_takes_the_drift_back() {
    let early = (0..100).map(|at| 100 + at * 19);
    let written = packets(early.chain((0..20).map(|at| 4000 + at * 20)));
    let (_, packets) = aligned(&SampleTrack::default().file(&written));
    assert_eq!(own(&packets), bodies(&written));
    assert_eq!(places(&packets)[99], 100.0 + 99.0 * 20.0);
    assert_eq!(places(&packets)[100], 4000.0);
}

#[test]
fn silence_has_the_tracks_own_channels() {
    for (channels, toc) in [(1, 0xF8), (2, 0xFC)] {
        let track = SampleTrack { channels, ..SampleTrack::default() };
        let (report, packets) = aligned(&track.file(&packets([40, 60])));
        assert_eq!(report.channels, channels);
        assert_eq!(packets[0].data[..], [toc, 0xFF, 0xFE]);
    }
}

#[test]
fn codec_delay_is_taken_off_once_and_the_first_sound_stays_on_time() {
    let delayed = SampleTrack { codec_delay_ns: Some(6_500_000), ..SampleTrack::default() };
    let (report, _) = aligned(&delayed.file(&packets((0..50).map(|at| at * 20))));
    assert_eq!((report.outcome, report.duration), (Outcome::PassedThrough, 0.9935));
    let (_, packets) = aligned(&delayed.file(&packets((0..50).map(|at| 1000 + at * 20))));
    assert!((places(&packets)[0] - 993.5).abs() <= 1.25);
}

#[test]
fn discard_padding_shortens_the_end_whichever_file_is_read() {
    let track = SampleTrack::default();
    let mut file = track.file(&packets((1..50).map(|at| at * 20)));
    let group = [
        element(id::BLOCK, &block(980, &packets([0])[0].1)),
        element(id::DISCARD_PADDING, &13_500_000u32.to_be_bytes()),
    ];
    file.extend(element(id::BLOCK_GROUP, &group.concat()));
    let (report, sink) = try_align(&file, None).unwrap();
    assert!((report.duration - 1.0065).abs() < 1e-9);
    assert_eq!(decoded(&sink).len(), 16_104);
    assert_eq!(decoded(&file).len(), 16_104);
}

#[test]
fn known_sizes_block_groups_and_lacing_read_the_same_as_a_live_file() {
    let written = packets((0..100).map(|at| at * 20));
    let live = aligned(&SampleTrack::default().file(&written)).1;
    let sized = SampleTrack { known_sizes: true, ..SampleTrack::default() };
    assert_eq!(aligned(&sized.file(&written)).1, live);

    let mut laced = sized.header();
    for pair in written.chunks(2) {
        let frames = [&[0x81, 0, 0, 0x84, 1][..], &pair[0].1, &pair[1].1].concat();
        let blocks = element(id::BLOCK_GROUP, &element(id::BLOCK, &frames));
        let time = element(id::TIMESTAMP, &pair[0].0.to_be_bytes());
        laced.extend(element(id::CLUSTER, &[time, blocks].concat()));
    }
    assert_eq!(aligned(&laced).1, live);
}

#[test]
fn u8_stamps_that_count_from_the_tracks_own_start_are_moved_by_the_file_name() {
    let file = SampleTrack::default().file(&packets((0..50).map(|at| at * 20)));
    let (report, sink) = try_align(&file, Some(21.34)).unwrap();
    assert_eq!((report.outcome, report.start_from), (Outcome::Aligned, StartFrom::FileName));
    assert_eq!((report.offset, places(&ogg_packets(&sink))[0]), (21.34, 21_340.0));
    let (report, _) = try_align(&file, Some(0.18)).unwrap();
    assert_eq!((report.outcome, report.start_from), (Outcome::PassedThrough, StartFrom::Packets));
}

#[test]
fn what_is_not_a_track_says_why() {
    let header = |track: SampleTrack| track.header();
    let video = SampleTrack { track_type: 1, codec: b"V_VP8", ..SampleTrack::default() };
    let vorbis = SampleTrack { codec: b"A_VORBIS", ..SampleTrack::default() };
    let surround = SampleTrack { channels: 6, ..SampleTrack::default() };
    let reason = |bytes: &[u8]| {
        let error = try_align(bytes, None).unwrap_err();
        assert!(error.is_unreadable_media());
        assert_eq!(error.class(), FailureClass::Permanent);
        assert!(TrackDecoder::open(source(bytes), DecodeRate::Hz16000, &CancellationToken::new()).is_err());
        error.to_string()
    };
    assert_eq!(reason(b""), "the file is empty");
    assert_eq!(reason(b"<html>403 Forbidden</html>"), "not a WebM or Ogg file: no EBML header");
    assert_eq!(reason(&[0; 4096]), "not a WebM or Ogg file: no EBML header");
    assert_eq!(reason(&header(video)), "the file has no audio stream");
    assert_eq!(reason(&header(vorbis)), "unsupported audio: codec \"A_VORBIS\" in WebM; only Opus is read");
    assert_eq!(reason(&header(surround)), "unsupported audio: Opus with 6 channels");
}

#[test]
fn a_track_without_packets_is_no_error_and_lasts_no_time() {
    for file in [SampleTrack::default().header(), SampleTrack::default().file(&[])] {
        let (report, _) = aligned(&file);
        assert_eq!((report.outcome, report.duration, report.packets), (Outcome::PassedThrough, 0.0, 0));
        assert_eq!(report.damage, None);
        assert!(decoded(&file).is_empty());
    }
}

#[test]
fn a_live_file_may_end_at_any_block_but_not_within_one() {
    let file = SampleTrack::default().file(&packets((5..55).map(|at| at * 20)));
    assert_eq!(aligned(&file).0.damage, None);
    let (report, _) = aligned(&file[..file.len() - 7]);
    assert_eq!(report.damage.as_deref(), Some("cut short at 1.080 s"));
    assert_eq!((report.packets, report.duration), (49, 1.08));
}

#[test]
fn a_few_broken_bytes_cost_a_few_packets_and_everything_behind_is_in_its_place() {
    let written = packets((5..505).map(|at| at * 20));
    let file = SampleTrack { cluster: 250, ..SampleTrack::default() }.file(&written);
    let at = file.len() / 3;
    let mut overwritten = file.clone();
    overwritten[at..at + 317].fill(0x5A);
    let cut_out = [&file[..at], &file[at + 317..]].concat();
    for broken in [overwritten, cut_out] {
        let (report, packets) = aligned(&broken);
        assert!(report.packets >= 490, "{}", report.packets);
        assert!(report.damage.unwrap().starts_with("damaged at 3."));
        let lost = 500 - report.packets as usize;
        assert_eq!(places(&packets)[400 - lost], 100.0 + 400.0 * 20.0);
        let expected = bodies(&written);
        assert!(own(&packets).iter().all(|packet| expected.contains(packet)));
    }
}

#[test]
fn a_lost_cluster_head_does_not_move_its_blocks_to_another_time() {
    let track = SampleTrack::default();
    let written = packets((0..200).map(|at| at * 20));
    let clusters: Vec<_> = written.chunks(50).map(|packets| track.cluster(packets)).collect();
    let file = [track.header(), clusters[0].clone(), clusters[1][200..].to_vec(), clusters[2].clone()].concat();
    let (report, packets) = aligned(&file);
    assert!(report.damage.is_some());
    let expected = bodies(&written);
    for (packet, place) in own(&packets).iter().zip(places(&packets)) {
        let index = expected.iter().position(|other| other == packet).unwrap();
        assert!((place - index as f64 * 20.0).abs() < 20.0);
    }
}

#[test]
fn a_flipped_bit_in_a_clusters_time_does_not_push_the_rest_away() {
    let track = SampleTrack::default();
    let written = packets((5..205).map(|at| at * 20));
    for (wrong, flipped) in [(1, 1u64 << 22), (2, 1 << 14), (0, 1 << 20)] {
        let mut file = track.header();
        for (index, cluster) in written.chunks(50).enumerate() {
            let shift = if index == wrong { flipped } else { 0 };
            let moved: Vec<_> = cluster.iter().map(|(time, packet)| (time + shift, packet.clone())).collect();
            file.extend(track.cluster(&moved));
        }
        let (report, packets) = aligned(&file);
        assert_eq!(report.damage.as_deref(), Some("1 wrong timestamps"));
        assert_eq!(own(&packets), bodies(&written));
        assert_eq!(places(&packets), written.iter().map(|(time, _)| *time as f64).collect::<Vec<_>>());
    }
}

#[test]
fn h18_sound_that_runs_to_the_end_of_the_file_is_decoded_to_its_end() {
    let file = fixture("standup", "102b938b");
    let (report, sink) = try_align(&file, None).unwrap();
    assert_eq!(decoded(&sink).len(), (report.duration * 16_000.0).round() as usize);
}

#[test]
fn lost_packets_are_restored_from_the_copy_in_the_next_one() {
    // Erin's track has in-band FEC and lost packets; with all of its silence of up to 60 ms kept, the sound would stop.
    let sound = decoded(&fixture("wild", "d4eba76e"));
    let silent_runs = sound.split(|sample| sample.abs() > 1e-7).filter(|run| run.len() > 310 && run.len() < 1000);
    let (report, _) = aligned(&fixture("wild", "d4eba76e"));
    assert!(report.gaps.count > 10);
    assert_eq!(silent_runs.count(), 0);
}

#[test]
fn e10_a_cancelled_alignment_stops() {
    let cancel = CancellationToken::new();
    let mut told = 0;
    let file = SampleTrack::default().file(&packets((0..5000).map(|at| at * 20)));
    let result = align(source(&file), &mut Vec::new(), None, &cancel, &mut |_| {
        told += 1;
        cancel.cancel();
    });
    assert!(matches!(result, Err(AudioError::Cancelled)));
    assert_eq!(told, 1);
}

#[test]
fn a_source_that_fails_to_read_is_not_taken_for_a_short_one() {
    struct Broken(Cursor<Vec<u8>>);
    impl std::io::Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::ErrorKind::ConnectionReset.into()),
                read => Ok(read),
            }
        }
    }
    let file = SampleTrack::default().file(&packets((0..500).map(|at| at * 20)));
    let broken: Source = Box::new(Broken(Cursor::new(file)));
    let error = align(broken, &mut Vec::new(), None, &CancellationToken::new(), &mut |_| {}).unwrap_err();
    assert_eq!(error.class(), FailureClass::Retryable);
    assert!(!error.is_unreadable_media());
}

#[test]
fn the_report_names_the_hash_of_every_byte_of_the_source() {
    let mut file = SampleTrack::default().file(&packets([0, 20]));
    file.extend(element(id::TAGS, &[0; 100_000]));
    file.extend([0; 100_000]);
    let (report, _) = aligned(&file);
    assert_eq!(report.content, blake3::hash(&file).to_hex().to_string());
}

fn assert_survives(bytes: &[u8]) {
    let Ok((report, sink)) = try_align(bytes, Some(1.0)) else { return };
    assert!(report.duration <= 48.0 * 3600.0 + 60.0);
    assert!(report.gaps.longest.len() <= 100);
    if report.duration < 100.0 {
        let sound = decoded(if report.outcome == Outcome::Aligned { &sink } else { bytes });
        let expected = report.duration * 16_000.0;
        assert!((sound.len() as f64 - expected).abs() <= 16.0, "{} {expected}", sound.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn mutated_tracks_never_panic(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = SampleTrack { cluster: 20, ..SampleTrack::default() }.file(&packets((3..200).map(|at| at * 20)));
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        assert_survives(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..3000)) {
        assert_survives(&[SampleTrack::default().header(), tail].concat());
    }

    #[test]
    fn mutated_aligned_tracks_never_panic(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
    ) {
        let (_, mut bytes) = try_align(&SampleTrack::default().file(&packets((3..200).map(|at| at * 20))), None).unwrap();
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(mut decoder) = TrackDecoder::open(source(&bytes), DecodeRate::Hz16000, &CancellationToken::new()) {
            let mut sound = Vec::new();
            let mut total = 0;
            while total < 100_000_000 && decoder.read(&mut sound).unwrap() {
                total += sound.len();
                sound.clear();
            }
        }
    }
}

#[test]
fn a_damaged_page_of_an_aligned_track_becomes_silence_of_the_same_length() {
    let (_, bytes) = try_align(&SampleTrack::default().file(&packets((3..300).map(|at| at * 20))), None).unwrap();
    let whole = decoded(&bytes).len();
    let mut broken = bytes.clone();
    let at = bytes.len() / 2;
    broken[at..at + 50].fill(0xAA);
    assert_eq!(decoded(&broken).len(), whole);
}

#[test]
fn long_silence_is_skipped_without_changing_what_is_heard() {
    let speech = fixture("edge", "ca032fa5-872c-4a65-b00f-db1c5e85d8b3-cam-audio-1767776401874");
    let (_, sink) = try_align(&speech, None).unwrap();
    let mut all = opus::Decoder::new(16_000, opus::Channels::Mono).unwrap();
    let mut exact = Vec::new();
    for packet in ogg_packets(&sink) {
        let mut pcm = vec![0.0; packet.duration.0 as usize / 3];
        all.decode_float(&packet.data, &mut pcm, false).unwrap();
        exact.extend(pcm);
    }
    let ours = decoded(&sink);
    assert_eq!(ours.len(), exact.len());
    let worst = ours.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{worst}");
}
