UPDATE calls SET decision = 'over_limit' WHERE decision IN ('out_of_minutes', 'stopped');
ALTER TABLE calls DROP CONSTRAINT calls_decision_check;
ALTER TABLE calls ADD CONSTRAINT calls_decision_check CHECK (decision IN
    ('connected', 'resting', 'paused', 'own_mask', 'mask_to_mask', 'busy', 'over_limit', 'caller_over_limit',
     'rejected', 'not_allowed'));
ALTER TABLE users DROP COLUMN masks_alive, DROP COLUMN masks_a_day, DROP COLUMN masks_in_30_days;
DROP TABLE spending_stops;
DROP TABLE tallies;
DROP TABLE talk;
