-- Who may see and do what, and who did: accounts, roles, sessions, tokens, audit.
-- Secrets are kept as hashes only. *_us: microseconds since the epoch, UTC; '' = none.

CREATE TABLE account (
    account_id TEXT NOT NULL PRIMARY KEY CHECK (account_id <> ''),
    -- what is typed at sign-in, in lower case
    login TEXT NOT NULL UNIQUE CHECK (login <> ''),
    display_name TEXT NOT NULL CHECK (display_name <> ''),
    -- argon2id in PHC form; none for who signs in elsewhere only
    password_hash TEXT,
    -- who vouches for it, and its name there: '' for a local account
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    disabled_us BIGINT,
    -- refused passwords since the last accepted one, and when the last was
    failures BIGINT NOT NULL,
    failed_us BIGINT
);
CREATE INDEX account_by_subject ON account (issuer, subject);

-- origin: 'local' as granted here, else the provider whose groups gave it.
CREATE TABLE role_grant (
    account_id TEXT NOT NULL REFERENCES account (account_id),
    role_key TEXT NOT NULL,
    reach TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    origin TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (account_id, role_key, reach, owner_name, origin)
);

CREATE TABLE session (
    session_id TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES account (account_id),
    -- 'password', 'link', 'switch', or the provider's name
    method TEXT NOT NULL,
    -- what the provider wants back at sign-out
    id_token TEXT,
    created_us BIGINT NOT NULL,
    last_seen_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX session_by_account ON session (account_id);

-- roles_json: the account's roles this token carries; what the account loses, the token loses.
CREATE TABLE api_token (
    token_id TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES account (account_id),
    token_name TEXT NOT NULL CHECK (token_name <> ''),
    roles_json TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    last_used_us BIGINT,
    revoked_us BIGINT
);
CREATE INDEX api_token_by_account ON api_token (account_id);

-- Codes that work once: 'setup' makes the first admin, 'link' signs its account in.
CREATE TABLE one_time_code (
    sha256 TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    account_id TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);

-- What was sent to a provider and must come back from it.
CREATE TABLE sign_in_state (
    sha256 TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    next_path TEXT NOT NULL,
    created_us BIGINT NOT NULL
);

-- Append-only; each entry has the hash of the one before. The head is moved on
-- in the transaction that appends: it puts writers in order, and an entry that
-- is cut off the end is missed.
CREATE TABLE audit_entry (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_us BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action <> ''),
    object TEXT NOT NULL,
    before_json TEXT,
    after_json TEXT,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    previous_sha256 TEXT NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE audit_head (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL,
    sha256 TEXT NOT NULL
);
INSERT INTO audit_head (one, seq, sha256) VALUES (1, 0, '');

-- Tokens of agents end now, too; those there were made without an end keep none.
ALTER TABLE agent_token ADD COLUMN expires_us BIGINT;
