//! Who says what when, by the truth that comes with the recorded meetings.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trackscribe::engine::RunStatus;
use trackscribe::transcript::{Score, ScoreSide, TranscriptDocument, score};

use super::house::{Bench, MadeUp, fixtures};
use super::made_meeting::{MadeMeeting, MadeTrack};
use super::records;

struct Heard {
    document: TranscriptDocument,
    truth: Value,
    score: Score,
}

async fn heard(meeting: &str) -> Heard {
    let bench = Bench::recorded(meeting).await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{outcome:?}");
    records::outputs(bench.database()).await;
    let document = bench.shown().await.document;
    let truth = std::fs::read(fixtures().join("meetings").join(meeting).join("truth.json")).unwrap();
    let hypothesis = serde_json::to_vec(&document).unwrap();
    let side = |name, bytes: &[u8]| ScoreSide::parse(name, bytes).unwrap();
    let score = score(&side("heard", &hypothesis), &side("truth", &truth), 0.0);
    println!("{meeting}: {:?} {:?} {:?}", score.words, score.attribution, score.word_start_error);
    Heard { document, truth: serde_json::from_slice(&truth).unwrap(), score }
}

impl Heard {
    fn assert_as_good_as(&self, error_rate: f64) {
        assert!(self.score.words.error_rate.unwrap() <= error_rate, "{:?}", self.score.words);
        assert_eq!(self.score.attribution.wrong, 0, "{:?}", self.score.attribution);
        assert!(self.score.attribution.right > 40);
        assert!(self.score.word_start_error.as_ref().unwrap().median <= 0.15, "{:?}", self.score.word_start_error);
    }

    /// Sessions by name, in the speakers' order.
    fn people(&self) -> Vec<(&str, usize)> {
        self.document.participants.iter().map(|who| (who.name.as_str(), who.sessions.len())).collect()
    }

    fn words_of(&self, name: &str) -> usize {
        let speaker = self.document.participants.iter().find(|who| who.name == name).unwrap().speaker;
        self.document.words.iter().filter(|word| word.speaker == speaker).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standup_has_three_speakers_and_overlapped_speech_is_on_both() {
    let heard = heard("standup").await;
    heard.assert_as_good_as(0.04);
    assert_eq!(heard.people(), [("Alice", 1), ("Bob", 1), ("Carol", 1)]);

    let true_lines = heard.truth["lines"].as_array().unwrap();
    let moment = |line: &Value, field: &str| line[field].as_f64().unwrap();
    let mut overlaps = 0;
    for (first, second) in true_lines.iter().zip(&true_lines[1..]) {
        let (from, to) = (moment(second, "start"), moment(first, "end").min(moment(second, "end")));
        if first["speaker"] == second["speaker"] || to - from < 0.5 {
            continue;
        }
        overlaps += 1;
        for line in [first, second] {
            let speaker = line["speaker"].as_u64().unwrap() as usize;
            let truth = &heard.truth["speakers"][speaker]["user_name"];
            let is_heard = heard.document.words.iter().any(|word| {
                heard.document.participants[word.speaker].name == *truth && word.start < to && word.end > from
            });
            assert!(is_heard, "{truth} is not heard from {from} to {to}");
        }
    }
    assert_eq!(overlaps, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_joins_the_re_joined_and_gives_silence_and_screens_no_words() {
    let heard = heard("edge").await;
    heard.assert_as_good_as(0.04);
    let people: BTreeMap<&str, usize> = heard.people().into_iter().collect();
    // Bob's second session has the id of his first.
    assert_eq!(people.keys().copied().collect::<Vec<_>>(), ["Bob", "Erin", "Frank", "Grace"]);
    assert_eq!((heard.words_of("Frank"), heard.words_of("Erin")), (0, 0));
    assert!(heard.document.incomplete_tracks.is_empty(), "{:?}", heard.document.incomplete_tracks);

    // The shared tab speaks without pause; nobody is heard who did not speak himself.
    for word in &heard.document.words {
        let name = &heard.document.participants[word.speaker].name;
        let spoken = heard.truth["tracks"].as_array().unwrap().iter().any(|track| {
            track["user_name"] == **name
                && track["speech"].as_array().unwrap().iter().any(|span| {
                    word.start > span[0].as_f64().unwrap() - 0.3 && word.start < span[1].as_f64().unwrap() + 0.3
                })
        });
        assert!(spoken, "{name} did not say {word:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejoin_joins_by_user_id_and_guests_by_name() {
    let heard = heard("rejoin").await;
    heard.assert_as_good_as(0.091);
    assert_eq!(heard.people(), [("Carol", 1), ("Bob", 3), ("Dave", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wild_is_heard_through_noise_loss_and_packets_of_all_sizes() {
    let heard = heard("wild").await;
    heard.assert_as_good_as(0.111);
    assert_eq!(heard.people(), [("Alice", 1), ("Dave", 1), ("Erin", 1), ("Frank", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_of_one_name_are_two_speakers() {
    let track = |session, user: &str, start| MadeTrack {
        user: Some(user.to_owned()),
        ..MadeTrack::speaking(session, "Kim", start, 4)
    };
    let tracks = vec![track(1, "user-1", 0), track(2, "user-2", 5000), track(3, "user-1", 10_000)];
    let bench = Bench::made(&MadeMeeting { duration: None, tracks }, MadeUp::words("w", 5)).await;
    bench.run().await;
    let document = bench.shown().await.document;
    let people: Vec<Value> =
        document.participants.iter().map(|who| json!([who.id, who.name, who.sessions.len()])).collect();
    assert_eq!(people, [json!(["user-1", "Kim", 2]), json!(["user-2", "Kim", 1])]);
    for (speaker, words) in [(0, 10), (1, 5)] {
        assert_eq!(document.words.iter().filter(|word| word.speaker == speaker).count(), words);
    }
}
