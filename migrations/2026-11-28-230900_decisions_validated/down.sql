-- A constraint that holds for all rows needs not hold for fewer.
SELECT 1;
