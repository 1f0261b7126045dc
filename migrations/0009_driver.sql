-- Drivers: what the lake has of each source, driver and UTC month.
-- period: 202611.

-- Never deleted: what came in, when, and what was remarkable.
CREATE TABLE driver_delivery (
    delivery_id TEXT NOT NULL PRIMARY KEY CHECK (delivery_id <> ''),
    source_id TEXT NOT NULL CHECK (source_id <> ''),
    origin TEXT NOT NULL CHECK (origin IN ('file', 'prometheus')),
    input_hash TEXT NOT NULL,
    received_us BIGINT NOT NULL,
    manifest_version BIGINT NOT NULL UNIQUE,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    rejected_rows BIGINT NOT NULL CHECK (rejected_rows >= 0),
    findings_json TEXT NOT NULL
);

-- One version of each month counts: the days of a delivery are joined with the
-- source's other days before they come here.
CREATE TABLE driver_file (
    source_id TEXT NOT NULL,
    driver TEXT NOT NULL CHECK (driver <> ''),
    period BIGINT NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    summary_json TEXT NOT NULL,
    delivery_id TEXT NOT NULL REFERENCES driver_delivery (delivery_id),
    PRIMARY KEY (source_id, driver, period)
);
CREATE INDEX driver_file_by_period ON driver_file (period, driver);
