-- For pages of the list of prompts, in its order: prompts that wait for their server, and prompts that are over.
CREATE INDEX submissions_waiting ON submissions (server, submitted_at, position, prompt_id DESC, batch_id)
    WHERE stage = 'waiting' AND ending IS NULL AND retried_as IS NULL;
CREATE INDEX submissions_over
    ON submissions (server, coalesce(ended_at, submitted_at) DESC, position DESC, prompt_id DESC, batch_id, stage, ending)
    WHERE retried_as IS NULL AND (ending IS NOT NULL OR stage = 'refused');
