-- News and their readers. The columns of news are those of core.news.Item.

-- Jobs and runs of which a reader awaits news.
CREATE TABLE awaited (
    reader       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    conversation TEXT NOT NULL,
    since        REAL NOT NULL,
    PRIMARY KEY (reader, subject)
) WITHOUT ROWID;

CREATE TABLE news (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    reader       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    key          TEXT NOT NULL,
    conversation TEXT NOT NULL,
    at           REAL,
    text         TEXT NOT NULL,
    noted_at     REAL NOT NULL,
    UNIQUE (reader, subject, kind, key)
);

-- The ways that have told each of the news.
CREATE TABLE told (
    number INTEGER NOT NULL,
    way    TEXT NOT NULL,
    PRIMARY KEY (number, way)
) WITHOUT ROWID;

-- How far a conversation was shown a thing of a job: its output, its end, or the matches of an expression.
CREATE TABLE shown (
    reader       TEXT NOT NULL,
    conversation TEXT NOT NULL,
    subject      TEXT NOT NULL,
    what         TEXT NOT NULL,
    offset       INTEGER NOT NULL,
    at           REAL NOT NULL,
    PRIMARY KEY (reader, conversation, subject, what)
) WITHOUT ROWID;
