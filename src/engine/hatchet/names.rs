//! Names as Hatchet knows them. One function makes each.

use std::fmt;

use super::post::Post;
use super::settings::{SettingsError, named};
use crate::workflow::task_ref;

/// Longest name of a worker that we make up.
const LONGEST_WORKER: usize = 100;

/// What keeps our workflows apart from others' in the same tenant: `staging_` before each name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// As the official clients do it: lower case, with `_` at its end.
    ///
    /// # Errors
    /// When it has characters that Hatchet does not take.
    pub(super) fn new(text: &str) -> Result<Self, SettingsError> {
        if !text.chars().all(is_plain) {
            let problem = format!("is {text:?}, but may only have letters, digits and . _ -");
            return Err(SettingsError::new(named::NAMESPACE, problem));
        }
        let mut text = text.to_ascii_lowercase();
        if !text.is_empty() && !text.ends_with('_') {
            text.push('_');
        }
        Ok(Self(text))
    }

    /// A workflow's name on the wire: the case is kept, because Hatchet finds it only when it is written the same.
    pub(super) fn workflow(&self, name: &str) -> String {
        if name.starts_with(&self.0) { name.to_owned() } else { format!("{}{name}", self.0) }
    }

    /// A task's action id: all in lower case, because Hatchet stores it so.
    pub(super) fn action(&self, workflow: &str, task: &str) -> String {
        task_ref(&self.workflow(workflow), task)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

/// The name of the worker of a post, as people see it.
pub(super) fn worker_name(base: &str, post: Post) -> String {
    let plain: String = base.chars().map(|letter| if is_plain(letter) { letter } else { '-' }).collect();
    format!("{}-{post}", &plain[..plain.len().min(LONGEST_WORKER)])
}

/// A child's key on the wire. Hatchet leaves the workflow's name out of what it compares, so it is part of ours.
pub(super) fn child_key(workflow: &str, key: &str, round: u32) -> String {
    match round {
        ..=1 => format!("{workflow}:{key}"),
        round => format!("{workflow}:{key}#{round}"),
    }
}

/// The key that the task which planned the child gave it.
pub(super) fn planned_key(wire: &str) -> &str {
    let key = wire.split_once(':').map_or(wire, |(_, key)| key);
    key.split_once('#').map_or(key, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Pool;

    #[test]
    fn workflow_names_keep_their_case_and_action_ids_have_none() {
        let none = Namespace::default();
        assert_eq!(none.workflow("DiarizationPipeline"), "DiarizationPipeline");
        assert_eq!(none.action("DiarizationPipeline", "get_recording"), "diarizationpipeline:get_recording");
        let staging = Namespace::new("Staging").unwrap();
        assert_eq!(staging.workflow("DiarizationPipeline"), "staging_DiarizationPipeline");
        assert_eq!(staging.workflow("staging_DiarizationPipeline"), "staging_DiarizationPipeline");
        assert_eq!(staging.action("DiarizationPipeline", "get_recording"), "staging_diarizationpipeline:get_recording");
        assert_eq!(Namespace::new("staging_").unwrap(), staging);
        assert!(Namespace::new("a b").is_err());
    }

    #[test]
    fn a_childs_key_is_found_again_whatever_its_round() {
        assert_eq!(child_key("TrackProcessing", "t001", 1), "TrackProcessing:t001");
        assert_eq!(child_key("TrackProcessing", "t001", 2), "TrackProcessing:t001#2");
        for round in [1, 2, 11] {
            assert_eq!(planned_key(&child_key("TrackProcessing", "t001", round)), "t001");
        }
    }

    #[test]
    fn worker_names_have_only_what_hatchet_takes() {
        assert_eq!(worker_name("host 1/é", Post::Work(Pool::Speech)), "host-1---speech");
        assert_eq!(worker_name("host", Post::Parents(Pool::Io)), "host-io-parents");
        assert!(worker_name(&"x".repeat(500), Post::Parents(Pool::Speech)).len() < 120);
    }
}
