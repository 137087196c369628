-- A name belongs to a project, and lists show one project first. These indexes hold every column that lists choose and
-- sort by.
DROP INDEX jobs_by_status;
DROP INDEX jobs_by_name_and_status;
CREATE INDEX jobs_by_project_and_name ON jobs (name, project, created_at DESC, job_id DESC) WHERE name IS NOT NULL;
CREATE INDEX jobs_listed ON jobs ((state = 'exited'), created_at DESC, job_id DESC, status, name, cwd, state);
CREATE INDEX jobs_listed_of_project ON jobs (project, (state = 'exited'), created_at DESC, job_id DESC, status, name, cwd, state);

ALTER TABLE jobs ADD COLUMN timeout_s REAL; -- as the columns of the first addition
