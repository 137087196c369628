-- How many prompts of each batch are in each state: a look at a batch of 100,000 then does not count them. Triggers
-- keep the numbers, because release 1.0.0 writes submissions too and does not know of them.
CREATE TABLE counts (
    batch_id TEXT NOT NULL,
    stage    TEXT NOT NULL,
    ending   TEXT NOT NULL, -- empty: none
    number   INTEGER NOT NULL,
    PRIMARY KEY (batch_id, stage, ending)
) WITHOUT ROWID;

INSERT INTO counts (batch_id, stage, ending, number)
SELECT batch_id, stage, coalesce(ending, ''), count(*) FROM submissions
WHERE batch_id IS NOT NULL AND retried_as IS NULL GROUP BY 1, 2, 3;

-- INSERT OR REPLACE runs no triggers for the row that it removes. This trigger runs before that row is removed.
CREATE TRIGGER counts_replace BEFORE INSERT ON submissions BEGIN
    UPDATE counts SET number = number - 1
    WHERE (batch_id, stage, ending) = (
        SELECT batch_id, stage, coalesce(ending, '') FROM submissions
        WHERE prompt_id = NEW.prompt_id AND batch_id IS NOT NULL AND retried_as IS NULL
    );
END;

CREATE TRIGGER counts_insert AFTER INSERT ON submissions WHEN NEW.batch_id IS NOT NULL AND NEW.retried_as IS NULL BEGIN
    INSERT INTO counts (batch_id, stage, ending, number) VALUES (NEW.batch_id, NEW.stage, coalesce(NEW.ending, ''), 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER counts_update_old AFTER UPDATE OF batch_id, stage, ending, retried_as ON submissions
WHEN OLD.batch_id IS NOT NULL AND OLD.retried_as IS NULL BEGIN
    UPDATE counts SET number = number - 1
    WHERE batch_id = OLD.batch_id AND stage = OLD.stage AND ending = coalesce(OLD.ending, '');
END;

CREATE TRIGGER counts_update_new AFTER UPDATE OF batch_id, stage, ending, retried_as ON submissions
WHEN NEW.batch_id IS NOT NULL AND NEW.retried_as IS NULL BEGIN
    INSERT INTO counts (batch_id, stage, ending, number) VALUES (NEW.batch_id, NEW.stage, coalesce(NEW.ending, ''), 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER counts_delete AFTER DELETE ON submissions WHEN OLD.batch_id IS NOT NULL AND OLD.retried_as IS NULL BEGIN
    UPDATE counts SET number = number - 1
    WHERE batch_id = OLD.batch_id AND stage = OLD.stage AND ending = coalesce(OLD.ending, '');
END;
