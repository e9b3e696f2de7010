//! Daily's list of recordings, read from its newest entry back, and whether all of it was seen: an answer of null, or one that
//! ends before the list does, must not be taken for a list without recordings.

use crate::daily::{DailyError, DailySource, RecordingPage, RecordingQuery};

/// The pages of Daily's list, newest first.
pub(super) struct Pages<'a> {
    daily: &'a dyn DailySource,
    next: Option<RecordingQuery>,
    /// Entries read so far.
    read: u64,
    /// How many Daily said there are, when the reading began.
    total: Option<u64>,
    is_whole: bool,
}

impl<'a> Pages<'a> {
    /// From the newest recording on.
    pub(super) fn of(daily: &'a dyn DailySource) -> Self {
        Self { daily, next: Some(RecordingQuery::default()), read: 0, total: None, is_whole: true }
    }

    /// The next page; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordingPage>, DailyError> {
        let Some(asked) = self.next.take() else { return Ok(None) };
        let page = self.daily.list(&asked).await?;
        self.read += page.entries as u64;
        self.total = self.total.or(page.total_count);
        self.next = page.next(&asked);
        if self.next.is_none() {
            // A full page that leads nowhere is not the last one either.
            let ends = page.entries < asked.page_size() && self.total.is_none_or(|total| total <= self.read);
            self.is_whole = ends && !page.is_null;
        }
        Ok(Some(page))
    }

    /// What follows is of no interest: what was wanted is whole.
    pub(super) fn enough(&mut self) {
        self.next = None;
        self.is_whole = true;
    }

    /// Whether the list was read to its end, or as far as was wanted. `false` says what was seen, for people.
    pub(super) fn whole(&self) -> Result<(), String> {
        if self.is_whole {
            return Ok(());
        }
        let total = self.total.map_or_else(String::new, |total| format!(" of {total}"));
        Err(format!("Daily's list broke off after {}{total} recordings", self.read))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::daily::{ParticipantRow, Recording, parse_recordings};
    use crate::ids::{MeetingId, RecordingId};

    /// Gives these bodies, one after the other.
    struct Says(Mutex<VecDeque<String>>);

    #[async_trait]
    impl DailySource for Says {
        async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
            Err(DailyError::Unknown { what: "recording", id: id.to_string() })
        }

        async fn participants(&self, _: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
            Ok(Vec::new())
        }

        async fn list(&self, _: &RecordingQuery) -> Result<RecordingPage, DailyError> {
            let body = self.0.lock().unwrap().pop_front().unwrap();
            parse_recordings("GET /recordings", body.as_bytes())
        }
    }

    fn page(from: usize, entries: usize, total: &str) -> String {
        let rows: Vec<String> = (from..from + entries).map(|nth| format!(r#"{{"id":"r{nth}"}}"#)).collect();
        format!(r#"{{"total_count":{total},"data":[{}]}}"#, rows.join(","))
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_is_not_whole() {
        let null = r#"{"total_count":null,"data":null}"#.to_owned();
        let table = [
            (vec![page(0, 7, "7")], true),
            (vec![page(0, 7, "null")], true),
            (vec![page(0, 0, "0")], true),
            (vec![page(0, 100, "103"), page(100, 3, "103")], true),
            (vec![page(0, 100, "100"), page(100, 0, "100")], true),
            // One came in between.
            (vec![page(0, 100, "103"), page(100, 3, "104")], true),
            (vec![null.clone()], false),
            (vec![page(0, 7, "8")], false),
            (vec![page(0, 0, "500")], false),
            (vec![page(0, 100, "103"), null], false),
            (vec![page(0, 100, "103"), page(100, 1, "103")], false),
            // The same page again.
            (vec![page(0, 100, "null"), page(0, 100, "null")], false),
        ];
        for (bodies, is_whole) in table {
            let daily = Says(Mutex::new(bodies.clone().into()));
            let mut pages = Pages::of(&daily);
            while pages.next().await.unwrap().is_some() {}
            assert_eq!(pages.whole().is_ok(), is_whole, "{bodies:?}");
        }
    }

    #[tokio::test]
    async fn who_has_seen_enough_has_all_that_was_wanted() {
        let daily = Says(Mutex::new([page(0, 100, "500")].into()));
        let mut pages = Pages::of(&daily);
        pages.next().await.unwrap();
        pages.enough();
        assert!(pages.next().await.unwrap().is_none() && pages.whole().is_ok());
    }
}
