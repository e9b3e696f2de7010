//! Effects that must still happen, tried for about a day and then somebody's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use trackscribe::consent::DELETE_AUDIO;
use trackscribe::notify::{DELETE_OBJECT, Deliver, MOST_TRIES, NotDelivered, ObjectDeletions, Outbox};
use trackscribe::storage::{LocalFolder, Storage as _};
use trackscribe::store::outbox::{self, OutboxRow};

use crate::support::{Scene, hours, seconds};

on_both_databases!(
    u9_an_effect_is_tried_with_growing_waits_and_then_given_up_and_reported,
    u9_effects_of_all_transcripts_are_made_each_once,
    u3_a_deletion_that_consent_demands_is_never_given_up,
);

/// A receiver that takes nothing before its `patience`th try.
struct Receiver {
    patience: usize,
    tries: AtomicUsize,
}

#[async_trait]
impl Deliver for Receiver {
    async fn deliver(&self, _: &OutboxRow) -> Result<(), NotDelivered> {
        let tries = self.tries.fetch_add(1, Ordering::SeqCst) + 1;
        if tries < self.patience {
            return Err(NotDelivered::Again("POST https://h/x?token=1: 503".to_owned()));
        }
        Ok(())
    }
}

async fn put(scene: &Scene, id: &str, transcript: &str, kind: &str) {
    let row = OutboxRow {
        id: id.to_owned(),
        transcript: transcript.parse().unwrap(),
        kind: kind.to_owned(),
        payload: "{}".to_owned(),
        tries: 0,
        last_error: None,
    };
    outbox::put(&scene.database, &row, scene.now(), scene.now()).await.unwrap();
}

fn outbox_to(scene: &Scene, receiver: &Arc<Receiver>) -> Outbox {
    let receiver: Arc<dyn Deliver> = receiver.clone();
    Outbox::new(scene.database.clone(), scene.shared_clock(), [("told", receiver)])
}

async fn u9_an_effect_is_tried_with_growing_waits_and_then_given_up_and_reported(scene: Scene) {
    put(&scene, "a", "t", "told").await;
    let receiver = Arc::new(Receiver { patience: usize::MAX, tries: AtomicUsize::new(0) });
    let delivery = outbox_to(&scene, &receiver);
    let began = scene.now();
    let mut moments = Vec::new();
    let mut tries = 0;
    while scene.now().since(began) < hours(48) {
        delivery.once().await.unwrap();
        let now = receiver.tries.load(Ordering::SeqCst);
        if now > tries {
            moments.push(scene.now().since(began).as_secs() / 60);
            tries = now;
        }
        scene.clock.advance(seconds(60));
    }
    assert_eq!(tries as i64, MOST_TRIES);
    assert_eq!(moments[..8], [0, 1, 3, 7, 15, 31, 63, 123]);
    let abandoned = outbox::abandoned(&scene.database, 10).await.unwrap();
    assert_eq!((abandoned.len(), abandoned[0].tries), (1, MOST_TRIES));
    assert_eq!(abandoned[0].last_error.as_deref(), Some("POST https://h/x?…: 503"));
}

async fn u9_effects_of_all_transcripts_are_made_each_once(scene: Scene) {
    for nth in 0..120 {
        put(&scene, &format!("e{nth}"), &format!("t{}", nth % 7), "told").await;
    }
    put(&scene, "odd", "t", "of a newer program").await;
    let receiver = Arc::new(Receiver { patience: 0, tries: AtomicUsize::new(0) });
    let delivered = outbox_to(&scene, &receiver).once().await.unwrap();
    assert_eq!((delivered.done, delivered.again), (120, 1));
    scene.clock.advance(hours(1));
    assert_eq!(outbox_to(&scene, &receiver).once().await.unwrap().done, 0);
    assert_eq!(receiver.tries.load(Ordering::SeqCst), 120);
}

async fn u3_a_deletion_that_consent_demands_is_never_given_up(scene: Scene) {
    let key = "transcripts/t/mix/a.mp3";
    let object = serde_json::json!({"target": "derived", "key": key}).to_string();
    for (id, kind, payload) in [("a", DELETE_OBJECT, object.as_str()), ("b", DELETE_AUDIO, "{}")] {
        put(&scene, id, "t", kind).await;
        sqlx::query("UPDATE outbox SET payload = $1 WHERE id = $2")
            .bind(payload.to_owned())
            .bind(id.to_owned())
            .execute(scene.database.pool())
            .await
            .unwrap();
    }
    // A place that forbids it: an object's key is a folder with something in it.
    let folder = tempfile::tempdir().unwrap();
    let places = |derived: &LocalFolder| -> Outbox {
        let (originals, derived) = (Arc::new(scene.originals.clone()), Arc::new(derived.clone()));
        let objects: Arc<dyn Deliver> = Arc::new(ObjectDeletions { originals, derived });
        let audio: Arc<dyn Deliver> = scene.consent();
        Outbox::new(scene.database.clone(), scene.shared_clock(), [(DELETE_OBJECT, objects), (DELETE_AUDIO, audio)])
    };
    let stubborn = LocalFolder::open(folder.path()).unwrap();
    stubborn.put_bytes(&format!("{key}/inside").parse().unwrap(), b"x").await.unwrap();
    let outbox = places(&stubborn);
    for _ in 0..24 * 14 {
        outbox.once().await.unwrap();
        scene.clock.advance(hours(1));
    }
    assert!(outbox::abandoned(&scene.database, 10).await.unwrap().is_empty());
    let waiting = outbox::waiting(&scene.database, &"t".parse().unwrap()).await.unwrap();
    assert!(waiting.len() == 2 && waiting.iter().all(|row| row.tries > MOST_TRIES), "{waiting:?}");
    // Somebody allowed it.
    scene.put(&scene.derived, key).await;
    assert_eq!(places(&scene.derived).once().await.unwrap().done, 1);
    assert!(scene.keys(&scene.derived).await.is_empty());
}
