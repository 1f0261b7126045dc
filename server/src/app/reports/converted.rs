//! Costs of all currencies in one (A40), for the page, the API and the downloads.

use crate::app::App;
use crate::app::rates::{ConvertQuery, ConvertedCosts};
use crate::error::AppError;
use domain::fx::RateType;
use domain::{BillingPeriod, Currency};
use frontend::query::PageQuery;
use std::collections::BTreeSet;
use wire::{ConvertedPage, ConvertedQuery, ConvertedRow};

/// Asked for when nothing else is, if there is a rate of it.
const USUAL: &str = "EUR";

impl App {
    /// The page of costs in one currency.
    ///
    /// # Errors
    /// When a charge has no rate, a key is not known, or there is no bill.
    pub async fn converted_page(&self, query: &ConvertedQuery) -> Result<ConvertedPage, AppError> {
        let asked = PageQuery {
            period: query.costs.period.clone(),
            basis: query.costs.basis,
            ..PageQuery::default()
        };
        let ground = self.ground(&asked).await?;
        let mut query = query.clone();
        if query.costs.by.is_empty() {
            query.costs.by = vec!["tenant".to_owned()];
        }
        query.costs.period = Some(ground.period.to_string());
        let pairs = self.rates().await?;
        let known: BTreeSet<String> = pairs
            .iter()
            .flat_map(|pair| [pair.base.to_string(), pair.quote.to_string()])
            .collect();
        let usual = known.get(USUAL).or_else(|| known.first()).cloned();
        query.to = query.to.or(usual);
        let costs = match query.to.as_deref().filter(|_| !known.is_empty()) {
            Some(to) => Some(self.in_one_currency(ground.period, &query, to).await?),
            None => None,
        };
        Ok(ConvertedPage {
            context: ground.context,
            query,
            currencies: known.into_iter().collect(),
            costs,
        })
    }

    async fn in_one_currency(
        &self,
        period: BillingPeriod,
        query: &ConvertedQuery,
        to: &str,
    ) -> Result<wire::ConvertedCosts, AppError> {
        let to = Currency::parse(to)
            .ok_or_else(|| AppError::usage(format!("{to:?} is no currency"), "write a code such as EUR"))?;
        let asked = ConvertQuery {
            period: Some(period),
            by: query.costs.by.clone(),
            basis: query.costs.basis,
            filters: query.costs.filters.clone(),
            to,
            rate_type: if query.charge_date {
                RateType::ChargeDate
            } else {
                RateType::MonthAverage
            },
        };
        Ok(shown(&self.costs_converted(&asked).await?))
    }
}

fn shown(costs: &ConvertedCosts) -> wire::ConvertedCosts {
    let rows = costs.rows.iter().map(|row| ConvertedRow {
        keys: costs
            .by
            .iter()
            .map(|key| row.keys.get(key).cloned().unwrap_or_default())
            .collect(),
        cost: row.cost.to_string(),
        origin: costs
            .origin
            .keys()
            .map(|currency| row.origin.get(currency).map(ToString::to_string))
            .collect(),
    });
    wire::ConvertedCosts {
        rows: rows.collect(),
        currency: costs.currency.to_string(),
        rates: costs
            .rates
            .iter()
            .filter(|(currency, _)| currency.as_str() != costs.currency.as_str())
            .map(|(currency, rate)| (currency.clone(), rate.map(|rate| rate.to_string())))
            .collect(),
        total: costs.total.to_string(),
        origin: costs
            .origin
            .iter()
            .map(|(currency, money)| (currency.clone(), money.to_string()))
            .collect(),
    }
}
