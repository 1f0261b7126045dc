//! AWS Cost and Usage Report, legacy and 2.0 (AWS, "Data dictionary" of the
//! Cost and Usage Report and of CUR 2.0; "Understanding savings plans with your
//! CUR"; "Understanding your reservations").

mod cost;
mod kind;
mod tags;

use super::draft::Column;
use super::memo::Memo;
use super::names::{Names, letters};
use super::{Draft, Field, Out, Rewriter, Row, Rule, field};
use crate::finding::Finding;
use cost::{Commitments, LineItemType, Money24};
use tags::TagColumns;

const FIELDS: &[Field] = &[
    field("BillingAccountId", &["billpayeraccountid"]),
    field("BillingAccountName", &["billpayeraccountname"]),
    field("SubAccountId", &["lineitemusageaccountid"]),
    field("SubAccountName", &["lineitemusageaccountname"]),
    field("BillingPeriodStart", &["billbillingperiodstartdate"]),
    field("BillingPeriodEnd", &["billbillingperiodenddate"]),
    field("ChargePeriodStart", &["lineitemusagestartdate"]),
    field("ChargePeriodEnd", &["lineitemusageenddate"]),
    field("BillingCurrency", &["lineitemcurrencycode"]),
    field("InvoiceId", &["billinvoiceid"]),
    field("InvoiceIssuerName", &["billinvoicingentity", "billbillingentity"]),
    field("PublisherName", &["lineitemlegalentity"]),
    field(
        "ServiceName",
        &["productproductname", "productservicename", "lineitemproductcode"],
    ),
    field("ChargeDescription", &["lineitemlineitemdescription"]),
    field("RegionId", &["productregioncode", "productregion"]),
    field("AvailabilityZone", &["lineitemavailabilityzone"]),
    field("ResourceId", &["lineitemresourceid"]),
    field("SkuId", &["productsku"]),
    field("SkuPriceId", &["pricingrateid", "pricingratecode"]),
    field("SkuMeter", &["lineitemusagetype"]),
    field("ListCost", &["pricingpublicondemandcost"]),
    field("ListUnitPrice", &["pricingpublicondemandrate"]),
];

const COMPUTED: &[&str] = &[
    "BilledCost",
    "EffectiveCost",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "PricingCategory",
    "ProviderName",
    "ServiceCategory",
    "ServiceName",
    "ResourceType",
    "RegionId",
    "ConsumedQuantity",
    "ConsumedUnit",
    "CommitmentDiscountId",
    "CommitmentDiscountCategory",
    "CommitmentDiscountType",
    "CommitmentDiscountStatus",
    "Tags",
];

const MANDATORY: &[(&str, &[&str])] = &[
    ("lineItem/LineItemType", &["lineitemlineitemtype"]),
    ("lineItem/UnblendedCost", &["lineitemunblendedcost"]),
    ("lineItem/UsageStartDate", &["lineitemusagestartdate"]),
    ("lineItem/UsageEndDate", &["lineitemusageenddate"]),
    ("bill/BillingPeriodStartDate", &["billbillingperiodstartdate"]),
    ("bill/BillingPeriodEndDate", &["billbillingperiodenddate"]),
];

pub(crate) const BILLED: Column = Column::named("BilledCost");
pub(crate) const EFFECTIVE: Column = Column::named("EffectiveCost");
const CATEGORY: Column = Column::named("ChargeCategory");
const CLASS: Column = Column::named("ChargeClass");
const FREQUENCY: Column = Column::named("ChargeFrequency");
const PRICING: Column = Column::named("PricingCategory");
const PROVIDER: Column = Column::named("ProviderName");
const SERVICE: Column = Column::named("ServiceName");
const SERVICE_CATEGORY: Column = Column::named("ServiceCategory");
const RESOURCE_TYPE: Column = Column::named("ResourceType");
const REGION: Column = Column::named("RegionId");
const QUANTITY: Column = Column::named("ConsumedQuantity");
const UNIT: Column = Column::named("ConsumedUnit");
const COMMITMENT: Column = Column::named("CommitmentDiscountId");
const COMMITMENT_CATEGORY: Column = Column::named("CommitmentDiscountCategory");
const COMMITMENT_TYPE: Column = Column::named("CommitmentDiscountType");
const COMMITMENT_STATUS: Column = Column::named("CommitmentDiscountStatus");
const DESCRIPTION: Column = Column::named("ChargeDescription");
const TAGS: Column = Column::named("Tags");
const LIST: Column = Column::named("ListCost");

/// Whether a header is one of a Cost and Usage Report: by three columns no other export has.
#[must_use]
pub fn recognises(headers: &[String]) -> bool {
    let names: Vec<String> = headers.iter().map(|header| letters(header)).collect();
    [
        "lineitemlineitemtype",
        "lineitemunblendedcost",
        "lineitemusagestartdate",
    ]
    .iter()
    .all(|wanted| names.iter().any(|name| name == wanted))
}

/// `2.0` when the export has maps or the columns that came with CUR 2.0, else `legacy`.
#[must_use]
pub fn version(headers: &[String]) -> &'static str {
    let new = [
        "bill_payer_account_name",
        "line_item_usage_account_name",
        "product",
        "resource_tags",
    ];
    if headers
        .iter()
        .any(|header| new.iter().any(|name| header.trim().eq_ignore_ascii_case(name)))
    {
        "2.0"
    } else {
        "legacy"
    }
}

/// The rewriter of a report with this header.
///
/// # Errors
/// One finding per missing or repeated column.
pub(super) fn rewriter(headers: &[String]) -> Result<Rewriter, Vec<Finding>> {
    let names = Names::new(headers, letters)?;
    let missing = names.missing(MANDATORY);
    if !missing.is_empty() {
        return Err(missing);
    }
    let rule = Cur::new(&names);
    let tags = rule.tags.positions();
    let is_kept = |header: &str| {
        !names
            .headers
            .iter()
            .zip(0..)
            .any(|(name, at)| name == header && tags.contains(&at))
    };
    let sources = [
        ("BilledCost", names.find("lineitemunblendedcost")),
        ("EffectiveCost", names.find("lineitemunblendedcost")),
        ("ConsumedQuantity", names.find("lineitemusageamount")),
        ("Tags", names.find("resourcetags")),
    ];
    Ok(Rewriter::bind(
        &names,
        FIELDS,
        COMPUTED,
        &sources,
        is_kept,
        Box::new(rule),
    ))
}

/// Where a report keeps what its costs are made of.
struct Cur {
    line_item_type: Option<usize>,
    product_code: Option<usize>,
    usage_type: Option<usize>,
    usage_amount: Option<usize>,
    pricing_unit: Option<usize>,
    billing_start: Option<usize>,
    usage_start: Option<usize>,
    product: Option<usize>,
    products: Memo<Product>,
    /// By product code and usage type.
    kinds: Memo<kind::Kind>,
    /// The two in one text.
    code: Vec<u8>,
    tags: TagColumns,
    costs: cost::Costs,
    commitments: Commitments,
}

impl Cur {
    fn new(names: &Names) -> Cur {
        let at = |name: &str| names.find(name);
        Cur {
            line_item_type: at("lineitemlineitemtype"),
            product_code: at("lineitemproductcode"),
            usage_type: at("lineitemusagetype"),
            usage_amount: at("lineitemusageamount"),
            pricing_unit: at("pricingunit"),
            billing_start: at("billbillingperiodstartdate"),
            usage_start: at("lineitemusagestartdate"),
            product: at("product"),
            products: Memo::default(),
            kinds: Memo::default(),
            code: Vec::new(),
            tags: TagColumns::new(names),
            costs: cost::Costs::new(names),
            commitments: Commitments::default(),
        }
    }

    /// What was bought or used: columns that follow from codes.
    fn describe<'r>(&mut self, row: &Row<'r>, line: LineItemType, draft: &mut Draft<'r>) {
        draft.set(PROVIDER, b"AWS");
        if let Some(cell) = row.get(self.product) {
            let product = self.products.of(cell, Product::of);
            let regions = [(REGION, &product.region_code), (REGION, &product.region)];
            for (column, value) in [(SERVICE, &product.name)].into_iter().chain(regions) {
                if let Some(value) = value
                    && (column == SERVICE || draft.get(column).is_none())
                {
                    draft.own(column, value);
                }
            }
        }
        let code = row.get(self.product_code).unwrap_or_default();
        let usage_type = row.get(self.usage_type).unwrap_or_default();
        self.code.clear();
        for part in [code, b"\0", usage_type] {
            self.code.extend_from_slice(part);
        }
        let kind = *self.kinds.of(&self.code, |_| kind::of(code, usage_type));
        draft.set(SERVICE_CATEGORY, kind.category.as_bytes());
        draft.set(RESOURCE_TYPE, kind.resource_type.as_bytes());
        if line.is_usage()
            && let Some(amount) = row.get(self.usage_amount)
        {
            draft.set(QUANTITY, amount);
            let unit = row.get(self.pricing_unit);
            // instance hours are hours, also where the report leaves the unit out
            draft.set(UNIT, unit.unwrap_or(if kind.is_instance { b"Hours" } else { b"" }));
        }
        draft.own(TAGS, self.tags.of(row));
    }
}

/// What the map of a product tells.
struct Product {
    name: Option<String>,
    region_code: Option<String>,
    region: Option<String>,
}

impl Product {
    /// What is no map tells nothing.
    fn of(cell: &[u8]) -> Product {
        let map = std::str::from_utf8(cell)
            .ok()
            .and_then(|text| crate::tags::parse(text).ok());
        let mut map = map.unwrap_or_default();
        Product {
            name: map.remove("product_name"),
            region_code: map.remove("region_code"),
            region: map.remove("region"),
        }
    }
}

impl Rule for Cur {
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>) {
        let name = row.get(self.line_item_type).unwrap_or_default();
        let line = LineItemType::of(name);
        self.describe(row, line, draft);
        // the billing period is closed when a refund reaches back before it
        let reaches_back = row.get(self.usage_start) < row.get(self.billing_start);
        cost::set(&self.costs, row, line, reaches_back, draft);
        self.commitments.check(&self.costs, row, (line, name));
        out.row(draft);
        if let Some(unused) = cost::unused(&self.costs, row, line).filter(|unused| *unused != Money24::ZERO) {
            cost::unused_row(draft, unused);
            out.implied(draft);
        }
    }

    fn findings(&self) -> Vec<Finding> {
        self.commitments.findings()
    }
}

#[cfg(test)]
mod tests;
