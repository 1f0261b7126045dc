-- Exchange rates as published (A40): 1 base = rate quote on a day; day: days since 1970-01-01, UTC.
CREATE TABLE fx_rate (
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    day BIGINT NOT NULL,
    rate TEXT NOT NULL,
    PRIMARY KEY (base, quote, day),
    CHECK (base <> quote)
);
