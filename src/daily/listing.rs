//! The list of recordings, page by page.

use serde_json::Value;

use super::rest::{parse_json, typed};
use super::{DailyError, Recording, recording_start};
use crate::ids::RecordingId;

/// Daily gives no more than this at once.
pub const LARGEST_PAGE: usize = 100;

/// Which part of the list is asked for. The list is newest first, so "after" means older.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingQuery {
    /// Only recordings of this room, by its full name.
    pub room_name: Option<String>,
    /// At most so many; [`LARGEST_PAGE`] where it is not said, and never more.
    pub limit: Option<usize>,
    /// Those listed after (older than) this one: the next page.
    pub starting_after: Option<RecordingId>,
    /// Those listed before (newer than) this one: the page before.
    pub ending_before: Option<RecordingId>,
}

impl RecordingQuery {
    /// How many entries a full page has.
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE)
    }
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordingPage {
    /// Newest first.
    pub recordings: Vec<Recording>,
    /// How many recordings there are on all pages, where Daily says so.
    pub total_count: Option<u64>,
    /// Whether Daily gave null in place of a list: then nobody knows what is on it.
    pub is_null: bool,
    /// How many entries the page had, those that can't be read among them.
    pub entries: usize,
    /// The id of the last entry, which the next page starts after.
    pub last: Option<RecordingId>,
    /// Entries that were left out, and why.
    pub notes: Vec<String>,
}

impl RecordingPage {
    /// The query for the page after this one; `None` when this page is the last: a short one, or one that leads nowhere.
    pub fn next(&self, query: &RecordingQuery) -> Option<RecordingQuery> {
        let last = self.last.clone().filter(|last| query.starting_after.as_ref() != Some(last))?;
        (self.entries >= query.page_size()).then(|| RecordingQuery {
            starting_after: Some(last),
            ending_before: None,
            ..query.clone()
        })
    }
}

/// Reads the body of `GET /recordings`. An entry that can't be read is noted and left out: one odd recording must not
/// hide all others for ever.
pub fn parse_recordings(document: &str, body: &[u8]) -> Result<RecordingPage, DailyError> {
    let mut value = parse_json(document, body)?;
    let malformed =
        |problem: &str| DailyError::Malformed { document: document.to_owned(), problem: problem.to_owned() };
    let total_count = value.get("total_count").and_then(Value::as_u64);
    let entries = match &mut value {
        Value::Array(_) => value,
        Value::Object(fields) => fields.remove("data").ok_or_else(|| malformed("data: missing"))?,
        _ => return Err(malformed("expected an object with a list under `data`")),
    };
    let (is_null, entries) = match entries {
        Value::Null => (true, Vec::new()),
        Value::Array(entries) => (false, entries),
        _ => return Err(malformed("data: expected a list")),
    };
    let mut page = RecordingPage { total_count, is_null, entries: entries.len(), ..RecordingPage::default() };
    for (position, entry) in entries.into_iter().enumerate() {
        let id = entry.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        page.last = id.or(page.last);
        match typed(document, &format!("data[{position}]."), entry) {
            Ok(recording) => page.recordings.push(recording),
            Err(error) => page.notes.push(error.to_string()),
        }
    }
    Ok(page)
}

/// The page of `all` recordings that Daily would give.
///
/// # Errors
/// [`DailyError::Unknown`] for a cursor that is not there any more.
pub(super) fn page_of(mut all: Vec<Recording>, query: &RecordingQuery) -> Result<RecordingPage, DailyError> {
    all.retain(|recording| query.room_name.is_none() || recording.room_name == query.room_name);
    let start = |recording: &Recording| recording_start(recording).unwrap_or_default();
    all.sort_by(|a, b| start(b).total_cmp(&start(a)).then_with(|| a.id.cmp(&b.id)));
    let total_count = Some(all.len() as u64);
    let place = |id: &RecordingId| {
        let found = all.iter().position(|recording| recording.id == *id);
        found.ok_or_else(|| DailyError::Unknown { what: "recording", id: id.to_string() })
    };
    let page = match (&query.starting_after, &query.ending_before) {
        (Some(id), _) => &all[place(id)? + 1..],
        (None, Some(id)) => {
            let end = place(id)?;
            &all[end.saturating_sub(query.page_size())..end]
        }
        (None, None) => &all[..],
    };
    let recordings: Vec<Recording> = page.iter().take(query.page_size()).cloned().collect();
    let last = recordings.last().map(|recording| recording.id.clone());
    let entries = recordings.len();
    Ok(RecordingPage { recordings, total_count, entries, last, ..RecordingPage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_lists_bare_lists_and_odd_entries_are_taken() {
        let read = |body: &str| parse_recordings("list", body.as_bytes()).unwrap();
        let null = RecordingPage { is_null: true, ..RecordingPage::default() };
        assert_eq!(read(r#"{"total_count":null,"data":null}"#), null);
        assert_eq!(read(r#"{"total_count":null,"data":[]}"#), RecordingPage::default());
        assert_eq!(read(r#"[{"id":"a"}]"#).recordings.len(), 1);
        let page = read(
            r#"{"total_count":7,"data":[{"id":"a","tracks":null},null,{"id":"b","duration":"x"},{"start_ts":1}]}"#,
        );
        assert_eq!((page.total_count, page.entries, page.recordings.len(), page.notes.len()), (Some(7), 4, 1, 3));
        assert_eq!(page.last.unwrap().as_str(), "b");
        assert!(page.notes[1].contains("data[2].duration"), "{:?}", page.notes);
        for bad in ["", "7", "null", "{}", r#"{"data":{}}"#, r#"{"data":"x"}"#] {
            assert!(parse_recordings("list", bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_full_page_that_goes_on_has_a_next_one() {
        let page = |last: &str, entries| RecordingPage { last: last.parse().ok(), entries, ..RecordingPage::default() };
        let query = RecordingQuery { limit: Some(2), room_name: Some("x".into()), ..RecordingQuery::default() };
        let next = page("b", 2).next(&query).unwrap();
        assert_eq!(next.starting_after.as_ref().unwrap().as_str(), "b");
        assert_eq!(next.room_name.as_deref(), Some("x"));
        assert_eq!(page("b", 1).next(&query), None);
        assert_eq!(page("b", 2).next(&next), None, "the same page again leads nowhere");
        assert_eq!(RecordingQuery { limit: Some(1000), ..query.clone() }.page_size(), 100);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = parse_recordings("list", &body);
        }
    }
}
