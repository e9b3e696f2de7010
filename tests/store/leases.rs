//! Who does what one process does for all.

use std::time::Duration;

use futures::future::join_all;
use trackscribe::store::leases::{Lease, give_back, read, renew, take};

use crate::support::{Place, second};

const LENGTH: Duration = Duration::from_secs(30);

async fn a_lease_has_one_holder_and_ends_by_itself(place: Place) {
    let database = place.database().await;
    assert_eq!(read(&database, "poller").await.unwrap(), None);
    let held = |until| Lease::HeldBy { holder: "a".to_owned(), until: second(until) };
    assert_eq!(take(&database, "poller", "a", second(0), LENGTH).await.unwrap(), Lease::Taken);
    assert_eq!(take(&database, "poller", "b", second(29), LENGTH).await.unwrap(), held(30));
    let another = take(&database, "inbox", "b", second(0), LENGTH).await.unwrap();
    assert_eq!(another, Lease::Taken, "another name is another lease");
    assert!(renew(&database, "poller", "a", second(20), LENGTH).await.unwrap());
    assert_eq!(take(&database, "poller", "b", second(49), LENGTH).await.unwrap(), held(50));
    assert_eq!(read(&database, "poller").await.unwrap(), Some(("a".to_owned(), second(50))));
    assert_eq!(take(&database, "poller", "b", second(50), LENGTH).await.unwrap(), Lease::Taken);
    assert!(!renew(&database, "poller", "a", second(51), LENGTH).await.unwrap(), "it was lost");
    give_back(&database, "poller", "a").await.unwrap();
    assert_eq!(read(&database, "poller").await.unwrap().unwrap().0, "b");
    give_back(&database, "poller", "b").await.unwrap();
    assert_eq!(take(&database, "poller", "a", second(52), LENGTH).await.unwrap(), Lease::Taken);
}

async fn of_many_who_take_a_lease_at_once_one_has_it(place: Place) {
    let database = place.database().await;
    for round in 0..5 {
        let now = second(100 * round);
        let takers = (0..8).map(|number| {
            let own = database.fresh(None);
            tokio::spawn(async move {
                let taken = take(&own, "poller", &format!("process {number}"), now, LENGTH).await.unwrap();
                own.close().await;
                taken
            })
        });
        let taken = join_all(takers.collect::<Vec<_>>()).await;
        assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap() == Lease::Taken).count(), 1);
    }
}

on_both_databases! {
    a_lease_has_one_holder_and_ends_by_itself,
    of_many_who_take_a_lease_at_once_one_has_it,
}
