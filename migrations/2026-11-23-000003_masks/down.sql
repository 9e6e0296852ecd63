DROP TABLE operations, masks;
