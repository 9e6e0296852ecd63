-- The limits of the whole deployment that are half used, and when the admins were told so: once, until it has been otherwise
-- for a day.
CREATE TABLE cap_notices (
    cap text PRIMARY KEY,
    told_at timestamptz NOT NULL
);
