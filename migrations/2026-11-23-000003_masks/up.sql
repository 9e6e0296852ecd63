-- A rented number with its whole life. It is plain: a mask is public by nature; what it leads to is sealed.
CREATE TABLE masks (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    number_id uuid REFERENCES numbers ON DELETE SET NULL,
    country text NOT NULL CHECK (length(country) = 2),
    wanted_prefix text,
    e164 text CHECK (e164 ~ '^\+[1-9][0-9]{6,14}$'),
    elsewhere boolean NOT NULL DEFAULT false,
    label text NOT NULL CHECK (length(label) <= 60),
    state text NOT NULL CHECK (state IN
        ('requested', 'active', 'paused', 'resting', 'releasing', 'released', 'failed', 'lost')),
    requested_at timestamptz NOT NULL,
    paused_by text CHECK (paused_by IN ('owner', 'admin', 'system')),
    revoked_at timestamptz,
    revoked_by text CHECK (revoked_by IN ('owner', 'admin', 'system')),
    rests_until timestamptz,
    released_at timestamptz,
    failure text,
    CHECK (state NOT IN ('active', 'paused', 'resting', 'releasing', 'lost') OR e164 IS NOT NULL),
    CHECK (state <> 'paused' OR paused_by IS NOT NULL),
    CHECK (state NOT IN ('resting', 'releasing')
        OR (revoked_at IS NOT NULL AND revoked_by IS NOT NULL AND rests_until IS NOT NULL))
);
-- A number belongs to one mask while it holds it.
CREATE UNIQUE INDEX masks_e164 ON masks (e164) WHERE state IN ('active', 'paused', 'resting', 'releasing');
CREATE INDEX masks_ever_held ON masks (e164);
CREATE INDEX masks_user_id ON masks (user_id, requested_at);
CREATE INDEX masks_number_id ON masks (number_id);
CREATE INDEX masks_requested_at ON masks (requested_at, id);

-- One wish about a mask at the carrier, written down before it is sent.
CREATE TABLE operations (
    id uuid PRIMARY KEY,
    mask_id uuid NOT NULL REFERENCES masks ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('buy', 'release', 'configure')),
    key text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN
        ('intended', 'in_flight', 'succeeded', 'failed', 'unknown', 'needs_person', 'withdrawn')),
    attempts integer NOT NULL DEFAULT 0,
    chosen text,
    -- How often the carrier's list was read after an unclear answer without finding the number.
    absences integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    -- By the database's clock, every other time by the application's.
    lease_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX operations_due ON operations (next_at) WHERE state IN ('intended', 'in_flight', 'unknown');
CREATE UNIQUE INDEX operations_open ON operations (mask_id)
    WHERE state IN ('intended', 'in_flight', 'unknown', 'needs_person');
