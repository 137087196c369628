-- The feeder asks batch by batch: it must not pass over 100,000 prompts of a paused one each time.
DROP INDEX submissions_next;
CREATE INDEX submissions_next
    ON submissions (server, batch_id, priority DESC, coalesce(rank, position), submitted_at, prompt_id)
    WHERE stage = 'waiting' AND ending IS NULL AND retried_as IS NULL;

-- The job that fed the server and declared that no work was left. Work that is recorded later needs another feeder.
ALTER TABLE servers ADD COLUMN feeder_ended TEXT NOT NULL DEFAULT '';

CREATE INDEX attempts_fatal ON attempts (server, ended_at) WHERE how = 'server ended';

-- Triggers keep the attempts, because release 1.0.0 sends prompts too and does not know of them.
CREATE TRIGGER attempts_recorded AFTER INSERT ON submissions WHEN NEW.stage = 'sending' BEGIN
    INSERT INTO attempts (prompt_id, n, server, boot, sent_at)
    SELECT NEW.prompt_id, coalesce(max(n), 0) + 1, NEW.server, '', NEW.submitted_at
    FROM attempts WHERE prompt_id = NEW.prompt_id;
END;

CREATE TRIGGER attempts_sent AFTER UPDATE OF submitted_at ON submissions
WHEN NEW.stage IN ('sending', 'accepted') AND NEW.submitted_at <> OLD.submitted_at BEGIN
    INSERT INTO attempts (prompt_id, n, server, boot, sent_at)
    SELECT NEW.prompt_id, coalesce(max(n), 0) + 1, NEW.server, '', NEW.submitted_at
    FROM attempts WHERE prompt_id = NEW.prompt_id;
END;

CREATE TRIGGER attempts_not_accepted AFTER UPDATE OF stage ON submissions
WHEN NEW.stage IN ('waiting', 'refused') AND OLD.stage IN ('sending', 'accepted') BEGIN
    UPDATE attempts
    SET how = CASE WHEN NEW.stage = 'refused' THEN 'refused' WHEN how = '' THEN 'taken back' ELSE how END,
        ended_at = (julianday('now') - 2440587.5) * 86400.0
    WHERE prompt_id = NEW.prompt_id AND ended_at IS NULL;
END;

-- A note that was made during the attempt (that this program is about to end its server) stays if its end is not known.
CREATE TRIGGER attempts_ended AFTER UPDATE OF ending ON submissions
WHEN NEW.ending IS NOT NULL AND NEW.ending IS NOT OLD.ending BEGIN
    UPDATE attempts
    SET how = CASE WHEN NEW.ending <> 'lost_to_restart' THEN NEW.ending WHEN how = '' THEN 'lost' ELSE how END,
        ended_at = NEW.ended_at, began_at = coalesce(began_at, NEW.started_at)
    WHERE prompt_id = NEW.prompt_id AND ended_at IS NULL;
END;
