//! FOCUS, and the exports of Azure, Google and Oracle.

use super::{Grains, Kind, Line, PLAN, table, text};

const FOCUS: [&str; 15] = [
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "BillingAccountId",
    "SubAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ServiceName",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "ChargeDescription",
];

/// FOCUS 1.0, as AWS exports it.
#[must_use]
pub fn focus(lines: &[Line]) -> String {
    let mut rows = Vec::new();
    for line in lines {
        let (start, end) = line.span();
        let (from, to) = line.month_span();
        let mut row = |billed: Grains, effective: Grains, category: &str, commitment: &str, status: &str| {
            let description = if line.kind == Kind::Discount {
                "Enterprise Discount Program"
            } else {
                ""
            };
            rows.push(vec![
                text(billed),
                text(effective),
                text(billed),
                "000000000001".to_owned(),
                line.account.to_owned(),
                "USD".to_owned(),
                from.clone(),
                to.clone(),
                start.clone(),
                end.clone(),
                category.to_owned(),
                line.service.to_owned(),
                commitment.to_owned(),
                status.to_owned(),
                description.to_owned(),
            ]);
        };
        let (billed, effective) = (line.billed, line.effective);
        match line.kind {
            Kind::Usage | Kind::Refund | Kind::Discount => row(billed, effective, "Usage", "", ""),
            Kind::PlanUsed { .. } => row(0, effective, "Usage", PLAN, "Used"),
            Kind::ReservedUsed(of) => row(0, effective, "Usage", of.arn(), "Used"),
            Kind::PlanFee { unused } => {
                row(billed, 0, "Purchase", PLAN, "");
                row(0, unused, "Usage", PLAN, "Unused");
            }
            Kind::ReservedFee(of, unused) => {
                row(billed, 0, "Purchase", of.arn(), "");
                row(0, unused, "Usage", of.arn(), "Unused");
            }
            Kind::Upfront => row(billed, 0, "Purchase", super::Reservation::AllUpfront.arn(), ""),
            Kind::Support => row(billed, effective, "Purchase", "", ""),
            Kind::Credit => row(billed, effective, "Credit", "", ""),
            Kind::Tax => row(billed, effective, "Tax", "", ""),
        }
    }
    table(&FOCUS, rows)
}

const AZURE: [&str; 16] = [
    "BillingAccountId",
    "BillingPeriodStartDate",
    "BillingPeriodEndDate",
    "SubscriptionId",
    "Date",
    "MeterCategory",
    "MeterId",
    "MeterName",
    "Quantity",
    "CostInBillingCurrency",
    "BillingCurrencyCode",
    "ChargeType",
    "PricingModel",
    "benefitId",
    "ResourceId",
    "Tags",
];

/// An actual and an amortized export. Azure has no discount lines.
#[must_use]
pub fn azure(lines: &[Line]) -> (String, String) {
    let day = |date: &str| {
        let parts: Vec<&str> = date.split('-').collect();
        format!("{}/{}/{}", parts[1], parts[2], parts[0])
    };
    let (mut actual, mut amortized) = (Vec::new(), Vec::new());
    for line in lines {
        let (start, _) = line.span();
        let (from, _) = line.month_span();
        // inclusive: the last day of the month
        let last = match line.month % 12 + 1 {
            2 if line.month / 12 == 0 => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let row = |cost: Grains, kind: &str, model: &str, benefit: &str| {
            vec![
                "0099999999999".to_owned(),
                day(&from),
                day(&format!("{}-{last}", line.period())),
                line.account.to_owned(),
                day(&start),
                line.service.to_owned(),
                "m-1".to_owned(),
                "meter".to_owned(),
                "1".to_owned(),
                text(cost),
                "EUR".to_owned(),
                kind.to_owned(),
                model.to_owned(),
                benefit.to_owned(),
                String::new(),
                String::new(),
            ]
        };
        const PLAN: &str = "/providers/Microsoft.BillingBenefits/savingsPlanOrders/p/savingsPlans/1";
        const RESERVATION: &str = "/providers/Microsoft.Capacity/reservationOrders/o/reservations/1";
        match line.kind {
            Kind::Usage => [&mut actual, &mut amortized].map(|of| of.push(row(line.billed, "Usage", "OnDemand", ""))),
            Kind::Support => {
                [&mut actual, &mut amortized].map(|of| of.push(row(line.billed, "Purchase", "OnDemand", "")))
            }
            Kind::Credit => [&mut actual, &mut amortized].map(|of| of.push(row(line.billed, "Credit", "OnDemand", ""))),
            Kind::Refund => [&mut actual, &mut amortized].map(|of| of.push(row(line.billed, "Refund", "OnDemand", ""))),
            Kind::Tax => [&mut actual, &mut amortized].map(|of| of.push(row(line.billed, "Tax", "", ""))),
            Kind::PlanUsed { .. } => {
                actual.push(row(0, "Usage", "SavingsPlan", PLAN));
                amortized.push(row(line.effective, "Usage", "SavingsPlan", PLAN));
                [(), ()]
            }
            Kind::ReservedUsed(_) => {
                actual.push(row(0, "Usage", "Reservation", RESERVATION));
                amortized.push(row(line.effective, "Usage", "Reservation", RESERVATION));
                [(), ()]
            }
            Kind::PlanFee { unused } => {
                actual.push(row(line.billed, "Purchase", "SavingsPlan", PLAN));
                amortized.push(row(unused, "UnusedSavingsPlan", "SavingsPlan", PLAN));
                [(), ()]
            }
            Kind::ReservedFee(_, unused) => {
                actual.push(row(line.billed, "Purchase", "Reservation", RESERVATION));
                amortized.push(row(unused, "UnusedReservation", "Reservation", RESERVATION));
                [(), ()]
            }
            Kind::Upfront => {
                actual.push(row(line.billed, "Purchase", "Reservation", RESERVATION));
                [(), ()]
            }
            Kind::Discount => [(), ()],
        };
    }
    (table(&AZURE, actual), table(&AZURE, amortized))
}

/// Google's export, a JSON object a line: usage at list with its discount as a
/// credit, tax, credits as adjustments; commitments as a fee and usage that
/// credits pay for. Rows were exported on `export_day` of the month after.
#[must_use]
pub fn google(lines: &[Line], export_day: u32) -> String {
    let mut rows = String::new();
    for line in lines {
        let (start, end) = line.span();
        let (sku, cost_type, cost, credit) = match line.kind {
            Kind::Usage => ("N2 Core", "regular", line.billed + 7, -7),
            Kind::Support | Kind::Refund | Kind::Discount => ("other", "regular", line.billed, 0),
            Kind::PlanUsed { .. } | Kind::ReservedUsed(_) => ("N2 Core", "regular", line.effective, -line.effective),
            Kind::PlanFee { .. } | Kind::ReservedFee(..) | Kind::Upfront => {
                ("Commitment v1: Cpu in Frankfurt", "regular", line.billed, 0)
            }
            Kind::Credit => ("credit", "adjustment", line.billed, 0),
            Kind::Tax => ("tax", "tax", line.billed, 0),
        };
        // a list of credits, of one and of two
        let credits = match credit {
            0 => "[]".to_owned(),
            credit => format!(
                r#"[{{"name":"a","amount":"{}"}},{{"name":"b","amount":{}}}]"#,
                text(credit - 1),
                text(1)
            ),
        };
        rows.push_str(&format!(
            r#"{{"billing_account_id":"0A-1","service":{{"id":"s","description":"{}"}},"sku":{{"id":"k","description":"{sku}"}},"usage_start_time":"{start} 00:00:00 UTC","usage_end_time":"{end} 00:00:00 UTC","project":{{"id":"{}"}},"export_time":"{} 0{}:00:00 UTC","cost":"{}","currency":"EUR","credits":{credits},"invoice":{{"month":"{}"}},"cost_type":"{cost_type}"}}"#,
            line.service,
            line.account,
            format_args!("{}-{export_day:02}", super::month_text(line.month + 1)),
            line.day % 10,
            text(cost),
            line.period().replace('-', ""),
        ));
        rows.push('\n');
    }
    rows
}

const ORACLE: [&str; 8] = [
    "lineItem/tenantId",
    "lineItem/intervalUsageStart",
    "lineItem/intervalUsageEnd",
    "product/compartmentId",
    "product/service",
    "cost/currencyCode",
    "cost/myCost",
    "cost/myCostOverage",
];

/// Oracle's cost report: usage alone, minutes at one end and seconds at the other.
#[must_use]
pub fn oracle(lines: &[Line]) -> String {
    let usage = lines.iter().filter(|line| line.kind == Kind::Usage);
    let rows = usage.map(|line| {
        let (start, end) = line.span();
        vec![
            "ocid1.tenancy".to_owned(),
            format!("{start}T00:00Z"),
            format!("{end}T00:00:00Z"),
            line.account.to_owned(),
            line.service.to_owned(),
            "USD".to_owned(),
            text(line.billed),
            "0".to_owned(),
        ]
    });
    table(&ORACLE, rows)
}
