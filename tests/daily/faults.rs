//! Must show 6, Daily's part: answers of 429, 500, garbage and null lists, and answers that never come. Whatever may pass
//! is waited for a while and is retryable then; nothing of it is taken for an empty account or a lost recording.

use std::time::{Duration, Instant};

use trackscribe::daily::{DailyClient, DailyError, DailySource, DailyTimeouts, RecordingQuery};
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::secret::Secret;

use crate::stub::{API_KEY, Fault};
use crate::support::{Account, START, TIMEOUTS};

/// An account of three recordings.
async fn account() -> Account {
    account_with(TIMEOUTS).await
}

async fn account_with(timeouts: DailyTimeouts) -> Account {
    let account = Account::with(timeouts).await;
    account.stub.add_made_up(3, 1_767_000_000, "weekly");
    account
}

async fn listed(account: &Account) -> Result<usize, DailyError> {
    account.run(account.client.list(&RecordingQuery::default())).await.map(|page| page.recordings.len())
}

/// An error that may pass, and that shows no secret and no query.
fn assert_retryable(error: &DailyError) {
    assert_eq!(error.class(), FailureClass::Retryable, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("/recordings"), "{text}");
    assert!(!text.contains(API_KEY) && !text.contains("s3cr3t") && !text.contains("limit="), "{text}");
}

#[tokio::test]
async fn daily_answering_429_is_waited_for_as_long_as_it_asks() {
    let date = jiff::Timestamp::from_microsecond(START.as_micros()).unwrap() + jiff::Span::new().seconds(37);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    for (header, at_least) in [(Some("7"), 21), (Some(date.as_str()), 37), (None, 7), (Some("0"), 7), (Some("soon"), 7)]
    {
        let account = account().await;
        account.stub.fault("/recordings", Fault::TooMany(header.map(str::to_owned)), 3);
        assert_eq!(listed(&account).await.unwrap(), 3);
        assert_eq!(account.stub.asked().len(), 4);
        let waited = account.passed();
        assert!(
            (Duration::from_secs(at_least)..Duration::from_secs(at_least + 10)).contains(&waited),
            "{header:?} {waited:?}"
        );
    }
}

#[tokio::test]
async fn daily_answering_429_for_longer_than_the_operation_may_last_is_retryable_and_says_so() {
    for retry_after in [Some("3600"), Some("11"), None] {
        let account = account().await;
        account.stub.fault("/recordings", Fault::TooMany(retry_after.map(str::to_owned)), 1000);
        let error = listed(&account).await.unwrap_err();
        assert!(matches!(error, DailyError::Busy { .. }) && error.to_string().contains("429"), "{error}");
        assert_retryable(&error);
        assert!(account.passed() <= TIMEOUTS.operation, "{:?}", account.passed());
    }
}

#[tokio::test]
async fn daily_answering_429_to_one_holds_everybody_back() {
    let account = account().await;
    account.stub.fault("/recordings/gone", Fault::TooMany(Some("30".to_owned())), 1);
    let other =
        DailyClient::new(&account.stub.url.parse().unwrap(), Secret::new(API_KEY), account.limiter.clone(), TIMEOUTS)
            .unwrap();
    let query = RecordingQuery::default();
    let gone = "gone".parse().unwrap();
    let both = async {
        let first = account.client.recording(&gone);
        let second = async {
            while account.stub.asked().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            other.list(&query).await
        };
        tokio::join!(first, second)
    };
    let (_, page) = account.run(both).await;
    assert_eq!(page.unwrap().recordings.len(), 3);
    assert!(account.passed() >= Duration::from_secs(30), "{:?}", account.passed());
}

#[tokio::test]
async fn u12_daily_answering_badly_for_a_while_costs_nothing_but_time() {
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(408),
        Fault::Garbage,
        Fault::Html,
        Fault::CutBody,
        Fault::Says(String::new()),
        Fault::Says(r#"{"error":null}"#.to_owned()),
    ] {
        let account = account().await;
        account.stub.fault("/recordings", fault.clone(), 3);
        assert_eq!(listed(&account).await.unwrap(), 3, "{fault:?}");
        assert_eq!(account.stub.asked().len(), 4);
        assert!(account.passed() >= Duration::from_secs(7), "{:?}", account.passed());
    }
}

#[tokio::test]
async fn u12_daily_answering_badly_for_ever_is_retryable_after_a_few_tries() {
    for (fault, says) in [
        (Fault::Status(500), "500"),
        (Fault::Garbage, "can't be read"),
        (Fault::Html, "not JSON"),
        (Fault::CutBody, "can't be reached"),
    ] {
        let account = account().await;
        account.stub.fault("/recordings", fault, 1000);
        let error = listed(&account).await.unwrap_err();
        assert_retryable(&error);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(account.stub.asked().len(), 4);
    }
}

#[tokio::test]
async fn daily_answering_null_lists_says_nothing_yet() {
    let account = account().await;
    account.stub.fault("/recordings", Fault::NullLists, 2);
    let page = account.run(account.client.list(&RecordingQuery::default())).await.unwrap();
    assert!(page.is_null && page.recordings.is_empty(), "{page:?}");
    let recording = account.run(account.client.recording(&"r".parse().unwrap())).await.unwrap();
    assert!(recording.tracks.is_empty() && recording.duration.is_none());
    assert_eq!(recording.require_listed().unwrap_err().class(), FailureClass::Retryable);
    account.stub.fault("/webhooks", Fault::NullLists, 1);
    assert_eq!(account.run(account.client.webhooks()).await.unwrap(), []);
}

#[tokio::test]
async fn daily_answering_null_for_who_took_part_is_asked_again_and_never_taken_for_nobody() {
    let (account, meeting) = (account().await, "m".parse().unwrap());
    account.stub.set_participants("m", vec![serde_json::json!({"participant_id": "p", "user_name": "Ann"})]);
    account.stub.fault("/participants", Fault::NullLists, 2);
    let people = account.run(account.client.participants(&meeting)).await.unwrap();
    assert_eq!(people[0].user_name.as_deref(), Some("Ann"));
    account.stub.fault("/participants", Fault::NullLists, 100);
    let error = account.run(account.client.participants(&meeting)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Retryable, "{error}");
    account.stub.mend();
    account.stub.set_participants("m", Vec::new());
    assert_eq!(account.run(account.client.participants(&meeting)).await.unwrap(), []);
}

#[tokio::test]
async fn one_recording_that_cannot_be_read_hides_no_other() {
    let account = account().await;
    let body =
        r#"{"total_count":3,"data":[{"id":"a","start_ts":3},{"id":"b","start_ts":"x"},{"id":"c","start_ts":1.5}]}"#;
    account.stub.fault("/recordings", Fault::Says(body.to_owned()), 1);
    let page = account.run(account.client.list(&RecordingQuery::default())).await.unwrap();
    assert_eq!((page.recordings.len(), page.entries), (2, 3));
    assert!(page.notes[0].contains("data[1].start_ts"), "{:?}", page.notes);
}

#[tokio::test]
async fn no_answer_is_a_time_out_that_may_pass() {
    let quick = DailyTimeouts { read: Duration::from_millis(50), request: Duration::from_millis(100), ..TIMEOUTS };
    let account = account_with(quick).await;
    account.stub.fault("/recordings", Fault::Hang, 2);
    assert_eq!(listed(&account).await.unwrap(), 3);
    account.stub.fault("/recordings", Fault::Hang, 1000);
    let began = Instant::now();
    let error = listed(&account).await.unwrap_err();
    assert_retryable(&error);
    assert!(error.to_string().contains("timed out"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn nobody_listening_is_an_outage_that_may_pass() {
    let account = account().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base = format!("http://{closed}/v1").parse().unwrap();
    let client = DailyClient::new(&base, Secret::new(API_KEY), account.limiter.clone(), TIMEOUTS).unwrap();
    let error = account.run(client.list(&RecordingQuery::default())).await.unwrap_err();
    assert!(matches!(error, DailyError::Unreachable { .. }));
    assert_retryable(&error);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let account = account().await;
    account.stub.fault("/recordings", Fault::Endless, 1);
    let error = listed(&account).await.unwrap_err();
    assert!(error.to_string().contains("longer than 32 MiB"), "{error}");
    assert_retryable(&error);
    assert_eq!(account.stub.asked().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_a_wrong_address_and_the_key_follows_it_nowhere() {
    let (account, elsewhere) = (account().await, Account::start().await);
    account.stub.fault("/recordings", Fault::Redirect(format!("{}/recordings", elsewhere.stub.url)), 1);
    let error = listed(&account).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    assert!(error.to_string().contains("302"), "{error}");
    assert!(elsewhere.stub.asked().is_empty());
}

#[tokio::test]
async fn a_request_that_daily_finds_wrong_is_not_repeated() {
    let account = account().await;
    let odd = RecordingQuery { starting_after: "gone".parse().ok(), ..RecordingQuery::default() };
    let error = account.run(account.client.list(&odd)).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    assert!(error.to_string().contains("400") && error.to_string().contains("starting_after"), "{error}");
    assert_eq!(account.stub.asked().len(), 1);
}

#[tokio::test]
async fn however_many_ask_at_once_daily_gets_two_requests_a_second() {
    let account = account().await;
    let id = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let all = futures::future::join_all((0..21).map(|_| account.client.recording(&id)));
    assert!(account.run(all).await.iter().all(Result::is_ok));
    assert_eq!(account.passed(), Duration::from_secs(10));
}
