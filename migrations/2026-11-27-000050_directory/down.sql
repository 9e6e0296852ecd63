DROP INDEX calls_recorded_order;
ALTER TABLE calls DROP COLUMN recorded, DROP COLUMN server;
DROP SEQUENCE calls_recorded;
DROP TRIGGER directory_of_stops ON spending_stops;
DROP TRIGGER directory_of_numbers ON numbers;
DROP TRIGGER directory_of_masks ON masks;
DROP FUNCTION directory_of_stops, directory_of_numbers, directory_of_masks, directory_change, directory_tell;
DROP TABLE servers, directory_changes, directory_version;
