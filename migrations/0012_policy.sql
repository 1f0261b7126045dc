-- Policies beside owner rules: versions are never changed and never deleted, the newest is in force.
CREATE TABLE policy (
    kind TEXT NOT NULL CHECK (kind <> ''),
    version BIGINT NOT NULL CHECK (version >= 1),
    yaml TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    author TEXT,
    note TEXT,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (kind, version)
);
