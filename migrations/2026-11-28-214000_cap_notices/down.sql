DROP TABLE cap_notices;
