//! Who does what one process does for all.

use std::time::Duration;

use futures::future::join_all;
use trackscribe::clock::Timestamp;
use trackscribe::store::Database;
use trackscribe::store::leases::{give_back, read, renew, take};

use crate::support::{Place, second};

const LENGTH: Duration = Duration::from_secs(30);

/// Whether the lease is the holder's, after asking for it.
async fn takes(database: &Database, name: &str, holder: &str, now: Timestamp) -> bool {
    let asked = take(database, name, holder, now, LENGTH).await.unwrap();
    let is_holders = read(database, name).await.unwrap() == Some((holder.to_owned(), now.plus(LENGTH)));
    assert_eq!(asked, is_holders);
    is_holders
}

async fn a_lease_has_one_holder_and_ends_by_itself(place: Place) {
    let database = place.database().await;
    assert_eq!(read(&database, "poller").await.unwrap(), None);
    assert!(takes(&database, "poller", "a", second(0)).await);
    assert!(!takes(&database, "poller", "b", second(29)).await);
    assert!(takes(&database, "inbox", "b", second(0)).await, "another name is another lease");
    assert!(renew(&database, "poller", "a", second(20), LENGTH).await.unwrap());
    assert!(!takes(&database, "poller", "b", second(49)).await);
    assert_eq!(read(&database, "poller").await.unwrap(), Some(("a".to_owned(), second(50))));
    assert!(takes(&database, "poller", "b", second(50)).await);
    assert!(!renew(&database, "poller", "a", second(51), LENGTH).await.unwrap(), "it was lost");
    give_back(&database, "poller", "a").await.unwrap();
    assert_eq!(read(&database, "poller").await.unwrap().unwrap().0, "b");
    give_back(&database, "poller", "b").await.unwrap();
    assert!(takes(&database, "poller", "a", second(52)).await);
}

async fn of_many_who_take_a_lease_at_once_one_has_it(place: Place) {
    let database = place.database().await;
    for round in 0..5 {
        let takers = (0..8).map(|number| {
            let own = database.fresh(None);
            tokio::spawn(async move {
                let taken = takes(&own, "poller", &format!("process {number}"), second(100 * round)).await;
                own.close().await;
                taken
            })
        });
        let taken = join_all(takers.collect::<Vec<_>>()).await;
        assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    }
}

on_both_databases! {
    a_lease_has_one_holder_and_ends_by_itself,
    of_many_who_take_a_lease_at_once_one_has_it,
}
