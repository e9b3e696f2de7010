-- The service: what Daily told, which runs were asked for, who may ask, and which process does what for all of them.

-- Webhook deliveries, each once. Stored before they are answered; worked on later.
CREATE TABLE daily_events (
    -- Daily's id of the event; of one that has none, the hash of its body.
    id TEXT PRIMARY KEY,
    -- E.g. recording.ready-to-download.
    kind TEXT NOT NULL,
    recording_id TEXT,
    room_name TEXT,
    -- JSON, without tokens.
    body TEXT NOT NULL,
    -- waiting, done, ignored
    state TEXT NOT NULL,
    -- Why it was ignored, or why it still waits.
    note TEXT,
    tries BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX daily_events_waiting ON daily_events (next_try_at) WHERE state = 'waiting';
CREATE INDEX daily_events_by_recording ON daily_events (recording_id);

-- What else is known of a recording.
-- in-progress or finished, as Daily said last.
ALTER TABLE recordings ADD COLUMN status TEXT;
-- Daily's instance, by which a recording.error may name it.
ALTER TABLE recordings ADD COLUMN instance_id TEXT;
-- Why no transcript is made of it: its room is not asked for, it is no raw-tracks recording.
ALTER TABLE recordings ADD COLUMN ignored_reason TEXT;
-- A tombstone: somebody deleted it, and nobody may process it again.
ALTER TABLE recordings ADD COLUMN deleted_at BIGINT;
CREATE INDEX recordings_by_room ON recordings (room_name);
CREATE INDEX recordings_by_status ON recordings (status);
CREATE INDEX recordings_by_instance ON recordings (instance_id);

-- Runs that were asked for, on whichever engine: written before the engine is asked, so that an outage loses none.
CREATE TABLE run_requests (
    id TEXT PRIMARY KEY,
    transcript_id TEXT NOT NULL REFERENCES transcripts (id) ON DELETE CASCADE,
    recording_id TEXT NOT NULL,
    -- webhook, poller, backfill, command, api
    origin TEXT NOT NULL,
    -- The engine: none, hatchet, conductor.
    provider TEXT NOT NULL,
    -- 1 low, 2 ordinary, 3 high
    priority BIGINT NOT NULL,
    -- Whom a finished transcript is told to: none, update, all.
    notify TEXT NOT NULL,
    -- requested: the engine has no run yet; started: run_id is its run; ended.
    state TEXT NOT NULL,
    run_id TEXT,
    -- The transcript's run when this was asked for, or asked for again: any other one is what came of asking.
    run_before TEXT,
    -- How often the engine could not be reached since.
    tries BIGINT NOT NULL DEFAULT 0,
    -- Runs that died of something that may pass.
    deaths BIGINT NOT NULL DEFAULT 0,
    next_try_at BIGINT NOT NULL,
    last_error TEXT,
    -- Until then a run that died of something that may pass is started again; known from the first death on.
    give_up_at BIGINT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX run_requests_one_active ON run_requests (recording_id) WHERE state IN ('requested', 'started');
CREATE INDEX run_requests_due ON run_requests (next_try_at) WHERE state IN ('requested', 'started');
CREATE INDEX run_requests_by_transcript ON run_requests (transcript_id);
CREATE INDEX run_requests_by_recording ON run_requests (recording_id);

-- Lists are read page by page, newest first; ids sort by the time they were made.
CREATE INDEX transcripts_by_status_newest ON transcripts (status, id);

CREATE INDEX outbox_abandoned ON outbox (created_at) WHERE state = 'abandoned';

-- Higher runs first, where several wait for a slot.
ALTER TABLE runs ADD COLUMN priority BIGINT NOT NULL DEFAULT 2;
-- How often it was taken up again: code that began to drive it before that stops.
ALTER TABLE runs ADD COLUMN resumed BIGINT NOT NULL DEFAULT 0;

-- Which process does something that one does for all, and until when.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);

-- How far something has got, e.g. the poller in Daily's list of recordings.
CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Rooms by base name: Daily's is {base}-{YYYYMMDDHHMMSS} where one is made per meeting.
CREATE TABLE rooms (
    name TEXT PRIMARY KEY,
    title TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Daily's meeting sessions that somebody told about.
CREATE TABLE meetings (
    id TEXT PRIMARY KEY,
    room_name TEXT,
    title TEXT,
    started_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX meetings_by_room ON meetings (room_name, id);

-- A person's answer for all recordings of a meeting; subject is a user id or a participant (session) id.
CREATE TABLE meeting_consents (
    meeting_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    allowed BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (meeting_id, subject)
);

CREATE INDEX consents_denied ON consents (recording_id) WHERE allowed = 0;
CREATE INDEX meeting_consents_denied ON meeting_consents (meeting_id) WHERE allowed = 0;

-- Who may use the API: only hashes of keys are kept.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
