ALTER TABLE numbers DROP COLUMN lookup_next;
