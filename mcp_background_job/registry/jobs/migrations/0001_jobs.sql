-- The index of jobs. One row per job directory; columns are those of core.job.Job.
CREATE TABLE jobs (
    job_id      TEXT PRIMARY KEY,
    name        TEXT,
    command     TEXT NOT NULL,
    cwd         TEXT NOT NULL,
    client      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    state       TEXT NOT NULL,
    outcome     TEXT,
    status      TEXT NOT NULL, -- derived from state and outcome, for filters
    started_at  REAL,
    ended_at    REAL,
    exit_code   INTEGER,
    signal      TEXT,
    reason      TEXT NOT NULL,
    ending_seen INTEGER NOT NULL DEFAULT 0 -- whether the client was told how it ended
) WITHOUT ROWID;

CREATE INDEX jobs_by_age ON jobs (created_at DESC, job_id DESC);
CREATE INDEX jobs_by_name ON jobs (name, created_at DESC) WHERE name IS NOT NULL;
CREATE INDEX jobs_unended ON jobs (created_at) WHERE state <> 'exited';
CREATE INDEX jobs_unseen ON jobs (client, ended_at) WHERE state = 'exited' AND ending_seen = 0;
