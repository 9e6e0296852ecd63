DROP TABLE refused_calls;
ALTER TABLE calls DROP COLUMN admitted_at;
ALTER TABLE calls DROP CONSTRAINT calls_decision_check;
UPDATE calls SET decision = CASE decision WHEN 'owners_number' THEN 'own_mask' WHEN 'masks_number' THEN 'mask_to_mask'
    ELSE 'caller_over_limit' END WHERE decision IN ('owners_number', 'masks_number', 'loop');
ALTER TABLE calls ADD CONSTRAINT calls_decision_check CHECK (decision IN
    ('connected', 'resting', 'paused', 'own_mask', 'mask_to_mask', 'busy', 'over_limit', 'caller_over_limit',
     'rejected', 'not_allowed', 'out_of_minutes', 'stopped'));
