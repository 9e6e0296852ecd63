CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL CHECK (email = lower(email) AND length(email) <= 254),
    role text NOT NULL CHECK (role IN ('user', 'admin')),
    password_hash text NOT NULL,
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (email)
);

-- A letter with a link in it: to sign up, to choose a new password, or an invitation. Only a digest of the token
-- is kept.
CREATE TABLE mailed_links (
    token_digest bytea PRIMARY KEY CHECK (length(token_digest) = 32),
    email text NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'admin')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX mailed_links_email ON mailed_links (email);
CREATE INDEX mailed_links_expires_at ON mailed_links (expires_at);

-- The cookie holds the key; the database only its digest, so a copy of the database opens no session.
CREATE TABLE sessions (
    key_digest bytea PRIMARY KEY CHECK (length(key_digest) = 32),
    id uuid NOT NULL UNIQUE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    state text NOT NULL,
    device text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- What is limited by rate, one row an event. A bucket is a keyed digest of what is counted and for whom.
CREATE TABLE rate_events (
    bucket bytea NOT NULL CHECK (length(bucket) = 32),
    at timestamptz NOT NULL
);
CREATE INDEX rate_events_bucket_at ON rate_events (bucket, at);
CREATE INDEX rate_events_at ON rate_events (at);

-- Written, never changed: who did what, to whom, when.
CREATE TABLE audit (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor IN ('user', 'admin', 'system', 'command')),
    actor_id uuid,
    action text NOT NULL,
    subject_id uuid NOT NULL,
    detail text NOT NULL DEFAULT ''
);
CREATE INDEX audit_subject_id ON audit (subject_id, id);
