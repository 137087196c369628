-- record --
INSERT OR REPLACE INTO submissions (prompt_id, server, submitted_at, note, client, front, number, stage, ending,
                                    ended_at, reason, is_ours, requeue, batch_id, position, graph_id, overrides,
                                    started_at, outputs, overdue_s, retried_as)
VALUES (:prompt_id, :server, :submitted_at, :note, :client, :front, :number, :stage, :end,
        :ended_at, :reason, :is_ours, :requeue, :batch_id, :position, :graph_id, :overrides,
        :started_at, :outputs, :overdue_s, :retried_as);

-- record_graph --
INSERT OR REPLACE INTO graphs (prompt_id, graph, extra_data) VALUES (:prompt_id, :graph, :extra_data);

-- spellings --
-- Goes from one spelling to the next in the index: there are a few, in perhaps 100,000 rows.
WITH RECURSIVE spelling (server) AS (
    SELECT min(server) FROM submissions
    UNION ALL
    SELECT (SELECT min(server) FROM submissions WHERE server > spelling.server) FROM spelling
    WHERE spelling.server IS NOT NULL
)
SELECT server FROM spelling WHERE server IS NOT NULL;

-- parted --
-- Goes likewise through the servers that were jobs of a cluster; those that are members still are left out.
WITH RECURSIVE past (server) AS (
    SELECT min(server) FROM submissions WHERE server > 'job:' AND server < 'job;'
    UNION ALL
    SELECT (SELECT min(server) FROM submissions WHERE server > past.server AND server < 'job;') FROM past
    WHERE past.server IS NOT NULL
)
SELECT server FROM past WHERE server IS NOT NULL AND server NOT IN (SELECT url FROM members)
ORDER BY (SELECT max(submitted_at) FROM submissions WHERE server = past.server) DESC LIMIT :limit;

-- rename_server --
UPDATE submissions SET server = :server WHERE server = :spelling;

-- rename_server_of_attempts --
UPDATE attempts SET server = :server WHERE server = :spelling;

-- rename_server_of_batches --
UPDATE batches SET server = :server WHERE server = :spelling;

-- get --
SELECT * FROM whole WHERE prompt_id = :prompt_id;

-- answered --
UPDATE submissions SET stage = :stage, number = :number WHERE prompt_id = :prompt_id;

-- refused --
UPDATE submissions SET stage = 'refused', reason = :reason WHERE prompt_id = :prompt_id;

-- ended --
-- A known end stays, but any other replaces "lost", which stands for a missing one. A prompt with a real end is not
-- submitted again. A prompt that was stopped for its time limit has failed, whatever the server calls it.
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
-- Without graphs, and without prompts that were replaced. Prompts at the server come first, then those that wait for
-- it, both in the order in which they run, then the rest, newest first. An index holds the prompts of each word in
-- order and cuts each word by itself, so a page does not look through the whole journal, even if a word is rare.
SELECT submissions.*, '' AS graph, '{}' AS extra_data
FROM json_each(:statuses) AS asked
JOIN submissions ON submissions.rowid IN (
    SELECT rowid FROM submissions AS one INDEXED BY submissions_listed
    WHERE server = :server AND listed_as = asked.value AND retried_as IS NULL
      AND (:session_id IS NULL
           OR EXISTS (SELECT 1 FROM tracked WHERE session_id = :session_id AND tracked.prompt_id = one.prompt_id))
    ORDER BY listed_at, listed_by, prompt_id DESC LIMIT :limit
)
ORDER BY CASE listed_as WHEN 'open' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, listed_at, listed_by, prompt_id DESC
LIMIT :limit;

-- page_of_batch --
SELECT submissions.*, '' AS graph, '{}' AS extra_data
FROM json_each(:statuses) AS asked
JOIN submissions ON submissions.rowid IN (
    SELECT rowid FROM submissions AS one INDEXED BY submissions_listed_of_batch
    WHERE batch_id = :batch_id AND listed_as = asked.value AND retried_as IS NULL
      AND (:session_id IS NULL
           OR EXISTS (SELECT 1 FROM tracked WHERE session_id = :session_id AND tracked.prompt_id = one.prompt_id))
    ORDER BY listed_at, listed_by, prompt_id DESC LIMIT :limit
)
ORDER BY CASE listed_as WHEN 'open' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, listed_at, listed_by, prompt_id DESC
LIMIT :limit;

-- page_of_session --
-- For a session that tracks few: they may be far apart in the whole list. CROSS makes SQLite begin with the tracked
-- ones.
SELECT submissions.*, '' AS graph, '{}' AS extra_data
FROM tracked CROSS JOIN submissions USING (prompt_id)
WHERE session_id = :session_id AND server = :server AND retried_as IS NULL
  AND listed_as IN (SELECT value FROM json_each(:statuses))
ORDER BY CASE listed_as WHEN 'open' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, listed_at, listed_by, prompt_id DESC
LIMIT :limit;

-- tracks_more_than --
SELECT EXISTS (SELECT 1 FROM tracked WHERE session_id = :session_id LIMIT 1 OFFSET :number) AS more;

-- create_batch --
INSERT INTO batches (batch_id, server, created_at, client, note, max_queued, prompt_timeout_s, may_restart,
                     cancel_requested_at, cancel_requested_by, paused_at, trouble, ended_at)
VALUES (:batch_id, :server, :created_at, :client, :note, :max_queued, :prompt_timeout_s, :may_restart,
        :cancel_requested_at, :cancel_requested_by, :paused_at, :trouble, :ended_at);

-- batch --
SELECT * FROM batches WHERE batch_id = :batch_id;

-- ended_batches --
SELECT * FROM batches WHERE ended_at > max(0, :since) ORDER BY ended_at, batch_id;

-- newest_batches --
SELECT * FROM batches WHERE server = :server ORDER BY created_at DESC, batch_id DESC LIMIT :limit;

-- open_batches --
-- The plus keeps SQLite from looking through batches that are over. Batches of pools have 0 until they are over, see
-- addition 0009.
SELECT * FROM batches WHERE +server = :server AND ended_at IS NULL
UNION ALL
SELECT * FROM batches WHERE server = :server AND ended_at = 0
ORDER BY created_at, batch_id;

-- open_batches_of_pools --
SELECT batches.* FROM members JOIN batches ON batches.server = members.pool
WHERE members.url = :url AND ended_at = 0 ORDER BY created_at, batch_id;

-- join --
INSERT OR IGNORE INTO members (pool, url) VALUES (:pool, :url);

-- part --
DELETE FROM members WHERE url = :url;

-- members --
-- Prompts of this program count once they are sent, others when the member's feeder has seen them.
SELECT members.url AS url, coalesce(servers.hold, '') AS hold, servers.paused_at IS NOT NULL AS is_paused,
       loads.at AS heard_at, coalesce(loads.queued, 0) AS queued,
       (SELECT count(*) FROM submissions INDEXED BY submissions_open
        WHERE server = members.url AND ending IS NULL AND stage IN ('sending', 'accepted')) AS sent,
       EXISTS (
           SELECT 1 FROM submissions INDEXED BY submissions_next JOIN batches USING (batch_id)
           WHERE submissions.server = :pool AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
             AND batches.server = :pool AND batches.ended_at = 0
             AND batches.cancel_requested_at IS NULL AND batches.paused_at IS NULL
             AND NOT EXISTS (
                 SELECT 1 FROM refusals
                 WHERE refusals.prompt_id = submissions.prompt_id AND refusals.server = members.url
             )
       ) AS has_choice
FROM members LEFT JOIN servers ON servers.url = members.url LEFT JOIN loads ON loads.url = members.url
WHERE members.pool = :pool ORDER BY members.url;

-- share_a_pool --
SELECT 1 FROM members JOIN members AS others USING (pool) WHERE members.url = :url AND others.url = :other LIMIT 1;

-- server_of --
SELECT server FROM submissions WHERE prompt_id = :prompt_id;

-- move_wished --
UPDATE submissions SET server = :new WHERE server = :old AND requeue = 1 AND batch_id IS NULL;

-- hear --
INSERT OR REPLACE INTO loads (url, at, queued) VALUES (:url, :at, :queued);

-- refused_by --
INSERT OR REPLACE INTO refusals (prompt_id, server, reason) VALUES (:prompt_id, :server, :reason);

-- refusals --
SELECT server, reason FROM refusals WHERE prompt_id = :prompt_id ORDER BY server;

-- give_up --
INSERT OR IGNORE INTO given_up (prompt_id, server, at, by) VALUES (:prompt_id, :server, :at, :by);

-- given_up_on --
SELECT prompt_id FROM given_up WHERE server = :server;

-- forget_given_up --
DELETE FROM given_up WHERE server = :server AND prompt_id = :prompt_id;

-- servers_with_work --
-- Batches that are not over, and waiting prompts without a batch: those wait only for a server that has a row here.
SELECT server FROM batches WHERE ended_at IS NULL
UNION
SELECT url FROM batches JOIN members ON pool = server WHERE ended_at = 0
UNION
SELECT url FROM servers WHERE paused_at IS NULL AND EXISTS (
    SELECT 1 FROM submissions
    WHERE server = url AND batch_id IS NULL AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
)
UNION
SELECT server FROM ends_to_tell;

-- server --
SELECT * FROM servers WHERE url = :url;

-- hold --
INSERT INTO servers (url, hold) VALUES (:url, :hold)
ON CONFLICT DO UPDATE SET hold = excluded.hold WHERE hold <> excluded.hold;

-- pause_server --
INSERT INTO servers (url, paused_at, paused_by) VALUES (:url, :at, :by)
ON CONFLICT DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by WHERE paused_at IS NULL;

-- resume_server --
UPDATE servers SET paused_at = NULL, paused_by = '' WHERE url = :url;

-- to_be_fed --
-- A prompt without a batch comes behind those that were taken back, see take_back_single, and before those of batches.
UPDATE submissions SET rank = -1 WHERE prompt_id = :prompt_id AND batch_id IS NULL AND rank IS NULL;

-- move --
-- A prompt that goes to the front also goes before all prompts that the server has.
UPDATE submissions SET rank = :rank, front = :front
WHERE prompt_id = :prompt_id AND stage = 'waiting' AND ending IS NULL;

-- want_no_requeue --
UPDATE submissions SET requeue = 0 WHERE prompt_id = :prompt_id;

-- waiting_singles --
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE server = :url AND batch_id IS NULL AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
ORDER BY priority DESC, coalesce(rank, position), submitted_at, prompt_id;

-- tell_of_server --
INSERT INTO servers (url, told) VALUES (:url, :told)
ON CONFLICT DO UPDATE SET told = excluded.told WHERE told <> excluded.told;

-- end_feeding --
-- Only if no work is left: a process that records work after this sees that it needs another feeder.
INSERT INTO servers (url, feeder_ended)
SELECT :url, :feeder WHERE NOT EXISTS (SELECT 1 FROM batches WHERE +server = :url AND ended_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM members JOIN batches ON server = pool WHERE members.url = :url AND ended_at = 0)
  AND NOT EXISTS (SELECT 1 FROM ends_to_tell WHERE server = :url)
  AND (EXISTS (SELECT 1 FROM servers WHERE url = :url AND paused_at IS NOT NULL) OR NOT EXISTS (
    SELECT 1 FROM submissions
    WHERE server = :url AND batch_id IS NULL AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
  ))
ON CONFLICT DO UPDATE SET feeder_ended = excluded.feeder_ended;

-- waits_alone --
SELECT 1 FROM submissions
WHERE server = :url AND batch_id IS NULL AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL LIMIT 1;

-- counts --
SELECT stage, nullif(ending, '') AS ending, number FROM counts WHERE batch_id = :batch_id AND number > 0;

-- at_server --
-- Sent without a known end, or lost with the server and to be sent again. Without graphs. Each kind has a query of its
-- own: with an OR, SQLite looks through all prompts that have ended.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE batch_id = :batch_id AND retried_as IS NULL AND stage IN ('sending', 'accepted') AND ending IS NULL
UNION ALL
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE batch_id = :batch_id AND retried_as IS NULL AND stage IN ('sending', 'accepted') AND ending = 'lost_to_restart'
ORDER BY position;

-- is_sending --
-- The index holds these two stages.
SELECT 1 FROM submissions INDEXED BY submissions_open
WHERE server = :server AND ending IS NULL AND stage IN ('sending', 'accepted') AND stage = 'sending'
  AND (:batch_id IS NULL OR batch_id = :batch_id)
LIMIT 1;

-- claim_next --
-- The statement that marks the prompt as being sent also checks the wishes to cancel or pause. No prompt of a batch
-- with trouble is claimed, so a prompt that is being sent then was given up. Waiting prompts without a batch were taken
-- back when their server was paused, or came while it was. A prompt that waits for a pool belongs to the claiming
-- server from now on.
UPDATE submissions SET stage = 'sending', submitted_at = :at, server = :server
WHERE prompt_id = (
    SELECT prompt_id FROM (
        SELECT (
            SELECT prompt_id FROM submissions
            WHERE submissions.server = batches.server AND submissions.batch_id = batches.batch_id
              AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
              AND NOT EXISTS (
                  SELECT 1 FROM refusals
                  WHERE refusals.prompt_id = submissions.prompt_id AND refusals.server = :server
              )
              AND NOT EXISTS (
                  SELECT 1 FROM given_up
                  WHERE given_up.server = :server AND given_up.prompt_id = submissions.prompt_id
              )
            ORDER BY priority DESC, coalesce(rank, position), submitted_at, prompt_id LIMIT 1
        ) AS prompt_id
        FROM batches
        WHERE batch_id IN (SELECT value FROM json_each(:batch_ids))
          AND (server = :server OR EXISTS (SELECT 1 FROM members WHERE pool = batches.server AND url = :server))
          AND cancel_requested_at IS NULL AND paused_at IS NULL AND trouble = ''
        UNION ALL
        SELECT (
            SELECT prompt_id FROM submissions
            WHERE server = :server AND batch_id IS NULL AND stage = 'waiting' AND ending IS NULL AND retried_as IS NULL
            ORDER BY priority DESC, coalesce(rank, position), submitted_at, prompt_id LIMIT 1
        )
    ) JOIN submissions USING (prompt_id)
    ORDER BY priority DESC, coalesce(rank, position), submitted_at, prompt_id LIMIT 1
)
AND NOT EXISTS (SELECT 1 FROM servers WHERE url = :server AND (paused_at IS NOT NULL OR hold <> ''))
-- A prompt that ran when its server ended is sent alone: if the server ends again, the cause is known.
AND (:is_alone OR NOT EXISTS (
    SELECT 1 FROM attempts WHERE attempts.prompt_id = submissions.prompt_id AND how = 'server ended'
))
RETURNING prompt_id;

-- attempts_of --
SELECT * FROM attempts WHERE prompt_id = :prompt_id ORDER BY n;

-- last_fatal --
SELECT * FROM attempts WHERE server = :server AND how = 'server ended' ORDER BY ended_at DESC LIMIT 1;

-- began --
UPDATE attempts SET began_at = :at WHERE prompt_id = :prompt_id AND ended_at IS NULL AND began_at IS NULL;

-- server_ended --
-- Only for the newest attempt. Another process may already have noted that the prompt was lost, without the reason.
UPDATE attempts SET how = 'server ended', ended_at = coalesce(ended_at, :at), began_at = coalesce(began_at, :at)
WHERE prompt_id = :prompt_id AND how IN ('', 'lost')
  AND n = (SELECT max(n) FROM attempts WHERE prompt_id = :prompt_id);

-- about_to_end --
UPDATE attempts SET how = 'ended by us' WHERE server = :server AND ended_at IS NULL;

-- attempt_boot --
UPDATE attempts SET boot = :boot WHERE prompt_id = :prompt_id AND ended_at IS NULL;

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
-- Each is to be sent again, or canceled if its batch was canceled meanwhile. A known end stays. A prompt of a pool
-- waits for any member of it.
UPDATE submissions
SET stage = 'waiting', number = NULL, requeue = 0, reason = '', server = canceled.server,
    ending = CASE WHEN canceled.at IS NULL THEN NULL ELSE 'cancelled' END, ended_at = canceled.at
FROM (SELECT batch_id, server, cancel_requested_at AS at FROM batches) AS canceled
WHERE submissions.batch_id = canceled.batch_id AND prompt_id = :prompt_id AND retried_as IS NULL
  AND stage IN ('sending', 'accepted') AND (ending IS NULL OR ending = 'lost_to_restart');

-- take_back_single --
-- They keep their order, before prompts that come later and before those of batches.
UPDATE submissions
SET stage = 'waiting', rank = coalesce(number, 0) - 1e12, number = NULL, requeue = 0, reason = ''
WHERE prompt_id = :prompt_id AND batch_id IS NULL AND stage IN ('sending', 'accepted') AND ending IS NULL;

-- fed_singles --
-- Prompts that the feeder has sent have a rank. The process that submits another one sends it itself.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE server = :server AND batch_id IS NULL AND rank IS NOT NULL AND stage IN ('sending', 'accepted') AND ending IS NULL
ORDER BY number IS NULL, number, submitted_at;

-- failed_in --
-- Without graphs: all prompts of a batch may have failed.
SELECT *, '' AS graph, '{}' AS extra_data FROM submissions
WHERE batch_id = :batch_id AND retried_as IS NULL AND (stage = 'refused' OR ending = 'failed') ORDER BY position
LIMIT :limit;

-- retried --
-- Two processes may retry at once, and another may cancel meanwhile.
UPDATE submissions SET retried_as = :retried_as
WHERE prompt_id = :prompt_id AND retried_as IS NULL AND EXISTS (
    SELECT 1 FROM batches WHERE batches.batch_id = submissions.batch_id AND cancel_requested_at IS NULL
);

-- hold_batch --
-- Notes of others stay, such as why a batch is paused. A reason that holds its server is also noted in the batch, see
-- hold.
UPDATE batches SET trouble = :hold
WHERE batch_id = :batch_id AND ended_at IS NULL AND trouble <> :hold
  AND (trouble = '' OR trouble = (SELECT hold FROM servers WHERE url = batches.server));

-- take_over --
-- A process that worked on it before may have died and left trouble that nothing else would clear.
UPDATE batches SET trouble = '' WHERE batch_id = :batch_id AND paused_at IS NULL;

-- tell_of_batch --
INSERT INTO told (batch_id, told) VALUES (:batch_id, :told)
ON CONFLICT DO UPDATE SET told = excluded.told WHERE told <> excluded.told;

-- told_of_batch --
SELECT told FROM told WHERE batch_id = :batch_id;

-- pause_all --
UPDATE batches SET paused_at = :at, trouble = :trouble
WHERE +server = :server AND ended_at IS NULL AND paused_at IS NULL AND cancel_requested_at IS NULL;

-- end_batch --
-- Earlier counts may be stale: a failed prompt that is retried opens its batch.
UPDATE batches SET ended_at = :at, trouble = ''
WHERE batch_id = :batch_id AND (ended_at IS NULL OR ended_at = 0) AND NOT EXISTS (
    SELECT 1 FROM submissions
    WHERE batch_id = :batch_id AND retried_as IS NULL AND stage <> 'refused'
      AND (ending IS NULL OR ending = 'lost_to_restart')
);

-- reopen_batch --
UPDATE batches SET ended_at = CASE WHEN server LIKE 'pool:%' THEN 0 END WHERE batch_id = :batch_id;

-- wish_at_end --
INSERT OR REPLACE INTO at_end (subject, server, command) VALUES (:subject, :server, :command);

-- wish_at_end_again --
UPDATE at_end SET told_at = NULL WHERE subject = :batch_id;

-- ends_due --
-- A prompt that is to be submitted again is not over yet.
SELECT subject, command, batches.ended_at AS ended_at, TRUE AS is_batch FROM at_end JOIN batches ON batch_id = subject
WHERE at_end.server = :server AND told_at IS NULL AND batches.ended_at > 0
UNION ALL
SELECT subject, command, coalesce(ended_at, submitted_at), FALSE FROM at_end JOIN submissions ON prompt_id = subject
WHERE at_end.server = :server AND told_at IS NULL
  AND (stage = 'refused' OR (ending IS NOT NULL AND (ending <> 'lost_to_restart' OR requeue = 0)));

-- ends_awaited --
SELECT submissions.*, '' AS graph, '{}' AS extra_data FROM at_end JOIN submissions ON prompt_id = subject
WHERE at_end.server = :server AND told_at IS NULL AND stage IN ('sending', 'accepted') AND ending IS NULL;

-- end_told --
UPDATE at_end SET told_at = :at WHERE subject = :subject;

-- is_told_at_end --
SELECT 1 FROM at_end WHERE subject = :subject AND told_at IS NOT NULL;

-- new_session --
INSERT INTO sessions (session_id, name, created_at, directory) VALUES (:session_id, :name, :created_at, :directory);

-- session --
SELECT * FROM sessions WHERE session_id = :session_id;

-- sessions_named --
SELECT * FROM sessions WHERE name = :name ORDER BY created_at, session_id;

-- current_session --
SELECT * FROM sessions WHERE directory = :directory ORDER BY created_at DESC, session_id DESC LIMIT 1;

-- newest_sessions --
-- Sessions of a directory and of those below a project, or all if no directory is given.
SELECT sessions.*, (SELECT count(*) FROM tracked WHERE tracked.session_id = sessions.session_id) AS prompts,
       (SELECT count(*) FROM tracked WHERE tracked.session_id = sessions.session_id AND downloaded) AS downloaded
FROM sessions
WHERE :directory IS NULL OR directory IN (:directory, :project)
      OR (:project <> '' AND substr(directory, 1, length(:project) + 1) = :project || '/')
ORDER BY created_at DESC, session_id DESC LIMIT :limit;

-- sessions_elsewhere --
SELECT count(*) AS sessions FROM sessions
WHERE directory NOT IN (:directory, :project)
      AND (:project = '' OR substr(directory, 1, length(:project) + 1) <> :project || '/');

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

-- record_upload --
INSERT OR REPLACE INTO uploads (server, sha256, purpose, subfolder, name, size, etag, at)
VALUES (:server, :sha256, :purpose, :subfolder, :name, :size, :etag, :at);

-- upload --
SELECT * FROM uploads
WHERE server = :server AND sha256 = :sha256 AND purpose = :purpose AND subfolder = :subfolder;

-- prompt_at --
-- If a prompt was retried, the last retry.
SELECT prompt_id FROM submissions WHERE batch_id = :batch_id AND position = :position AND retried_as IS NULL;

-- seen_ids --
SELECT prompt_id FROM seen_prompts WHERE server = :server;

-- unsee --
DELETE FROM seen_prompts WHERE server = :server AND prompt_id = :prompt_id;

-- see --
-- If a prompt was submitted here, its graph is in the journal.
INSERT OR REPLACE INTO seen_prompts (server, prompt_id, is_running, number, submitted_at, graph, extra_data)
SELECT :server, :prompt_id, :is_running, :number, :submitted_at,
       CASE WHEN is_known THEN '' ELSE :graph END, CASE WHEN is_known THEN '{}' ELSE :extra_data END
FROM (SELECT EXISTS (SELECT 1 FROM submissions WHERE prompt_id = :prompt_id) AS is_known);

-- see_place --
UPDATE seen_prompts SET is_running = :is_running
WHERE server = :server AND prompt_id = :prompt_id AND is_running <> :is_running;

-- see_queue --
INSERT INTO seen_queues (server, seen_at) VALUES (:server, :at)
ON CONFLICT DO UPDATE SET seen_at = max(seen_at, excluded.seen_at);

-- seen_at --
SELECT seen_at FROM seen_queues WHERE server = :server;

-- seen --
-- From the journal, with its later end, or else as another client's prompt.
SELECT prompt_id, seen_prompts.server, coalesce(whole.submitted_at, seen_prompts.submitted_at) AS submitted_at,
       coalesce(whole.graph, seen_prompts.graph) AS graph,
       coalesce(whole.extra_data, seen_prompts.extra_data) AS extra_data,
       coalesce(note, '') AS note, coalesce(client, '') AS client, coalesce(front, 0) AS front,
       coalesce(whole.number, seen_prompts.number) AS number, coalesce(stage, 'accepted') AS stage, ending, ended_at,
       coalesce(reason, '') AS reason, coalesce(is_ours, 0) AS is_ours, coalesce(requeue, 0) AS requeue, batch_id,
       position, graph_id, coalesce(overrides, '') AS overrides, started_at, outputs, overdue_s, retried_as
FROM seen_prompts LEFT JOIN whole USING (prompt_id)
WHERE seen_prompts.server = :server AND is_running = :is_running
ORDER BY seen_prompts.number IS NULL, seen_prompts.number, seen_prompts.submitted_at, prompt_id;
