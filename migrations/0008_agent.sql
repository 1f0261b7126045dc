-- Who may push usage facts. A token itself is never kept, only its SHA-256.
-- cluster_id: the one cluster it may write, '' for any.

CREATE TABLE agent_token (
    token_id TEXT NOT NULL PRIMARY KEY CHECK (token_id <> ''),
    agent_name TEXT NOT NULL CHECK (agent_name <> ''),
    sha256 TEXT NOT NULL UNIQUE,
    cluster_id TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    last_used_us BIGINT,
    revoked_us BIGINT
);
