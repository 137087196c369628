-- Files that were downloaded from ComfyUI servers. Columns are those of core.comfyui.download.Download.
CREATE TABLE downloads (
    prompt_id TEXT NOT NULL,
    type      TEXT NOT NULL,
    subfolder TEXT NOT NULL,
    filename  TEXT NOT NULL,
    path      BLOB NOT NULL,
    size      INTEGER NOT NULL,
    sha256    TEXT NOT NULL,
    at        REAL NOT NULL,
    PRIMARY KEY (prompt_id, type, subfolder, filename)
) WITHOUT ROWID;
