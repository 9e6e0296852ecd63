ALTER TABLE operations DROP COLUMN given_up_at;
DROP TABLE reconciliation, absences, orphans;
