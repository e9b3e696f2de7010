//! Failures as text and back. Hatchet keeps a text of each failure and shows it; ours begins with the message, which is
//! what people look for, and ends with a line that says its class, so that the on-failure task and whoever waits for the
//! run hear the same as with the embedded engine.

use crate::engine::RunFailure;
use crate::failure::FailureClass;

/// What the engine says of a task that was given to one worker after another and killed them all.
const REASSIGNED_TOO_OFTEN: &str = "maximum reassignment count";

/// The text of a failure. `place` is where it happened, when that is further down than the task itself.
pub(super) fn write(class: FailureClass, message: &str, place: Option<&str>) -> String {
    // The engine replaces a text with NUL in it as a whole.
    let message = message.replace('\0', "");
    match place {
        Some(place) => format!("{message}\n[{class} in {place}]"),
        None => format!("{message}\n[{class}]"),
    }
}

/// What a text under `task` says. The engine writes some by itself: of time-outs and lost workers.
pub(super) fn read(task: &str, text: &str) -> RunFailure {
    let ours = text.rsplit_once('\n').and_then(|(message, last)| Some((message, last_line(last)?)));
    let (message, class, place) = match ours {
        Some((message, (class, place))) => (message, class, place),
        None if text.contains(REASSIGNED_TOO_OFTEN) => (text, FailureClass::Permanent, None),
        None => (text, FailureClass::Retryable, None),
    };
    RunFailure { task: Some(place.unwrap_or(task).to_owned()), class, message: message.to_owned() }
}

fn last_line(line: &str) -> Option<(FailureClass, Option<&str>)> {
    let inside = line.strip_prefix('[')?.strip_suffix(']')?;
    let (class, place) = match inside.split_once(" in ") {
        Some((class, place)) => (class, Some(place)),
        None => (inside, None),
    };
    let classes = [FailureClass::Retryable, FailureClass::Permanent, FailureClass::Cancelled];
    Some((classes.into_iter().find(|known| known.as_str() == class)?, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_the_message_first() {
        let text = write(FailureClass::Permanent, "404 from Daily", None);
        assert_eq!(text, "404 from Daily\n[permanent]");
        let text = write(FailureClass::Retryable, "no answer", Some("process_tracks[t001]/pad_track"));
        assert_eq!(text, "no answer\n[retryable in process_tracks[t001]/pad_track]");
        let failure = read("process_tracks", &text);
        assert_eq!(failure.task.as_deref(), Some("process_tracks[t001]/pad_track"));
    }

    #[test]
    fn texts_of_the_engines_own_have_a_class_too() {
        let timed_out = read("a", "Task exceeded timeout of 1800s");
        assert_eq!((timed_out.class, timed_out.task.as_deref()), (FailureClass::Retryable, Some("a")));
        assert_eq!(read("a", "Task reached its maximum reassignment count").class, FailureClass::Permanent);
        assert_eq!(read("a", "odd\n[end]").message, "odd\n[end]");
        assert_eq!(read("a", "").message, "");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(
            message in "[^\0]{0,80}",
            place in proptest::option::of("[a-z_]{1,9}\\[t[0-9]{3}\\]/[a-z_]{1,9}"),
            permanent: bool,
        ) {
            let class = if permanent { FailureClass::Permanent } else { FailureClass::Retryable };
            let failure = read("task", &write(class, &message, place.as_deref()));
            proptest::prop_assert_eq!(failure.class, class);
            proptest::prop_assert_eq!(failure.message, message);
            proptest::prop_assert_eq!(failure.task, Some(place.unwrap_or_else(|| "task".to_owned())));
        }
    }
}
