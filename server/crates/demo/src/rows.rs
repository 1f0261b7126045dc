//! The charges of a month: usage by the day or hour, then what is billed for the month as a whole.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::company::{Company, Month};
use crate::fleet::{Fleet, committed_price};
use crate::meter::{Commitment, Kind, Meter, Provider, Shape};
use crate::money::{MICRO, ONE, cost, ppm};
use crate::{machine, prng, shape};

/// One charge, before it is written to a bill. Amounts in pico units, quantity in micro units.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub meter: &'a Meter,
    pub start: NaiveDateTime,
    /// Exclusive.
    pub end: NaiveDateTime,
    pub category: &'static str,
    pub correction: bool,
    pub frequency: &'static str,
    pub pricing: &'static str,
    pub commitment: Option<Commitment>,
    pub status: &'static str,
    pub quantity: i128,
    pub list: i128,
    pub contracted: i128,
    pub billed: i128,
    pub effective: i128,
    /// What of other charges it pays once prices are evened out, in grains: nothing of it is billed.
    pub moved: i128,
    /// List and contracted price per unit; fees have none.
    pub unit_prices: Option<(i128, i128)>,
}

/// What turns the fleet into charges.
#[derive(Clone, Copy, Debug)]
pub struct Biller<'a> {
    pub company: &'a Company,
    pub fleet: &'a Fleet,
    pub seed: u64,
}

impl<'a> Biller<'a> {
    /// The charges of one provider in the month at `index`, in the order of the bill.
    pub fn month(&self, index: usize, provider: Provider) -> Vec<Row<'a>> {
        let month = self.company.months[index];
        let meters = || self.fleet.meters.iter().filter(move |meter| meter.provider == provider);
        let mut rows = Vec::new();
        for day in month.days() {
            for meter in meters().filter(|meter| meter.lives(day)) {
                self.day(meter, day, &mut rows);
            }
        }
        for meter in meters().filter(|meter| meter.lives(month.start)) {
            rows.extend(self.whole_month(meter, index));
        }
        if provider == Provider::Aws {
            rows.extend(self.refund(index));
        }
        for kind in [Kind::Support, Kind::Tax] {
            let fees: Vec<_> = meters().filter(|meter| meter.kind == kind).collect();
            for meter in fees {
                rows.push(share_of_bill(meter, month, &rows));
            }
        }
        rows
    }

    /// The charges of a meter for a day.
    fn day(&self, meter: &'a Meter, day: NaiveDate, rows: &mut Vec<Row<'a>>) {
        match meter.kind {
            Kind::Daily => rows.extend(self.on_demand(meter, day)),
            Kind::Spot => self.spot(meter, day, rows),
            Kind::Covered(commitment) if self.in_force(commitment, day) => {
                let quantity = self.covered_quantity(meter, commitment, day);
                let mut row = usage(meter, day, quantity);
                row.pricing = "Committed";
                (row.commitment, row.status) = (Some(commitment), "Used");
                (row.billed, row.effective) = (0, cost(quantity, committed_price(meter, commitment)));
                rows.push(row);
            }
            Kind::Covered(_) => rows.extend(self.on_demand(meter, day)),
            Kind::Purchase(Commitment::Plan) => {
                rows.push(purchase(
                    meter,
                    Commitment::Plan,
                    (day, next(day)),
                    self.fleet.committed_per_day(Commitment::Plan),
                ));
            }
            Kind::Unused(commitment) => rows.extend(self.unused(meter, commitment, day)),
            Kind::Monthly(_) | Kind::Purchase(_) | Kind::Support | Kind::Tax | Kind::Credit => {}
        }
    }

    /// The reserved caches are bought for one year in the first month; the rest is renewed.
    fn in_force(&self, commitment: Commitment, day: NaiveDate) -> bool {
        commitment != Commitment::Caches || day < self.caches_end()
    }

    fn caches_end(&self) -> NaiveDate {
        self.company.first() + Months::new(12)
    }

    fn random(&self, meter: &Meter, index: i64) -> u64 {
        prng::bits(self.seed, meter.stream, index.unsigned_abs())
    }

    fn activity(&self, day: NaiveDate) -> i128 {
        shape::activity(day, self.company.first())
    }

    fn quantity(&self, meter: &Meter, day: NaiveDate) -> i128 {
        let random = self.random(meter, i64::from(day.num_days_from_ce()));
        match meter.shape {
            Shape::Flat => meter.per_day,
            Shape::Orders => {
                let busy = ppm(meter.per_day * 1_000, self.activity(day));
                ppm(busy, prng::around_one_ppm(random, 80_000)) / 1_000
            }
            Shape::Office if day.weekday().number_from_monday() <= 5 => meter.per_day * 10 / 24,
            Shape::Office => 0,
            Shape::Burst(_) => machine::quantity(&self.spans(meter, day)),
            Shape::Stored => {
                let days = i128::from((day - self.company.first()).num_days().max(0));
                let held = ppm(meter.per_day, 1_000_000 + 900 * days);
                ppm(held, prng::around_one_ppm(random, 4_000))
            }
        }
    }

    fn spans(&self, meter: &Meter, day: NaiveDate) -> Vec<machine::Span> {
        machine::spans(meter, day, self.company.first(), self.seed)
    }

    fn on_demand(&self, meter: &'a Meter, day: NaiveDate) -> Option<Row<'a>> {
        let quantity = self.quantity(meter, day);
        (quantity != 0).then(|| usage(meter, day, quantity))
    }

    fn spot(&self, meter: &'a Meter, day: NaiveDate, rows: &mut Vec<Row<'a>>) {
        for hour in machine::hours(&self.spans(meter, day)) {
            let index = i64::from(day.num_days_from_ce()) * 24 + i64::from(hour);
            let price = ppm(
                meter.sku.list,
                ppm(364_211, prng::around_one_ppm(self.random(meter, index), 210_000)),
            );
            let mut row = usage(meter, day, MICRO);
            row.start = day.and_time(NaiveTime::MIN) + TimeDelta::hours(i64::from(hour));
            row.end = row.start + TimeDelta::hours(1);
            row.pricing = "Dynamic";
            row.unit_prices = Some((meter.sku.list, price));
            (row.contracted, row.billed, row.effective) = (price, price, price);
            rows.push(row);
        }
    }

    fn covered_quantity(&self, meter: &Meter, commitment: Commitment, day: NaiveDate) -> i128 {
        // the plan covers nodes, and nodes are restarted now and then
        if commitment == Commitment::Plan {
            machine::quantity(&self.spans(meter, day))
        } else {
            meter.per_day
        }
    }

    /// What the day's commitment paid for and nobody used.
    fn unused(&self, meter: &'a Meter, commitment: Commitment, day: NaiveDate) -> Option<Row<'a>> {
        let used: i128 = self
            .fleet
            .meters
            .iter()
            .filter(|covered| covered.kind == Kind::Covered(commitment))
            .map(|covered| {
                cost(
                    self.covered_quantity(covered, commitment, day),
                    committed_price(covered, commitment),
                )
            })
            .sum();
        let left = self.fleet.committed_per_day(commitment) - used;
        (left != 0).then(|| {
            let mut row = fee(meter, (day, next(day)), "Usage", 0);
            (row.commitment, row.status, row.pricing) = (Some(commitment), "Unused", "Committed");
            row.frequency = "Usage-Based";
            row.effective = left;
            row
        })
    }

    /// Fees, credits and purchases that are billed for the month.
    fn whole_month(&self, meter: &'a Meter, index: usize) -> Option<Row<'a>> {
        let month = self.company.months[index];
        let days = i128::from((month.until - month.start).num_days());
        let span = (month.start, month.until);
        match meter.kind {
            Kind::Monthly(publisher) => {
                let category = if publisher.is_some() { "Purchase" } else { "Usage" };
                let mut row = fee(meter, span, category, cost(meter.per_day * days, meter.sku.list));
                row.quantity = meter.per_day * days;
                row.unit_prices = Some((meter.sku.list, meter.sku.list));
                Some(row)
            }
            Kind::Credit => {
                let random = self.random(meter, i64::from(month.start.num_days_from_ce()));
                let amount = ppm(meter.sku.list * days, prng::around_one_ppm(random, 90_000));
                let mut row = fee(meter, span, "Credit", -amount);
                (row.frequency, row.pricing) = ("One-Time", "");
                Some(row)
            }
            Kind::Purchase(commitment @ Commitment::Databases) => {
                let amount = self.fleet.committed_per_day(commitment) * days;
                Some(purchase(meter, commitment, span, amount))
            }
            Kind::Purchase(commitment @ Commitment::Caches) if index == 0 => {
                let term = i128::from((self.caches_end() - self.company.first()).num_days());
                let amount = self.fleet.committed_per_day(commitment) * term;
                let mut row = purchase(meter, commitment, (month.start, next(month.start)), amount);
                row.frequency = "One-Time";
                Some(row)
            }
            _ => None,
        }
    }

    /// A day of a tenant's volume in the month before, paid back. It prefers tenants that moved or
    /// left in that month: the refund belongs to whoever paid.
    fn refund(&self, index: usize) -> Option<Row<'a>> {
        let before = self.company.months[index.checked_sub(1)?];
        let day = before.start + Days::new(4);
        let volumes: Vec<&Meter> = self
            .fleet
            .meters
            .iter()
            .filter(|meter| meter.provider == Provider::Aws && meter.sku.resource_type == "Volume")
            .filter(|meter| !meter.owner.tenant.is_empty() && meter.lives(day))
            .collect();
        let within = |date: NaiveDate| before.start < date && date < before.end;
        let special = volumes
            .iter()
            .find(|meter| meter.takeover.as_ref().is_some_and(|takeover| within(takeover.on)) || within(meter.to));
        let any = prng::bits(self.seed, prng::stream("refund"), index as u64) % volumes.len().max(1) as u64;
        let meter = special.or_else(|| volumes.get(usize::try_from(any).ok()?))?;
        let mut row = self.on_demand(meter, day)?;
        row.correction = true;
        row.quantity = -row.quantity;
        (row.list, row.contracted) = (-row.list, -row.contracted);
        (row.billed, row.effective) = (-row.billed, -row.effective);
        Some(row)
    }
}

fn next(day: NaiveDate) -> NaiveDate {
    day + Days::new(1)
}

/// A day of use at the contracted price.
fn usage(meter: &Meter, day: NaiveDate, quantity: i128) -> Row<'_> {
    let price = match meter.provider {
        Provider::Aws => ppm(meter.sku.list, 937_113),
        Provider::Eu | Provider::Cur | Provider::Azure => meter.sku.list,
    };
    let amount = cost(quantity, price);
    Row {
        list: cost(quantity, meter.sku.list),
        quantity,
        unit_prices: Some((meter.sku.list, price)),
        frequency: "Usage-Based",
        pricing: "Standard",
        ..fee(meter, (day, next(day)), "Usage", amount)
    }
}

fn fee<'a>(meter: &'a Meter, (start, end): (NaiveDate, NaiveDate), category: &'static str, amount: i128) -> Row<'a> {
    Row {
        meter,
        start: start.and_time(NaiveTime::MIN),
        end: end.and_time(NaiveTime::MIN),
        category,
        correction: false,
        frequency: "Recurring",
        pricing: "Standard",
        commitment: None,
        status: "",
        quantity: MICRO,
        list: amount,
        contracted: amount,
        billed: amount,
        effective: amount,
        moved: 0,
        unit_prices: None,
    }
}

fn purchase<'a>(meter: &'a Meter, commitment: Commitment, span: (NaiveDate, NaiveDate), amount: i128) -> Row<'a> {
    let mut row = fee(meter, span, "Purchase", amount);
    row.commitment = Some(commitment);
    row.effective = 0;
    row
}

/// Support: 3 % of usage from the provider itself. Tax: of everything so far, 21 % or 19 %.
fn share_of_bill<'a>(meter: &'a Meter, month: Month, rows: &[Row<'a>]) -> Row<'a> {
    let sum = |counts: &dyn Fn(&Row<'_>) -> bool| -> i128 {
        rows.iter().filter(|row| counts(row)).map(|row| row.billed).sum()
    };
    let span = (month.start, month.until);
    if meter.kind == Kind::Support {
        let base = sum(&|row| row.category == "Usage" && !matches!(row.meter.kind, Kind::Monthly(_)));
        let mut row = fee(meter, span, "Purchase", ppm(base, 30_000));
        row.pricing = "Other";
        row
    } else {
        let rate = if meter.provider == Provider::Aws {
            210_000
        } else {
            190_000
        };
        // tax is stated in cents
        let cent = ONE / 100;
        let mut row = fee(meter, span, "Tax", ppm(sum(&|_| true), rate) / cent * cent);
        row.pricing = "";
        row
    }
}
