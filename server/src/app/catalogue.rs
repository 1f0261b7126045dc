//! The price catalogue: price lists taken in, looked at, and used to estimate
//! what no bill line pays for yet (A6). The built-in prices come first, those
//! that were taken in win over them.

use super::{App, hash_of};
use crate::error::AppError;
use domain::catalogue::{Catalogue, Price, SpotAdvice};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// The prices we ship: a few hundred machine types, each with its source and day.
const BUILT_IN: &str = include_str!("../../../assets/catalogue/prices.csv");

static BUILT_IN_PRICES: LazyLock<Result<Vec<Price>, String>> = LazyLock::new(|| {
    sources::prices::read_table(BUILT_IN.as_bytes(), "the built-in prices")
        .map(|list| list.prices)
        .map_err(|error| error.to_string())
});

/// The catalogue to look prices up in, and the hash of what is in it.
pub(crate) struct Known {
    pub(crate) catalogue: Catalogue,
    pub(crate) sha256: String,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct PricesImported {
    /// What each file was taken for.
    pub formats: BTreeMap<String, String>,
    /// Prices read.
    pub prices: u64,
    /// Of these, not there before.
    pub new: u64,
    /// Of these, other than before.
    pub changed: u64,
    /// Machine types with a band of the Spot Instance Advisor.
    pub spot_bands: u64,
    /// Entries that are no price of a Linux machine.
    pub passed_over: u64,
}

/// A price, for people and scripts.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ListedPrice {
    /// `aws`, `azure`, `gcp`, `own`, ...
    pub provider: String,
    /// Empty: everywhere.
    pub region: String,
    /// Type, family, or `*`.
    pub resource_type: String,
    /// `on-demand`, `spot`, `reserved`.
    pub purchase_option: String,
    /// Of a reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term_months: Option<u32>,
    /// Of a reservation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub payment_option: String,
    /// `hour`, `core-hour`, `gib-hour`.
    pub unit: String,
    /// Of the price.
    pub currency: String,
    /// Per unit.
    pub price: String,
    /// In force from.
    pub valid_from: String,
    /// Who published it.
    pub source: String,
    /// Shipped with Tonnage.
    pub built_in: bool,
}

/// A band, for people and scripts.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ListedAdvice {
    /// Region.
    pub region: String,
    /// `Linux` or `Windows`.
    pub os: String,
    /// Instance type.
    pub resource_type: String,
    /// Against on demand.
    pub saving_percent: i32,
    /// `<5 %`, `5-10 %`, `>20 %`: share taken back over the trailing month.
    pub interrupted: String,
}

/// Which prices are asked for; empty fields ask for all.
#[derive(Debug, Clone, Default)]
pub struct PriceQuery {
    /// `aws`, ...
    pub provider: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Beginning of the machine type.
    pub resource_type: Option<String>,
}

impl PriceQuery {
    fn wants(&self, provider: &str, region: &str, resource_type: &str) -> bool {
        let same =
            |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|asked| asked.eq_ignore_ascii_case(found));
        let begins = |asked: &Option<String>, found: &str| {
            let found = found.to_ascii_lowercase();
            asked
                .as_ref()
                .is_none_or(|asked| found.starts_with(&asked.to_ascii_lowercase()))
        };
        same(&self.provider, provider) && same(&self.region, region) && begins(&self.resource_type, resource_type)
    }
}

fn built_in() -> Result<&'static [Price], AppError> {
    match &*BUILT_IN_PRICES {
        Ok(prices) => Ok(prices),
        Err(error) => Err(AppError::broken("the built-in prices cannot be read", error.clone())),
    }
}

impl App {
    /// Takes in price lists: all files or none. A price for the same offer and
    /// day is replaced; bands of the Spot Instance Advisor replace all earlier ones.
    ///
    /// # Errors
    /// When a file is no price list.
    pub async fn prices_import(&self, files: Vec<PathBuf>) -> Result<PricesImported, AppError> {
        let lists = self
            .heavy("cannot read the price lists", move || {
                let read = |path: &PathBuf| {
                    let name = path.display().to_string();
                    let list = sources::prices::read(path, &name).map_err(super::ingest::refused)?;
                    Ok((name, list))
                };
                files.iter().map(read).collect::<Result<Vec<_>, AppError>>()
            })
            .await?;
        let known: BTreeMap<_, _> = self
            .store
            .prices()
            .await?
            .into_iter()
            .map(|price| (price.offer, price.price))
            .collect();
        let mut done = PricesImported::default();
        let (mut prices, mut advice) = (BTreeMap::new(), Vec::new());
        for (name, list) in lists {
            done.formats.insert(name, list.format.to_owned());
            done.passed_over += list.passed_over;
            advice.extend(list.advice);
            for price in list.prices {
                prices.insert(price.offer.clone(), price);
            }
        }
        for (offer, price) in &prices {
            match known.get(offer) {
                None => done.new += 1,
                Some(before) if *before != price.price => done.changed += 1,
                Some(_) => {}
            }
        }
        done.prices = prices.len() as u64;
        done.spot_bands = advice.len() as u64;
        let prices: Vec<Price> = prices.into_values().collect();
        self.store.set_prices(&prices, &advice).await?;
        Ok(done)
    }

    /// Prices, those that were taken in before the built-in ones they replace.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn prices_list(&self, query: &PriceQuery) -> Result<Vec<ListedPrice>, AppError> {
        self.reads_estate()?;
        let own = self.store.prices().await?;
        let mut all: BTreeMap<_, (Price, bool)> = BTreeMap::new();
        let shipped = built_in()?.iter().map(|price| (price.clone(), true));
        for (price, is_built_in) in shipped.chain(own.into_iter().map(|price| (price, false))) {
            all.insert(price.offer.clone(), (price, is_built_in));
        }
        let wanted = all.into_values().filter(|(price, _)| {
            let offer = &price.offer;
            query.wants(&offer.provider, &offer.region, &offer.resource_type)
        });
        Ok(wanted.map(|(price, is_built_in)| listed(price, is_built_in)).collect())
    }

    /// Removes the prices of a provider that were taken in; how many there were.
    ///
    /// # Errors
    /// When there are none.
    pub async fn prices_remove(&self, provider: &str) -> Result<u64, AppError> {
        match self.store.remove_prices(&provider.to_ascii_lowercase()).await? {
            0 => Err(AppError::usage(
                format!("no price of {provider:?} was taken in"),
                "`tonnage prices list` shows those there are; built-in ones cannot be removed",
            )),
            removed => Ok(removed),
        }
    }

    /// How often spot capacity is taken back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn spot_bands(&self, query: &PriceQuery) -> Result<Vec<ListedAdvice>, AppError> {
        self.reads_estate()?;
        let advice = self.store.spot_advice().await?;
        let wanted = advice
            .into_iter()
            .filter(|of| query.wants("aws", &of.region, &of.resource_type));
        Ok(wanted.map(listed_advice).collect())
    }

    /// The catalogue at a manifest version that was read before.
    pub(super) async fn catalogue_at(&self, version: i64) -> Result<Arc<Known>, AppError> {
        let read = async {
            let own = self.store.prices().await?;
            let text: String = own.iter().map(|price| format!("{price:?}\n")).collect();
            let prices = built_in()?.iter().cloned().chain(own);
            Ok(Known {
                catalogue: Catalogue::new(prices),
                sha256: hash_of([BUILT_IN.as_bytes(), text.as_bytes()]),
            })
        };
        self.catalogue.get(version, read).await
    }
}

fn listed(price: Price, built_in: bool) -> ListedPrice {
    let offer = price.offer;
    ListedPrice {
        provider: offer.provider,
        region: offer.region,
        resource_type: offer.resource_type,
        purchase_option: offer.purchase.to_string(),
        term_months: Some(offer.term_months).filter(|months| *months > 0),
        payment_option: offer.payment,
        unit: offer.per.as_str().to_owned(),
        currency: offer.currency.to_string(),
        price: price.price.to_string(),
        valid_from: offer.from.to_string(),
        source: price.source,
        built_in,
    }
}

fn listed_advice(advice: SpotAdvice) -> ListedAdvice {
    let interrupted = match (advice.interrupted_from_percent, advice.interrupted_below_percent) {
        (0, Some(below)) => format!("<{below} %"),
        (from, Some(below)) => format!("{from}-{below} %"),
        (from, None) => format!(">{from} %"),
    };
    ListedAdvice {
        region: advice.region,
        os: advice.os,
        resource_type: advice.resource_type,
        saving_percent: advice.saving_percent,
        interrupted,
    }
}
