-- Which history of the database the version that a server knows belongs to. Where a standby has taken over, versions begin
-- anew from what it had, so that the same figure may stand for another change. NULL: a server from before this column,
-- whose version counts as it did.
ALTER TABLE servers ADD COLUMN edition uuid;
