-- The command that is run at the end of a batch, or of a prompt without one. It is kept with what it was wished for: who
-- feeds the server may have other settings. Without a row nothing is run, and release 1.0.0 makes none.
CREATE TABLE at_end (
    subject TEXT PRIMARY KEY, -- the id of the batch or prompt
    server  TEXT NOT NULL,
    command TEXT NOT NULL,
    told_at REAL              -- when it was run for the end that there is
) WITHOUT ROWID;
CREATE INDEX at_end_untold ON at_end (server) WHERE told_at IS NULL;

-- What has its command still to be run: it is over, or whoever feeds its server shall see when it is. What waits for a
-- server whose queue is paused is seen to when that goes on.
CREATE VIEW ends_to_tell AS
SELECT subject, at_end.server AS server FROM at_end JOIN batches ON batch_id = subject
WHERE told_at IS NULL AND batches.ended_at IS NOT NULL
UNION ALL
SELECT subject, at_end.server FROM at_end JOIN submissions ON prompt_id = subject
WHERE told_at IS NULL AND (stage <> 'waiting' OR ending IS NOT NULL);
