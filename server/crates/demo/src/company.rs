//! Tidewater Logistics: the fleet description and the months it is told for.

use chrono::{Datelike, Months, NaiveDate};
use serde::Deserialize;

use crate::{DemoConfig, DemoError};

const FLEET: &str = include_str!("../../../../assets/demo/fleet.json");

/// A day told relative to the first month of the demo.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Offset {
    months: u32,
    day: u32,
}

/// A warehouse.
#[derive(Debug, Deserialize)]
pub struct Site {
    pub id: String,
    pub name: String,
    pub country: String,
    pub servers: u32,
}

/// A service of the platform and the service tier it promises.
#[derive(Debug, Deserialize)]
pub struct Service {
    pub id: String,
    pub tier: String,
}

/// How the people who run a tenant's resources write its tags.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Own sub-account; the resources name no tenant.
    Dedicated,
    /// `tenant`, as agreed.
    Clean,
    /// `Tenant`.
    Capital,
    /// The tag of an earlier convention: `customer` = `TNT-...`.
    Customer,
    /// No tag; the resource name says it.
    Name,
    /// `tenant`, spelled like the company name.
    Alias,
}

/// A customer of the platform.
#[derive(Debug, Deserialize)]
pub struct Tenant {
    pub id: String,
    pub tier: String,
    /// Size against the others, 1 to 100.
    pub weight: u32,
    pub style: Style,
    /// Runs an ERP instance of its own, on a virtual machine.
    pub erp: bool,
    #[serde(default)]
    pub alias: String,
    starts_after: Option<Offset>,
    ends_after: Option<Offset>,
}

#[derive(Debug, Deserialize)]
struct Move {
    tenant: String,
    to: String,
    after: Offset,
}

#[derive(Debug, Deserialize)]
struct Description {
    company: String,
    #[serde(rename = "move")]
    takeover: Move,
    sites: Vec<Site>,
    services: Vec<Service>,
    tenants: Vec<Tenant>,
}

/// A billing period and the part of it that has happened.
#[derive(Clone, Copy, Debug)]
pub struct Month {
    pub start: NaiveDate,
    /// Exclusive, by the calendar.
    pub end: NaiveDate,
    /// Exclusive: the first day that is not billed yet.
    pub until: NaiveDate,
}

impl Month {
    /// `2026-11`.
    pub fn key(&self) -> String {
        self.start.format("%Y-%m").to_string()
    }

    /// Whether the month is over, so that its bill is invoiced.
    pub fn closed(&self) -> bool {
        self.until == self.end
    }

    /// Billed days.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let until = self.until;
        self.start.iter_days().take_while(move |day| *day < until)
    }
}

/// One tenant that another one takes over, within a month.
#[derive(Clone, Debug)]
pub struct Takeover {
    pub tenant: String,
    pub to: String,
    /// The first day the new owner pays.
    pub on: NaiveDate,
}

/// The company over the months of the demo.
#[derive(Debug)]
pub struct Company {
    pub name: String,
    pub months: Vec<Month>,
    pub takeover: Takeover,
    pub sites: Vec<Site>,
    pub services: Vec<Service>,
    pub tenants: Vec<Tenant>,
}

impl Company {
    /// Reads the fleet description and lays out the months that end with the day before `today`.
    pub fn load(config: &DemoConfig) -> Result<Self, DemoError> {
        let description: Description = serde_json::from_str(FLEET).map_err(|source| DemoError::Fleet { source })?;
        let months = months(config).ok_or(DemoError::Calendar {
            today: config.today,
            months: config.months,
        })?;
        let first = months[0].start;
        Ok(Self {
            name: description.company,
            takeover: Takeover {
                on: at(first, description.takeover.after),
                tenant: description.takeover.tenant,
                to: description.takeover.to,
            },
            months,
            sites: description.sites,
            services: description.services,
            tenants: description.tenants,
        })
    }

    /// The first billed day.
    pub fn first(&self) -> NaiveDate {
        self.months[0].start
    }

    /// The service tier of a service; empty for an unknown one.
    pub fn service_tier(&self, service: &str) -> &str {
        self.services
            .iter()
            .find(|known| known.id == service)
            .map_or("", |known| known.tier.as_str())
    }

    /// First day and exclusive last day of a tenant.
    pub fn life(&self, tenant: &Tenant) -> (NaiveDate, NaiveDate) {
        (
            tenant
                .starts_after
                .map_or(NaiveDate::MIN, |offset| at(self.first(), offset)),
            tenant
                .ends_after
                .map_or(NaiveDate::MAX, |offset| at(self.first(), offset)),
        )
    }
}

fn at(first: NaiveDate, offset: Offset) -> NaiveDate {
    let month = first + Months::new(offset.months);
    month.with_day(offset.day).unwrap_or(month)
}

/// At least one month; `None` when the dates leave the calendar.
fn months(config: &DemoConfig) -> Option<Vec<Month>> {
    let last = config.today.pred_opt()?.with_day(1)?;
    (0..config.months)
        .rev()
        .map(|back| {
            let start = last.checked_sub_months(Months::new(back))?;
            let end = start.checked_add_months(Months::new(1))?;
            Some(Month {
                start,
                end,
                until: end.min(config.today),
            })
        })
        .collect::<Option<Vec<_>>>()
        .filter(|months| !months.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_months_end_before_today() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let table = [
            ("2026-11-22", 14, "2025-10-01", "2026-11-22", false),
            ("2026-12-01", 2, "2026-10-01", "2026-12-01", true),
            ("2026-12-02", 1, "2026-12-01", "2026-12-02", false),
        ];
        for (today, count, first, until, closed) in table {
            let config = DemoConfig {
                seed: 1,
                months: count,
                today: day(today),
            };
            let company = Company::load(&config).unwrap();
            assert_eq!(company.first(), day(first));
            assert_eq!(company.months[company.months.len() - 1].until, day(until));
            assert_eq!(company.months.len(), count as usize);
            assert_eq!(company.months[company.months.len() - 1].closed(), closed);
        }
        let none = DemoConfig {
            seed: 1,
            months: 0,
            today: day("2026-11-22"),
        };
        assert!(matches!(Company::load(&none), Err(DemoError::Calendar { .. })));
    }

    #[test]
    fn the_fleet_is_the_one_described() {
        let config = DemoConfig {
            seed: 1,
            months: 14,
            today: NaiveDate::from_ymd_opt(2026, 11, 22).unwrap(),
        };
        let company = Company::load(&config).unwrap();
        assert_eq!(
            (company.tenants.len(), company.services.len(), company.sites.len()),
            (40, 25, 6)
        );
        let dedicated = company.tenants.iter().filter(|tenant| tenant.style == Style::Dedicated);
        assert_eq!(dedicated.count(), 2);
    }
}
