-- Invoices: what the issuer asks for, beside what the bill says (C1).
-- period: 202611; *_day: days since 1970-01-01; money: canonical decimal text; '' = none.

CREATE TABLE invoice (
    issuer TEXT NOT NULL,
    invoice_number TEXT NOT NULL CHECK (invoice_number <> ''),
    billing_account_id TEXT NOT NULL,
    legal_entity TEXT NOT NULL,
    period BIGINT NOT NULL,
    currency TEXT NOT NULL CHECK (currency <> ''),
    net TEXT NOT NULL,
    tax TEXT,
    gross TEXT,
    issued_day BIGINT,
    due_day BIGINT,
    exchange_rate TEXT,
    document_sha256 TEXT,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (issuer, invoice_number)
);
CREATE INDEX invoice_by_period ON invoice (period);
