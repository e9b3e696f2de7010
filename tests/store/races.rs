//! Many at once. On PostgreSQL transactions run truly side by side; what they decide must be the same as one after another.

use std::collections::BTreeSet;

use futures::future::join_all;
use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::store::runs::{Admission, AttemptEnd, AttemptOutcome, Created, RunStatus, RunStore, TaskEnd};
use trackscribe::store::{Database, StoreError, TranscriptWriter, cursors, transcripts};

use crate::support::{Place, new_attempt, new_child, new_run, only_task, second};

/// Pools of their own, as processes have them.
async fn stores(place: &Place, number: usize) -> Vec<RunStore> {
    let database = place.database().await;
    (0..number).map(|_| RunStore::new(database.fresh(None))).collect()
}

/// Runs them all at the same time, each as a task.
async fn at_once<T: Send + 'static>(work: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    join_all(work.into_iter().map(tokio::spawn)).await.into_iter().map(Result::unwrap).collect()
}

async fn u10_of_many_runs_with_one_key_one_is_made_even_while_others_end(place: Place) {
    let stores = stores(&place, 8).await;
    let work = stores.into_iter().map(|store| async move {
        let mut made = 0;
        for _ in 0..6 {
            let run = trackscribe::store::runs::NewRun { dedupe_key: Some("recording".to_owned()), ..new_run() };
            // Never an error, though the run in the way may end at any moment.
            if let Created::New(id) = store.create(&run).await.unwrap() {
                made += 1;
                let active = store.active().await.unwrap();
                assert_eq!(active.iter().map(|run| &run.id).collect::<Vec<_>>(), [&id]);
                assert!(store.finish_run(&id, RunStatus::Completed, None, second(3)).await.unwrap());
            }
        }
        store.database().close().await;
        made
    });
    let made: usize = at_once(work.collect()).await.into_iter().sum();
    assert!(made >= 1);
}

async fn a_group_never_has_more_runs_than_it_may(place: Place) {
    let stores = stores(&place, 8).await;
    let mut runs = Vec::new();
    for _ in 0..24 {
        let run = trackscribe::store::runs::NewRun { concurrency_group: Some("room".to_owned()), ..new_run() };
        stores[0].create(&run).await.unwrap();
        runs.push(run.id);
    }
    let work = stores.iter().zip(runs.chunks(3)).map(|(store, runs)| {
        let (store, runs) = (store.clone(), runs.to_vec());
        async move {
            let mut begun = Vec::new();
            for run in runs {
                if store.begin_run(&run, Some(("room", 2)), second(2)).await.unwrap() == Admission::Begun {
                    begun.push(run);
                }
            }
            begun
        }
    });
    let begun: Vec<RunId> = at_once(work.collect()).await.into_iter().flatten().collect();
    assert!(begun.len() <= 2, "{begun:?}");
    let again = join_all(runs.iter().map(|run| stores[0].begin_run(run, Some(("room", 2)), second(2)))).await;
    assert_eq!(again.into_iter().filter(|admitted| matches!(admitted, Ok(Admission::Begun))).count(), 2);
}

async fn what_is_begun_while_its_run_is_cancelled_is_cancelled_too(place: Place) {
    let stores = stores(&place, 2).await;
    for _ in 0..20 {
        let run = new_run();
        stores[0].create(&run).await.unwrap();
        let task = only_task(&stores[0], &run.id).await;
        let attempt = new_attempt(&task);
        let (begins, cancels) = (stores[0].clone(), stores[1].clone());
        let (begun, id, made) = (attempt.clone(), run.id.clone(), run.clone());
        let beginning = tokio::spawn(async move {
            if begins.begin_attempt(&begun).await.unwrap().is_none() {
                return;
            }
            let children = ["a", "b"].map(|key| new_child(&made, &begun.task_run, key));
            let _ = begins.create_children(&begun.id, Some("[]"), &children).await.unwrap();
            let end = AttemptEnd {
                attempt: begun.id,
                task_run: begun.task_run,
                outcome: AttemptOutcome::Completed,
                failure: None,
                task: TaskEnd::Completed("{}".to_owned()),
                finished_at: second(3),
            };
            let _ = begins.end_attempt(&end).await.unwrap();
        });
        let cancelled = tokio::spawn(async move { cancels.cancel(&id, second(3)).await.unwrap() });
        beginning.await.unwrap();
        assert!(cancelled.await.unwrap());
        let store = &stores[0];
        assert_eq!(store.active().await.unwrap(), [], "nothing of it waits or runs");
        assert!(store.attempts(&task).await.unwrap().iter().all(|attempt| attempt.outcome.is_some()));
        let children = store.children(&task).await.unwrap();
        assert!(children.iter().all(|child| child.status == RunStatus::Cancelled), "{children:?}");
    }
}

async fn of_many_who_resume_a_run_one_does(place: Place) {
    let stores = stores(&place, 6).await;
    let run = new_run();
    stores[0].create(&run).await.unwrap();
    for times in 1..=5 {
        stores[0].cancel(&run.id, second(3)).await.unwrap();
        let work = stores.iter().cloned().map(|store| {
            let id = run.id.clone();
            async move { store.resume(&id).await.unwrap() }
        });
        let resumed = at_once(work.collect()).await.into_iter().filter(|resumed| *resumed).count();
        assert_eq!(resumed, 1);
        assert_eq!(stores[0].run(&run.id).await.unwrap().unwrap().resumed, times);
    }
}

async fn runs_that_claim_a_transcript_at_once_come_one_after_another(place: Place) {
    let database = place.database().await;
    let id = TranscriptId::generate();
    transcripts::create(&database, &id, &"rec".parse().unwrap(), second(1)).await.unwrap();
    let writers: Vec<_> =
        (0..12).map(|_| TranscriptWriter::new(database.fresh(None), id.clone(), RunId::generate())).collect();
    let work = writers.iter().cloned().map(|writer| async move {
        // Whoever is too late by now is told so, and nothing else.
        let first = writer.claim(second(2)).await;
        assert!(first.is_ok(), "{first:?}");
        matches!(writer.begin().await, Ok(_) | Err(StoreError::Superseded { .. }))
    });
    assert!(at_once(work.collect()).await.into_iter().all(|as_expected| as_expected));
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, run_id FROM transcript_runs WHERE transcript_id = $1 ORDER BY number")
            .bind(id.as_str())
            .fetch_all(database.pool())
            .await
            .unwrap();
    assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    let row = transcripts::read(&database, &id).await.unwrap().unwrap();
    assert_eq!(row.current_run.unwrap().as_str(), rows[11].1, "the last that began is the current one");
}

async fn a_new_executor_waits_for_transactions_of_the_old_and_fences_the_rest(place: Place) {
    let database = place.database().await;
    let old = database.fresh(Some(0));
    let store = RunStore::new(old.clone());
    let run = new_run();
    store.create(&run).await.unwrap();
    let mut last = old.begin_write().await.unwrap();
    sqlx::query("UPDATE runs SET input = '{}' WHERE id = $1").bind(run.id.as_str()).execute(&mut *last).await.unwrap();
    let taking = {
        let store = RunStore::new(database.fresh(None));
        tokio::spawn(async move { store.take_over("the next", None, second(5)).await.unwrap() })
    };
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!taking.is_finished(), "it came between");
    last.commit().await.unwrap();
    let taken = taking.await.unwrap();
    assert_eq!((taken.generation, taken.left_by), (1, None));
    assert!(matches!(old.begin_write().await, Err(StoreError::Fenced { generation: 0 })));
    database.fresh(Some(1)).begin_write().await.unwrap().rollback().await.unwrap();
}

async fn everybody_may_migrate_at_once(place: Place) {
    let url = place.url.clone();
    let work = (0..8).map(|_| {
        let url = url.clone();
        async move {
            let database: Database = Database::open(&url).await.unwrap();
            let migrated = database.migrate().await.unwrap();
            database.close().await;
            migrated.applied.len()
        }
    });
    let applied: BTreeSet<usize> = at_once(work.collect()).await.into_iter().collect();
    assert!(applied.len() <= 2, "one does all of it: {applied:?}");
}

async fn a_replaced_generation_writes_nothing_more(place: Place) {
    let database = place.database().await;
    let old = database.fresh(Some(0));
    old.begin_write().await.unwrap().commit().await.unwrap();
    sqlx::query("UPDATE executor SET generation = 1").execute(database.pool()).await.unwrap();
    assert!(matches!(old.begin_write().await, Err(StoreError::Fenced { generation: 0 })));
    database.begin_write().await.unwrap().rollback().await.unwrap();
}

async fn writers_wait_for_each_other_instead_of_failing(place: Place) {
    let database = place.database().await;
    cursors::put(&database, "count", "0", second(1)).await.unwrap();
    let work = (0..8).map(|_| {
        let own = database.fresh(Some(0));
        async move {
            for _ in 0..10 {
                let mut transaction = own.begin_write().await.unwrap();
                // On PostgreSQL this locks the row; on SQLite beginning has locked everything.
                let sql = "UPDATE cursors SET updated_at = 2 WHERE name = 'count' RETURNING value";
                let count: String = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.unwrap();
                sqlx::query("UPDATE cursors SET value = $1 WHERE name = 'count'")
                    .bind((count.parse::<u32>().unwrap() + 1).to_string())
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
            own.close().await;
        }
    });
    at_once(work.collect()).await;
    assert_eq!(cursors::read(&database, "count").await.unwrap().as_deref(), Some("80"));
}

on_both_databases! {
    a_replaced_generation_writes_nothing_more,
    writers_wait_for_each_other_instead_of_failing,
    u10_of_many_runs_with_one_key_one_is_made_even_while_others_end,
    a_group_never_has_more_runs_than_it_may,
    what_is_begun_while_its_run_is_cancelled_is_cancelled_too,
    of_many_who_resume_a_run_one_does,
    runs_that_claim_a_transcript_at_once_come_one_after_another,
    a_new_executor_waits_for_transactions_of_the_old_and_fences_the_rest,
    everybody_may_migrate_at_once,
}
