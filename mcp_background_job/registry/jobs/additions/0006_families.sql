-- Jobs that were started within a job. Few jobs have a parent, and a look at a family asks for the children of each
-- member.
CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;
