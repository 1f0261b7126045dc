//! The price catalogue, and how often spot capacity is taken back.

use crate::Store;
use crate::audit::Change;
use crate::db::{Statement, execute, fetch_all, statements};
use crate::dialect::from_json_rows;
use crate::error::StoreError;
use crate::manifest;
use crate::rows::Place;
use domain::access::Permission;
use domain::catalogue::{Offer, Per, Price, Purchase, SpotAdvice};
use serde_json::{Value, json};

statements! {
    ALL: "read the prices" =>
        "SELECT provider, region, resource_type, purchase_option, term_months, payment_option, unit, currency, day,
                price, source
         FROM price
         ORDER BY provider, region, resource_type, purchase_option, term_months, payment_option, unit, currency, day";
    REMOVE: "remove the prices of a provider" => "DELETE FROM price WHERE provider = $1";
    ADVICE: "read how often spot capacity is taken back" =>
        "SELECT region, os, resource_type, saving_percent, interrupted_from_percent, interrupted_below_percent
         FROM spot_advice ORDER BY region, os, resource_type";
    FORGET_ADVICE: "replace how often spot capacity is taken back" => "DELETE FROM spot_advice";
}

/// One statement for many: a price list has thousands.
pub(crate) const SET: Statement = from_json_rows! {
    "set prices" =>
    "INSERT INTO price (provider, region, resource_type, purchase_option, term_months, payment_option, unit, currency,
                        day, price, source)
     SELECT item.value ->> 'provider', item.value ->> 'region', item.value ->> 'resource_type',
            item.value ->> 'purchase_option', CAST(item.value ->> 'term_months' AS BIGINT),
            item.value ->> 'payment_option', item.value ->> 'unit', item.value ->> 'currency',
            CAST(item.value ->> 'day' AS BIGINT), item.value ->> 'price', item.value ->> 'source' FROM",
    "WHERE TRUE ON CONFLICT (provider, region, resource_type, purchase_option, term_months, payment_option, unit,
                             currency, day)
     DO UPDATE SET price = excluded.price, source = excluded.source"
};

pub(crate) const SET_ADVICE: Statement = from_json_rows! {
    "keep how often spot capacity is taken back" =>
    "INSERT INTO spot_advice (region, os, resource_type, saving_percent, interrupted_from_percent,
                              interrupted_below_percent)
     SELECT item.value ->> 'region', item.value ->> 'os', item.value ->> 'resource_type',
            CAST(item.value ->> 'saving' AS BIGINT), CAST(item.value ->> 'from' AS BIGINT),
            CAST(item.value ->> 'below' AS BIGINT) FROM",
    "WHERE TRUE ON CONFLICT (region, os, resource_type)
     DO UPDATE SET saving_percent = excluded.saving_percent,
                   interrupted_from_percent = excluded.interrupted_from_percent,
                   interrupted_below_percent = excluded.interrupted_below_percent"
};

/// Rows of one statement: bounded memory, and far below what a parameter may hold.
const CHUNK: usize = 2_000;

type Row = (
    String,
    String,
    String,
    String,
    i64,
    String,
    String,
    String,
    i64,
    String,
    String,
);

impl Store {
    /// All prices.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn prices(&self) -> Result<Vec<Price>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<Row> = fetch_all!(&mut tx, ALL)?;
        rows.into_iter().map(price).collect()
    }

    /// Sets prices, all of them or none; one for the same offer and day is
    /// replaced. Advice, where there is some, replaces all earlier: it is one
    /// publication, of one month.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_prices(&self, prices: &[Price], advice: &[SpotAdvice]) -> Result<(), StoreError> {
        let mut tx = self.write(Permission::ChangePrices).await?;
        manifest::touch(&mut tx).await?;
        for chunk in prices.chunks(CHUNK) {
            let rows: Vec<Value> = chunk.iter().map(row).collect();
            execute!(&mut tx, SET, Value::from(rows).to_string())?;
        }
        if !advice.is_empty() {
            execute!(&mut tx, FORGET_ADVICE)?;
        }
        for chunk in advice.chunks(CHUNK) {
            let rows: Vec<Value> = chunk.iter().map(advice_row).collect();
            execute!(&mut tx, SET_ADVICE, Value::from(rows).to_string())?;
        }
        let change = Change::new("prices.set", "price catalogue")
            .after(serde_json::json!({ "prices": prices.len(), "spot_advice": advice.len() }));
        self.commit(tx, change).await
    }

    /// Removes the prices of a provider; how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_prices(&self, provider: &str) -> Result<u64, StoreError> {
        let mut tx = self.write(Permission::ChangePrices).await?;
        manifest::touch(&mut tx).await?;
        let removed = execute!(&mut tx, REMOVE, provider)?;
        let change = Change::new("prices.removed", provider).before(serde_json::json!({ "prices": removed }));
        self.commit(tx, change).await?;
        Ok(removed)
    }

    /// How often spot capacity is taken back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spot_advice(&self) -> Result<Vec<SpotAdvice>, StoreError> {
        let mut tx = self.read().await?;
        let rows: Vec<(String, String, String, i64, i64, i64)> = fetch_all!(&mut tx, ADVICE)?;
        let place = Place("spot_advice");
        let advice = rows
            .into_iter()
            .map(|(region, os, resource_type, saving, from, below)| {
                Ok(SpotAdvice {
                    region,
                    os,
                    resource_type,
                    saving_percent: i32::try_from(saving).map_err(|_| place.bad("saving", saving))?,
                    interrupted_from_percent: place.small(from)?,
                    interrupted_below_percent: Some(place.small(below)?).filter(|below| *below > 0),
                })
            });
        advice.collect()
    }
}

fn advice_row(of: &SpotAdvice) -> Value {
    json!({
        "region": of.region, "os": of.os, "resource_type": of.resource_type,
        "saving": of.saving_percent, "from": of.interrupted_from_percent,
        "below": of.interrupted_below_percent.unwrap_or(0),
    })
}

fn row(price: &Price) -> Value {
    let offer = &price.offer;
    json!({
        "provider": offer.provider, "region": offer.region, "resource_type": offer.resource_type,
        "purchase_option": offer.purchase.as_str(), "term_months": offer.term_months,
        "payment_option": offer.payment, "unit": offer.per.as_str(), "currency": offer.currency.as_str(),
        "day": offer.from.0, "price": price.price.to_string(), "source": price.source,
    })
}

fn price(row: Row) -> Result<Price, StoreError> {
    let (provider, region, resource_type, purchase, term, payment, per, currency, day, price, source) = row;
    let place = Place("price");
    Ok(Price {
        offer: Offer {
            provider,
            region,
            resource_type,
            purchase: Purchase::parse(&purchase).ok_or_else(|| place.bad("way of buying", &purchase))?,
            term_months: place.small(term)?,
            payment,
            per: Per::parse(&per).ok_or_else(|| place.bad("unit", &per))?,
            currency: place.currency(&currency)?,
            from: place.day(day)?,
        },
        price: place.money(&price)?,
        source,
    })
}
