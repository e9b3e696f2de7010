//! Whether somebody else's worker holds our action ids. Hatchet would give it some of our tasks and us some of its, so two
//! systems with the same names need a namespace or a tenant each.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::rest::{RegisteredWorker, Rest};
use crate::clock::SharedClock;

/// The label by which we know our own workers.
pub(super) const OUR_LABEL: &str = "trackscribe";
/// Action ids that are named.
const NAMED: usize = 3;

/// How often it is looked for others that began after us.
const ROUND: Duration = Duration::from_secs(60);

/// Tells of others that began after us, for ever. We go on: who came last has to give way, and does not know it.
pub(super) async fn watch(rest: Rest, ours: BTreeSet<String>, clock: SharedClock) {
    let mut told = None;
    loop {
        clock.sleep_until(clock.now().plus(ROUND)).await;
        match rest.workers().await {
            Ok(workers) => {
                let seen = found(&workers, &ours);
                if let Some(why) = seen.as_ref().filter(|_| seen != told) {
                    tracing::error!("{why}");
                }
                told = seen;
            }
            Err(error) => tracing::debug!(%error, "can't see who else works for this tenant"),
        }
    }
}

/// What is to be said of live workers that are not ours and hold one of `ours`; `None` when there is none.
pub(super) fn found(workers: &[RegisteredWorker], ours: &BTreeSet<String>) -> Option<String> {
    let foreign: Vec<String> = workers
        .iter()
        .filter(|worker| worker.is_live() && !worker.has_label(OUR_LABEL))
        .filter_map(|worker| {
            let shared: Vec<&str> =
                worker.actions.iter().flatten().map(String::as_str).filter(|action| ours.contains(*action)).collect();
            let first = shared.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = shared.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!shared.is_empty()).then(|| format!("{:?} ({}) takes {first}{more}", worker.name, worker.written_with()))
        })
        .collect();
    if foreign.is_empty() {
        return None;
    }
    Some(format!(
        "another system's worker has our tasks' names: {}. Each would be given the other's tasks. Set \
         HATCHET_CLIENT_NAMESPACE, or a token of a tenant of its own, or stop that worker; --allow-foreign starts all the same",
        foreign.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_live_worker_of_somebody_else_with_our_names_is_foreign() {
        let ours = BTreeSet::from(["diarizationpipeline:get_recording".to_owned()]);
        let worker = |status: &str, action: &str, label: Option<&str>| -> Vec<RegisteredWorker> {
            let labels: Vec<_> = label.iter().map(|key| json!({"key": key, "value": "1"})).collect();
            let info = json!({"language": "PYTHON", "sdkVersion": "1.43.1"});
            let one = json!({"name": "reflector", "status": status, "actions": [action], "labels": labels, "runtimeInfo": info});
            vec![serde_json::from_value(one).unwrap()]
        };
        let told = found(&worker("ACTIVE", "diarizationpipeline:get_recording", None), &ours).unwrap();
        for said in
            ["\"reflector\" (PYTHON SDK 1.43.1)", "diarizationpipeline:get_recording", "HATCHET_CLIENT_NAMESPACE"]
        {
            assert!(told.contains(said), "{told}");
        }
        assert!(found(&worker("PAUSED", "diarizationpipeline:get_recording", None), &ours).is_some());
        assert!(found(&worker("INACTIVE", "diarizationpipeline:get_recording", None), &ours).is_none());
        assert!(found(&worker("ACTIVE", "other:get_recording", None), &ours).is_none());
        assert!(found(&worker("ACTIVE", "diarizationpipeline:get_recording", Some(OUR_LABEL)), &ours).is_none());
    }
}
