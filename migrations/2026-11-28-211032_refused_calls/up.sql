-- Two more things that may be decided about a call: it rang nobody because of the number that it showed, or its caller calls
-- so fast that it may be a loop. What earlier versions wrote of the first, own_mask and mask_to_mask, stays.
ALTER TABLE calls DROP CONSTRAINT calls_decision_check;
ALTER TABLE calls ADD CONSTRAINT calls_decision_check CHECK (decision IN
    ('connected', 'owners_number', 'masks_number', 'resting', 'paused', 'own_mask', 'mask_to_mask', 'busy', 'over_limit',
     'caller_over_limit', 'loop', 'rejected', 'not_allowed', 'out_of_minutes', 'stopped'))
    -- Rows of before fit as they are; a later migration looks at them without keeping calls from being written.
    NOT VALID;

-- When the mask's owner let the caller in again who was refused for calling too often.
ALTER TABLE calls ADD COLUMN admitted_at timestamptz;

-- Refused calls of which no more is kept than how many there were: those past the first of an hour. Each start of a server
-- counts for itself.
CREATE TABLE refused_calls (
    mask_id uuid NOT NULL REFERENCES masks ON DELETE CASCADE,
    hour timestamptz NOT NULL,
    run uuid NOT NULL,
    calls bigint NOT NULL CHECK (calls > 0),
    PRIMARY KEY (mask_id, hour, run)
);
CREATE INDEX refused_calls_hour ON refused_calls (hour);
