ALTER TABLE servers DROP COLUMN edition;
