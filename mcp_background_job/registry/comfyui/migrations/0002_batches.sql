-- Batches of prompts, sessions, and ends of prompts. New columns are those of core.comfyui.submission.Submission.
ALTER TABLE submissions ADD COLUMN batch_id TEXT;
ALTER TABLE submissions ADD COLUMN position INTEGER;
ALTER TABLE submissions ADD COLUMN graph_id TEXT;
ALTER TABLE submissions ADD COLUMN overrides TEXT NOT NULL DEFAULT '';
ALTER TABLE submissions ADD COLUMN started_at REAL;
ALTER TABLE submissions ADD COLUMN outputs INTEGER;
ALTER TABLE submissions ADD COLUMN overdue_s REAL;
ALTER TABLE submissions ADD COLUMN retried_as TEXT;

-- Prompts of a batch share a graph, which is kept once.
DROP VIEW whole;
CREATE VIEW whole AS
SELECT submissions.*, graphs.graph, graphs.extra_data
FROM submissions JOIN graphs ON graphs.prompt_id = coalesce(submissions.graph_id, submissions.prompt_id);

-- Prompts that wait in a batch are not at the server.
DROP INDEX submissions_open;
CREATE INDEX submissions_open ON submissions (server, number IS NULL, number, submitted_at, prompt_id)
    WHERE ending IS NULL AND stage IN ('sending', 'accepted');

-- Holds everything that is counted, and the next waiting prompt.
CREATE INDEX submissions_of_batch ON submissions (batch_id, retried_as, stage, ending, position)
    WHERE batch_id IS NOT NULL;

-- How a prompt ended, with outputs or error, as JSON: the server forgets it.
CREATE TABLE results (
    prompt_id TEXT PRIMARY KEY,
    content   TEXT NOT NULL
);

-- Columns are those of core.comfyui.batch.Batch.
CREATE TABLE batches (
    batch_id            TEXT PRIMARY KEY,
    server              TEXT NOT NULL,
    created_at          REAL NOT NULL,
    client              TEXT NOT NULL,
    note                TEXT NOT NULL,
    max_queued          INTEGER NOT NULL,
    prompt_timeout_s    REAL,
    may_restart         INTEGER NOT NULL,
    cancel_requested_at REAL,
    cancel_requested_by TEXT NOT NULL,
    paused_at           REAL,
    trouble             TEXT NOT NULL,
    ended_at            REAL
);
CREATE INDEX batches_by_age ON batches (server, created_at DESC, batch_id DESC);
CREATE INDEX batches_open ON batches (created_at, batch_id) WHERE ended_at IS NULL;

-- Columns are those of core.comfyui.session.Session.
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at REAL NOT NULL,
    directory  TEXT NOT NULL
);
CREATE INDEX sessions_by_directory ON sessions (directory, created_at DESC, session_id DESC);

-- Columns are those of core.comfyui.session.Tracked. Several sessions may track one prompt.
CREATE TABLE tracked (
    session_id TEXT NOT NULL,
    prompt_id  TEXT NOT NULL,
    queued_at  REAL NOT NULL,
    note       TEXT NOT NULL,
    downloaded INTEGER NOT NULL,
    output_dir TEXT NOT NULL,
    PRIMARY KEY (session_id, prompt_id)
);
CREATE INDEX tracked_by_prompt ON tracked (prompt_id);
