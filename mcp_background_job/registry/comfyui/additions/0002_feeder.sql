-- Written by the feeder of a server: one process per server, which decides which prompt is sent next.

-- A higher priority goes first, then the lower rank, or without one the lower position.
ALTER TABLE submissions ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN rank REAL;
CREATE INDEX submissions_next ON submissions (server, priority DESC, coalesce(rank, position), submitted_at, prompt_id)
    WHERE stage = 'waiting' AND ending IS NULL AND retried_as IS NULL;

-- One row for each submission of a prompt. It shows whether the server ended while the prompt ran.
CREATE TABLE attempts (
    prompt_id TEXT NOT NULL,
    n         INTEGER NOT NULL, -- from 1
    server    TEXT NOT NULL,
    boot      TEXT NOT NULL,    -- which life of the server it was sent to; empty if that is not known
    sent_at   REAL NOT NULL,
    began_at  REAL,
    ended_at  REAL,
    how       TEXT NOT NULL DEFAULT '', -- how the attempt ended, in words of the feeder; empty: not yet
    PRIMARY KEY (prompt_id, n)
) WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (server, sent_at) WHERE ended_at IS NULL;

CREATE TABLE servers (
    url       TEXT PRIMARY KEY,
    paused_at REAL,
    paused_by TEXT NOT NULL DEFAULT '',
    hold      TEXT NOT NULL DEFAULT '', -- in words, what keeps anything from being sent to it; empty: nothing does
    told      TEXT NOT NULL DEFAULT ''  -- in words, what else is to be told of it
) WITHOUT ROWID;

-- A message about a batch that does not hold it up. A reason that holds it up is in batches.trouble, as in release
-- 1.0.0. This is a table of its own, because that release cannot read a batch with columns that it does not know.
CREATE TABLE told (
    batch_id TEXT PRIMARY KEY,
    told     TEXT NOT NULL
) WITHOUT ROWID;
