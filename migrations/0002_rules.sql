-- Versions are never changed and never deleted; which one is in force is a row of its own.
CREATE TABLE rules_version (
    kind TEXT NOT NULL CHECK (kind IN ('owner')),
    version BIGINT NOT NULL CHECK (version >= 1),
    yaml TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    author TEXT,
    note TEXT,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (kind, version)
);

CREATE TABLE rules_active (
    kind TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    FOREIGN KEY (kind, version) REFERENCES rules_version (kind, version)
);
