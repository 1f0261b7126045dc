-- Contract commitments as the provider confirms them (FOCUS ContractCommitment); days since 1970-01-01, end_day the first one after it.
CREATE TABLE contract_commitment (
    commitment_id TEXT NOT NULL PRIMARY KEY,
    contract_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    description TEXT NOT NULL,
    start_day BIGINT NOT NULL,
    end_day BIGINT NOT NULL,
    cost TEXT,
    currency TEXT,
    quantity TEXT,
    unit TEXT NOT NULL,
    payment TEXT NOT NULL,
    scope TEXT NOT NULL,
    status TEXT NOT NULL,
    provider TEXT NOT NULL,
    CHECK (start_day < end_day)
);
