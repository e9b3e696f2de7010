//! Names on the wire. One function makes each, so that every engine, trigger and page says the same.

/// The reference of a task, the same on every engine: `diarizationpipeline:get_recording`.
///
/// Hatchet stores action ids in lower case whatever case they were sent in, so only a lower-cased reference is found again.
pub fn task_ref(workflow: &str, task: &str) -> String {
    format!("{}:{}", workflow.to_ascii_lowercase(), task.to_ascii_lowercase())
}

/// Words that mean something else where task names appear: `skipped` marks a skipped task in an engine's own output,
/// the others are what `${…}` expressions and a child's output are addressed by.
const RESERVED_TASKS: [&str; 6] = ["skipped", "input", "output", "parents", "workflow", "on_failure"];

/// Tables of an overrides file that are not workflows.
const RESERVED_WORKFLOWS: [&str; 2] = ["pools", "rate_limits"];

/// Longest name of a workflow or task, in bytes. `workflow:task` stays far below every engine's limit.
const LONGEST: usize = 64;

/// Why `name` can't be a workflow's name; `None` when it can.
pub(super) fn workflow_name_problem(name: &str) -> Option<String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.len() > LONGEST {
        return Some(format!(
            "{name:?} is no workflow name: use up to {LONGEST} letters, digits and _, a letter first"
        ));
    }
    RESERVED_WORKFLOWS
        .contains(&name.to_ascii_lowercase().as_str())
        .then(|| format!("{name:?} is reserved: an overrides file has a table of that name; choose another"))
}

/// Why `name` can't be a task's name; `None` when it can.
///
/// Lower case only: Hatchet lower-cases task names, and a parent's name is a field of the struct that reads it.
pub(super) fn task_name_problem(name: &str) -> Option<String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !first || !rest || name.len() > LONGEST {
        return Some(format!(
            "{name:?} is no task name: use up to {LONGEST} lower-case letters, digits and _, a letter first"
        ));
    }
    RESERVED_TASKS
        .contains(&name)
        .then(|| format!("{name:?} is reserved: engines give it a meaning of their own; choose another"))
}

/// Why `key` can't be a rate limit's; `None` when it can.
pub(super) fn rate_limit_key_problem(key: &str) -> Option<String> {
    let first = key.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (!first || !rest || key.len() > LONGEST).then(|| {
        format!("{key:?} is no rate limit's key: use up to {LONGEST} lower-case letters, digits and _, a letter first")
    })
}

/// `; did you mean "x"?` when one of `known` is close to `wrong`, else the known names, else nothing.
pub(super) fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min();
    match near {
        Some((_, name)) => format!("; did you mean {name:?}?"),
        None if known.is_empty() => String::new(),
        None => format!("; known: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reference_is_lower_case_whatever_the_workflow_is_called() {
        assert_eq!(task_ref("DiarizationPipeline", "get_recording"), "diarizationpipeline:get_recording");
        assert_eq!(task_ref("TrackProcessing", "pad_track"), "trackprocessing:pad_track");
    }

    #[test]
    fn reserved_and_ill_formed_names_are_refused() {
        for name in ["", "Get", "get-it", "1st", "skipped", "input", &"x".repeat(65)] {
            assert!(task_name_problem(name).is_some(), "{name}");
        }
        for name in ["", "1st", "Diarization-Pipeline", "pools", "Pools", "rate_limits", "a b"] {
            assert!(workflow_name_problem(name).is_some(), "{name}");
        }
        for key in ["", "1st", "Daily", "daily-api", "a b", &"x".repeat(65)] {
            assert!(rate_limit_key_problem(key).is_some(), "{key}");
        }
        assert_eq!(rate_limit_key_problem("daily_api"), None);
        assert_eq!(task_name_problem("get_recording"), None);
        assert_eq!(workflow_name_problem("DiarizationPipeline"), None);
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_lists_what_is_known() {
        assert_eq!(suggestion("finalise", ["finalize", "pad_track"]), "; did you mean \"finalize\"?");
        assert_eq!(suggestion("zzz", ["finalize", "pad_track"]), "; known: finalize, pad_track");
        assert_eq!(suggestion("zzz", []), "");
    }
}
