//! Carries what a task's code logs by `tracing` to the task's own log, and so to the dashboard, beside where the program's
//! log goes.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::workflow::{LogLevel, TaskSink};

/// The name of an attempt's span.
const SPAN: &str = "task";

thread_local! {
    /// The sink of the span that this thread is just making.
    static BEING_MADE: RefCell<Option<Arc<dyn TaskSink>>> = const { RefCell::new(None) };
}

/// The layer: what this program logs inside a task's span goes to the task's sink, down to `level`.
pub fn task_logs<S>(level: Level) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    TaskLogs.with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), LevelFilter::from_level(level)))
}

/// An attempt's span: what is logged in it goes to `sink`.
pub(super) fn attempt_span(sink: Arc<dyn TaskSink>, task: &str, run: &str, retry_count: i32) -> Span {
    BEING_MADE.set(Some(sink));
    let span = tracing::info_span!("task", task, run, retry_count);
    BEING_MADE.set(None);
    span
}

struct TaskLogs;

/// What a span's extensions hold.
struct OfTask(Arc<dyn TaskSink>);

impl<S> Layer<S> for TaskLogs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != SPAN {
            return;
        }
        if let (Some(sink), Some(span)) = (BEING_MADE.take(), context.span(id)) {
            span.extensions_mut().insert(OfTask(sink));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(scope) = context.event_scope(event) else { return };
        let sink = scope.into_iter().find_map(|span| span.extensions().get::<OfTask>().map(|task| Arc::clone(&task.0)));
        let Some(sink) = sink else { return };
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        sink.log(level, &format!("{}{}", line.message, line.fields));
    }
}

/// An event as one line.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a text can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::workflow::testing::RememberingSink;

    #[test]
    fn what_is_logged_inside_a_task_goes_to_its_own_log_and_nothing_else_does() {
        let subscriber = tracing_subscriber::registry().with(task_logs(Level::INFO));
        let (one, two) = (Arc::new(RememberingSink::default()), Arc::new(RememberingSink::default()));
        tracing::subscriber::with_default(subscriber, || {
            let spans = [(&one, "a"), (&two, "b")]
                .map(|(sink, task)| attempt_span(Arc::clone(sink) as Arc<dyn TaskSink>, task, "run", 0));
            tracing::info!("outside");
            spans[0].in_scope(|| {
                let inner = tracing::info_span!("inner");
                inner.in_scope(|| tracing::info!(tracks = 3, kind = "cam", "found {}", "some"));
                tracing::debug!("too quiet");
                tracing::info!(target: "hyper", "somebody else's");
            });
            spans[1].in_scope(|| tracing::warn!("careful"));
        });
        assert_eq!(one.said(), ["log found some tracks=3 kind=cam"]);
        assert_eq!(two.said(), ["log careful"]);
    }
}
