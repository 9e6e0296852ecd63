-- Looks at the rows of before, under a lock that lets calls be read and written meanwhile.
ALTER TABLE calls VALIDATE CONSTRAINT calls_decision_check;
