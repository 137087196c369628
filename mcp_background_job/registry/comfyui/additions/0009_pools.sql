-- Several servers that share batches. The server of their batch, and of its waiting prompts, is the name of their pool.
-- The server of a sent prompt is the member that has it. Until such a batch is over, its ended_at is 0: release 1.0.0,
-- which does not know pools, then takes it for over and leaves it alone.
CREATE TABLE members (
    pool TEXT NOT NULL,
    url  TEXT NOT NULL,
    PRIMARY KEY (pool, url)
) WITHOUT ROWID;
CREATE INDEX members_by_url ON members (url);
CREATE INDEX batches_open_of_pools ON batches (server, created_at, batch_id) WHERE ended_at = 0;

-- The last look of a member's feeder at its queue.
CREATE TABLE loads (
    url    TEXT PRIMARY KEY,
    at     REAL NOT NULL,
    queued INTEGER NOT NULL -- prompts of anybody that run or wait there
) WITHOUT ROWID;

-- Members that have refused a prompt: it is offered to other members, but not to these again.
CREATE TABLE refusals (
    prompt_id TEXT NOT NULL,
    server    TEXT NOT NULL,
    reason    TEXT NOT NULL,
    PRIMARY KEY (prompt_id, server)
) WITHOUT ROWID;

-- Prompts that were given up at a member that did not answer, and run elsewhere. If that member comes back with one, it
-- is taken out there.
CREATE TABLE given_up (
    prompt_id TEXT NOT NULL,
    server    TEXT NOT NULL,
    at        REAL NOT NULL,
    by        TEXT NOT NULL,
    PRIMARY KEY (server, prompt_id)
) WITHOUT ROWID;

DROP VIEW ends_to_tell;
CREATE VIEW ends_to_tell AS
SELECT subject, at_end.server AS server FROM at_end JOIN batches ON batch_id = subject
WHERE told_at IS NULL AND batches.ended_at > 0
UNION ALL
SELECT subject, at_end.server FROM at_end JOIN submissions ON prompt_id = subject
WHERE told_at IS NULL AND (stage <> 'waiting' OR ending IS NOT NULL);
