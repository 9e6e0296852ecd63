DROP TABLE verifications, numbers;
