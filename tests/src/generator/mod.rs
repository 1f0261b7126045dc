//! Bills with known answers, in the dialect of every provider: what a month of
//! a small company costs is decided first, then written the way each provider
//! would. Amounts are whole numbers of 1e-10 of the currency, so that sums of
//! answers are exact; no code of the product is used.

mod aws;
mod others;

pub use aws::{cur2, legacy};
pub use others::{azure, focus, google, oracle};

use std::collections::BTreeMap;

/// 1e-10 of the currency.
pub type Grains = i64;
/// One unit of the currency.
pub const ONE: Grains = 10_000_000_000;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On demand.
    Usage,
    /// Under the savings plan; `list` is what it would cost on demand.
    PlanUsed {
        /// At on-demand prices.
        list: Grains,
    },
    /// A day's fee of the savings plan, of which so much was not used.
    PlanFee {
        /// Of the fee.
        unused: Grains,
    },
    /// Under a reservation.
    ReservedUsed(Reservation),
    /// A month's fee of a reservation, of which so much was not used.
    ReservedFee(Reservation, Grains),
    /// The whole term of a reservation, paid at once.
    Upfront,
    /// Support: effective when billed.
    Support,
    /// Granted by the provider.
    Credit,
    /// Paid back.
    Refund,
    /// Enterprise discount, in a line of its own.
    Discount,
    /// Tax of the month.
    Tax,
}

/// The reservations of the company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// Paid month by month.
    Monthly,
    /// Paid at once.
    AllUpfront,
}

impl Reservation {
    /// What AWS calls it.
    #[must_use]
    pub fn arn(self) -> &'static str {
        match self {
            Reservation::Monthly => "arn:aws:ec2:eu-central-1:1:reserved-instances/monthly",
            Reservation::AllUpfront => "arn:aws:ec2:eu-central-1:1:reserved-instances/upfront",
        }
    }
}

/// What AWS calls the savings plan.
pub const PLAN: &str = "arn:aws:savingsplans::1:savingsplan/plan";

/// One line of a bill.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Months since January 2024.
    pub month: u32,
    /// Day of the month; 0 = the whole month.
    pub day: u32,
    /// Sub-account.
    pub account: &'static str,
    /// Service.
    pub service: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What the invoice says of it.
    pub billed: Grains,
    /// What it costs, spread over its use.
    pub effective: Grains,
}

impl Line {
    /// `2024-01`.
    #[must_use]
    pub fn period(&self) -> String {
        month_text(self.month)
    }

    /// First instant, and the one after the last.
    #[must_use]
    pub fn span(&self) -> (String, String) {
        if self.day == 0 {
            return (
                format!("{}-01", self.period()),
                format!("{}-01", month_text(self.month + 1)),
            );
        }
        let day = |day: u32| format!("{}-{day:02}", self.period());
        (day(self.day), day(self.day + 1))
    }

    /// First instant of its month, and of the one after.
    #[must_use]
    pub fn month_span(&self) -> (String, String) {
        (
            format!("{}-01", self.period()),
            format!("{}-01", month_text(self.month + 1)),
        )
    }
}

fn month_text(month: u32) -> String {
    format!("{:04}-{:02}", 2024 + month / 12, month % 12 + 1)
}

/// An amount as providers write it: ten digits after the point.
#[must_use]
pub fn text(grains: Grains) -> String {
    let (whole, rest) = (
        grains.unsigned_abs() / ONE.unsigned_abs(),
        grains.unsigned_abs() % ONE.unsigned_abs(),
    );
    format!("{}{whole}.{rest:010}", if grains < 0 { "-" } else { "" })
}

/// A small generator of numbers (splitmix64), so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.unsigned_abs()) as i64
    }
}

/// Days of a month that have charges: the same in every month.
pub const DAYS: u32 = 27;
/// Months of the all-upfront reservation.
pub const TERM: u32 = 24;
const ACCOUNTS: [&str; 3] = ["000000000002", "000000000003", "000000000004"];

/// What the company costs in a month: usage, a savings plan, two reservations,
/// support, a credit, a refund, a discount and tax. `month` is from 0 to [`TERM`].
#[must_use]
pub fn month(month: u32, seed: u64) -> Vec<Line> {
    let mut random = Random(seed.wrapping_mul(1_000).wrapping_add(u64::from(month)));
    let mut lines = Vec::new();
    let line = |day, account, service, kind, billed, effective| Line {
        month,
        day,
        account,
        service,
        kind,
        billed,
        effective,
    };
    let [a, b, c] = ACCOUNTS;
    let monthly_used = ONE + random.below(ONE);
    let monthly_unused = random.below(3 * ONE);
    for day in 1..=DAYS {
        for account in ACCOUNTS {
            for service in ["AmazonEC2", "AmazonS3", "AmazonRDS"] {
                let cost = random.below(5 * ONE);
                lines.push(line(day, account, service, Kind::Usage, cost, cost));
            }
        }
        let fee = 4 * ONE;
        let used = [random.below(2 * ONE), random.below(2 * ONE)];
        for (account, used) in [a, b].into_iter().zip(used) {
            let kind = Kind::PlanUsed { list: used / 2 * 3 };
            lines.push(line(day, account, "AmazonEC2", kind, 0, used));
        }
        let unused = fee - used[0] - used[1];
        lines.push(line(day, c, "ComputeSavingsPlans", Kind::PlanFee { unused }, fee, 0));
        let reserved = Kind::ReservedUsed(Reservation::Monthly);
        lines.push(line(day, b, "AmazonRDS", reserved, 0, monthly_used));
        let upfront = Kind::ReservedUsed(Reservation::AllUpfront);
        lines.push(line(day, c, "AmazonEC2", upfront, 0, ONE / 2));
    }
    let fee = i64::from(DAYS) * monthly_used + monthly_unused;
    let kind = Kind::ReservedFee(Reservation::Monthly, monthly_unused);
    lines.push(line(0, b, "AmazonRDS", kind, fee, 0));
    if month == 0 {
        let whole = i64::from(TERM * DAYS) * (ONE / 2);
        lines.push(line(1, c, "AmazonEC2", Kind::Upfront, whole, 0));
    }
    let mut flat = |service, kind, amount: Grains| lines.push(line(0, a, service, kind, amount, amount));
    flat("AWSSupportBusiness", Kind::Support, 5 * ONE + random.below(ONE));
    flat("AmazonS3", Kind::Credit, -random.below(2 * ONE));
    flat("AmazonEC2", Kind::Refund, -random.below(ONE));
    flat("AmazonEC2", Kind::Discount, -random.below(ONE));
    flat("AmazonEC2", Kind::Tax, random.below(ONE));
    lines
}

/// What a month costs: billed and effective, unused commitments included.
pub type Answers<Key> = BTreeMap<Key, (Grains, Grains)>;

/// Sums by whatever `key` says of a line; what is unused of a fee is a line of
/// its own, at the same place.
#[must_use]
pub fn answers<Key: Ord>(lines: &[Line], key: impl Fn(&Line) -> Option<Key>) -> Answers<Key> {
    let mut sums = Answers::new();
    for line in lines {
        let Some(key) = key(line) else { continue };
        let sum = sums.entry(key).or_insert((0, 0));
        let unused = match line.kind {
            Kind::PlanFee { unused } | Kind::ReservedFee(_, unused) => unused,
            _ => 0,
        };
        *sum = (sum.0 + line.billed, sum.1 + line.effective + unused);
    }
    sums
}

/// Rows of a table as CSV.
fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).expect("memory");
    for row in rows {
        writer.write_record(&row).expect("as wide as the header");
    }
    let bytes = writer.into_inner().expect("memory");
    String::from_utf8(bytes).expect("text")
}
