//! Answers about consent, passed on.

use serde_json::json;

use super::support::{Server, good, problem};

#[tokio::test]
async fn answers_are_taken_for_recordings_and_meetings_and_told_again() {
    let server = Server::start().await;
    let told = good(server.put("/v1/recordings/r-1/consent", json!({"u-1": false, "ü 2": true})).await, 200).await;
    assert_eq!(told, json!({"answers": {"u-1": false, "ü 2": true}, "audio": {"r-1": "deleted"}}));
    let told = good(server.put("/v1/recordings/r-1/consent", json!({"u-1": true})).await, 200).await;
    assert_eq!(told, json!({"answers": {"u-1": true, "ü 2": true}, "audio": {"r-1": "kept"}}));
    assert_eq!(good(server.get("/v1/recordings/r-1/consent").await, 200).await, json!({"u-1": true, "ü 2": true}));
    good(server.put("/v1/meetings/r-1/consent", json!({"u-3": false})).await, 200).await;
    assert_eq!(good(server.get("/v1/meetings/r-1/consent").await, 200).await, json!({"u-3": false}));
    assert_eq!(good(server.get("/v1/recordings/r-2/consent").await, 200).await, json!({}));
}

#[tokio::test]
async fn what_is_no_answer_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let many: serde_json::Map<_, _> = (0..1001).map(|n| (format!("u-{n}"), json!(false))).collect();
    let bodies = [
        json!({}),
        json!([]),
        json!({"u": "no"}),
        json!({"": false}),
        json!({"a\u{0}": false}),
        json!({" u": false}),
        many.into(),
    ];
    for body in bodies {
        problem(server.put("/v1/recordings/r-1/consent", body).await, 422).await;
    }
    assert_eq!(good(server.get("/v1/recordings/r-1/consent").await, 200).await, json!({}));
}
