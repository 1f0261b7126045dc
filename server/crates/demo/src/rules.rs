//! The company's owner rules: a commented file with the dates of this demo filled in.

use chrono::{Months, NaiveDate};

use crate::company::Company;

const TEMPLATE: &str = include_str!("../../../../assets/demo/rules.yaml");

/// The text of `rules.yaml`.
pub fn text(company: &Company) -> String {
    let date = |day: NaiveDate| day.format("%Y-%m-%d").to_string();
    TEMPLATE
        .replace("2000-01-01", &date(company.takeover.on))
        // a reorganisation of the cost centres, at the start of a month
        .replace("2000-02-01", &date(company.first() + Months::new(3)))
}
