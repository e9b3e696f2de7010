//! What the engine is told of our workflows, made from the definitions. Pure: the same definitions give the same messages,
//! and the engine makes a new version only when they differ.

use std::time::Duration;

use super::names::Namespace;
use super::post::Post;
use super::wire::{self, v1};
use crate::workflow::{Concurrency, ConcurrencyKey, RateLimit, RateSpan, TaskDefinition, WorkflowDefinition};

/// Metadata by which a run that is asked for twice is found again.
pub(super) const DEDUPE_KEY: &str = "trackscribe_dedupe";
/// How long asking twice gives the same run without anybody looking it up: until it can be looked up.
const ASKED_TWICE: Duration = Duration::from_secs(30);

/// A workflow with everything that its file says.
pub(super) fn workflow(definition: &WorkflowDefinition, namespace: &Namespace) -> v1::Workflow {
    let task = |described: &TaskDefinition| task(definition, described, namespace);
    v1::Workflow {
        name: namespace.workflow(&definition.name),
        description: definition.description.clone(),
        tasks: definition.tasks.iter().map(task).collect(),
        on_failure_task: definition.on_failure.as_ref().map(task),
        concurrency: definition.concurrency.iter().map(concurrency).collect(),
        input_json_schema: definition.input_schema.as_ref().map(|schema| schema.to_string().into_bytes()),
        idempotency: idempotency(definition, namespace),
    }
}

fn task(workflow: &WorkflowDefinition, task: &TaskDefinition, namespace: &Namespace) -> v1::Task {
    let limits = &task.limits;
    v1::Task {
        readable_id: task.name.clone(),
        action: namespace.action(&workflow.name, &task.name),
        timeout: seconds(limits.execution_timeout),
        inputs: "{}".to_owned(),
        parents: task.parents.clone(),
        retries: count(limits.retries),
        rate_limits: task.rate_limits.iter().map(units).collect(),
        backoff_factor: Some(limits.backoff_factor as f32),
        backoff_max_seconds: Some(i32::try_from(limits.backoff_max.as_secs()).unwrap_or(i32::MAX)),
        schedule_timeout: Some(seconds(limits.schedule_timeout)),
        slot_requests: Post::of(task).slot_requests(),
    }
}

/// A rate limit, which the engine has to know before the first workflow that uses it.
///
/// Its key has no namespace: it belongs to the tenant, as what it protects is the same for all who work there, and who uses it
/// up under another namespace uses it up for us. Putting it again, with the same numbers, changes nothing.
pub(super) fn rate_limit(limit: &RateLimit) -> wire::RateLimit {
    let duration = match limit.per {
        RateSpan::Second => wire::RateLimitDuration::Second,
        RateSpan::Minute => wire::RateLimitDuration::Minute,
        RateSpan::Hour => wire::RateLimitDuration::Hour,
    };
    wire::RateLimit { key: limit.key.clone(), limit: count(limit.limit), duration: duration as i32 }
}

fn units((key, units): (&String, &u32)) -> v1::TaskRateLimit {
    v1::TaskRateLimit { key: key.clone(), units: Some(count(*units)) }
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Durations are whole seconds; other forms were cut or refused by some versions (E6).
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

fn concurrency(group: &Concurrency) -> v1::Concurrency {
    let expression = match &group.key {
        ConcurrencyKey::Constant(word) => quoted(word),
        ConcurrencyKey::InputField(field) => format!("string(input.{field})"),
    };
    v1::Concurrency {
        expression,
        max_runs: Some(count(group.max_runs)),
        // Left out, it would mean to cancel what runs.
        limit_strategy: Some(v1::LimitStrategy::GroupRoundRobin as i32),
    }
}

/// For workflows that are started for something: by our key, or, started by others, by what they are for. Keys are the whole
/// tenant's, so each says whose it is. An expression that failed would silently make no run, so this one can't.
fn idempotency(definition: &WorkflowDefinition, namespace: &Namespace) -> Option<v1::Idempotency> {
    let Some(Concurrency { key: ConcurrencyKey::InputField(field), .. }) = &definition.concurrency else { return None };
    let name = namespace.workflow(&definition.name);
    let by_input =
        format!("has(input.{field}) ? {} + string(input.{field}) : {}", quoted(&format!("{name}:")), quoted(&name));
    Some(v1::Idempotency {
        expression: format!(
            "has(additional_metadata.{DEDUPE_KEY}) ? string(additional_metadata.{DEDUPE_KEY}) : ({by_input})"
        ),
        ttl_ms: i64::try_from(ASKED_TWICE.as_millis()).unwrap_or(i64::MAX),
    })
}

/// What a run of a workflow is found by that is asked for twice; `workflow` as it is called on the wire.
pub(super) fn dedupe_key(workflow: &str, key: &str) -> String {
    format!("{workflow}/{key}")
}

/// A CEL text. Our words have neither quotes nor backslashes; checked when the definitions are read.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace(['\\', '\''], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Definitions, default_pool_sizes};

    fn registered(name: &str) -> v1::Workflow {
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        workflow(definitions.workflow(name).unwrap(), &Namespace::default())
    }

    #[test]
    fn the_pipeline_is_registered_with_all_that_its_file_says() {
        let pipeline = registered("DiarizationPipeline");
        assert_eq!(pipeline.name, "DiarizationPipeline");
        assert_eq!(pipeline.tasks.len(), 13);
        let first = &pipeline.tasks[0];
        assert_eq!(
            (first.readable_id.as_str(), first.action.as_str()),
            ("get_recording", "diarizationpipeline:get_recording")
        );
        assert_eq!((first.timeout.as_str(), first.schedule_timeout.as_deref()), ("1800s", Some("86400s")));
        assert_eq!((first.retries, first.backoff_factor, first.backoff_max_seconds), (5, Some(2.0), Some(60)));
        let finalize = pipeline.tasks.iter().find(|task| task.readable_id == "finalize").unwrap();
        assert_eq!(finalize.parents.len(), 9);
        let failed = pipeline.on_failure_task.as_ref().unwrap();
        assert_eq!((failed.action.as_str(), failed.retries), ("diarizationpipeline:mark_failed", 10));
        let group = &pipeline.concurrency[0];
        assert_eq!((group.expression.as_str(), group.max_runs), ("string(input.transcript_id)", Some(1)));
        assert_eq!(group.limit_strategy, Some(v1::LimitStrategy::GroupRoundRobin as i32));
        let schema: serde_json::Value = serde_json::from_slice(&pipeline.input_json_schema.unwrap()).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["transcript_id"]));
    }

    #[test]
    fn tasks_name_their_rate_limits_and_these_are_put_as_declared() {
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        let put: Vec<wire::RateLimit> = definitions.rate_limits().iter().map(rate_limit).collect();
        let duration = wire::RateLimitDuration::Second as i32;
        assert_eq!(put, [wire::RateLimit { key: "daily_api".to_owned(), limit: 15, duration }]);
        let one = [v1::TaskRateLimit { key: "daily_api".to_owned(), units: Some(1) }];
        for task in registered("DiarizationPipeline").tasks.iter().chain(&registered("TrackProcessing").tasks) {
            let asks = matches!(task.readable_id.as_str(), "get_recording" | "get_participants");
            assert_eq!(task.rate_limits, if asks { &one[..] } else { &[] }, "{}", task.readable_id);
        }
        let spans = [RateSpan::Second, RateSpan::Minute, RateSpan::Hour]
            .map(|per| rate_limit(&RateLimit { key: "k".to_owned(), limit: 1, per }).duration);
        assert_eq!(spans, [0, 1, 2]);
    }

    #[test]
    fn only_parents_that_wait_take_a_slot_of_their_own_type() {
        for task in registered("DiarizationPipeline").tasks.iter().chain(&registered("TrackProcessing").tasks) {
            let waits = task.readable_id == "process_tracks";
            assert_eq!(task.slot_requests.get("waiting").copied(), waits.then_some(1), "{}", task.readable_id);
            assert_eq!(task.slot_requests.len(), usize::from(waits));
        }
    }

    #[test]
    fn names_on_the_wire_are_what_hatchet_takes() {
        for name in ["DiarizationPipeline", "TrackProcessing"] {
            let workflow = registered(name);
            for task in workflow.tasks.iter().chain(&workflow.on_failure_task) {
                assert_eq!(task.action, format!("{}:{}", name.to_lowercase(), task.readable_id));
                assert_eq!(task.action, task.action.to_lowercase());
            }
        }
    }

    #[test]
    fn asking_twice_is_noticed_for_what_is_started_and_not_for_children() {
        let expression = registered("DiarizationPipeline").idempotency.unwrap().expression;
        assert_eq!(
            expression,
            "has(additional_metadata.trackscribe_dedupe) ? string(additional_metadata.trackscribe_dedupe) : \
             (has(input.transcript_id) ? 'DiarizationPipeline:' + string(input.transcript_id) : 'DiarizationPipeline')"
        );
        assert_eq!(registered("TrackProcessing").idempotency, None);
    }
}
