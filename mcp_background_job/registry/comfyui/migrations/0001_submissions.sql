-- The journal of submissions to ComfyUI servers. Columns are those of core.comfyui.submission.Submission.
CREATE TABLE submissions (
    prompt_id    TEXT PRIMARY KEY,
    server       TEXT NOT NULL,
    submitted_at REAL NOT NULL,
    note         TEXT NOT NULL,
    client       TEXT NOT NULL,
    front        INTEGER NOT NULL,
    number       REAL,
    stage        TEXT NOT NULL,
    ending       TEXT,
    ended_at     REAL,
    reason       TEXT NOT NULL,
    is_ours      INTEGER NOT NULL,
    requeue      INTEGER NOT NULL
);

-- A table of its own, because SQLite writes a row as a whole: an update of a submission must not write its graph again.
CREATE TABLE graphs (
    prompt_id  TEXT PRIMARY KEY,
    graph      TEXT NOT NULL,
    extra_data TEXT NOT NULL
);

CREATE VIEW whole AS SELECT * FROM submissions JOIN graphs USING (prompt_id);

-- In the order of the lists: then nothing that holds graphs needs to be sorted.
CREATE INDEX submissions_by_age ON submissions (server, submitted_at DESC, prompt_id DESC);
CREATE INDEX submissions_open ON submissions (server, number IS NULL, number, submitted_at, prompt_id)
    WHERE ending IS NULL AND stage <> 'refused';
CREATE INDEX submissions_to_requeue ON submissions (server, number IS NULL, number, submitted_at, prompt_id)
    WHERE requeue = 1 AND stage <> 'refused';
