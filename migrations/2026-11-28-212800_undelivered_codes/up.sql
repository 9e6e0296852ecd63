-- When a code was said to somebody who pressed a key, and why one did not reach anybody.
ALTER TABLE verifications ADD COLUMN said_at timestamptz, ADD COLUMN undelivered text;
