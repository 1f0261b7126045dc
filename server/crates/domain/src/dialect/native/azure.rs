//! Azure Cost Management exports, actual and amortized, of EA, MCA, CSP and
//! pay-as-you-go (Microsoft, "Understand cost details fields" and "Convert cost
//! and usage data to FOCUS").

use super::draft::Column;
use super::memo::Memo;
use super::names::{Names, letters};
use super::time::{month_of, next_day};
use super::{Draft, Field, Out, Rewriter, Row, Rule, field};
use crate::finding::Finding;

/// Which rows of an export count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AzureRows {
    /// All of them.
    All,
    /// Purchases and refunds of commitments: the rest is in the amortized
    /// export of the same delivery.
    CommitmentPurchases,
}

const FIELDS: &[Field] = &[
    field("BillingAccountName", &["billingaccountname"]),
    field("SubAccountId", &["subscriptionid", "subscriptionguid"]),
    field("SubAccountName", &["subscriptionname"]),
    field("BillingPeriodStart", &["billingperiodstartdate"]),
    field("ChargePeriodStart", &["date", "usagedatetime", "usagedate"]),
    field(
        "BillingCurrency",
        &["billingcurrencycode", "billingcurrency", "currency"],
    ),
    field("PricingCurrency", &["pricingcurrency"]),
    field("InvoiceId", &["invoiceid"]),
    field("PublisherName", &["publishername"]),
    field("ServiceName", &["metercategory"]),
    field("ServiceSubcategory", &["metersubcategory"]),
    field("SkuMeter", &["metername"]),
    field("SkuId", &["meterid"]),
    field("SkuPriceId", &["partnumber"]),
    field("ChargeDescription", &["productname", "product"]),
    field("RegionId", &["resourcelocation", "location", "meterregion"]),
    field("AvailabilityZone", &["availabilityzone"]),
    field("ResourceName", &["resourcename"]),
    field("ConsumedQuantity", &["quantity", "usagequantity"]),
    field("ListUnitPrice", &["paygprice"]),
    field("ContractedUnitPrice", &["unitprice"]),
    field("Tags", &["tags"]),
    field("CapacityReservationId", &["vmcapacityreservationid"]),
];

const COMPUTED: &[&str] = &[
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "BillingAccountId",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeFrequency",
    "PricingCategory",
    "ProviderName",
    "ServiceCategory",
    "ResourceId",
    "ResourceType",
    "ConsumedUnit",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountCategory",
    "CommitmentDiscountType",
    "CommitmentDiscountStatus",
];

const COST: &[&str] = &["costinbillingcurrency", "cost", "pretaxcost"];
const DATE: &[&str] = &["date", "usagedatetime", "usagedate"];

const BILLED: Column = Column::named("BilledCost");
const EFFECTIVE: Column = Column::named("EffectiveCost");
const LIST: Column = Column::named("ListCost");
const ACCOUNT: Column = Column::named("BillingAccountId");
const PERIOD_START: Column = Column::named("BillingPeriodStart");
const PERIOD_END: Column = Column::named("BillingPeriodEnd");
const CHARGE_END: Column = Column::named("ChargePeriodEnd");
const CATEGORY: Column = Column::named("ChargeCategory");
const CLASS: Column = Column::named("ChargeClass");
const FREQUENCY: Column = Column::named("ChargeFrequency");
const PRICING: Column = Column::named("PricingCategory");
const PROVIDER: Column = Column::named("ProviderName");
const SERVICE_CATEGORY: Column = Column::named("ServiceCategory");
const RESOURCE: Column = Column::named("ResourceId");
const RESOURCE_TYPE: Column = Column::named("ResourceType");
const UNIT: Column = Column::named("ConsumedUnit");
const COMMITMENT: Column = Column::named("CommitmentDiscountId");
const COMMITMENT_NAME: Column = Column::named("CommitmentDiscountName");
const COMMITMENT_CATEGORY: Column = Column::named("CommitmentDiscountCategory");
const COMMITMENT_TYPE: Column = Column::named("CommitmentDiscountType");
const COMMITMENT_STATUS: Column = Column::named("CommitmentDiscountStatus");

/// A header's name: of `Kategorie der Verbrauchseinheit (MeterCategory)` what is in parentheses.
fn normal(header: &str) -> String {
    let inner = header.trim().strip_suffix(')').and_then(|text| text.rsplit_once('('));
    letters(inner.map_or(header, |(_, inner)| inner))
}

/// Whether a header is one of an Azure export.
#[must_use]
pub fn recognises(headers: &[String]) -> bool {
    let names: Vec<String> = headers.iter().map(|header| normal(header)).collect();
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
    has(&["metercategory"]) && has(&["meterid"]) && has(COST) && has(DATE)
}

/// What rows near the beginning of an export say about it: amortized exports
/// spread commitments over usage, actual ones have their purchases.
#[must_use]
pub fn is_amortized(headers: &[String], rows: &[Vec<String>]) -> Option<bool> {
    let names: Vec<String> = headers.iter().map(|header| normal(header)).collect();
    let at = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    let (kind, model, cost) = (at(&["chargetype"])?, at(&["pricingmodel"])?, at(COST)?);
    rows.iter().find_map(|row| {
        let cell = |at: usize| row.get(at).map(String::as_str).unwrap_or_default();
        let zero = cell(cost).chars().all(|digit| matches!(digit, '0' | '.' | '-' | ' '));
        match (
            ChargeType::of(cell(kind).as_bytes()),
            is_committed(cell(model).as_bytes()),
        ) {
            (ChargeType::Unused, _) => Some(true),
            (ChargeType::Usage, true) if !zero => Some(true),
            (ChargeType::Purchase | ChargeType::Refund, true) => Some(false),
            _ => None,
        }
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChargeType {
    Usage,
    Unused,
    Purchase,
    Refund,
    Credit,
    Tax,
    Other,
}

impl ChargeType {
    fn of(cell: &[u8]) -> ChargeType {
        let is = |name: &str| cell.eq_ignore_ascii_case(name.as_bytes());
        match cell {
            // older exports have usage only, and no such column
            b"" => Self::Usage,
            _ if is("Usage") => Self::Usage,
            _ if is("UnusedReservation") || is("UnusedSavingsPlan") => Self::Unused,
            _ if is("Purchase") => Self::Purchase,
            _ if is("Refund") => Self::Refund,
            _ if is("Credit") => Self::Credit,
            _ if is("Tax") => Self::Tax,
            _ => Self::Other,
        }
    }
}

fn is_committed(pricing_model: &[u8]) -> bool {
    pricing_model.eq_ignore_ascii_case(b"Reservation") || pricing_model.eq_ignore_ascii_case(b"SavingsPlan")
}

/// The rewriter of an export with this header.
///
/// # Errors
/// One finding per missing or repeated column.
pub(super) fn rewriter(headers: &[String], rows: AzureRows) -> Result<Rewriter, Vec<Finding>> {
    let names = Names::new(headers, normal)?;
    let missing = names.missing(&[("CostInBillingCurrency", COST), ("Date", DATE)]);
    if !missing.is_empty() {
        return Err(missing);
    }
    let cost = names.first(COST);
    let sources = [
        ("BilledCost", cost),
        ("EffectiveCost", cost),
        ("ChargePeriodStart", names.first(DATE)),
        ("ChargePeriodEnd", names.first(DATE)),
        ("BillingPeriodEnd", names.find("billingperiodenddate")),
        ("ResourceId", names.first(&["resourceid", "instanceid", "instancename"])),
    ];
    let rule = Azure::new(&names, rows);
    // what can be read off the FOCUS columns is not kept twice: the cost is BilledCost or EffectiveCost,
    // days are periods, and a machine of a scale set has its number at the end of ResourceId
    let told = [
        cost,
        names.first(DATE),
        names.find("billingperiodstartdate"),
        names.find("billingperiodenddate"),
        names.first(&["resourceid", "instanceid", "instancename"]),
    ];
    let is_told = |header: &str| {
        let at = names.headers.iter().position(|name| name == header);
        at.is_some() && told.contains(&at)
    };
    Ok(Rewriter::bind(
        &names,
        FIELDS,
        COMPUTED,
        &sources,
        |header| !is_told(header),
        Box::new(rule),
    ))
}

struct Azure {
    rows: AzureRows,
    left_out: u64,
    cost: Option<usize>,
    payg_cost: Option<usize>,
    charge_type: Option<usize>,
    pricing_model: Option<usize>,
    frequency: Option<usize>,
    date: Option<usize>,
    period_start: Option<usize>,
    period_end: Option<usize>,
    account: Option<usize>,
    resource: Option<usize>,
    resource_type: Option<usize>,
    additional: Option<usize>,
    unit: Option<usize>,
    category: Option<usize>,
    benefit: (Option<usize>, Option<usize>),
    benefit_name: (Option<usize>, Option<usize>),
    /// Ends of the days of charges and of billing periods.
    day_ends: [Memo<String>; 2],
    /// Provider and kind of resources, in lower case.
    kinds: Memo<String>,
    /// By meter category.
    categories: Memo<&'static str>,
}

impl Azure {
    fn new(names: &Names, rows: AzureRows) -> Azure {
        let at = |name: &str| names.find(name);
        // a Microsoft Customer Agreement bills a profile, an Enterprise Agreement the account
        let is_mca = ["costinusd", "paygcostinbillingcurrency", "exchangeratepricingtobilling"]
            .iter()
            .any(|name| at(name).is_some());
        let account = if is_mca {
            names.first(&["billingprofileid", "billingaccountid", "billingaccountname"])
        } else {
            names.first(&["billingaccountid", "billingprofileid", "subscriptionguid"])
        };
        Azure {
            rows,
            left_out: 0,
            cost: names.first(COST),
            payg_cost: at("paygcostinbillingcurrency"),
            charge_type: at("chargetype"),
            pricing_model: at("pricingmodel"),
            frequency: at("frequency"),
            date: names.first(DATE),
            period_start: at("billingperiodstartdate"),
            period_end: at("billingperiodenddate"),
            account,
            resource: names.first(&["resourceid", "instanceid", "instancename"]),
            resource_type: at("resourcetype"),
            additional: at("additionalinfo"),
            unit: at("unitofmeasure"),
            category: at("metercategory"),
            benefit: (at("benefitid"), at("reservationid")),
            benefit_name: (at("benefitname"), at("reservationname")),
            day_ends: Default::default(),
            kinds: Memo::default(),
            categories: Memo::default(),
        }
    }

    /// Microsoft's conversion: usage under a commitment was billed with its
    /// purchase, and a purchase of one is effective as it is used.
    fn costs<'r>(&self, row: &Row<'r>, kind: ChargeType, committed: bool, draft: &mut Draft<'r>) {
        let cost = row.get(self.cost).unwrap_or_default();
        let covered = committed && matches!(kind, ChargeType::Usage | ChargeType::Unused);
        let bought = committed && matches!(kind, ChargeType::Purchase | ChargeType::Refund);
        draft.set(BILLED, if covered { b"0" } else { cost });
        draft.set(EFFECTIVE, if bought { b"0" } else { cost });
        // zero stands for "not given" there
        if let Some(list) = row
            .get(self.payg_cost)
            .filter(|list| list.iter().any(|b| matches!(b, b'1'..=b'9')))
        {
            draft.set(LIST, list);
        }
        let category: &[u8] = match kind {
            ChargeType::Usage | ChargeType::Unused => b"Usage",
            ChargeType::Purchase | ChargeType::Refund => b"Purchase",
            ChargeType::Credit => b"Credit",
            ChargeType::Tax => b"Tax",
            ChargeType::Other => b"Adjustment",
        };
        draft.set(CATEGORY, category);
        if kind == ChargeType::Refund {
            draft.set(CLASS, b"Correction");
        }
    }

    fn commitment<'r>(&self, row: &Row<'r>, kind: ChargeType, committed: bool, draft: &mut Draft<'r>) {
        let model = row.get(self.pricing_model).unwrap_or_default();
        let is_spot = model.eq_ignore_ascii_case(b"Spot");
        draft.set(
            PRICING,
            match (committed, is_spot) {
                (true, _) => b"Committed",
                (false, true) => b"Dynamic",
                (false, false) => b"Standard",
            },
        );
        if !committed && kind != ChargeType::Unused {
            return;
        }
        let (benefit, reservation) = self.benefit;
        let (name, reservation_name) = self.benefit_name;
        if let Some(id) = row.get(benefit).or_else(|| row.get(reservation)) {
            draft.set(COMMITMENT, id);
        }
        if let Some(name) = row.get(name).or_else(|| row.get(reservation_name)) {
            draft.set(COMMITMENT_NAME, name);
        }
        let is_plan = model.eq_ignore_ascii_case(b"SavingsPlan");
        draft.set(COMMITMENT_CATEGORY, if is_plan { b"Spend" } else { b"Usage" });
        draft.set(COMMITMENT_TYPE, if is_plan { b"SavingsPlan" } else { b"Reservation" });
        match kind {
            ChargeType::Unused => draft.set(COMMITMENT_STATUS, b"Unused"),
            ChargeType::Usage => draft.set(COMMITMENT_STATUS, b"Used"),
            _ => {}
        }
    }

    fn dates<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>) {
        let date = row.get(self.date).unwrap_or_default();
        let [charge, period] = &mut self.day_ends;
        draft.own(CHARGE_END, charge.of(date, next_day));
        match (row.get(self.period_start), row.get(self.period_end)) {
            (Some(_), Some(end)) => draft.own(PERIOD_END, period.of(end, next_day)),
            // exports without billing periods have calendar months
            _ => {
                if let Some((start, end)) = month_of(row.get(self.period_start).unwrap_or(date)) {
                    draft.own(PERIOD_START, start);
                    draft.own(PERIOD_END, end);
                }
            }
        }
    }

    /// A scale set's rows name the set; which machine it was is in AdditionalInfo.
    fn resource<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>) {
        let Some(id) = row.get(self.resource) else { return };
        draft.set(RESOURCE, id);
        let parts = Parts::of(id);
        if parts.in_scale_set
            && !parts.is_machine
            && let Some(machine) = self.machine(row)
        {
            let text = String::from_utf8_lossy(id);
            draft.own(
                RESOURCE,
                format!("{}/virtualMachines/{machine}", text.trim_end_matches('/')),
            );
        }
        if let Some(given) = row.get(self.resource_type) {
            draft.set(RESOURCE_TYPE, given);
        } else if let Some(kind) = parts.kind {
            let lower = |kind: &[u8]| String::from_utf8_lossy(kind).to_ascii_lowercase();
            draft.own(RESOURCE_TYPE, self.kinds.of(kind, lower));
        }
    }

    /// `aks-pool-123-vmss_7` is machine 7 of its scale set.
    fn machine(&self, row: &Row<'_>) -> Option<String> {
        let info: serde_json::Value = serde_json::from_slice(row.get(self.additional)?).ok()?;
        let name = info.get("VMName")?.as_str()?;
        let (_, number) = name.rsplit_once('_')?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| number.to_owned())
    }
}

impl Rule for Azure {
    fn apply<'r>(&mut self, row: &Row<'r>, draft: &mut Draft<'r>, out: &mut Out<'_>) {
        let kind = ChargeType::of(row.get(self.charge_type).unwrap_or_default());
        let committed = is_committed(row.get(self.pricing_model).unwrap_or_default());
        let bought = committed && matches!(kind, ChargeType::Purchase | ChargeType::Refund);
        if self.rows == AzureRows::CommitmentPurchases && !bought {
            self.left_out += 1;
            return;
        }
        draft.set(PROVIDER, b"Microsoft");
        if let Some(account) = row.get(self.account) {
            draft.set(ACCOUNT, account);
        }
        self.costs(row, kind, committed, draft);
        self.commitment(row, kind, committed, draft);
        self.dates(row, draft);
        self.resource(row, draft);
        draft.set(FREQUENCY, frequency(row.get(self.frequency).unwrap_or_default()));
        let unit = row.get(self.unit).unwrap_or_default();
        // "100 Hours" prices blocks; the quantity counts hours
        draft.set(UNIT, if is_hours(unit) { b"Hours" } else { unit });
        draft.set(
            SERVICE_CATEGORY,
            self.categories
                .of(row.get(self.category).unwrap_or_default(), category)
                .as_bytes(),
        );
        out.row(draft);
    }

    fn findings(&self) -> Vec<Finding> {
        if self.left_out == 0 {
            return Vec::new();
        }
        vec![
            Finding::info(
                "in_the_amortized_export",
                "rows were left out: the amortized export of this delivery has them, with commitments spread over usage",
            )
            .times(self.left_out),
        ]
    }
}

fn is_hours(unit: &[u8]) -> bool {
    let ends = |with: &[u8]| {
        unit.len()
            .checked_sub(with.len())
            .is_some_and(|at| unit[at..].eq_ignore_ascii_case(with))
    };
    ends(b"hour") || ends(b"hours")
}

/// What the parts of a resource id say.
struct Parts<'i> {
    in_scale_set: bool,
    is_machine: bool,
    /// `Microsoft.Compute/virtualMachines`: what follows the last `providers`.
    kind: Option<&'i [u8]>,
}

impl<'i> Parts<'i> {
    fn of(id: &'i [u8]) -> Parts<'i> {
        let mut parts = Parts {
            in_scale_set: false,
            is_machine: false,
            kind: None,
        };
        let mut start = 0;
        // a relative path begins with its first part, and not with a slash
        let mut after_providers = None;
        for part in id.split(|b| *b == b'/') {
            let end = start + part.len();
            parts.in_scale_set |= part.eq_ignore_ascii_case(b"virtualMachineScaleSets");
            parts.is_machine |= part.eq_ignore_ascii_case(b"virtualMachines");
            if part.eq_ignore_ascii_case(b"providers") {
                after_providers = (start > 0).then_some((end + 1, 0));
                parts.kind = None;
            } else if let Some((from, seen)) = after_providers {
                after_providers = (seen == 0).then_some((from, 1));
                parts.kind = (seen == 1).then(|| &id[from..end]);
            }
            start = end + 1;
        }
        parts
    }
}

fn frequency(cell: &[u8]) -> &'static [u8] {
    let is = |name: &str| cell.eq_ignore_ascii_case(name.as_bytes());
    if is("OneTime") || is("One-Time") {
        b"One-Time"
    } else if is("Recurring") {
        b"Recurring"
    } else {
        b"Usage-Based"
    }
}

/// FOCUS ServiceCategory by meter category; empty when unknown.
fn category(meter_category: &[u8]) -> &'static str {
    const CATEGORIES: &[(&str, &str)] = &[
        ("Virtual Machines", "Compute"),
        ("Azure Kubernetes Service", "Compute"),
        ("Container Instances", "Compute"),
        ("Azure App Service", "Compute"),
        ("Functions", "Compute"),
        ("Storage", "Storage"),
        ("Backup", "Storage"),
        ("Azure NetApp Files", "Storage"),
        ("Virtual Network", "Networking"),
        ("Load Balancer", "Networking"),
        ("Application Gateway", "Networking"),
        ("Bandwidth", "Networking"),
        ("VPN Gateway", "Networking"),
        ("NAT Gateway", "Networking"),
        ("Azure DNS", "Networking"),
        ("SQL Database", "Databases"),
        ("SQL Managed Instance", "Databases"),
        ("Azure Database for MySQL", "Databases"),
        ("Azure Database for PostgreSQL", "Databases"),
        ("Azure Cosmos DB", "Databases"),
        ("Redis Cache", "Databases"),
        ("Azure Cache for Redis", "Databases"),
        ("Log Analytics", "Management and Governance"),
        ("Azure Monitor", "Management and Governance"),
        ("Key Vault", "Security"),
        ("Advanced Threat Protection", "Security"),
        ("Advanced Data Security", "Security"),
        ("Microsoft Defender for Cloud", "Security"),
        ("Service Bus", "Integration"),
        ("Event Hubs", "Integration"),
        ("Azure Data Factory v2", "Analytics"),
    ];
    let name = String::from_utf8_lossy(meter_category);
    CATEGORIES
        .iter()
        .find(|(meter, _)| meter.eq_ignore_ascii_case(name.trim()))
        .map_or("", |(_, category)| *category)
}

#[cfg(test)]
mod tests;
