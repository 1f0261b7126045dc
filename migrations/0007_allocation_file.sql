-- What an allocation wrote beside its cube: the container-days of each cluster
-- and UTC day (days since 1970-01-01). slots_path: the usage file its rows
-- count the slots of; empty when the day has no facts.
CREATE TABLE allocation_file (
    allocation_id TEXT NOT NULL REFERENCES allocation (allocation_id),
    position BIGINT NOT NULL CHECK (position >= 0),
    cluster_id TEXT NOT NULL CHECK (cluster_id <> ''),
    day BIGINT NOT NULL,
    path TEXT NOT NULL CHECK (path <> ''),
    slots_path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    byte_count BIGINT NOT NULL CHECK (byte_count >= 0),
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    PRIMARY KEY (allocation_id, position),
    UNIQUE (allocation_id, cluster_id, day)
);
