-- While root keys change, a number is found by digests under two of them: `lookup` is under the lowest id of the list,
-- `lookup_next` under the highest (the same where there is one key). Servers that know one key more or less than their
-- neighbour still share one of the two, and so the unique indexes keep a number with one holder throughout.
-- `maskline keys rotate` fills it where it is missing.
ALTER TABLE numbers ADD COLUMN lookup_next bytea CHECK (length(lookup_next) = 32);
ALTER TABLE numbers ADD UNIQUE (user_id, lookup_next);
CREATE UNIQUE INDEX numbers_next_holder ON numbers (lookup_next) WHERE verified_at IS NOT NULL;
