-- Who was started within a job: few jobs have a parent, and who looks at a family asks for each of its members.
CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;
