-- Indexes for lists, prunes and looks for changes of many jobs: none of them reads all rows.
CREATE INDEX jobs_by_status ON jobs (status, created_at DESC, job_id DESC);
CREATE INDEX jobs_by_name_and_status ON jobs (name, status, created_at DESC, job_id DESC) WHERE name IS NOT NULL;
CREATE INDEX jobs_by_end ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- Things that were looked through, with the time stamp of their directory before: while it is the same, nothing is new.
CREATE TABLE passes (
    what  TEXT PRIMARY KEY,
    stamp INTEGER NOT NULL
) WITHOUT ROWID;
