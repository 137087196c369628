-- record --
INSERT OR REPLACE INTO submissions (prompt_id, server, submitted_at, note, client, front, number, stage, ending,
                                    ended_at, reason, is_ours, requeue)
VALUES (:prompt_id, :server, :submitted_at, :note, :client, :front, :number, :stage, :end,
        :ended_at, :reason, :is_ours, :requeue);

-- record_graph --
INSERT OR REPLACE INTO graphs (prompt_id, graph, extra_data) VALUES (:prompt_id, :graph, :extra_data);

-- get --
SELECT * FROM whole WHERE prompt_id = :prompt_id;

-- answered --
UPDATE submissions SET stage = :stage, number = :number WHERE prompt_id = :prompt_id;

-- ended --
-- An end stays, but "lost" is only what is said for want of a real one. What has really ended is not submitted again.
UPDATE submissions
SET ending = :end, ended_at = :at, reason = :reason,
    requeue = CASE WHEN :end = 'lost_to_restart' THEN requeue ELSE 0 END
WHERE prompt_id = :prompt_id AND (ending IS NULL OR (ending = 'lost_to_restart' AND :end <> 'lost_to_restart'));

-- want_requeue --
UPDATE submissions SET requeue = 1 WHERE prompt_id = :prompt_id;

-- resubmitted --
UPDATE submissions
SET stage = 'accepted', number = :number, submitted_at = :at, ending = NULL, ended_at = NULL, reason = '', requeue = 0
WHERE prompt_id = :prompt_id;

-- open_on --
SELECT * FROM whole WHERE server = :server AND ending IS NULL AND stage <> 'refused'
ORDER BY number IS NULL, number, submitted_at, prompt_id;

-- to_requeue --
SELECT * FROM whole WHERE server = :server AND requeue = 1 AND stage <> 'refused'
ORDER BY number IS NULL, number, submitted_at, prompt_id;

-- newest --
SELECT * FROM whole WHERE server = :server ORDER BY submitted_at DESC, prompt_id DESC LIMIT :limit;

-- record_download --
INSERT OR REPLACE INTO downloads (prompt_id, type, subfolder, filename, path, size, sha256, at)
VALUES (:prompt_id, :type, :subfolder, :filename, :path, :size, :sha256, :at);

-- download --
SELECT * FROM downloads
WHERE prompt_id = :prompt_id AND type = :type AND subfolder = :subfolder AND filename = :filename;
