-- A user's real number: sealed to be read by its owner's calls, a keyed digest to be found. Never plain.
CREATE TABLE numbers (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    sealed bytea NOT NULL,
    lookup bytea NOT NULL CHECK (length(lookup) = 32),
    created_at timestamptz NOT NULL,
    verified_at timestamptz,
    UNIQUE (user_id, lookup)
);
-- One holder at a time; any number of people may be trying to prove it.
CREATE UNIQUE INDEX numbers_holder ON numbers (lookup) WHERE verified_at IS NOT NULL;

-- A code on its way to a phone. The code itself is nowhere: it is derived from the id.
CREATE TABLE verifications (
    id uuid PRIMARY KEY,
    number_id uuid NOT NULL REFERENCES numbers ON DELETE CASCADE,
    channel text NOT NULL CHECK (channel IN ('voice', 'text')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries_left integer NOT NULL CHECK (tries_left >= 0),
    carrier_session text,
    ended_at timestamptz
);
-- A new code replaces the old one: at most one lives per number.
CREATE UNIQUE INDEX verifications_live ON verifications (number_id) WHERE ended_at IS NULL;
CREATE INDEX verifications_number_id ON verifications (number_id);
CREATE INDEX verifications_expires_at ON verifications (expires_at);
