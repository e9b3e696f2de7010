-- Runs of workflows: what was asked, what was done, what came of it. This is both the engine's memory and its trace.
-- One SQL for SQLite and PostgreSQL: ids are text, times BIGINT microseconds UTC, JSON is text, flags are integers.

-- One row: the embedded executor's generation. Whoever takes the lock raises it; writing transactions compare it.
CREATE TABLE executor (
    id BIGINT PRIMARY KEY,
    generation BIGINT NOT NULL,
    taken_at BIGINT,
    process TEXT
);
INSERT INTO executor (id, generation) VALUES (1, 0);

-- The shapes of the workflows that runs were made with.
CREATE TABLE workflow_versions (
    -- The hash of the shape: names, parents, fan-out, on-failure task and input type; limits are not part of it.
    version TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    -- JSON, for people and pages: tasks with their parents.
    shape TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL REFERENCES workflow_versions (version),
    -- queued, running, completed, failed, cancelled
    status TEXT NOT NULL,
    input TEXT NOT NULL,
    -- The outermost run: of a child its parent's, else the run itself.
    root_run TEXT NOT NULL,
    -- Of a child run: who made it, and which of the planned children it is. A child that is started anew has the same
    -- key and the next round; it is shown as key#2.
    parent_run TEXT REFERENCES runs (id) ON DELETE CASCADE,
    parent_task_run TEXT,
    child_key TEXT,
    child_round BIGINT,
    replay_of TEXT,
    dedupe_key TEXT,
    -- Workflow and value of its concurrency key.
    concurrency_group TEXT,
    failed_task TEXT,
    failure_class TEXT,
    failure_message TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (parent_task_run, child_key, child_round)
);
CREATE UNIQUE INDEX runs_active_dedupe_key ON runs (dedupe_key)
    WHERE dedupe_key IS NOT NULL AND status IN ('queued', 'running');
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_parent ON runs (parent_run);
CREATE INDEX runs_by_root ON runs (root_run);

-- Additional metadata, string to string; children inherit their parent's.
CREATE TABLE run_metadata (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE task_runs (
    id TEXT PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    task TEXT NOT NULL,
    position BIGINT NOT NULL,
    on_failure BIGINT NOT NULL,
    -- pending, running, completed, failed, cancelled, skipped
    status TEXT NOT NULL,
    output TEXT,
    -- Names the task that failed first: of a fan-out, a child's, as process_tracks[t001]/pad_track.
    failed_task TEXT,
    failure_class TEXT,
    failure_message TEXT,
    -- Failed attempts that count against the limit of retries: since the run was started or last resumed.
    failures BIGINT NOT NULL DEFAULT 0,
    -- Killed processes in a row, without a piece kept in between.
    interruptions BIGINT NOT NULL DEFAULT 0,
    -- The next attempt waits until then.
    not_before BIGINT,
    finished_at BIGINT,
    UNIQUE (run_id, task)
);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    task_run_id TEXT NOT NULL REFERENCES task_runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    -- The executor that made it.
    generation BIGINT NOT NULL,
    -- Ready to run; given a slot; begun; ended.
    created_at BIGINT NOT NULL,
    assigned_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    -- completed, failed, timed_out, cancelled, interrupted; null while it lasts
    outcome TEXT,
    failure_class TEXT,
    failure_message TEXT,
    -- 1: stored a piece of long work for good, so that being killed does not count.
    kept_piece BIGINT NOT NULL DEFAULT 0,
    -- 1: only waits for its children, so that being killed does not count.
    waiting BIGINT NOT NULL DEFAULT 0,
    -- A fan-out's children, keys and inputs; with the attempt that made the list.
    plan TEXT,
    UNIQUE (task_run_id, number)
);
CREATE INDEX attempts_unfinished ON attempts (task_run_id) WHERE outcome IS NULL;

CREATE TABLE task_logs (
    attempt_id TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    line_number BIGINT NOT NULL,
    logged_at BIGINT NOT NULL,
    level TEXT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (attempt_id, line_number)
);
