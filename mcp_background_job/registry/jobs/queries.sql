-- put --
-- Adds a job or brings it up to date; the rank of states keeps a late observer from moving a job back in its life.
INSERT INTO jobs (job_id, name, command, cwd, client, created_at, state, outcome, status, started_at, ended_at,
                  exit_code, signal, reason)
VALUES (:job_id, :name, :command, :cwd, :client, :created_at, :state, :outcome, :status, :started_at, :ended_at,
        :exit_code, :signal, :reason)
ON CONFLICT (job_id) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, status = excluded.status, started_at = excluded.started_at,
    ended_at = excluded.ended_at, exit_code = excluded.exit_code, signal = excluded.signal, reason = excluded.reason
WHERE state = excluded.state OR (state || '>' || excluded.state) IN (SELECT value FROM json_each(:transitions));

-- get --
SELECT * FROM jobs WHERE job_id = :job_id;

-- newest_named --
SELECT * FROM jobs WHERE name = :name ORDER BY created_at DESC, job_id DESC LIMIT 1;

-- page --
SELECT * FROM jobs
WHERE (:name IS NULL OR name = :name)
  AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY created_at DESC, job_id DESC LIMIT :limit OFFSET :offset;

-- unended --
SELECT * FROM jobs WHERE state <> 'exited' ORDER BY created_at, job_id;

-- ids --
SELECT job_id FROM jobs;

-- ended_before --
SELECT job_id FROM jobs WHERE ended_at < :moment;

-- unseen_endings --
SELECT * FROM jobs WHERE state = 'exited' AND ending_seen = 0 AND client = :client ORDER BY ended_at, job_id;

-- mark_seen --
UPDATE jobs SET ending_seen = 1 WHERE job_id IN (SELECT value FROM json_each(:job_ids));

-- forget --
DELETE FROM jobs WHERE job_id IN (SELECT value FROM json_each(:job_ids));
