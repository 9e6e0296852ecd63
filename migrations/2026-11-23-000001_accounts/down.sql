DROP TABLE audit, rate_events, sessions, mailed_links, users;
