//! Exchange rates as published (A40).

use crate::Store;
use crate::audit::Change;
use crate::db::{execute, fetch_all, statements};
use crate::error::StoreError;
use crate::manifest;
use crate::rows::Place;
use domain::access::Permission;
use domain::fx::{Published, parse_rate};
use domain::instant::Day;
use domain::money::MONEY_SCALE;
use domain::number::format_units;

statements! {
    ALL: "read the exchange rates" => "SELECT base, quote, day, rate FROM fx_rate ORDER BY base, quote, day";
    SET: "set an exchange rate" =>
        "INSERT INTO fx_rate (base, quote, day, rate) VALUES ($1, $2, $3, $4)
         ON CONFLICT (base, quote, day) DO UPDATE SET rate = excluded.rate";
}

impl Store {
    /// All published rates.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn fx_rates(&self) -> Result<Vec<Published>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<(String, String, i64, String)> = fetch_all!(&mut tx, ALL)?;
        let place = Place("fx_rate");
        let published = rows.into_iter().map(|(base, quote, day, rate)| {
            Ok(Published {
                base: place.currency(&base)?,
                quote: place.currency(&quote)?,
                day: Day(i32::try_from(day).map_err(|_| place.bad("day", day.to_string()))?),
                rate: parse_rate(&rate).ok_or_else(|| place.bad("rate", &rate))?,
            })
        });
        published.collect()
    }

    /// Sets rates, all of them or none; a rate that is there is replaced.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_fx_rates(&self, rates: &[Published]) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ChangePrices).await?;
        manifest::touch(&mut tx).await?;
        for of in rates {
            execute!(
                &mut tx,
                SET,
                of.base.as_str(),
                of.quote.as_str(),
                i64::from(of.day.0),
                format_units(of.rate, MONEY_SCALE)
            )?;
        }
        let change = Change::new("rates.set", "exchange rates").after(serde_json::json!({
            "rates": rates.len(),
            "first_day": rates.iter().map(|of| of.day.to_string()).min(),
            "last_day": rates.iter().map(|of| of.day.to_string()).max(),
        }));
        self.commit(tx, change).await
    }
}
