-- How long each mask's calls lasted in a month (by UTC), which limits count; calls themselves are forgotten sooner.
CREATE TABLE talk (
    mask_id uuid NOT NULL REFERENCES masks ON DELETE CASCADE,
    month date NOT NULL CHECK (extract(day FROM month) = 1),
    seconds bigint NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (mask_id, month)
);

-- What the whole house did in a day (by UTC) that the carrier bills: codes sent, seconds talked.
CREATE TABLE tallies (
    day date NOT NULL,
    what text NOT NULL CHECK (what IN ('codes', 'talk_seconds')),
    amount bigint NOT NULL,
    PRIMARY KEY (day, what)
);

-- A switch that stops spending, for as long as the row is there. Calls go on unless it says otherwise; where it does,
-- callers are still answered.
CREATE TABLE spending_stops (
    id uuid PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('all', 'carrier', 'country', 'user', 'mask')),
    -- The carrier's name, the country's code, the id of the user or the mask; nothing where all is stopped.
    subject text NOT NULL CHECK ((scope = 'all') = (subject = '')),
    calls_too boolean NOT NULL CHECK (scope <> 'mask' OR calls_too),
    reason text NOT NULL CHECK (length(reason) <= 200),
    stopped_by uuid NOT NULL,
    stopped_at timestamptz NOT NULL,
    UNIQUE (scope, subject)
);

-- What an admin lets a user have instead of what everybody may have.
ALTER TABLE users
    ADD COLUMN masks_alive integer CHECK (masks_alive >= 0),
    ADD COLUMN masks_a_day integer CHECK (masks_a_day >= 0),
    ADD COLUMN masks_in_30_days integer CHECK (masks_in_30_days >= 0);

ALTER TABLE calls DROP CONSTRAINT calls_decision_check;
ALTER TABLE calls ADD CONSTRAINT calls_decision_check CHECK (decision IN
    ('connected', 'resting', 'paused', 'own_mask', 'mask_to_mask', 'busy', 'over_limit', 'caller_over_limit',
     'rejected', 'not_allowed', 'out_of_minutes', 'stopped'));
