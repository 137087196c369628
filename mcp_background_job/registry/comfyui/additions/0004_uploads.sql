-- Files that were uploaded to servers: the same content is not sent twice.
CREATE TABLE uploads (
    server    TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    purpose   TEXT NOT NULL,
    subfolder TEXT NOT NULL,
    name      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    etag      TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (server, sha256, purpose, subfolder)
) WITHOUT ROWID;
