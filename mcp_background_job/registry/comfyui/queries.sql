-- record --
INSERT OR REPLACE INTO submissions (prompt_id, server, submitted_at, note, client, front, number, stage, ending,
                                    ended_at, reason, is_ours, requeue, batch_id, position, graph_id, overrides,
                                    started_at, outputs, overdue_s, retried_as)
VALUES (:prompt_id, :server, :submitted_at, :note, :client, :front, :number, :stage, :end,
        :ended_at, :reason, :is_ours, :requeue, :batch_id, :position, :graph_id, :overrides,
        :started_at, :outputs, :overdue_s, :retried_as);

-- record_graph --
INSERT OR REPLACE INTO graphs (prompt_id, graph, extra_data) VALUES (:prompt_id, :graph, :extra_data);

-- get --
SELECT * FROM whole WHERE prompt_id = :prompt_id;

-- answered --
UPDATE submissions SET stage = :stage, number = :number WHERE prompt_id = :prompt_id;

-- refused --
UPDATE submissions SET stage = 'refused', reason = :reason WHERE prompt_id = :prompt_id;

-- ended --
-- An end stays, but "lost" is only what is said for want of a real one. What has really ended is not submitted again.
-- What was stopped for its time limit has failed, however the server calls it.
UPDATE submissions
SET ending = CASE WHEN overdue_s IS NULL OR :end IN ('completed', 'failed') THEN :end ELSE 'failed' END,
    reason = CASE WHEN overdue_s IS NULL OR :end IN ('completed', 'failed') THEN :reason
                  ELSE printf('stopped at its time limit of %g s', overdue_s) END,
    ended_at = :at, started_at = coalesce(:started_at, started_at), outputs = coalesce(:outputs, outputs),
    requeue = CASE WHEN :end = 'lost_to_restart' AND overdue_s IS NULL THEN requeue ELSE 0 END
WHERE prompt_id = :prompt_id AND (ending IS NULL OR (ending = 'lost_to_restart' AND :end <> 'lost_to_restart'));

-- keep_result --
INSERT OR IGNORE INTO results (prompt_id, content)
SELECT prompt_id, :content FROM submissions WHERE prompt_id = :prompt_id;

-- forget_result --
DELETE FROM results WHERE prompt_id = :prompt_id;

-- result --
SELECT content FROM results WHERE prompt_id = :prompt_id;

-- withdraw --
UPDATE submissions SET ending = 'cancelled', ended_at = :at
WHERE prompt_id = :prompt_id AND stage = 'waiting' AND ending IS NULL RETURNING prompt_id;

-- overdue --
UPDATE submissions SET overdue_s = :limit_s WHERE prompt_id = :prompt_id AND ending IS NULL;

-- want_requeue --
UPDATE submissions SET requeue = 1 WHERE prompt_id = :prompt_id;

-- resubmitted --
UPDATE submissions
SET stage = 'accepted', number = :number, submitted_at = :at, ending = NULL, ended_at = NULL, reason = '', requeue = 0,
    started_at = NULL, outputs = NULL, overdue_s = NULL
WHERE prompt_id = :prompt_id;

-- open_on --
SELECT * FROM whole WHERE server = :server AND ending IS NULL AND stage IN ('sending', 'accepted')
ORDER BY number IS NULL, number, submitted_at, prompt_id;

-- to_requeue --
SELECT * FROM whole WHERE server = :server AND requeue = 1 AND stage <> 'refused'
ORDER BY number IS NULL, number, submitted_at, prompt_id;

-- newest --
SELECT * FROM whole WHERE server = :server ORDER BY submitted_at DESC, prompt_id DESC LIMIT :limit;

-- page --
-- Without graphs, and without those that another took the place of. What has not ended comes first, in the order in which it will run; then the rest, newest first.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE server = :server AND retried_as IS NULL
  AND (:batch_id IS NULL OR batch_id = :batch_id)
  AND (:session_id IS NULL OR prompt_id IN (SELECT prompt_id FROM tracked WHERE session_id = :session_id))
  AND (:statuses = '[]' OR CASE WHEN stage = 'refused' THEN 'failed'
                                WHEN ending IS NOT NULL THEN ending
                                WHEN stage = 'waiting' THEN 'pending'
                                ELSE 'open' END IN (SELECT value FROM json_each(:statuses)))
ORDER BY ending IS NOT NULL OR stage = 'refused', stage = 'waiting',
         CASE WHEN ending IS NULL AND stage <> 'refused' THEN submitted_at END,
         CASE WHEN ending IS NULL AND stage <> 'refused' THEN position END,
         coalesce(ended_at, submitted_at) DESC, position DESC, prompt_id DESC
LIMIT :limit;

-- create_batch --
INSERT INTO batches (batch_id, server, created_at, client, note, max_queued, prompt_timeout_s, may_restart,
                     cancel_requested_at, cancel_requested_by, paused_at, trouble, ended_at)
VALUES (:batch_id, :server, :created_at, :client, :note, :max_queued, :prompt_timeout_s, :may_restart,
        :cancel_requested_at, :cancel_requested_by, :paused_at, :trouble, :ended_at);

-- batch --
SELECT * FROM batches WHERE batch_id = :batch_id;

-- newest_batches --
SELECT * FROM batches WHERE server = :server ORDER BY created_at DESC, batch_id DESC LIMIT :limit;

-- open_batches --
SELECT * FROM batches WHERE ended_at IS NULL ORDER BY created_at, batch_id;

-- counts --
SELECT stage, nullif(ending, '') AS ending, number FROM counts WHERE batch_id = :batch_id AND number > 0;

-- at_server --
-- Sent and not known to have ended; or gone with its server, to be sent again. Without graphs.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE batch_id = :batch_id AND retried_as IS NULL AND stage IN ('sending', 'accepted')
  AND (ending IS NULL OR ending = 'lost_to_restart')
ORDER BY position;

-- claim_next --
-- The wish to cancel or pause is looked at in the statement that makes the prompt one that is being sent. While a batch
-- has trouble nothing is claimed, so that what is being sent then was given up.
UPDATE submissions SET stage = 'sending', submitted_at = :at
WHERE prompt_id = (
    SELECT prompt_id FROM submissions
    WHERE batch_id = :batch_id AND retried_as IS NULL AND stage = 'waiting' AND ending IS NULL
    ORDER BY position LIMIT 1
) AND EXISTS (
    SELECT 1 FROM batches
    WHERE batch_id = :batch_id AND cancel_requested_at IS NULL AND paused_at IS NULL AND trouble = ''
)
RETURNING prompt_id;

-- request_cancel --
UPDATE batches SET cancel_requested_at = :at, cancel_requested_by = :by
WHERE batch_id = :batch_id AND cancel_requested_at IS NULL;

-- cancel_unsent --
UPDATE submissions SET ending = 'cancelled', ended_at = :at, requeue = 0, reason = ''
WHERE batch_id = :batch_id AND retried_as IS NULL
  AND ((stage = 'waiting' AND ending IS NULL) OR ending = 'lost_to_restart');

-- pause --
UPDATE batches SET paused_at = CASE WHEN :at IS NULL THEN NULL ELSE coalesce(paused_at, :at) END, trouble = :trouble
WHERE batch_id = :batch_id;

-- take_back --
-- To be sent again by its batch, or canceled if that is what was wished for meanwhile. What has an end keeps it.
UPDATE submissions
SET stage = 'waiting', number = NULL, requeue = 0, reason = '',
    ending = CASE WHEN canceled.at IS NULL THEN NULL ELSE 'cancelled' END, ended_at = canceled.at
FROM (SELECT batch_id, cancel_requested_at AS at FROM batches) AS canceled
WHERE submissions.batch_id = canceled.batch_id AND prompt_id = :prompt_id AND retried_as IS NULL
  AND stage IN ('sending', 'accepted') AND (ending IS NULL OR ending = 'lost_to_restart');

-- failed_in --
-- Without graphs: all of a batch may have failed.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE batch_id = :batch_id AND retried_as IS NULL AND (stage = 'refused' OR ending = 'failed') ORDER BY position
LIMIT :limit;

-- retried --
-- Two may try again at once, and somebody may cancel meanwhile.
UPDATE submissions SET retried_as = :retried_as
WHERE prompt_id = :prompt_id AND retried_as IS NULL AND EXISTS (
    SELECT 1 FROM batches WHERE batches.batch_id = submissions.batch_id AND cancel_requested_at IS NULL
);

-- note_trouble --
UPDATE batches SET trouble = :trouble WHERE batch_id = :batch_id AND trouble <> :trouble;

-- end_batch --
-- What was counted before may have changed: a failed prompt that is tried again opens its batch.
UPDATE batches SET ended_at = :at, trouble = ''
WHERE batch_id = :batch_id AND ended_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM submissions
    WHERE batch_id = :batch_id AND retried_as IS NULL AND stage <> 'refused'
      AND (ending IS NULL OR ending = 'lost_to_restart')
);

-- reopen_batch --
UPDATE batches SET ended_at = NULL WHERE batch_id = :batch_id;

-- new_session --
INSERT INTO sessions (session_id, name, created_at, directory) VALUES (:session_id, :name, :created_at, :directory);

-- session --
SELECT * FROM sessions WHERE session_id = :session_id;

-- sessions_named --
SELECT * FROM sessions WHERE name = :name ORDER BY created_at, session_id;

-- current_session --
SELECT * FROM sessions WHERE directory = :directory ORDER BY created_at DESC, session_id DESC LIMIT 1;

-- newest_sessions --
SELECT sessions.*, (SELECT count(*) FROM tracked WHERE tracked.session_id = sessions.session_id) AS prompts
FROM sessions ORDER BY created_at DESC, session_id DESC LIMIT :limit;

-- track --
INSERT INTO tracked (session_id, prompt_id, queued_at, note, downloaded, output_dir)
VALUES (:session_id, :prompt_id, :queued_at, :note, :downloaded, :output_dir)
ON CONFLICT (session_id, prompt_id) DO UPDATE SET
    note = CASE WHEN excluded.note = '' THEN note ELSE excluded.note END,
    downloaded = max(downloaded, excluded.downloaded),
    output_dir = CASE WHEN excluded.output_dir = '' THEN output_dir ELSE excluded.output_dir END;

-- tracked_in --
SELECT * FROM tracked WHERE session_id = :session_id ORDER BY queued_at, prompt_id;

-- strangers --
SELECT prompt_id FROM tracked
WHERE session_id = :session_id AND NOT EXISTS (SELECT 1 FROM submissions WHERE prompt_id = tracked.prompt_id)
ORDER BY queued_at DESC, prompt_id LIMIT :limit;

-- note_download --
UPDATE tracked SET downloaded = 1, output_dir = :output_dir WHERE prompt_id = :prompt_id;
-- record_download --
INSERT OR REPLACE INTO downloads (prompt_id, type, subfolder, filename, path, size, sha256, at)
VALUES (:prompt_id, :type, :subfolder, :filename, :path, :size, :sha256, :at);

-- download --
SELECT * FROM downloads
WHERE prompt_id = :prompt_id AND type = :type AND subfolder = :subfolder AND filename = :filename;
