//! AWS Cost and Usage Reports, legacy and 2.0.

use super::{Grains, Kind, Line, PLAN, Reservation, table, text};

/// A line item: its type, unblended cost, and what it says of commitments.
#[derive(Default)]
struct Item {
    kind: &'static str,
    unblended: Grains,
    on_demand: Grains,
    plan: bool,
    plan_effective: Option<Grains>,
    plan_total: Option<Grains>,
    plan_used: Option<Grains>,
    reservation: Option<Reservation>,
    reserved_effective: Option<Grains>,
    unused_recurring: Option<Grains>,
    unused_upfront: Option<Grains>,
}

fn items(line: &Line) -> Vec<Item> {
    let plain = |kind| Item {
        kind,
        unblended: line.billed,
        on_demand: line.billed,
        ..Item::default()
    };
    match line.kind {
        Kind::Usage => vec![plain("Usage")],
        Kind::PlanUsed { list } => {
            let covered = Item {
                kind: "SavingsPlanCoveredUsage",
                unblended: list,
                on_demand: list,
                plan: true,
                plan_effective: Some(line.effective),
                ..Item::default()
            };
            let negation = Item {
                kind: "SavingsPlanNegation",
                unblended: -list,
                plan: true,
                ..Item::default()
            };
            vec![covered, negation]
        }
        Kind::PlanFee { unused } => vec![Item {
            plan: true,
            plan_total: Some(line.billed),
            plan_used: Some(line.billed - unused),
            on_demand: 0,
            ..plain("SavingsPlanRecurringFee")
        }],
        Kind::ReservedUsed(reservation) => vec![Item {
            kind: "DiscountedUsage",
            on_demand: line.effective * 2,
            reservation: Some(reservation),
            reserved_effective: Some(line.effective),
            ..Item::default()
        }],
        Kind::ReservedFee(reservation, unused) => vec![Item {
            on_demand: 0,
            reservation: Some(reservation),
            unused_recurring: Some(unused),
            unused_upfront: Some(0),
            ..plain("RIFee")
        }],
        Kind::Upfront => vec![Item {
            on_demand: 0,
            reservation: Some(Reservation::AllUpfront),
            ..plain("Fee")
        }],
        Kind::Support => vec![plain("Fee")],
        Kind::Credit => vec![plain("Credit")],
        Kind::Refund => vec![plain("Refund")],
        Kind::Discount => vec![plain("EdpDiscount")],
        Kind::Tax => vec![plain("Tax")],
    }
}

const LEGACY: [&str; 21] = [
    "identity/LineItemId",
    "bill/PayerAccountId",
    "bill/BillingPeriodStartDate",
    "bill/BillingPeriodEndDate",
    "lineItem/UsageAccountId",
    "lineItem/LineItemType",
    "lineItem/UsageStartDate",
    "lineItem/UsageEndDate",
    "lineItem/ProductCode",
    "lineItem/UsageAmount",
    "lineItem/CurrencyCode",
    "lineItem/UnblendedCost",
    "pricing/publicOnDemandCost",
    "savingsPlan/SavingsPlanARN",
    "savingsPlan/SavingsPlanEffectiveCost",
    "savingsPlan/TotalCommitmentToDate",
    "savingsPlan/UsedCommitment",
    "reservation/ReservationARN",
    "reservation/EffectiveCost",
    "reservation/UnusedRecurringFee",
    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod",
];

const CUR2: [&str; 21] = [
    "identity_line_item_id",
    "bill_payer_account_id",
    "bill_billing_period_start_date",
    "bill_billing_period_end_date",
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_product_code",
    "line_item_usage_amount",
    "line_item_currency_code",
    "line_item_unblended_cost",
    "pricing_public_on_demand_cost",
    "savings_plan_savings_plan_a_r_n",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "reservation_reservation_a_r_n",
    "reservation_effective_cost",
    "reservation_unused_recurring_fee",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
];

fn rows(lines: &[Line]) -> impl Iterator<Item = Vec<String>> + '_ {
    let all = lines
        .iter()
        .flat_map(|line| items(line).into_iter().map(move |item| (line, item)));
    all.map(|(line, item)| {
        let (start, end) = line.span();
        let (from, to) = line.month_span();
        let known = |grains: Option<Grains>| grains.map(text).unwrap_or_default();
        let instant = |day: &str| format!("{day}T00:00:00Z");
        vec![
            // not a key: the same on every line of a day, as in real reports
            format!("item-{}", line.day),
            "000000000001".to_owned(),
            instant(&from),
            instant(&to),
            line.account.to_owned(),
            item.kind.to_owned(),
            instant(&start),
            instant(&end),
            line.service.to_owned(),
            "1".to_owned(),
            "USD".to_owned(),
            text(item.unblended),
            text(item.on_demand),
            if item.plan { PLAN.to_owned() } else { String::new() },
            known(item.plan_effective),
            known(item.plan_total),
            known(item.plan_used),
            item.reservation.map(|of| of.arn().to_owned()).unwrap_or_default(),
            known(item.reserved_effective),
            known(item.unused_recurring),
            known(item.unused_upfront),
        ]
    })
}

/// Cost and Usage Report, legacy.
#[must_use]
pub fn legacy(lines: &[Line]) -> String {
    table(&LEGACY, rows(lines))
}

/// Cost and Usage Report 2.0.
#[must_use]
pub fn cur2(lines: &[Line]) -> String {
    table(&CUR2, rows(lines))
}
