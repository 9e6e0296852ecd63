ALTER TABLE verifications DROP COLUMN said_at, DROP COLUMN undelivered;
