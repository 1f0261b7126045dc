-- One allocation per billing period: derived, so replaced when it is made anew.
CREATE TABLE allocation (
    allocation_id TEXT NOT NULL PRIMARY KEY CHECK (allocation_id <> ''),
    period BIGINT NOT NULL UNIQUE,
    rules_version BIGINT NOT NULL CHECK (rules_version >= 0),
    inputs_hash TEXT NOT NULL,
    cube_path TEXT NOT NULL UNIQUE,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    created_us BIGINT NOT NULL
);

CREATE TABLE allocation_total (
    allocation_id TEXT NOT NULL REFERENCES allocation (allocation_id),
    position BIGINT NOT NULL,
    currency TEXT NOT NULL,
    billed TEXT NOT NULL,
    effective TEXT NOT NULL,
    unallocated_billed TEXT NOT NULL,
    unallocated_effective TEXT NOT NULL,
    PRIMARY KEY (allocation_id, position),
    UNIQUE (allocation_id, currency)
);

-- What the id of a figure stands for; never deleted, so that old links resolve.
CREATE TABLE explain (
    explain_id TEXT NOT NULL PRIMARY KEY CHECK (explain_id <> ''),
    kind TEXT NOT NULL,
    period BIGINT NOT NULL,
    keys_json TEXT NOT NULL,
    rules_version BIGINT NOT NULL CHECK (rules_version >= 0)
);
