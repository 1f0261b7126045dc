-- Volumes, load balancers and sizing facts of a cluster's day; NULL where the
-- day has none, as all days before this release.

ALTER TABLE usage_day ADD COLUMN volumes_path TEXT;
ALTER TABLE usage_day ADD COLUMN balancers_path TEXT;
ALTER TABLE usage_day ADD COLUMN sizing_path TEXT;
