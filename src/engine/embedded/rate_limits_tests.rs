use proptest::prelude::*;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::workflow::RateSpan;

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn limits(of: &[(&str, u32, RateSpan)]) -> (Arc<RateLimits>, ManualClock) {
    let clock = ManualClock::at(START);
    let limits: Vec<RateLimit> =
        of.iter().map(|(key, limit, per)| RateLimit { key: (*key).to_owned(), limit: *limit, per: *per }).collect();
    (RateLimits::new(&limits, Arc::new(clock.clone())), clock)
}

fn units(of: &[(&str, u32)]) -> BTreeMap<String, u32> {
    of.iter().map(|(key, units)| ((*key).to_owned(), *units)).collect()
}

/// Lets everybody go as far as they can while time stands still.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Begins `count` attempts at once and moves the clock exactly as far as it must be moved. Gives the moment of each.
async fn begin(limits: &Arc<RateLimits>, clock: &ManualClock, count: usize, of: &[(&str, u32)]) -> Vec<Timestamp> {
    let at = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for _ in 0..count {
        let (limits, at, units) = (Arc::clone(limits), Arc::clone(&at), units(of));
        waiting.push(tokio::spawn(async move {
            let began = limits.reserve(&units, 2).await.begin().unwrap();
            at.lock().unwrap().push(began);
        }));
    }
    while waiting.iter().any(|waiting| !waiting.is_finished()) {
        settle().await;
        if let Some(next) = clock.awaited().first() {
            clock.advance(next.since(clock.now()));
        }
    }
    Arc::try_unwrap(at).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn no_span_wherever_it_begins_sees_more_than_its_limit() {
    let (limits, clock) = limits(&[("api", 3, RateSpan::Second)]);
    let mut at = begin(&limits, &clock, 1, &[("api", 1)]).await;
    clock.advance(Duration::from_millis(900));
    at.extend(begin(&limits, &clock, 8, &[("api", 1)]).await);
    let after: Vec<u128> = at.iter().map(|at| at.since(START).as_millis()).collect();
    assert_eq!(after, [0, 900, 900, 1000, 1900, 1900, 2000, 2900, 2900]);
}

#[tokio::test]
async fn an_attempt_waits_for_all_its_limits_and_takes_none_before() {
    let (limits, clock) = limits(&[("api", 4, RateSpan::Second), ("model", 1, RateSpan::Minute)]);
    let spawn = |of: &[(&str, u32)]| {
        let (limits, units) = (Arc::clone(&limits), units(of));
        tokio::spawn(async move { limits.reserve(&units, 2).await.begin().unwrap() })
    };
    limits.reserve(&units(&[("model", 1)]), 2).await.begin();
    let both = spawn(&[("api", 4), ("model", 1)]);
    settle().await;
    // It waits for the model: meanwhile the API is for others.
    spawn(&[("api", 3)]).await.unwrap();
    assert!(!both.is_finished());
    clock.advance(Duration::from_secs(59));
    settle().await;
    spawn(&[("api", 1)]).await.unwrap();
    clock.advance(Duration::from_millis(999));
    spawn(&[("api", 1)]).await.unwrap();
    clock.advance(Duration::from_millis(1));
    settle().await;
    // Now it waits for the API alone, of which it wants all: who wants one unit of what is left does not pass.
    let little = spawn(&[("api", 1)]);
    settle().await;
    assert!(!both.is_finished() && !little.is_finished());
    clock.advance(Duration::from_millis(999));
    both.await.unwrap();
    assert!(!little.is_finished());
    clock.advance(Duration::from_secs(1));
    little.await.unwrap();
}

#[tokio::test]
async fn higher_priorities_go_first_then_the_order_of_asking_and_who_gives_up_holds_nobody() {
    let (limits, clock) = limits(&[("api", 1, RateSpan::Second)]);
    limits.reserve(&units(&[("api", 1)]), 2).await.begin();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for (name, priority) in [("gives up", 3), ("low", 1), ("first", 2), ("second", 2), ("high", 3)] {
        let (limits, order) = (Arc::clone(&limits), Arc::clone(&order));
        waiters.push(tokio::spawn(async move {
            limits.reserve(&units(&[("api", 1)]), priority).await.begin();
            order.lock().unwrap().push(name);
        }));
        settle().await;
    }
    waiters.remove(0).abort();
    for _ in 0..4 {
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    for waiter in waiters {
        waiter.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["high", "first", "second", "low"]);
}

#[tokio::test]
async fn what_is_reserved_counts_until_it_is_given_back_and_from_its_beginning_on_for_a_span() {
    let (limits, clock) = limits(&[("api", 1, RateSpan::Second)]);
    let reserved = limits.reserve(&units(&[("api", 1)]), 2).await;
    let waits = || {
        let limits = Arc::clone(&limits);
        tokio::spawn(async move { limits.reserve(&units(&[("api", 1)]), 2).await })
    };
    let next = waits();
    // It waits for its slot for long: time alone gives nothing back.
    clock.advance(Duration::from_secs(30));
    settle().await;
    assert!(!next.is_finished() && clock.awaited().is_empty());
    reserved.begin();
    settle().await;
    assert!(!next.is_finished());
    clock.advance(Duration::from_secs(1));
    // Cancelled while it waits for its slot.
    let next = next.await.unwrap();
    let last = waits();
    settle().await;
    assert!(!last.is_finished());
    drop(next);
    last.await.unwrap().begin();
}

#[tokio::test]
async fn a_clock_that_is_set_back_silences_nobody_and_lets_nobody_hurry() {
    let (limits, clock) = limits(&[("api", 2, RateSpan::Minute)]);
    begin(&limits, &clock, 2, &[("api", 1)]).await;
    clock.set(START.minus(Duration::from_secs(3600)));
    let at = begin(&limits, &clock, 1, &[("api", 1)]).await;
    assert_eq!(at, [START.minus(Duration::from_secs(3540))]);
}

#[tokio::test]
async fn a_task_without_limits_waits_for_nothing() {
    let (limits, clock) = limits(&[("api", 1, RateSpan::Hour)]);
    limits.reserve(&units(&[("api", 1)]), 2).await.begin();
    assert_eq!(limits.reserve(&BTreeMap::new(), 1).await.begin(), None);
    assert_eq!(clock.now(), START);
}

proptest! {
    #[test]
    fn whatever_is_asked_for_everybody_goes_and_no_span_sees_more_than_its_limit(
        limit in 1u32..5, asked in prop::collection::vec((1u32..5, 0u64..1500), 1..25)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (limits, clock) = limits(&[("api", limit, RateSpan::Second)]);
            let at = Arc::new(Mutex::new(Vec::new()));
            let mut waiting = Vec::new();
            for (wanted, pause) in asked {
                let wanted = wanted.min(limit);
                let (limits, clock, at) = (Arc::clone(&limits), clock.clone(), Arc::clone(&at));
                waiting.push(tokio::spawn(async move {
                    let reserved = limits.reserve(&units(&[("api", wanted)]), 2).await;
                    // As if it waited for its slot.
                    clock.sleep_until(clock.now().plus(Duration::from_millis(pause))).await;
                    at.lock().unwrap().push((reserved.begin().unwrap(), wanted));
                }));
            }
            while waiting.iter().any(|waiting| !waiting.is_finished()) {
                settle().await;
                if let Some(next) = clock.awaited().first() {
                    clock.advance(next.since(clock.now()));
                }
            }
            let at = at.lock().unwrap();
            for (start, _) in at.iter() {
                let within = at.iter().filter(|(moment, _)| *moment >= *start && moment.since(*start) < Duration::from_secs(1));
                let sum: u32 = within.map(|(_, units)| units).sum();
                assert!(sum <= limit, "{sum} of {limit}");
            }
        });
    }
}
