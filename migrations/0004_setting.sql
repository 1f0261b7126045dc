CREATE TABLE setting (
    setting_key TEXT NOT NULL PRIMARY KEY CHECK (setting_key <> ''),
    setting_value TEXT NOT NULL
);
