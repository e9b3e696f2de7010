-- Recordings, their transcripts, and what runs make of them. Results carry the run that made them; readers see the
-- published run's, or, while there is none, the current run's as they come.

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    room_name TEXT,
    meeting_id TEXT,
    bucket_name TEXT,
    -- The recording's own key: event JSON lies beside it.
    s3_key TEXT,
    -- Moment the recording began, when known.
    started_at BIGINT,
    -- Seconds, as Daily says; NULL while it does not say.
    duration DOUBLE PRECISION,
    created_at BIGINT NOT NULL
);
CREATE INDEX recordings_by_meeting ON recordings (meeting_id);

CREATE TABLE transcripts (
    id TEXT PRIMARY KEY,
    recording_id TEXT,
    status TEXT NOT NULL,
    current_run TEXT,
    published_run TEXT,
    failed_task TEXT,
    failure_class TEXT,
    failure_message TEXT,
    -- When everything derived from audio was deleted because consent was denied.
    audio_deleted_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX transcripts_by_recording ON transcripts (recording_id);
CREATE INDEX transcripts_by_status ON transcripts (status);

-- Which runs have worked on a transcript, in the order in which they began: a later one takes over.
CREATE TABLE transcript_runs (
    transcript_id TEXT NOT NULL REFERENCES transcripts (id) ON DELETE CASCADE,
    run_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (transcript_id, run_id)
);

CREATE TABLE tracks (
    run_id TEXT NOT NULL,
    track_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    -- The key as the recording lists it.
    source_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    participant_id TEXT,
    -- Seconds from the recording's start by the file's name.
    name_offset DOUBLE PRECISION,
    note TEXT,
    PRIMARY KEY (run_id, track_id)
);

-- Finished pieces of recognition, kept by what they were made from, so that no run makes them twice.
CREATE TABLE speech_windows (
    work_key TEXT NOT NULL,
    window_index BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (work_key, window_index)
);

-- Segments with their words (JSON), sorted by start.
CREATE TABLE segments (
    run_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    speaker BIGINT NOT NULL,
    start_seconds DOUBLE PRECISION NOT NULL,
    end_seconds DOUBLE PRECISION NOT NULL,
    text TEXT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
);

-- One JSON document per run and kind: speakers, tracks used, mixdown, waveform, topics, title, summary, action items.
CREATE TABLE results (
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, kind)
);

-- Consent is a person's: subject is a user id or a participant (session) id.
CREATE TABLE consents (
    recording_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    allowed BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (recording_id, subject)
);

-- Outward effects, written before they are tried.
CREATE TABLE outbox (
    -- Derived from what the effect is, so that writing the intent twice is writing it once.
    id TEXT PRIMARY KEY,
    transcript_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- waiting, done, abandoned
    state TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX outbox_waiting ON outbox (next_try_at) WHERE state = 'waiting';
CREATE INDEX outbox_by_transcript ON outbox (transcript_id);
