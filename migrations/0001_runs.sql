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
    version TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
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
    root_run TEXT NOT NULL,
    parent_task_run TEXT,
    -- Names the child among its siblings; attempts of the same child are told apart by child_round (1, 2 as key#2, ...).
    child_key TEXT,
    child_round BIGINT,
    replay_of TEXT,
    dedupe_key TEXT,
    -- The value of the workflow's concurrency key for this run.
    concurrency_group TEXT,
    cancel_requested_at BIGINT,
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
CREATE INDEX runs_by_root ON runs (root_run);
CREATE INDEX runs_by_group ON runs (concurrency_group, status);

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
    on_failure BIGINT NOT NULL DEFAULT 0,
    -- pending, running, completed, failed, cancelled, skipped
    status TEXT NOT NULL,
    output TEXT,
    failure_class TEXT,
    failure_message TEXT,
    -- Failures that count against the limit of retries, since the run was started or last resumed.
    failures BIGINT NOT NULL DEFAULT 0,
    -- Killed processes in a row without a newly kept piece.
    interruptions BIGINT NOT NULL DEFAULT 0,
    -- Not before this moment: the backoff of a retry.
    not_before BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    UNIQUE (run_id, task)
);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    task_run_id TEXT NOT NULL REFERENCES task_runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    assigned_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    -- completed, failed, timed_out, cancelled, interrupted; NULL while it lasts
    outcome TEXT,
    failure_class TEXT,
    failure_message TEXT,
    kept_piece BIGINT NOT NULL DEFAULT 0,
    -- 1 when a graceful stop ended it: such an interruption counts for nothing.
    graceful BIGINT NOT NULL DEFAULT 0,
    -- A fan-out's children, keys and inputs, stored by the attempt that made the list.
    plan TEXT,
    UNIQUE (task_run_id, number)
);
CREATE INDEX attempts_open ON attempts (generation) WHERE outcome IS NULL;

CREATE TABLE task_logs (
    attempt_id TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    line_number BIGINT NOT NULL,
    logged_at BIGINT NOT NULL,
    level TEXT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (attempt_id, line_number)
);
