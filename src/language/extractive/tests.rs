//! The backend as a whole: what a person reads, and that no input breaks it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::language::scripts::{fixture, script};
use crate::transcript::{ActionItem, Segment};

const INCIDENT: &str = include_str!("../testdata/incident_review.txt");
const PLANNING: &str = include_str!("../testdata/product_planning.txt");

/// Everything that the backend says about a meeting, on one page.
fn page(meeting: &MeetingText) -> String {
    let topics = ExtractiveBackend::topics_now(meeting);
    let title = ExtractiveBackend::title_now(meeting, &topics);
    let summary = ExtractiveBackend::summary_now(meeting, &topics);
    let items = ExtractiveBackend::action_items_now(meeting);
    let mut page = format!("title: {title}\n\nshort: {}\n", summary.short);
    for topic in &topics {
        write!(page, "\ntopic {:.3} + {:.3}: {}\n  {}\n", topic.start, topic.duration, topic.title, topic.summary)
            .unwrap();
    }
    write!(page, "\nlong:\n{}\n\n", summary.long).unwrap();
    for decision in &items.decisions {
        writeln!(page, "decision: {decision}").unwrap();
    }
    for ActionItem { task, assignee, deadline } in &items.next_steps {
        let (who, when) = (assignee.as_deref().unwrap_or("-"), deadline.as_deref().unwrap_or("-"));
        writeln!(page, "next step: {task} | {who} | {when}").unwrap();
    }
    page
}

/// What holds for every meeting.
fn check(meeting: &MeetingText) -> Vec<Topic> {
    let topics = ExtractiveBackend::topics_now(meeting);
    let title = ExtractiveBackend::title_now(meeting, &topics);
    let summary = ExtractiveBackend::summary_now(meeting, &topics);
    ExtractiveBackend::action_items_now(meeting);
    assert!(!title.trim().is_empty() && !summary.short.trim().is_empty() && !summary.long.trim().is_empty());
    assert_eq!(topics.is_empty(), meeting.is_empty());
    for pair in topics.windows(2) {
        assert!((pair[0].start + pair[0].duration - pair[1].start).abs() < 0.0015, "topics are contiguous");
        assert!(pair[0].start <= pair[1].start, "topics are ordered");
    }
    for topic in &topics {
        assert!(!topic.title.trim().is_empty() && !topic.summary.trim().is_empty(), "{topic:?}");
        assert!(topic.start >= 0.0 && topic.duration >= 0.0, "{topic:?}");
        assert!(topic.start + topic.duration <= meeting.duration() + 0.001, "{topic:?}");
    }
    if let (Some(first), Some(last)) = (topics.first(), topics.last()) {
        assert!((first.start - meeting.segments()[0].start).abs() < 0.001);
        assert!((last.start + last.duration - meeting.last_word_end()).abs() < 0.0015);
    }
    let titles: BTreeSet<String> = topics.iter().map(|topic| topic.title.to_lowercase()).collect();
    assert_eq!(titles.len(), topics.len(), "no two topics have one title");
    topics
}

#[test]
fn a_meeting_reads_as_it_did_when_a_person_last_judged_it() {
    let page = page(&script(PLANNING, "en"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/language/testdata/product_planning.golden.txt");
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        page,
        include_str!("../testdata/product_planning.golden.txt"),
        "UPDATE_GOLDEN=1 writes it anew; read it then"
    );
}

#[test]
fn the_same_meeting_gives_the_same_bytes() {
    assert_eq!(page(&script(INCIDENT, "en")), page(&script(INCIDENT, "en")));
}

#[test]
fn the_recorded_meetings_have_topics_titles_and_summaries() {
    for name in ["standup", "edge", "rejoin", "wild"] {
        let meeting = fixture(name);
        assert_eq!(check(&meeting).len(), 1, "{name}");
        assert!(!page(&meeting).contains(empty::UNTITLED), "{name}");
    }
}

#[test]
fn the_standups_next_steps_are_found() {
    let steps = ExtractiveBackend::action_items_now(&fixture("standup")).next_steps;
    let found = |task: &str, who: &str, when: Option<&str>| {
        steps
            .iter()
            .any(|step| step.task == task && step.assignee.as_deref() == Some(who) && step.deadline.as_deref() == when)
    };
    assert!(found("Deploy the release", "Bob", Some("on Friday")), "{steps:?}");
    assert!(found("Send the report", "Carol", None), "{steps:?}");
}

#[test]
fn topics_of_a_long_meeting_keep_to_their_sizes() {
    let text: String = [INCIDENT, PLANNING].concat().repeat(4);
    let meeting = script(&text, "en");
    let topics = check(&meeting);
    let words: usize = meeting.segments().iter().map(|segment| segment.text.split(' ').count()).sum();
    assert_eq!(topics.len(), cohesion::number_of_topics(meeting.duration(), words));
    for topic in &topics {
        let until = topic.start + topic.duration - 0.001;
        let inside = meeting.segments().iter().filter(|s| s.start >= topic.start - 0.001 && s.start < until);
        let words: usize = inside.map(|segment| segment.text.split(' ').count()).sum();
        assert!((cohesion::SHORTEST - 15..=cohesion::LONGEST + 15).contains(&words), "{words} words: {topic:?}");
    }
}

#[test]
fn h7_an_empty_meeting_is_a_value_with_a_rule() {
    for text in ["", "Ann: …", "Ann: 🙂 🙂"] {
        let meeting = script(text, "en");
        assert!(check(&meeting).is_empty());
        assert_eq!(ExtractiveBackend::title_now(&meeting, &[]), empty::UNTITLED);
        let summary = ExtractiveBackend::summary_now(&meeting, &[]);
        assert_eq!((summary.short.as_str(), summary.long.as_str()), (empty::NOTHING_SAID, empty::NOTHING_SAID));
        assert_eq!(ExtractiveBackend::action_items_now(&meeting), ActionItems::default());
    }
}

#[test]
fn one_word_is_a_meeting() {
    let topics = check(&script("Ann: Hello.", "en"));
    assert_eq!(topics.len(), 1);
    assert_eq!((topics[0].title.as_str(), topics[0].summary.as_str()), ("Hello", "Ann: Hello."));
}

#[test]
fn u22_people_who_talk_at_once_keep_whole_sentences() {
    let segment = |speaker, start: f64, text: &str| Segment { speaker, start, end: start + 3.0, text: text.into() };
    let meeting = MeetingText::new(
        vec![
            segment(0, 0.0, "The database migration needs a second index."),
            segment(1, 0.5, "The billing service sends every invoice twice."),
            segment(0, 2.0, "My vacation starts tomorrow after the workshop."),
        ],
        vec!["Ann".into(), "Ben".into()],
        "en",
        10.0,
    );
    let long = ExtractiveBackend::summary_now(&meeting, &check(&meeting)).long;
    assert!(long.contains("- **Ben**: The billing service sends every invoice twice."), "{long}");
    assert!(long.contains("- **Ann**: The database migration needs a second index."), "{long}");
}

#[test]
fn what_is_said_does_not_become_formatting() {
    let text =
        "Ann: The <b>database</b> migration of *all* tables [now](x) is done.\nB_o_b: The database migration is done.";
    let meeting = script(text, "en");
    let summary = ExtractiveBackend::summary_now(&meeting, &check(&meeting));
    for part in [&summary.short, &summary.long] {
        assert!(!part.contains("<b>") && !part.contains(" *all*") && !part.contains("[now]"), "{part}");
    }
}

#[test]
fn german_japanese_hebrew_and_unknown_languages_work() {
    let german = script(
        "Anna: Guten Morgen.\nAnna: Wir haben die Umstellung der Datenbank gestern beendet.\nBernd: Die Datenbank läuft auf dem \
         neuen Server.\nBernd: Der Bericht für den Kunden fehlt noch.\nAnna: Ich werde den Bericht bis Freitag schreiben.",
        "de",
    );
    let topics = check(&german);
    assert!(ExtractiveBackend::title_now(&german, &topics).contains("Datenbank"));
    let short = ExtractiveBackend::summary_now(&german, &topics).short;
    assert!(short.starts_with("**Anna** und **Bernd** haben miteinander gesprochen. Themen: "), "{short}");

    let japanese =
        script("田中: データベースの移行は昨日終わりました。\n鈴木: データベースの移行は早かったですね。", "ja");
    let topics = check(&japanese);
    assert!(topics[0].title.contains("データベース"), "{topics:?}");
    assert_eq!(ExtractiveBackend::action_items_now(&japanese), ActionItems::default());

    check(&script("דנה: מסד הנתונים עבר אתמול לשרת חדש.\nיוסי: השרת החדש מהיר מאוד.", "he"));
    check(&script("Ann: Lorem ipsum dolor sit amet. 🙂 Dolor sit amet!", "xx"));
    check(&script("สมชาย: ฐานข้อมูลใหม่ทำงานแล้ว", "th"));
}

/// 40,000 words in three hours, made of many subjects; and as single words, the worst case for what is done per segment.
#[test]
fn a_meeting_of_forty_thousand_words_is_read_in_one_go() {
    let mut seed = 1_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    let frame = ["we", "the", "think", "that", "of", "should", "with", "and"];
    let mut word = |nth: usize| match random(2) {
        0 => frame[random(frame.len())].to_owned(),
        _ => format!("subject{}", nth / 1000 * 40 + random(60)),
    };
    for per_segment in [10, 1] {
        let segments = (0..40_000 / per_segment).map(|nth| {
            let words: Vec<String> = (0..per_segment).map(|more| word(nth * per_segment + more)).collect();
            let start = nth as f64 * 0.27 * per_segment as f64;
            Segment { speaker: nth % 5, start, end: start + 0.25 * per_segment as f64, text: words.join(" ") + "." }
        });
        let meeting = MeetingText::new(segments.collect(), vec![], "en", 10_800.0);
        assert_eq!(check(&meeting).len(), 36);
    }
}

#[tokio::test]
async fn the_face_answers_what_the_core_does_and_stops_when_cancelled() {
    let backend: &dyn LanguageBackend = &ExtractiveBackend;
    let meeting = script(INCIDENT, "en");
    let cancel = CancellationToken::new();
    assert_eq!(backend.name(), "extractive");
    let topics = backend.topics(&meeting, &cancel).await.unwrap();
    assert_eq!(topics, ExtractiveBackend::topics_now(&meeting));
    assert!(!backend.title(&meeting, &topics, &cancel).await.unwrap().is_empty());
    assert!(backend.summary(&meeting, &topics, &cancel).await.unwrap().long.contains("## "));
    assert!(!backend.action_items(&meeting, &cancel).await.unwrap().decisions.is_empty());
    cancel.cancel();
    let error = backend.topics(&meeting, &cancel).await.unwrap_err();
    assert_eq!(crate::failure::Failure::class(&error), crate::failure::FailureClass::Cancelled);
}

#[tokio::test]
async fn a_cancelled_call_does_not_wait_for_its_thread() {
    let cancel = CancellationToken::new();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let call = off_thread("topics", &cancel, move || stopped.recv_timeout(Duration::from_secs(60)).is_ok());
    let (answer, ()) = tokio::join!(call, async {
        tokio::task::yield_now().await;
        cancel.cancel();
    });
    assert!(matches!(answer, Err(LanguageError::Cancelled { question: "topics" })));
    stop.send(()).unwrap();
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,60}",
        "[a-zA-Z' ,.?!]{0,80}",
        "(I will|Bob, can you|let's|we decided to|by|before the|Friday|it|[a-z]{1,9}|[,.?!]){0,14}",
        "((I will|Bob can you|let's|we decided to|by|before the|Friday|it|please|tomorrow|[a-z]{1,9}|Bob) ){0,14}[.?]",
        "[ぁ-んァ-ヶ一-龯。、]{0,30}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_meeting_panics_and_topics_stay_inside(
        said in prop::collection::vec((0usize..4, 0.0f64..4000.0, -1.0f64..40.0, any_text()), 0..40),
        language in prop::sample::select(vec!["en", "de", "fr", "es", "it", "pt", "nl", "ja", "zh", "ar", "tr", "xx", ""]),
        duration in 0.0f64..4000.0,
        times in 1usize..30,
    ) {
        let segments = said.into_iter().map(|(speaker, start, length, text)| {
            Segment { speaker, start, end: start + length, text: format!("{text} ").repeat(times) }
        });
        let names = vec!["Bob".into(), "Will Smith".into(), "田中".into()];
        check(&MeetingText::new(segments.collect(), names, language, duration));
    }
}
