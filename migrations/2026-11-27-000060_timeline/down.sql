DROP FUNCTION directory_timeline();
