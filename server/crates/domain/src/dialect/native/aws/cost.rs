//! Billed and effective cost by line item type, one named function per rule.
//! `u` is NetUnblendedCost where the report has it, else UnblendedCost.

use super::super::names::Names;
use super::super::{Draft, Row};
use super::{
    BILLED, CATEGORY, CLASS, COMMITMENT, COMMITMENT_CATEGORY, COMMITMENT_STATUS, COMMITMENT_TYPE, DESCRIPTION,
    EFFECTIVE, FREQUENCY, LIST, PRICING, QUANTITY, UNIT,
};
use crate::finding::Finding;
use crate::money::MONEY_SCALE;
use crate::number::{Excess, format_units, parse_units};
use ethnum::I256;
use std::collections::BTreeMap;

/// lineItem/LineItemType.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineItemType {
    Usage,
    SavingsPlanCoveredUsage,
    SavingsPlanNegation,
    SavingsPlanRecurringFee,
    SavingsPlanUpfrontFee,
    DiscountedUsage,
    RiFee,
    Fee,
    Discount,
    Credit,
    Refund,
    Tax,
    /// One that AWS added since: taken as usage of its unblended cost.
    Unknown,
}

impl LineItemType {
    pub fn of(cell: &[u8]) -> LineItemType {
        match cell.trim_ascii() {
            b"Usage" => Self::Usage,
            b"SavingsPlanCoveredUsage" => Self::SavingsPlanCoveredUsage,
            b"SavingsPlanNegation" => Self::SavingsPlanNegation,
            b"SavingsPlanRecurringFee" => Self::SavingsPlanRecurringFee,
            b"SavingsPlanUpfrontFee" => Self::SavingsPlanUpfrontFee,
            b"DiscountedUsage" => Self::DiscountedUsage,
            b"RIFee" => Self::RiFee,
            b"Fee" => Self::Fee,
            b"EdpDiscount"
            | b"PrivateRateDiscount"
            | b"BundledDiscount"
            | b"Discount"
            | b"RiVolumeDiscount"
            | b"SppDiscount" => Self::Discount,
            b"Credit" => Self::Credit,
            b"Refund" => Self::Refund,
            b"Tax" => Self::Tax,
            _ => Self::Unknown,
        }
    }

    /// Whether its UsageAmount was consumed. A negation repeats that of the
    /// covered usage, so counting it would double usage.
    pub fn is_usage(self) -> bool {
        matches!(
            self,
            Self::Usage | Self::SavingsPlanCoveredUsage | Self::DiscountedUsage | Self::Unknown
        )
    }
}

/// An amount in 1e-24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Money24(pub i128);

impl Money24 {
    pub const ZERO: Money24 = Money24(0);

    fn read(cell: Option<&[u8]>) -> Option<Money24> {
        // what is read here is only ever computed with; text beyond the scale comes from doubles
        parse_units(cell?, MONEY_SCALE, Excess::Round).ok().map(Money24)
    }

    pub fn text(self) -> String {
        format_units(self.0, MONEY_SCALE)
    }

    /// `self x numerator / denominator`, to the nearest unit; `None` when it cannot be told.
    fn scaled(self, numerator: Money24, denominator: Money24) -> Option<Money24> {
        if denominator.0 == 0 {
            return None;
        }
        let product = I256::from(self.0) * I256::from(numerator.0) * I256::from(2) / I256::from(denominator.0);
        let rounded = (product + I256::from(if product < 0 { -1 } else { 1 })) / I256::from(2);
        i128::try_from(rounded).ok().map(Money24)
    }
}

/// Where a report keeps costs.
pub(super) struct Costs {
    unblended: Option<usize>,
    net_unblended: Option<usize>,
    plan: Option<usize>,
    plan_effective: Option<usize>,
    plan_net_effective: Option<usize>,
    plan_total: Option<usize>,
    plan_used: Option<usize>,
    plan_recurring: (Option<usize>, Option<usize>),
    plan_upfront: (Option<usize>, Option<usize>),
    reservation: Option<usize>,
    reservation_effective: Option<usize>,
    reservation_net_effective: Option<usize>,
    unused_upfront: (Option<usize>, Option<usize>),
    unused_recurring: (Option<usize>, Option<usize>),
}

impl Costs {
    pub fn new(names: &Names) -> Costs {
        let at = |name: &str| names.find(name);
        Costs {
            unblended: at("lineitemunblendedcost"),
            net_unblended: at("lineitemnetunblendedcost"),
            plan: at("savingsplansavingsplanarn"),
            plan_effective: at("savingsplansavingsplaneffectivecost"),
            plan_net_effective: at("savingsplannetsavingsplaneffectivecost"),
            plan_total: at("savingsplantotalcommitmenttodate"),
            plan_used: at("savingsplanusedcommitment"),
            plan_recurring: (
                at("savingsplannetrecurringcommitmentforbillingperiod"),
                at("savingsplanrecurringcommitmentforbillingperiod"),
            ),
            plan_upfront: (
                at("savingsplannetamortizedupfrontcommitmentforbillingperiod"),
                at("savingsplanamortizedupfrontcommitmentforbillingperiod"),
            ),
            reservation: at("reservationreservationarn"),
            reservation_effective: at("reservationeffectivecost"),
            reservation_net_effective: at("reservationneteffectivecost"),
            unused_upfront: (
                at("reservationnetunusedamortizedupfrontfeeforbillingperiod"),
                at("reservationunusedamortizedupfrontfeeforbillingperiod"),
            ),
            unused_recurring: (
                at("reservationnetunusedrecurringfee"),
                at("reservationunusedrecurringfee"),
            ),
        }
    }

    /// `u`. A discount whose net cost is not given is in the net costs of the
    /// rows it discounts already.
    fn u<'r>(&self, row: &Row<'r>, line: LineItemType) -> &'r [u8] {
        match row.get(self.net_unblended) {
            Some(net) => net,
            None if line == LineItemType::Discount && self.net_unblended.is_some() => b"0",
            None => row.get(self.unblended).unwrap_or_default(),
        }
    }
}

/// The better of a net and a gross column.
fn either<'r>(row: &Row<'r>, (net, gross): (Option<usize>, Option<usize>)) -> Option<&'r [u8]> {
    row.get(net).or_else(|| row.get(gross))
}

/// Sets costs, category and commitment of a row.
pub(super) fn set<'r>(costs: &Costs, row: &Row<'r>, line: LineItemType, reaches_back: bool, draft: &mut Draft<'r>) {
    use LineItemType as L;
    let u = costs.u(row, line);
    let plan = row.get(costs.plan);
    let reservation = row.get(costs.reservation);
    let (category, billed, effective): (&[u8], &[u8], &[u8]) = match line {
        L::SavingsPlanCoveredUsage => (b"Usage", b"0", plan_effective(costs, row)),
        L::SavingsPlanNegation => (b"Usage", b"0", b"0"),
        L::DiscountedUsage => (b"Usage", u, reservation_effective(costs, row)),
        L::SavingsPlanRecurringFee | L::SavingsPlanUpfrontFee | L::RiFee => (b"Purchase", u, b"0"),
        L::Fee if reservation.is_some() => (b"Purchase", u, b"0"),
        L::Fee => (b"Purchase", u, u),
        L::Credit => (b"Credit", u, u),
        L::Tax => (b"Tax", u, u),
        L::Usage | L::Discount | L::Refund | L::Unknown => (b"Usage", u, u),
    };
    draft.set(CATEGORY, category);
    draft.set(BILLED, billed);
    draft.set(EFFECTIVE, effective);
    if line == L::Refund && reaches_back {
        draft.set(CLASS, b"Correction");
    }
    let frequency: &[u8] = match line {
        L::SavingsPlanRecurringFee | L::RiFee => b"Recurring",
        L::SavingsPlanUpfrontFee | L::Fee | L::Credit | L::Refund => b"One-Time",
        _ => b"Usage-Based",
    };
    draft.set(FREQUENCY, frequency);
    if matches!(line, L::Discount | L::SavingsPlanNegation) {
        // its list cost is not a price anybody pays
        draft.clear(LIST);
    }
    if line == L::SavingsPlanNegation {
        return;
    }
    commitment(plan, reservation, line, draft);
}

/// Effective cost of usage under a savings plan: the plan's rate.
fn plan_effective<'r>(costs: &Costs, row: &Row<'r>) -> &'r [u8] {
    either(row, (costs.plan_net_effective, costs.plan_effective)).unwrap_or_default()
}

/// Effective cost of usage under a reservation: its hourly fee and its share of the upfront fee.
fn reservation_effective<'r>(costs: &Costs, row: &Row<'r>) -> &'r [u8] {
    either(row, (costs.reservation_net_effective, costs.reservation_effective)).unwrap_or_default()
}

fn commitment<'r>(plan: Option<&'r [u8]>, reservation: Option<&'r [u8]>, line: LineItemType, draft: &mut Draft<'r>) {
    let covered = matches!(
        line,
        LineItemType::SavingsPlanCoveredUsage | LineItemType::DiscountedUsage
    );
    match (plan, reservation) {
        (Some(plan), _) => {
            draft.set(COMMITMENT, plan);
            draft.set(COMMITMENT_CATEGORY, b"Spend");
            draft.set(COMMITMENT_TYPE, b"Savings Plan");
        }
        (None, Some(reservation)) => {
            draft.set(COMMITMENT, reservation);
            draft.set(COMMITMENT_CATEGORY, b"Usage");
            draft.set(COMMITMENT_TYPE, b"Reserved Instance");
        }
        (None, None) => {}
    }
    if covered {
        draft.set(COMMITMENT_STATUS, b"Used");
        draft.set(PRICING, b"Committed");
    } else {
        draft.set(PRICING, b"Standard");
    }
}

/// The unused part of a commitment, where the row tells it: of a savings plan
/// the commitment so far less what was used, at net where the report has it;
/// of a reservation its unused hourly and upfront fees.
pub(super) fn unused(costs: &Costs, row: &Row<'_>, line: LineItemType) -> Option<Money24> {
    let read = |at: Option<usize>| Money24::read(row.get(at));
    match line {
        LineItemType::SavingsPlanRecurringFee => {
            let unused = Money24(read(costs.plan_total)?.0.checked_sub(read(costs.plan_used)?.0)?);
            Some(net_of(
                unused,
                [costs.plan_recurring, costs.plan_upfront].map(|(net, gross)| (read(net), read(gross))),
            ))
        }
        LineItemType::RiFee => {
            let part = |columns| Money24::read(either(row, columns));
            match (part(costs.unused_upfront), part(costs.unused_recurring)) {
                (None, None) => None,
                (upfront, recurring) => {
                    let zero = Money24::ZERO;
                    let (upfront, recurring) = (upfront.unwrap_or(zero), recurring.unwrap_or(zero));
                    upfront.0.checked_add(recurring.0).map(Money24)
                }
            }
        }
        _ => None,
    }
}

/// What is unused at net: in the proportion of the net and gross commitment of
/// the month, its recurring and its amortised upfront part together (FinOps
/// Foundation, data crowdsourcing for AWS; a partial upfront plan has both).
/// Gross where the report has no net.
fn net_of(unused: Money24, parts: [(Option<Money24>, Option<Money24>); 2]) -> Money24 {
    let known = parts
        .iter()
        .filter_map(|(net, gross)| Some((net.as_ref()?.0, gross.as_ref()?.0)));
    let sums = known.reduce(|a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)));
    sums.and_then(|(net, gross)| unused.scaled(Money24(net), Money24(gross)))
        .unwrap_or(unused)
}

/// Makes the row of an unused commitment of its fee.
pub(super) fn unused_row(draft: &mut Draft<'_>, unused: Money24) {
    draft.set(CATEGORY, b"Usage");
    draft.set(BILLED, b"0");
    draft.own(EFFECTIVE, unused.text());
    draft.set(FREQUENCY, b"Usage-Based");
    draft.set(PRICING, b"Committed");
    draft.set(COMMITMENT_STATUS, b"Unused");
    draft.set(DESCRIPTION, b"Unused part of the commitment");
    draft.clear(QUANTITY);
    draft.clear(UNIT);
    draft.clear(LIST);
}

/// Per savings plan: covered usage at on-demand prices and its negation, which
/// have to cancel; and line item types nobody knows, with their rows.
#[derive(Default)]
pub(super) struct Commitments {
    open: BTreeMap<Vec<u8>, i128>,
    unknown: BTreeMap<String, u64>,
}

impl Commitments {
    pub fn check(&mut self, costs: &Costs, row: &Row<'_>, line: (LineItemType, &[u8])) {
        let (line, name) = line;
        if line == LineItemType::Unknown {
            *self
                .unknown
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_default() += 1;
        }
        if matches!(
            line,
            LineItemType::SavingsPlanCoveredUsage | LineItemType::SavingsPlanNegation
        ) && let (Some(plan), Some(cost)) = (row.get(costs.plan), Money24::read(row.get(costs.unblended)))
        {
            let sum = self.open.entry(plan.to_vec()).or_default();
            *sum = sum.saturating_add(cost.0);
        }
    }

    pub fn findings(&self) -> Vec<Finding> {
        let unknown = self.unknown.iter().map(|(name, rows)| {
            Finding::warning(
                "unknown_line_item_type",
                format!("the line item type {name:?} is not known; its unblended cost counts as usage"),
            )
            .times(*rows)
        });
        let unbalanced = self.open.iter().filter(|(_, sum)| **sum != 0);
        let unbalanced = unbalanced.map(|(plan, sum)| {
            Finding::warning(
                "negation_differs",
                format!(
                    "savings plan {}: covered usage and its negation leave {} in this file",
                    String::from_utf8_lossy(plan),
                    Money24(*sum).text()
                ),
            )
            .remedy("ingest all parts of the report together; if they are, ask the provider")
        });
        unknown.chain(unbalanced).collect()
    }
}
