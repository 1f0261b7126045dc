-- When a provider appends (Google Cloud): the export times of a delivery's rows of a
-- billing period, both inclusive, *_us: microseconds since the epoch, UTC. NULL: unknown,
-- such a delivery replaces its period.
ALTER TABLE delivery_period ADD COLUMN first_export_us BIGINT;
ALTER TABLE delivery_period ADD COLUMN last_export_us BIGINT;
