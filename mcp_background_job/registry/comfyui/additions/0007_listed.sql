-- For pages of the list of prompts: the word that a prompt is listed as, and its place among prompts of the same word.
-- Waiting prompts are listed in the order in which they will run, prompts that are over newest first. The columns are
-- computed, because release 1.0.0 writes submissions too and does not know of them.
ALTER TABLE submissions ADD COLUMN listed_as TEXT AS (
    CASE WHEN stage = 'refused' THEN iif(ending IS NULL AND reason = '', 'not_sent', 'failed')
         WHEN ending IS NOT NULL THEN ending
         ELSE iif(stage = 'waiting', 'pending', 'open') END
);
ALTER TABLE submissions ADD COLUMN listed_at REAL AS (
    iif(ending IS NULL AND stage <> 'refused', submitted_at, -coalesce(ended_at, submitted_at))
);
ALTER TABLE submissions ADD COLUMN listed_by INTEGER AS (
    iif(ending IS NULL AND stage <> 'refused', coalesce(position, 0), -coalesce(position, 0))
);
CREATE INDEX submissions_listed ON submissions (server, listed_as, listed_at, listed_by, prompt_id DESC)
    WHERE retried_as IS NULL;
CREATE INDEX submissions_listed_of_batch ON submissions (batch_id, listed_as, listed_at, listed_by, prompt_id DESC)
    WHERE retried_as IS NULL AND batch_id IS NOT NULL;

-- The two new indexes replace these.
DROP INDEX submissions_waiting;
DROP INDEX submissions_over;
