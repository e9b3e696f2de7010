//! A transcript read back whole.

use super::{
    ActionItemsResult, Mixdown, SpeechResult, SummaryResult, TitleResult, TopicsResult, TracksResult, Waveform, read,
    read_segments, read_words,
};
use crate::ids::TranscriptId;
use crate::store::{Database, StoreError, recordings, transcripts};
use crate::transcript::{
    AudioInfo, Backends, Participant, Speakers, Status, TranscriptDocument, meeting_duration, round_seconds, talk_times,
};

/// What a reader is shown of a transcript.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The document; parts that are not made yet are empty.
    pub document: TranscriptDocument,
    /// The picture of the audio, unless it was deleted.
    pub waveform: Option<Waveform>,
}

/// The transcript as readers see it: the published run's results, else the current run's as they come.
///
/// # Errors
/// [`StoreError::NoTranscript`]; when the database can't be read.
pub async fn transcript_document(database: &Database, id: &TranscriptId) -> Result<Shown, StoreError> {
    let row = transcripts::read(database, id)
        .await?
        .ok_or_else(|| StoreError::NoTranscript { transcript: id.to_string() })?;
    let recording = match &row.recording {
        Some(recording) => recordings::read(database, recording).await?,
        None => None,
    };
    let status = row.status.parse().map_err(|error| StoreError::garbled("status", error))?;
    let mut shown = Shown { document: empty(id, status), waveform: None };
    let document = &mut shown.document;
    let Some(run) = row.visible_run() else { return Ok(shown) };

    document.words = read_words(database, run).await?;
    document.segments = read_segments(database, run).await?;
    let speakers = read::<Speakers>(database, run).await?.unwrap_or_default();
    let talk = talk_times(&document.segments, speakers.speakers.len());
    document.participants = speakers
        .speakers
        .into_iter()
        .zip(talk)
        .map(|(who, talk_time)| Participant {
            id: who.id,
            name: who.name,
            speaker: who.speaker,
            talk_time,
            sessions: who.sessions.into_iter().map(|session| session.id).collect(),
        })
        .collect();
    let tracks = read::<TracksResult>(database, run).await?;
    let media_end = tracks.as_ref().map_or(0.0, TracksResult::media_end);
    document.duration = meeting_duration(recording.and_then(|recording| recording.duration), media_end);
    document.incomplete_tracks = tracks.as_ref().map(TracksResult::incomplete).unwrap_or_default();
    if let Some(speech) = read::<SpeechResult>(database, run).await? {
        document.language = speech.language;
        document.backends.speech = speech.backend;
    }
    if let Some(topics) = read::<TopicsResult>(database, run).await? {
        document.topics = topics.topics;
        document.backends.language = topics.backend;
    }
    if let Some(title) = read::<TitleResult>(database, run).await? {
        document.title = title.title;
    }
    if let Some(summary) = read::<SummaryResult>(database, run).await? {
        document.short_summary = summary.short;
        document.long_summary = summary.long;
    }
    if let Some(actions) = read::<ActionItemsResult>(database, run).await? {
        document.action_items = actions.items;
    }
    if row.audio_deleted_at.is_none() {
        document.audio = read::<Mixdown>(database, run)
            .await?
            .map(|mix| AudioInfo { key: mix.key, duration: round_seconds(mix.duration) });
        shown.waveform = read::<Waveform>(database, run).await?;
    }
    Ok(shown)
}

fn empty(id: &TranscriptId, status: Status) -> TranscriptDocument {
    TranscriptDocument {
        schema_version: 1,
        id: id.clone(),
        title: String::new(),
        status,
        language: String::new(),
        backends: Backends { speech: String::new(), language: String::new() },
        duration: 0.0,
        participants: Vec::new(),
        words: Vec::new(),
        segments: Vec::new(),
        topics: Vec::new(),
        short_summary: String::new(),
        long_summary: String::new(),
        action_items: Default::default(),
        incomplete_tracks: Vec::new(),
        audio: None,
    }
}
