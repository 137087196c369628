-- The last look at the queue of each server, by any process: a server that dies keeps no queue.
CREATE TABLE seen_queues (
    server  TEXT PRIMARY KEY,
    seen_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE seen_prompts (
    server       TEXT NOT NULL,
    prompt_id    TEXT NOT NULL,
    is_running   INTEGER NOT NULL,
    number       REAL,
    submitted_at REAL NOT NULL,
    graph        TEXT NOT NULL, -- empty where the journal has it
    extra_data   TEXT NOT NULL,
    PRIMARY KEY (server, prompt_id)
);
