//! Rooms and meetings: made, changed, listed.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::support::{Server, good, problem};

#[tokio::test]
async fn a_room_is_configured_changed_and_listed_by_name() {
    let server = Server::start().await;
    assert_eq!(good(server.get("/v1/rooms").await, 200).await, json!({"items": [], "next": null}));
    let made = good(server.put("/v1/rooms/standup", json!({"title": " Täglich 💡 "})).await, 201).await;
    assert_eq!(made["title"], "Täglich 💡");
    server.clock.advance(Duration::from_secs(60));
    let bare = server.request(Method::PUT, "/v1/rooms/standup").send().await.unwrap();
    let changed = good(bare, 200).await;
    assert_eq!((&changed["title"], &changed["created_at"]), (&json!(null), &json!("2026-01-05T09:01:06.000Z")));
    assert_eq!(changed["updated_at"], "2026-01-05T09:02:06.000Z");
    good(server.put("/v1/rooms/caf%C3%A9%20%3F", json!({})).await, 201).await;
    let listed = good(server.get("/v1/rooms").await, 200).await;
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["café ?", "standup"]);
    good(server.get("/v1/rooms/caf%C3%A9%20%3F").await, 200).await;
    problem(server.get("/v1/rooms/other").await, 404).await;
}

#[tokio::test]
async fn names_that_no_room_can_have_are_refused() {
    let server = Server::start().await;
    let long = "x".repeat(201);
    for name in ["a%2Fb", "a%0Ab", "%20", "%20a", "a%00", &long] {
        problem(server.put(&format!("/v1/rooms/{name}"), json!({})).await, 422).await;
    }
    for title in ["a\nb", "a\0b", &"x".repeat(501)] {
        problem(server.put("/v1/rooms/a", json!({"title": title})).await, 422).await;
    }
    let told = problem(server.put("/v1/rooms/standup-20260105090000", json!({})).await, 422).await;
    assert!(told["detail"].as_str().unwrap().ends_with("base name, standup"), "{told}");
    // Bytes that are no text.
    let answer = server.put("/v1/rooms/%FF", json!({})).await;
    let status = answer.status().as_u16();
    problem(answer, status).await;
    assert_eq!(status, 400);
    assert_eq!(good(server.get("/v1/rooms").await, 200).await["items"], json!([]));
}

#[tokio::test]
async fn a_meeting_is_put_whole_and_listed_in_pages() {
    let server = Server::start().await;
    let fields = json!({"room_name": "standup-1", "title": "Réunion", "started_at": "2026-01-05T10:00:00.25+01:00"});
    let made = good(server.put("/v1/meetings/m-1", fields).await, 201).await;
    assert_eq!((&made["id"], &made["started_at"]), (&json!("m-1"), &json!("2026-01-05T09:00:00.250Z")));
    let changed = good(server.put("/v1/meetings/m-1", json!({"title": "Retro"})).await, 200).await;
    assert_eq!((&changed["room_name"], &changed["title"]), (&json!(null), &json!("Retro")));
    assert_eq!(good(server.get("/v1/meetings/m-1").await, 200).await, changed);
    problem(server.get("/v1/meetings/none").await, 404).await;

    for n in 2..=5 {
        let room = if n % 2 == 0 { "even" } else { "odd" };
        good(server.put(&format!("/v1/meetings/m-{n}"), json!({"room_name": room})).await, 201).await;
    }
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|meeting| meeting["id"].as_str().unwrap().to_owned()).collect()
    };
    let first = good(server.get("/v1/meetings?limit=3").await, 200).await;
    assert_eq!(ids(&first), ["m-5", "m-4", "m-3"]);
    let rest =
        good(server.get(&format!("/v1/meetings?limit=3&cursor={}", first["next"].as_str().unwrap())).await, 200).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec!["m-2".to_owned(), "m-1".to_owned()], &json!(null)));
    assert_eq!(ids(&good(server.get("/v1/meetings?room=even").await, 200).await), ["m-4", "m-2"]);
    assert_eq!(ids(&good(server.get("/v1/meetings?room=even&cursor=m-4").await, 200).await), ["m-2"]);
}

#[tokio::test]
async fn meetings_of_impossible_rooms_and_years_are_refused() {
    let server = Server::start().await;
    for room in ["%00", "a%0Ab", &"x".repeat(501)] {
        problem(server.get(&format!("/v1/meetings?room={room}")).await, 422).await;
    }
    for began in ["1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z", "-009000-01-01T00:00:00Z"] {
        let told = problem(server.put("/v1/meetings/m", json!({"started_at": began})).await, 422).await;
        assert!(told["detail"].as_str().unwrap().contains("9998"), "{began}: {told}");
    }
    for began in ["1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z"] {
        let put = server.put("/v1/meetings/m", json!({"started_at": began})).await;
        assert!(put.status().is_success());
    }
}
