-- expect --
INSERT INTO awaited (reader, subject, conversation, since) VALUES (:reader, :subject, :conversation, :at)
ON CONFLICT (reader, subject) DO UPDATE SET conversation = excluded.conversation;

-- awaited --
SELECT subject, conversation FROM awaited WHERE reader = :reader;

-- readers --
SELECT reader, conversation FROM awaited
UNION
SELECT reader, conversation FROM news
WHERE NOT EXISTS (SELECT 1 FROM told WHERE told.number = news.number AND way = :way);

-- no_longer_awaited --
DELETE FROM awaited WHERE reader = :reader AND subject = :subject;

-- add --
-- Two servers may both find the same end.
INSERT OR IGNORE INTO news (reader, subject, kind, key, conversation, at, text, noted_at)
VALUES (:reader, :subject, :kind, :key, :conversation, :at, :text, :noted_at);

-- ends --
SELECT * FROM news WHERE reader = :reader AND subject = :subject AND kind = 'ended' ORDER BY number;

-- untold --
SELECT * FROM news
WHERE reader = :reader AND conversation IN (SELECT value FROM json_each(:conversations))
  AND NOT (kind = 'ended' AND subject IN (SELECT value FROM json_each(:spared)))
  AND NOT EXISTS (SELECT 1 FROM told WHERE told.number = news.number AND way = :way)
ORDER BY number;

-- untold_conversations --
SELECT DISTINCT conversation FROM news
WHERE reader = :reader AND NOT EXISTS (SELECT 1 FROM told WHERE told.number = news.number AND way = :way);

-- tell --
INSERT OR IGNORE INTO told (number, way) VALUES (:number, :way);

-- tell_of --
INSERT OR IGNORE INTO told (number, way)
SELECT number, :way FROM news WHERE reader = :reader AND subject = :subject;

-- show --
INSERT INTO shown (reader, conversation, subject, what, offset, at)
VALUES (:reader, :conversation, :subject, :what, :offset, :at)
ON CONFLICT (reader, conversation, subject, what) DO UPDATE SET offset = excluded.offset, at = excluded.at;

-- shown --
SELECT what, offset FROM shown WHERE reader = :reader AND conversation = :conversation AND subject = :subject;

-- bound_awaited --
DELETE FROM awaited WHERE reader = :reader AND subject IN (
    SELECT subject FROM awaited WHERE reader = :reader ORDER BY since DESC, subject DESC LIMIT -1 OFFSET :limit
);

-- bound_news --
DELETE FROM news WHERE number IN (
    SELECT number FROM news WHERE reader = :reader ORDER BY number DESC LIMIT -1 OFFSET :limit
);

-- bound_shown --
DELETE FROM shown WHERE reader = :reader AND subject IN (
    SELECT subject FROM shown WHERE reader = :reader GROUP BY subject ORDER BY max(at) DESC LIMIT -1 OFFSET :limit
);

-- forget_news --
DELETE FROM news WHERE noted_at < :before;

-- forget_shown --
DELETE FROM shown WHERE at < :before;

-- forget_told --
DELETE FROM told WHERE number NOT IN (SELECT number FROM news);
