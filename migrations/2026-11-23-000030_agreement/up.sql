-- A number that the carrier has for us and that no row explains.
CREATE TABLE orphans (
    id uuid PRIMARY KEY,
    e164 text NOT NULL CHECK (e164 ~ '^\+[1-9][0-9]{6,14}$'),
    -- seen, kept by a person, on its way back, refused by the carrier; then: given back, taken up by a mask that had
    -- asked for it, explained by a row after all, or gone from the list by itself.
    state text NOT NULL CHECK (state IN
        ('seen', 'kept', 'releasing', 'needs_person', 'released', 'taken_up', 'explained', 'gone')),
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    -- In how many good lists it stood.
    sightings integer NOT NULL DEFAULT 1,
    -- The mask that took it up.
    mask_id uuid REFERENCES masks ON DELETE SET NULL,
    -- Why a person keeps it, or what the carrier said last.
    note text,
    settled_at timestamptz
);
CREATE UNIQUE INDEX orphans_open ON orphans (e164) WHERE state IN ('seen', 'kept', 'releasing', 'needs_person');
CREATE INDEX orphans_mask_id ON orphans (mask_id);

-- A number of a mask that was missing from a good list of the carrier's. It goes when the number is there again, or
-- when the mask is lost.
CREATE TABLE absences (
    mask_id uuid PRIMARY KEY REFERENCES masks ON DELETE CASCADE,
    first_missed_at timestamptz NOT NULL,
    last_missed_at timestamptz NOT NULL,
    sightings integer NOT NULL DEFAULT 1
);

-- How the last comparisons with the carrier's list went: one row.
CREATE TABLE reconciliation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Counts comparisons; whoever has not the newest notes nothing any more.
    round bigint NOT NULL DEFAULT 0,
    -- By the database's clock, every other time by the application's.
    lease_until timestamptz,
    tried_at timestamptz,
    -- The last list that was believed, and how many numbers it had.
    good_at timestamptz,
    good_size integer,
    -- Why the newest list was not believed, since when, and how many numbers it had if it could be read.
    alarm text,
    alarm_since timestamptz,
    doubted_size integer,
    -- A person said that a list of so many numbers is right.
    believed_size integer,
    -- What is not as it should be about our application at the carrier, and since when.
    settings_fault text,
    settings_fault_since timestamptz,
    -- Whether the carrier bills us: once it does, it goes on.
    is_billed boolean
);
INSERT INTO reconciliation DEFAULT VALUES;

-- Its owner does not want it any more, but it may have been bought: what is bought rests at once.
ALTER TABLE operations ADD COLUMN given_up_at timestamptz;
