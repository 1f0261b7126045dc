//! Google Cloud billing exports, standard and detailed: JSON, CSV with dotted
//! or flattened headers, Parquet (Google, "Structure of Standard data export"
//! and "Structure of Detailed data export").
//!
//! Billed cost is `cost` plus the sum of `credits.amount`, which are negative.
//! The invoice month decides the billing period, not the usage date.

mod credits;

use super::draft::Column;
use super::names::{Names, letters};
use super::time::month_number;
use super::{Draft, Field, Out, Rewriter, Row, Rule, field};
use crate::finding::Finding;
use crate::money::MONEY_SCALE;
use crate::number::{Excess, format_units, parse_units};
use crate::tags::{self, Tags};
use serde_json::Value;

/// Top-level fields of a row in BigQuery's JSON export, in the order they become
/// columns; nested ones as JSON text. A field that is not here is kept in `x_other`.
pub const JSON_FIELDS: &[&str] = &[
    "billing_account_id",
    "service",
    "sku",
    "usage_start_time",
    "usage_end_time",
    "project",
    "labels",
    "system_labels",
    "location",
    "resource",
    "tags",
    "price",
    "export_time",
    "cost",
    "currency",
    "currency_conversion_rate",
    "usage",
    "credits",
    "invoice",
    "cost_type",
    "adjustment_info",
    "cost_at_list",
    "cost_at_effective_price_default",
    "cost_at_list_consumption_model",
    "consumption_model",
    "transaction_type",
    "seller_name",
    "subscription",
    "x_other",
];

const FIELDS: &[Field] = &[
    field("BillingAccountId", &["billingaccountid"]),
    field("ChargePeriodStart", &["usagestarttime"]),
    field("ChargePeriodEnd", &["usageendtime"]),
    field("BillingCurrency", &["currency"]),
    field("ContractedCost", &["cost"]),
    field("ListCost", &["costatlist"]),
];

const COMPUTED: &[&str] = &[
    "BilledCost",
    "EffectiveCost",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "PricingCategory",
    "ProviderName",
    "PublisherName",
    "SubAccountId",
    "SubAccountName",
    "ServiceName",
    "ServiceCategory",
    "ChargeDescription",
    "SkuId",
    "RegionId",
    "AvailabilityZone",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ConsumedQuantity",
    "ConsumedUnit",
    "Tags",
];

const MANDATORY: &[(&str, &[&str])] = &[
    ("cost", &["cost"]),
    ("usage_start_time", &["usagestarttime"]),
    ("usage_end_time", &["usageendtime"]),
    ("invoice.month", &["invoicemonth", "invoice"]),
];

/// Whether a header is one of a billing export.
#[must_use]
pub fn recognises(headers: &[String]) -> bool {
    let names: Vec<String> = headers.iter().map(|header| letters(header)).collect();
    let has = |name: &str| names.iter().any(|known| known == name);
    MANDATORY.iter().all(|(_, forms)| forms.iter().any(|form| has(form)))
        && (has("billingaccountid") || has("costtype") || has("credits"))
}

/// `detailed` when rows name resources, else `standard`.
#[must_use]
pub fn version(headers: &[String]) -> &'static str {
    let detailed = ["resource", "resourcename", "resourceglobalname"];
    if headers
        .iter()
        .any(|header| detailed.contains(&letters(header).as_str()))
    {
        "detailed"
    } else {
        "standard"
    }
}

/// The rewriter of an export with this header.
///
/// # Errors
/// One finding per missing or repeated column.
pub(super) fn rewriter(headers: &[String]) -> Result<Rewriter, Vec<Finding>> {
    let names = Names::new(headers, letters)?;
    let missing = names.missing(MANDATORY);
    if !missing.is_empty() {
        return Err(missing);
    }
    let sources = [
        ("BilledCost", names.find("cost")),
        ("EffectiveCost", names.find("cost")),
        ("BillingPeriodStart", names.first(&["invoicemonth", "invoice"])),
    ];
    let rule = Gcp::new(&names);
    Ok(Rewriter::bind(
        &names,
        FIELDS,
        COMPUTED,
        &sources,
        |_| true,
        Box::new(rule),
    ))
}

/// A value that is a column of its own, or inside a nested one.
struct Path {
    flat: Option<usize>,
    nested: Option<usize>,
    keys: &'static [&'static str],
}

impl Path {
    /// `invoice.month`: flat `invoicemonth`, else `month` of the JSON in `invoice`.
    fn new(names: &Names, flat: &str, nested: &str, keys: &'static [&'static str]) -> Path {
        Path {
            flat: names.find(flat),
            nested: names.find(nested),
            keys,
        }
    }

    fn get(&self, row: &Row<'_>) -> Option<String> {
        if let Some(cell) = row.get(self.flat) {
            return Some(String::from_utf8_lossy(cell).into_owned());
        }
        let value: Value = serde_json::from_slice(row.get(self.nested)?).ok()?;
        let value = self.keys.iter().try_fold(&value, |value, key| value.get(key))?;
        match value {
            Value::Null => None,
            Value::String(text) => (!text.is_empty()).then(|| text.clone()),
            other => Some(other.to_string()),
        }
    }
}

struct Gcp {
    cost: Option<usize>,
    credits: Option<usize>,
    credits_amount: Option<usize>,
    credits_type: Option<usize>,
    cost_type: Option<usize>,
    adjusted: Path,
    month: Path,
    texts: Vec<(Column, Path)>,
    sku: Path,
    service: Path,
    resource: (Path, Path),
    usage: (Path, Path),
    labels: Vec<usize>,
    label: (Option<usize>, Option<usize>),
    project: Option<usize>,
}

impl Gcp {
    fn new(names: &Names) -> Gcp {
        let path = |flat: &str, nested: &str, keys| Path::new(names, flat, nested, keys);
        let texts = vec![
            (Column::named("SubAccountId"), path("projectid", "project", &["id"])),
            (
                Column::named("SubAccountName"),
                path("projectname", "project", &["name"]),
            ),
            (Column::named("SkuId"), path("skuid", "sku", &["id"])),
            (
                Column::named("RegionId"),
                path("locationregion", "location", &["region"]),
            ),
            (
                Column::named("AvailabilityZone"),
                path("locationzone", "location", &["zone"]),
            ),
        ];
        Gcp {
            cost: names.find("cost"),
            credits: names.find("credits"),
            credits_amount: names.find("creditsamount"),
            credits_type: names.find("creditstype"),
            cost_type: names.find("costtype"),
            adjusted: path("adjustmentinfoid", "adjustmentinfo", &["id"]),
            month: path("invoicemonth", "invoice", &["month"]),
            texts,
            sku: path("skudescription", "sku", &["description"]),
            service: path("servicedescription", "service", &["description"]),
            resource: (
                path("resourceglobalname", "resource", &["global_name"]),
                path("resourcename", "resource", &["name"]),
            ),
            usage: (
                path("usageamountinpricingunits", "usage", &["amount_in_pricing_units"]),
                path("usagepricingunit", "usage", &["pricing_unit"]),
            ),
            labels: ["systemlabels", "tags", "labels"]
                .iter()
                .filter_map(|name| names.find(name))
                .collect(),
            label: (names.find("labelskey"), names.find("labelsvalue")),
            project: names.find("project"),
        }
    }

    /// `cost` plus the credits. Text that cannot be added is passed on, so that
    /// the row is refused with it.
    fn billed(&self, row: &Row<'_>) -> String {
        let cost = row.get(self.cost).unwrap_or_default();
        let refused = || String::from_utf8_lossy(cost).into_owned();
        let Ok(mut sum) = parse_units(cost, MONEY_SCALE, Excess::Refuse) else {
            return refused();
        };
        let amounts = match (row.get(self.credits), row.get(self.credits_amount)) {
            (Some(list), _) => match credits::amounts(list) {
                Some(amounts) => amounts,
                None => return format!("credits {}", String::from_utf8_lossy(list)),
            },
            (None, Some(amount)) => vec![String::from_utf8_lossy(amount).into_owned()],
            (None, None) => Vec::new(),
        };
        for amount in amounts {
            let credit = parse_units(amount.as_bytes(), MONEY_SCALE, Excess::Refuse);
            match credit.ok().and_then(|credit| sum.checked_add(credit)) {
                Some(total) => sum = total,
                None => return format!("credit {amount}"),
            }
        }
        format_units(sum, MONEY_SCALE)
    }

    /// Whether a spend-based commitment paid for a part of it.
    fn is_covered(&self, row: &Row<'_>) -> bool {
        let named = |at| row.get(at).is_some_and(|cell| contains(cell, SPEND_CREDIT));
        named(self.credits) || named(self.credits_type)
    }

    /// Labels of the resource, else of the project, else of the system: each is
    /// a namespace of its own, and the nearer one wins.
    fn tags(&self, row: &Row<'_>) -> Tags {
        let mut found = Tags::new();
        if let Some(labels) = row
            .get(self.project)
            .and_then(|cell| serde_json::from_slice::<Value>(cell).ok())
            .and_then(|project| Some(project.get("labels")?.to_string()))
        {
            found.extend(tags::parse(&labels).unwrap_or_default());
        }
        for at in &self.labels {
            if let Some(text) = row.get(Some(*at)).and_then(|cell| std::str::from_utf8(cell).ok()) {
                found.extend(tags::parse(text).unwrap_or_default());
            }
        }
        if let (Some(key), Some(value)) = (row.get(self.label.0), row.get(self.label.1)) {
            let text = |cell| String::from_utf8_lossy(cell).into_owned();
            found.entry(text(key)).or_insert_with(|| text(value));
        }
        found
    }

    fn describe(&self, row: &Row<'_>, draft: &mut Draft<'_>) {
        for (column, path) in &self.texts {
            draft.own(*column, path.get(row).unwrap_or_default());
        }
        let service = self.service.get(row).unwrap_or_default();
        let sku = self.sku.get(row).unwrap_or_default();
        let (category, resource_type) = kind(&service, &sku);
        draft.set(Column::named("ServiceCategory"), category.as_bytes());
        draft.set(Column::named("ResourceType"), resource_type.as_bytes());
        draft.own(Column::named("ServiceName"), service);
        draft.own(Column::named("ChargeDescription"), sku);
        let (global, name) = (self.resource.0.get(row), self.resource.1.get(row));
        draft.own(
            Column::named("ResourceId"),
            global.or_else(|| name.clone()).unwrap_or_default(),
        );
        draft.own(Column::named("ResourceName"), name.unwrap_or_default());
        draft.own(
            Column::named("ConsumedQuantity"),
            self.usage.0.get(row).unwrap_or_default(),
        );
        draft.own(Column::named("ConsumedUnit"), self.usage.1.get(row).unwrap_or_default());
        let tags = self.tags(row);
        if !tags.is_empty() {
            // text to text always becomes JSON
            draft.own(Column::named("Tags"), serde_json::to_string(&tags).unwrap_or_default());
        }
    }
}

impl Rule for Gcp {
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>) {
        let billed = self.billed(row);
        draft.own(Column::named("BilledCost"), &billed);
        draft.own(Column::named("EffectiveCost"), billed);
        if let Some(month) = self.month.get(row) {
            match month_number(month.as_bytes()) {
                Some((start, end)) => {
                    draft.own(Column::named("BillingPeriodStart"), start);
                    draft.own(Column::named("BillingPeriodEnd"), end);
                }
                // refused with what it says
                None => draft.own(Column::named("BillingPeriodStart"), month),
            }
        }
        draft.set(Column::named("ProviderName"), b"Google Cloud");
        self.describe(row, draft);
        let sku = self.sku.get(row).unwrap_or_default();
        let cost_type = row.get(self.cost_type).unwrap_or(b"regular");
        let is = |name: &str| cost_type.eq_ignore_ascii_case(name.as_bytes());
        let category: &[u8] = if is("tax") {
            b"Tax"
        } else if is("regular") && is_commitment_fee(&sku) {
            b"Purchase"
        } else if is("regular") {
            b"Usage"
        } else {
            b"Adjustment"
        };
        draft.set(Column::named("ChargeCategory"), category);
        draft.set(
            Column::named("ChargeFrequency"),
            if category == b"Usage" {
                b"Usage-Based"
            } else {
                b"Recurring"
            },
        );
        if category == b"Usage" || category == b"Purchase" {
            let committed = match category {
                b"Usage" => self.is_covered(row),
                _ => is_spend_fee(&sku),
            };
            draft.set(
                Column::named("PricingCategory"),
                if committed { b"Committed" } else { b"Standard" },
            );
        }
        if self.adjusted.get(row).is_some() {
            draft.set(Column::named("ChargeClass"), b"Correction");
        }
        out.row(draft);
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}

/// The type of the credit that a spend-based commitment leaves on what it covered.
const SPEND_CREDIT: &[u8] = b"COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE";

fn contains(cell: &[u8], part: &[u8]) -> bool {
    cell.windows(part.len()).any(|window| window == part)
}

/// The fee of a spend-based commitment.
fn is_spend_fee(sku: &str) -> bool {
    sku.starts_with("Commitment - dollar based")
}

/// Fees of committed use discounts: `Commitment v1: Cpu in Americas for 1 Year`,
/// `Commitment - dollar based v1: GCE`.
fn is_commitment_fee(sku: &str) -> bool {
    sku.starts_with("Commitment v") || is_spend_fee(sku)
}

/// FOCUS ServiceCategory and a resource type, by service and SKU; empty when unknown.
fn kind(service: &str, sku: &str) -> (&'static str, &'static str) {
    const SERVICES: &[(&str, &str)] = &[
        ("Kubernetes Engine", "Compute"),
        ("Cloud Functions", "Compute"),
        ("Cloud Run", "Compute"),
        ("App Engine", "Compute"),
        ("Cloud Storage", "Storage"),
        ("Cloud Filestore", "Storage"),
        ("Backup for GKE", "Storage"),
        ("Cloud SQL", "Databases"),
        ("Cloud Spanner", "Databases"),
        ("Cloud Bigtable", "Databases"),
        ("Cloud Memorystore for Redis", "Databases"),
        ("Networking", "Networking"),
        ("Cloud DNS", "Networking"),
        ("Cloud Logging", "Management and Governance"),
        ("Cloud Monitoring", "Management and Governance"),
        ("Cloud Key Management Service (KMS)", "Security"),
        ("Secret Manager", "Security"),
        ("Cloud Pub/Sub", "Integration"),
        ("BigQuery", "Analytics"),
        ("Vertex AI", "AI and Machine Learning"),
    ];
    if service == "Compute Engine" {
        let has = |part: &str| sku.to_ascii_lowercase().contains(part);
        return match () {
            () if has("snapshot") => ("Storage", "Snapshot"),
            () if has("pd capacity") || has("persistent disk") || has("hyperdisk") => ("Storage", "Disk"),
            () if has("load balanc") || has("forwarding rule") => ("Networking", "Load Balancer"),
            () if has("cloud nat") || has("nat gateway") => ("Networking", "NAT Gateway"),
            () if has("static ip") || has("external ip") => ("Networking", "Public IPv4"),
            () if has("egress") || has("data transfer") => ("Networking", "Data Transfer"),
            () => ("Compute", "Instance"),
        };
    }
    let category = SERVICES.iter().find(|(name, _)| *name == service);
    (category.map_or("", |(_, category)| *category), "")
}

#[cfg(test)]
mod tests;
