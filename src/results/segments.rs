//! Words and segments, to and from the store.

use serde::{Deserialize, Serialize};

use crate::ids::RunId;
use crate::store::{Database, StoreError, TranscriptWriter, results as rows};
use crate::transcript::{Segment, Word, segments_with_words};

/// A word within its segment's row: the row says who speaks.
#[derive(Serialize, Deserialize)]
struct StoredWord {
    text: String,
    start: f64,
    end: f64,
    probability: f64,
}

/// Groups a run's words (sorted by start) into segments and stores both; says how many segments there are.
///
/// # Errors
/// When the database can't be written, or a newer run has begun.
pub async fn put_words(writer: &TranscriptWriter, words: &[Word]) -> Result<usize, StoreError> {
    let segments = segments_with_words(words);
    let mut stored = Vec::with_capacity(segments.len());
    for (segment, own) in &segments {
        let own: Vec<StoredWord> = own
            .iter()
            .map(|position| &words[*position])
            .map(|word| StoredWord {
                text: word.text.clone(),
                start: word.start,
                end: word.end,
                probability: word.probability,
            })
            .collect();
        stored.push(rows::SegmentRow {
            speaker: segment.speaker as i64,
            start: segment.start,
            end: segment.end,
            text: segment.text.clone(),
            words: serde_json::to_string(&own).map_err(|error| StoreError::garbled("words", error))?,
        });
    }
    rows::put_segments(writer, &stored).await?;
    Ok(stored.len())
}

/// A run's segments, sorted by start.
///
/// # Errors
/// When the database can't be read.
pub async fn read_segments(database: &Database, run: &RunId) -> Result<Vec<Segment>, StoreError> {
    Ok(rows::segments(database, run).await?.iter().map(segment_of).collect())
}

/// A run's words, sorted by start.
///
/// # Errors
/// When the database can't be read.
pub async fn read_words(database: &Database, run: &RunId) -> Result<Vec<Word>, StoreError> {
    let mut words = Vec::new();
    for row in rows::segments(database, run).await? {
        let stored: Vec<StoredWord> =
            serde_json::from_str(&row.words).map_err(|error| StoreError::garbled("words", error))?;
        let speaker = usize::try_from(row.speaker).unwrap_or_default();
        words.extend(stored.into_iter().map(|word| Word {
            text: word.text,
            start: word.start,
            end: word.end,
            speaker,
            probability: word.probability,
        }));
    }
    words.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)).then(a.speaker.cmp(&b.speaker)));
    Ok(words)
}

fn segment_of(row: &rows::SegmentRow) -> Segment {
    Segment {
        speaker: usize::try_from(row.speaker).unwrap_or_default(),
        start: row.start,
        end: row.end,
        text: row.text.clone(),
    }
}
