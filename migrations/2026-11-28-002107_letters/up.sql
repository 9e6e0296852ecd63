-- Mail that has not been sent yet. What it says, and to whom, lies sealed; a row goes when its message was sent, and what
-- is sealed goes when it failed for good.
CREATE TABLE letters (
    id uuid PRIMARY KEY,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'refused', 'expired')),
    sealed bytea,
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    lease_until timestamptz,
    -- How long it is tried: as long as the link in it lives.
    expires_at timestamptz NOT NULL,
    CHECK ((state = 'waiting') = (sealed IS NOT NULL))
);
CREATE INDEX letters_next_at ON letters (next_at) WHERE state = 'waiting';
CREATE INDEX letters_expires_at ON letters (expires_at);
