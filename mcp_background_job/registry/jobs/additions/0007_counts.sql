-- How many jobs of each project and directory have each status: a list of some of 100,000 jobs then counts none, and does
-- not look for more of them than there are. Triggers keep the numbers, since release 1.0.0 writes jobs too and does not
-- know of them.
CREATE TABLE counts (
    project TEXT NOT NULL, -- x'', which is no text, if it is unknown: in rows of release 1.0.0 until they are filled
    status  TEXT NOT NULL,
    cwd     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (project, status, cwd)
) WITHOUT ROWID;

INSERT INTO counts (project, status, cwd, number)
SELECT coalesce(project, x''), status, cwd, count(*) FROM jobs GROUP BY 1, 2, 3;

CREATE TRIGGER counts_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO counts (project, status, cwd, number) VALUES (coalesce(NEW.project, x''), NEW.status, NEW.cwd, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER counts_update AFTER UPDATE OF project, status, cwd ON jobs
WHEN (OLD.project, OLD.status, OLD.cwd) IS NOT (NEW.project, NEW.status, NEW.cwd) BEGIN
    UPDATE counts SET number = number - 1
    WHERE project = coalesce(OLD.project, x'') AND status = OLD.status AND cwd = OLD.cwd;
    INSERT INTO counts (project, status, cwd, number) VALUES (coalesce(NEW.project, x''), NEW.status, NEW.cwd, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER counts_delete AFTER DELETE ON jobs BEGIN
    UPDATE counts SET number = number - 1
    WHERE project = coalesce(OLD.project, x'') AND status = OLD.status AND cwd = OLD.cwd;
END;

-- Jobs live in ever new directories, of tests and of agents. What counts none is not read over and over.
CREATE TRIGGER counts_none AFTER UPDATE OF number ON counts WHEN NEW.number = 0 BEGIN
    DELETE FROM counts WHERE project = NEW.project AND status = NEW.status AND cwd = NEW.cwd;
END;

-- Holds every column that lists of one name choose and sort by.
CREATE INDEX jobs_listed_of_name ON jobs (name, (state = 'exited'), created_at DESC, job_id DESC, status, project, cwd, state)
WHERE name IS NOT NULL;
