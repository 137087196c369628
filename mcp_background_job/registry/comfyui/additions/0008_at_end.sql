-- The command that runs at the end of a batch, or of a prompt without one. It is stored, because the process that feeds
-- the server may have other settings. Without a row nothing runs, and release 1.0.0 writes no rows.
CREATE TABLE at_end (
    subject TEXT PRIMARY KEY, -- the id of the batch or prompt
    server  TEXT NOT NULL,
    command TEXT NOT NULL,
    told_at REAL              -- when it was run for the end that there is
) WITHOUT ROWID;
CREATE INDEX at_end_untold ON at_end (server) WHERE told_at IS NULL;

-- Ends whose command has yet to run: the subject is over, or the feeder of its server must look when it is. A prompt
-- that waits for a server with a paused queue is looked after when the queue goes on.
CREATE VIEW ends_to_tell AS
SELECT subject, at_end.server AS server FROM at_end JOIN batches ON batch_id = subject
WHERE told_at IS NULL AND batches.ended_at IS NOT NULL
UNION ALL
SELECT subject, at_end.server FROM at_end JOIN submissions ON prompt_id = subject
WHERE told_at IS NULL AND (stage <> 'waiting' OR ending IS NOT NULL);
