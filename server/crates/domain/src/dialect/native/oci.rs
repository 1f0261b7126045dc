//! Oracle Cloud cost reports (Oracle, "Cost and Usage Reports overview").
//!
//! `cost/myCost` is the cost; `cost/myCostOverage` is only what exceeds an
//! agreement, and zero or empty for most.

use super::draft::Column;
use super::names::Names;
use super::time::month_of;
use super::{Draft, Field, Out, Rewriter, Row, Rule, field};
use crate::finding::Finding;
use crate::tags::Tags;

const FIELDS: &[Field] = &[
    field("BilledCost", &["cost/mycost"]),
    field("EffectiveCost", &["cost/mycost"]),
    field("BillingAccountId", &["lineitem/tenantid"]),
    field("SubAccountId", &["product/compartmentid"]),
    field("SubAccountName", &["product/compartmentname"]),
    field("ChargePeriodStart", &["lineitem/intervalusagestart"]),
    field("ChargePeriodEnd", &["lineitem/intervalusageend"]),
    field("BillingCurrency", &["cost/currencycode"]),
    field("ServiceName", &["product/service"]),
    field("ChargeDescription", &["product/description"]),
    field("RegionId", &["product/region"]),
    field("AvailabilityZone", &["product/availabilitydomain"]),
    field("ResourceId", &["product/resourceid"]),
    field("SkuId", &["cost/productsku"]),
    field("ConsumedQuantity", &["usage/billedquantity"]),
    field("ConsumedUnit", &["cost/skuunitdescription"]),
    field("ContractedUnitPrice", &["cost/unitprice"]),
];

const COMPUTED: &[&str] = &[
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "ProviderName",
    "ServiceCategory",
    "Tags",
];

const MANDATORY: &[(&str, &[&str])] = &[
    ("cost/myCost", &["cost/mycost"]),
    ("lineItem/intervalUsageStart", &["lineitem/intervalusagestart"]),
    ("lineItem/intervalUsageEnd", &["lineitem/intervalusageend"]),
];

const TAG_PREFIX: &str = "tags/";

/// Whether a header is one of a cost report.
#[must_use]
pub fn recognises(headers: &[String]) -> bool {
    MANDATORY
        .iter()
        .all(|(_, names)| headers.iter().any(|header| names.contains(&normal(header).as_str())))
}

fn normal(header: &str) -> String {
    header.trim().to_ascii_lowercase()
}

/// The rewriter of a report with this header.
///
/// # Errors
/// One finding per missing or repeated column.
pub(super) fn rewriter(headers: &[String]) -> Result<Rewriter, Vec<Finding>> {
    let names = Names::new(headers, normal)?;
    let missing = names.missing(MANDATORY);
    if !missing.is_empty() {
        return Err(missing);
    }
    let tags = names.headers.iter().enumerate();
    let tags = tags.filter_map(|(at, header)| Some((at, header.strip_prefix(TAG_PREFIX)?.to_owned())));
    let rule = Oci {
        start: names.find("lineitem/intervalusagestart"),
        service: names.find("product/service"),
        correction: names.find("lineitem/iscorrection"),
        tags: tags.collect(),
    };
    let sources = [("BillingPeriodStart", rule.start)];
    let is_kept = |header: &str| !header.starts_with(TAG_PREFIX);
    Ok(Rewriter::bind(
        &names,
        FIELDS,
        COMPUTED,
        &sources,
        is_kept,
        Box::new(rule),
    ))
}

struct Oci {
    start: Option<usize>,
    service: Option<usize>,
    correction: Option<usize>,
    tags: Vec<(usize, String)>,
}

impl Rule for Oci {
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>) {
        const PERIOD_START: Column = Column::named("BillingPeriodStart");
        const PERIOD_END: Column = Column::named("BillingPeriodEnd");
        if let Some((start, end)) = month_of(row.get(self.start).unwrap_or_default()) {
            draft.own(PERIOD_START, start);
            draft.own(PERIOD_END, end);
        }
        draft.set(Column::named("ChargeCategory"), b"Usage");
        draft.set(Column::named("ChargeFrequency"), b"Usage-Based");
        draft.set(Column::named("ProviderName"), b"Oracle");
        let corrects = row
            .get(self.correction)
            .is_some_and(|cell| cell.eq_ignore_ascii_case(b"true"));
        if corrects {
            draft.set(Column::named("ChargeClass"), b"Correction");
        }
        let service = row.get(self.service).unwrap_or_default();
        draft.set(Column::named("ServiceCategory"), category(service).as_bytes());
        let tags: Tags = self
            .tags
            .iter()
            .filter_map(|(at, key)| Some((key.clone(), String::from_utf8_lossy(row.get(Some(*at))?).into_owned())))
            .collect();
        if !tags.is_empty() {
            // text to text always becomes JSON
            draft.own(Column::named("Tags"), serde_json::to_string(&tags).unwrap_or_default());
        }
        out.row(draft);
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// FOCUS ServiceCategory by service code; empty when unknown.
fn category(service: &[u8]) -> &'static str {
    match service {
        b"COMPUTE" | b"FUNCTIONS" | b"CONTAINER_ENGINE" => "Compute",
        b"BLOCK_STORAGE" | b"OBJECT_STORAGE" | b"OBJECTSTORE" | b"FILE_STORAGE" => "Storage",
        b"DATABASE" | b"MYSQL" | b"NOSQL" | b"POSTGRESQL" => "Databases",
        b"NETWORK" | b"VCN" | b"LOADBALANCER" | b"LBAAS" | b"DNS" => "Networking",
        b"TELEMETRY" | b"LOGGING" | b"MONITORING" => "Management and Governance",
        b"KMS" | b"WAF" => "Security",
        b"STREAMING" | b"NOTIFICATIONS" | b"QUEUE" => "Integration",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::native::{Native, Rows};

    #[test]
    fn a_row_of_a_report() {
        let headers = [
            "lineItem/intervalUsageStart",
            "lineItem/intervalUsageEnd",
            "product/service",
            "cost/myCost",
            "cost/myCostOverage",
            "lineItem/isCorrection",
            "tags/Ops.Tenant",
        ]
        .map(str::to_owned);
        assert!(recognises(&headers));
        let mut rewriter = Native::Oci.rewriter(&headers).expect("binds");
        let mut rows = Rows::default();
        let cells = [
            "2023-11-13T10:00Z",
            "2023-11-13T11:00:00Z",
            "DATABASE",
            "2.323760000E-9",
            "",
            "true",
            "acme",
        ];
        rewriter.row(&cells.map(str::as_bytes), &mut rows);
        let value = |name: &str| {
            let at = rewriter.headers().iter().position(|header| header == name).expect(name);
            String::from_utf8_lossy(rows.row(0)[at]).into_owned()
        };
        for (column, expect) in [
            ("BilledCost", "2.323760000E-9"),
            ("EffectiveCost", "2.323760000E-9"),
            ("BillingPeriodStart", "2023-11-01T00:00:00Z"),
            ("BillingPeriodEnd", "2023-12-01T00:00:00Z"),
            ("ServiceCategory", "Databases"),
            ("ChargeClass", "Correction"),
            ("Tags", r#"{"Ops.Tenant":"acme"}"#),
        ] {
            assert_eq!(value(column), expect, "{column}");
        }
    }
}
