-- Usage facts: what the lake has of each cluster and UTC day.
-- day: days since 1970-01-01; last_hour: hours since 1970-01-01T00Z.

CREATE TABLE cluster (
    cluster_id TEXT NOT NULL PRIMARY KEY CHECK (cluster_id <> ''),
    cluster_name TEXT NOT NULL
);

-- Never deleted: what came in, when, and what was remarkable.
CREATE TABLE usage_delivery (
    delivery_id TEXT NOT NULL PRIMARY KEY CHECK (delivery_id <> ''),
    source_id TEXT NOT NULL CHECK (source_id <> ''),
    origin TEXT NOT NULL CHECK (origin IN ('file', 'kubernetes', 'prometheus', 'agent')),
    input_hash TEXT NOT NULL,
    received_us BIGINT NOT NULL,
    manifest_version BIGINT NOT NULL UNIQUE,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    rejected_rows BIGINT NOT NULL CHECK (rejected_rows >= 0),
    findings_json TEXT NOT NULL
);
CREATE INDEX usage_delivery_by_input ON usage_delivery (source_id, input_hash);

-- One version of each day counts: facts are merged before they come here.
CREATE TABLE usage_day (
    cluster_id TEXT NOT NULL REFERENCES cluster (cluster_id),
    day BIGINT NOT NULL,
    nodes_path TEXT NOT NULL,
    slots_path TEXT NOT NULL,
    hours_path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    slot_hours BIGINT NOT NULL CHECK (slot_hours >= 0),
    node_hours BIGINT NOT NULL CHECK (node_hours >= 0),
    ready_s BIGINT NOT NULL CHECK (ready_s >= 0),
    observed_s BIGINT NOT NULL CHECK (observed_s >= 0),
    last_hour BIGINT NOT NULL,
    pools_json TEXT NOT NULL,
    delivery_id TEXT NOT NULL REFERENCES usage_delivery (delivery_id),
    PRIMARY KEY (cluster_id, day)
);
CREATE INDEX usage_day_by_day ON usage_day (day);
