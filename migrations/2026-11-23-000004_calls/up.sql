-- One call to a mask with its story. The caller is sealed; the digest is keyed per mask.
CREATE TABLE calls (
    id uuid PRIMARY KEY,
    mask_id uuid NOT NULL REFERENCES masks ON DELETE CASCADE,
    -- The carrier's name of the event: whoever tells it twice is acted on once.
    event_key text NOT NULL UNIQUE CHECK (length(event_key) <= 160),
    caller_sealed bytea,
    caller_lookup bytea CHECK (length(caller_lookup) = 32),
    received_at timestamptz NOT NULL,
    decision text NOT NULL CHECK (decision IN
        ('connected', 'resting', 'paused', 'own_mask', 'mask_to_mask', 'busy', 'over_limit', 'caller_over_limit',
         'rejected', 'not_allowed')),
    -- When the other side picked up, by what the carrier told.
    answered_at timestamptz,
    -- How old the carrier's session was then, in seconds, by the carrier's clock.
    answered_after integer CHECK (answered_after >= 0),
    ending text CHECK (ending IN
        ('answered', 'no_answer', 'busy', 'refused', 'caller_hung_up', 'did_not_connect')),
    talk_seconds integer CHECK (talk_seconds >= 0),
    -- When the carrier was told to end it, because it lasted as long as calls may.
    cut_at timestamptz,
    ended_at timestamptz
);
CREATE INDEX calls_mask_id ON calls (mask_id, received_at DESC, id);
CREATE INDEX calls_received_at ON calls (received_at);
CREATE INDEX calls_going_on ON calls (received_at) WHERE ended_at IS NULL AND cut_at IS NULL;
