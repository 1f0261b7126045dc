-- Portable to SQLite and PostgreSQL: BIGINT, TEXT; ids are made by the application.
-- *_us: microseconds since the epoch, UTC. period: 202611. Amounts: canonical decimal text.
-- An absent billing account or sub-account is '', so that it can be part of a key.

-- One row: the version that every change of what counts moves on by compare-and-swap.
CREATE TABLE manifest (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL CHECK (version >= 0)
);
INSERT INTO manifest (id, version) VALUES (1, 0);

CREATE TABLE source (
    source_id TEXT NOT NULL PRIMARY KEY CHECK (source_id <> ''),
    provider TEXT,
    format TEXT NOT NULL,
    first_received_us BIGINT NOT NULL,
    last_received_us BIGINT NOT NULL
);

-- Never deleted: a delivery that was replaced is superseded.
CREATE TABLE delivery (
    delivery_id TEXT NOT NULL PRIMARY KEY CHECK (delivery_id <> ''),
    source_id TEXT NOT NULL REFERENCES source (source_id),
    provider TEXT,
    format TEXT NOT NULL,
    format_version TEXT,
    input_hash TEXT NOT NULL,
    received_us BIGINT NOT NULL,
    manifest_version BIGINT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('open', 'final', 'superseded', 'shadow')),
    rejected_rows BIGINT NOT NULL CHECK (rejected_rows >= 0)
);
CREATE INDEX delivery_by_input ON delivery (source_id, input_hash);

CREATE TABLE input_file (
    delivery_id TEXT NOT NULL REFERENCES delivery (delivery_id),
    position BIGINT NOT NULL,
    file_name TEXT NOT NULL,
    byte_count BIGINT NOT NULL CHECK (byte_count >= 0),
    sha256 TEXT NOT NULL,
    PRIMARY KEY (delivery_id, position)
);

CREATE TABLE delivery_period (
    delivery_id TEXT NOT NULL REFERENCES delivery (delivery_id),
    period BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'final', 'superseded', 'shadow')),
    superseded_by TEXT REFERENCES delivery (delivery_id),
    PRIMARY KEY (delivery_id, period),
    CHECK ((state = 'superseded') = (superseded_by IS NOT NULL))
);
CREATE INDEX delivery_period_by_period ON delivery_period (period, state);

CREATE TABLE lake_file (
    path TEXT NOT NULL PRIMARY KEY,
    delivery_id TEXT NOT NULL,
    dataset TEXT NOT NULL,
    period BIGINT NOT NULL,
    part BIGINT NOT NULL CHECK (part >= 0),
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    byte_count BIGINT NOT NULL CHECK (byte_count >= 0),
    sha256 TEXT NOT NULL,
    schema_version BIGINT NOT NULL,
    FOREIGN KEY (delivery_id, period) REFERENCES delivery_period (delivery_id, period)
);
CREATE INDEX lake_file_by_delivery ON lake_file (delivery_id, period);

-- Control totals, as ingest counted them and the lake was read back to.
CREATE TABLE charge_total (
    delivery_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    period BIGINT NOT NULL,
    currency TEXT NOT NULL,
    billing_account_id TEXT NOT NULL,
    sub_account_id TEXT NOT NULL,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    billed TEXT NOT NULL,
    effective TEXT NOT NULL,
    list TEXT,
    contracted TEXT,
    first_charge_us BIGINT NOT NULL,
    last_usage_end_us BIGINT,
    rows_with_invoice BIGINT NOT NULL CHECK (rows_with_invoice >= 0),
    billed_with_invoice TEXT NOT NULL,
    PRIMARY KEY (delivery_id, position),
    UNIQUE (delivery_id, period, currency, billing_account_id, sub_account_id),
    FOREIGN KEY (delivery_id, period) REFERENCES delivery_period (delivery_id, period)
);

CREATE TABLE quarantine (
    delivery_id TEXT NOT NULL PRIMARY KEY REFERENCES delivery (delivery_id),
    path TEXT NOT NULL UNIQUE,
    row_count BIGINT NOT NULL CHECK (row_count >= 0),
    rows_without_money BIGINT NOT NULL CHECK (rows_without_money >= 0)
);

CREATE TABLE quarantine_money (
    delivery_id TEXT NOT NULL REFERENCES quarantine (delivery_id),
    currency TEXT NOT NULL,
    billed TEXT NOT NULL,
    PRIMARY KEY (delivery_id, currency)
);

-- A25: one source holds a sub-account's billing period.
CREATE TABLE claim (
    billing_account_id TEXT NOT NULL,
    sub_account_id TEXT NOT NULL,
    period BIGINT NOT NULL,
    source_id TEXT NOT NULL REFERENCES source (source_id),
    delivery_id TEXT NOT NULL,
    PRIMARY KEY (billing_account_id, sub_account_id, period),
    FOREIGN KEY (delivery_id, period) REFERENCES delivery_period (delivery_id, period)
);
CREATE INDEX claim_by_period ON claim (period, source_id);

-- Of deliveries and allocations; which of the two, `subject` says.
CREATE TABLE finding (
    subject TEXT NOT NULL CHECK (subject IN ('delivery', 'allocation')),
    subject_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    remedy TEXT,
    file_name TEXT,
    line BIGINT,
    column_name TEXT,
    occurrences BIGINT NOT NULL,
    money TEXT,
    PRIMARY KEY (subject, subject_id, position)
);
