-- What the feeder of a server writes: one process per server, which decides what is sent next.

-- Higher goes first; among equals the lower rank, and without one the position.
ALTER TABLE submissions ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE submissions ADD COLUMN rank REAL;
CREATE INDEX submissions_next ON submissions (server, priority DESC, coalesce(rank, position), submitted_at, prompt_id)
    WHERE stage = 'waiting' AND ending IS NULL AND retried_as IS NULL;

-- One row for each time that a prompt was sent. A prompt whose server ended while it ran keeps the trace of that.
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

-- What a batch has to tell that does not hold it. What holds it stays in batches.trouble, as release 1.0.0 has it, and
-- this is a table of its own, because that release cannot read a batch with columns that it does not know.
CREATE TABLE told (
    batch_id TEXT PRIMARY KEY,
    told     TEXT NOT NULL
) WITHOUT ROWID;
