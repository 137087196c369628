-- The origin of a job. Empty (NULL) in rows that release 1.0.0 wrote, until they are filled from the job's spec.
ALTER TABLE jobs ADD COLUMN project TEXT;
ALTER TABLE jobs ADD COLUMN reader TEXT;
ALTER TABLE jobs ADD COLUMN parent TEXT; -- stays empty if there is none
ALTER TABLE jobs ADD COLUMN is_own INTEGER;
CREATE INDEX jobs_without_origin ON jobs (job_id) WHERE is_own IS NULL;
