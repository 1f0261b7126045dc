-- Prices of machines by provider, region, type and way of buying; day: days since 1970-01-01, from which on it is in force.
CREATE TABLE price (
    provider TEXT NOT NULL,
    region TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    purchase_option TEXT NOT NULL,
    term_months BIGINT NOT NULL,
    payment_option TEXT NOT NULL,
    unit TEXT NOT NULL,
    currency TEXT NOT NULL,
    day BIGINT NOT NULL,
    price TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (provider, region, resource_type, purchase_option, term_months, payment_option, unit, currency, day)
);
-- How often spot capacity was taken back over the trailing month, as published; from and below in per cent, below 0: open.
CREATE TABLE spot_advice (
    region TEXT NOT NULL,
    os TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    saving_percent BIGINT NOT NULL,
    interrupted_from_percent BIGINT NOT NULL,
    interrupted_below_percent BIGINT NOT NULL,
    PRIMARY KEY (region, os, resource_type)
);
