//! Names that look like ours and are not: a misspelt setting would otherwise silently be its default.
//!
//! In `.env`, and where it is a typing error of a setting that is missing, such a name is an error. In the environment,
//! which others share (Kubernetes sets `STORAGE_PORT` for a service called storage), one that merely begins as ours is
//! a warning.

use super::SETTINGS;
use super::reader::Reader;

/// How names of ours begin that hardly anybody else's do.
const PREFIXES: [&str; 6] = ["DAILY_", "STORAGE_", "SPEECH_", "WORKFLOW_", "DURABLE_WORKFLOW_", "POLL_"];

/// Checks all names that are set. Gives warnings; errors go to the reader.
pub(super) fn check(reader: &mut Reader<'_>) -> Vec<String> {
    let strings = reader.strings();
    let mut set = strings.names();
    set.sort_unstable();
    let mut warnings = Vec::new();
    for name in &set {
        if known().any(|known| known == name) {
            continue;
        }
        let meant = meant(name);
        let is_missing = meant.is_some_and(|meant| !set.iter().any(|name| name == meant));
        let begins_as_ours = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        if is_missing || (strings.is_ours(name) && (begins_as_ours || meant.is_some())) {
            reader.problem::<()>(name, format!("is no setting{hint}"));
        } else if begins_as_ours {
            warnings.push(format!("{name} is set, but is no setting of this program{hint}"));
        }
    }
    warnings
}

fn known() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().flat_map(|setting| setting.names.iter().copied())
}

/// The setting that `name` is a typing error of.
fn meant(name: &str) -> Option<&'static str> {
    let near = |known: &&str| {
        let most = match known.len() {
            ..5 => 0,
            5..10 => 1,
            _ => 2,
        };
        strsim::osa_distance(name, known) <= most
    };
    known().filter(near).min_by_key(|known| strsim::osa_distance(name, known))
}
