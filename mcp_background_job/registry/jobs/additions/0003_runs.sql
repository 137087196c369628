-- The index of agent runs, derived from runs/. Columns are those of core.run.RunRow.
CREATE TABLE runs (
    run_id     TEXT PRIMARY KEY,
    backend    TEXT NOT NULL,
    agent_name TEXT NOT NULL,
    session_id TEXT NOT NULL,
    cwd        TEXT NOT NULL,
    created_at REAL NOT NULL,
    status     TEXT -- empty (NULL) while it may change
) WITHOUT ROWID;
CREATE INDEX runs_by_age ON runs (created_at DESC, run_id DESC);
CREATE INDEX runs_live ON runs (run_id) WHERE status IS NULL;
