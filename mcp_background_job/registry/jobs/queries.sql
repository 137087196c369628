-- put --
-- Adds a job or brings it up to date. The transitions keep a late observer from moving a job back in its life.
INSERT INTO jobs (job_id, name, command, cwd, client, created_at, state, outcome, status, started_at, ended_at,
                  exit_code, signal, reason, project, reader, parent, is_own, timeout_s)
VALUES (:job_id, :name, :command, :cwd, :client, :created_at, :state, :outcome, :status, :started_at, :ended_at,
        :exit_code, :signal, :reason, :project, :reader, :parent, :is_own, :timeout_s)
ON CONFLICT (job_id) DO UPDATE SET
    state = excluded.state, outcome = excluded.outcome, status = excluded.status, started_at = excluded.started_at,
    ended_at = excluded.ended_at, exit_code = excluded.exit_code, signal = excluded.signal, reason = excluded.reason
WHERE state = excluded.state OR (state || '>' || excluded.state) IN (SELECT value FROM json_each(:transitions));

-- get --
SELECT * FROM jobs WHERE job_id = :job_id;

-- newest_named --
SELECT * FROM jobs WHERE name = :name AND project = :project ORDER BY created_at DESC, job_id DESC LIMIT 1;

-- named --
-- Goes from project to project of a name without reading all its jobs: one project may have very many.
WITH RECURSIVE projects (project) AS (
    SELECT min(project) FROM jobs WHERE name = :name
    UNION ALL
    SELECT (SELECT min(project) FROM jobs WHERE name = :name AND project > projects.project)
    FROM projects WHERE projects.project IS NOT NULL
)
SELECT jobs.* FROM projects JOIN jobs ON job_id = (
    SELECT job_id FROM jobs WHERE name = :name AND project = projects.project
    ORDER BY created_at DESC, job_id DESC LIMIT 1
)
ORDER BY jobs.project;

-- page --
-- Pages first choose keys, which indexes hold, so rows that are passed over are not read. And they end with the last job
-- that is counted: to look for more of a rare status would pass over all.
SELECT * FROM jobs WHERE job_id IN (
    SELECT job_id FROM jobs
    WHERE (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    ORDER BY state = 'exited', created_at DESC, job_id DESC
    LIMIT max(0, min(:limit, -:offset + (
        SELECT coalesce(sum(number), 0) FROM counts
        WHERE (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
        AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    ))) OFFSET :offset
) ORDER BY state = 'exited', created_at DESC, job_id DESC;

-- page_of_project --
SELECT * FROM jobs WHERE job_id IN (
    SELECT job_id FROM jobs
    WHERE project = :project AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    ORDER BY state = 'exited', created_at DESC, job_id DESC
    LIMIT max(0, min(:limit, -:offset + (
        SELECT coalesce(sum(number), 0) FROM counts
        WHERE project = :project AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
        AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    ))) OFFSET :offset
) ORDER BY state = 'exited', created_at DESC, job_id DESC;

-- page_of_name --
SELECT * FROM jobs WHERE job_id IN (
    SELECT job_id FROM jobs
    WHERE name = :name AND (:project IS NULL OR project = :project)
    AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    ORDER BY state = 'exited', created_at DESC, job_id DESC LIMIT :limit OFFSET :offset
) ORDER BY state = 'exited', created_at DESC, job_id DESC;

-- page_found --
-- No index holds what these choose by, so each row between the two ages is read.
SELECT * FROM jobs
WHERE (created_at, job_id) < (:before, :before_id) AND (created_at, job_id) >= (:since, :since_id)
    AND (:project IS NULL OR project = :project)
    AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:name IS NULL OR name = :name)
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    AND (:text IS NULL OR instr(lower(coalesce(name, '') || ' ' || job_id || ' ' || command), :text))
ORDER BY state = 'exited', created_at DESC, job_id DESC LIMIT :limit OFFSET :offset;

-- behind --
SELECT created_at, job_id FROM jobs WHERE (created_at, job_id) < (:before, :before_id)
ORDER BY created_at DESC, job_id DESC LIMIT 1 OFFSET :number - 1;

-- count --
SELECT coalesce(sum(number) FILTER (WHERE :project IS NULL OR project = :project), 0) AS meant,
       coalesce(sum(number), 0) AS everywhere FROM counts
WHERE (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond));

-- count_of_name --
SELECT coalesce(sum(:project IS NULL OR project = :project), 0) AS meant, count(*) AS everywhere FROM jobs
WHERE name = :name AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond));

-- count_found --
SELECT coalesce(sum(:project IS NULL OR project = :project), 0) AS meant, count(*) AS everywhere FROM jobs
WHERE (created_at, job_id) < (:before, :before_id) AND (created_at, job_id) >= (:since, :since_id)
    AND (:statuses = '[]' OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:name IS NULL OR name = :name)
    AND (:cwd IS NULL OR cwd = :cwd OR (cwd >= :below AND cwd < :beyond))
    AND (:text IS NULL OR instr(lower(coalesce(name, '') || ' ' || job_id || ' ' || command), :text));

-- projects --
SELECT project, sum(number) AS number FROM counts
WHERE typeof(project) = 'text' AND project <> '' GROUP BY project;

-- children --
SELECT * FROM jobs WHERE parent IN (SELECT value FROM json_each(:job_ids)) ORDER BY created_at, job_id LIMIT :limit;

-- unended --
SELECT * FROM jobs WHERE state <> 'exited' ORDER BY created_at, job_id;

-- ids --
SELECT job_id FROM jobs WHERE job_id > :after ORDER BY job_id LIMIT :limit;

-- known_among --
SELECT job_id FROM json_each(:job_ids) CROSS JOIN jobs ON job_id = value;

-- ended_before --
SELECT job_id FROM jobs WHERE ended_at < :moment ORDER BY ended_at, job_id LIMIT :limit OFFSET :offset;

-- without_origin --
SELECT job_id FROM jobs WHERE is_own IS NULL AND (:name IS NULL OR name = :name) LIMIT :limit;

-- fill_origin --
UPDATE jobs SET project = :project, reader = :reader, parent = :parent, is_own = :is_own,
                timeout_s = :timeout_s
WHERE job_id = :job_id;

-- forget --
DELETE FROM jobs WHERE job_id IN (SELECT value FROM json_each(:job_ids));

-- passed --
SELECT stamp FROM passes WHERE what = :what;

-- note_pass --
INSERT INTO passes (what, stamp) VALUES (:what, :stamp) ON CONFLICT DO UPDATE SET stamp = excluded.stamp;

-- put_run --
INSERT INTO runs (run_id, backend, agent_name, session_id, cwd, created_at, status, project)
VALUES (:run_id, :backend, :agent_name, :session_id, :cwd, :created_at, :status, :project)
ON CONFLICT DO UPDATE SET status = coalesce(excluded.status, status);

-- runs --
SELECT * FROM runs
WHERE (:status IS NULL OR status = :status) AND (:backend IS NULL OR backend = :backend)
  AND (:cwd IS NULL OR cwd = :cwd) AND (:agent_name IS NULL OR agent_name = :agent_name)
  AND (:session_id IS NULL OR session_id = :session_id) AND (:project IS NULL OR project = :project)
ORDER BY created_at DESC, run_id DESC LIMIT :limit OFFSET :offset;

-- count_runs --
SELECT coalesce(sum(:project IS NULL OR project = :project), 0) AS meant, count(*) AS everywhere FROM runs
WHERE (:status IS NULL OR status = :status) AND (:backend IS NULL OR backend = :backend)
  AND (:cwd IS NULL OR cwd = :cwd) AND (:agent_name IS NULL OR agent_name = :agent_name)
  AND (:session_id IS NULL OR session_id = :session_id);

-- live_runs --
SELECT * FROM runs WHERE status IS NULL ORDER BY created_at DESC, run_id DESC;

-- run_ids --
SELECT run_id FROM runs;

-- forget_runs --
DELETE FROM runs WHERE run_id IN (SELECT value FROM json_each(:run_ids));
