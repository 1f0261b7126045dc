//! The synthetic company: bills, usage, drivers and the truth, sharing no code with domain or lake.
//!
//! Everything follows from a seed and a day: no clock, no randomness of the machine. The owner of
//! each charge is decided where its resource is described, never by reading the rules, so that
//! `truth.csv` can check the program that does read them (A44).

mod balancers;
mod bills;
// a price list reads best with a line an item
#[rustfmt::skip]
mod catalog;
mod company;
mod drivers;
mod evened;
mod facts;
mod fleet;
mod machine;
mod meter;
mod money;
mod native;
mod owed;
mod pods;
mod prng;
mod rows;
mod rules;
mod shape;
mod sizing;
mod split;
mod truth;
mod usage;
mod users;
mod volumes;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use company::{Company, Month};
use fleet::Fleet;
use meter::Provider;
use owed::Usage;
use rows::Biller;
use truth::Truth;

/// What the demo is made from. Equal configurations give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoConfig {
    /// Seed of all noise.
    pub seed: u64,
    /// Billing periods, the last of which holds the day before `today`; 14 by default.
    pub months: u32,
    /// The first UTC day that is not billed yet.
    pub today: NaiveDate,
}

/// One bill file, to be ingested as one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoDelivery {
    /// The source it comes from: `aws-focus` (USD), `eu-focus` (EUR), or one of those that are not FOCUS.
    pub source: String,
    /// The `.csv.gz`, relative to the output folder.
    pub path: PathBuf,
    /// `2026-11`.
    pub billing_period: String,
    /// Whether the month is over and nothing replaces this delivery.
    pub final_: bool,
}

/// What was written; paths are relative to the output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoFiles {
    /// In the order to ingest. A later delivery of the same source and period replaces the earlier.
    pub deliveries: Vec<DemoDelivery>,
    /// Bills that are not FOCUS, to be ingested after the others: `havenline-cur2` (AWS CUR 2.0, USD)
    /// and `havenline-azure` (Azure cost export, EUR).
    pub native: Vec<DemoDelivery>,
    /// The owner rules, `rules.yaml`.
    pub rules: PathBuf,
    /// The right answer by billing period, currency, tenant, service and tier: `truth.csv`.
    pub truth: PathBuf,
    /// The same from bills alone, with nodes undivided: `truth_bills.csv`.
    pub truth_bills: PathBuf,
    /// What the cost of every node is made of, by billing period: `truth_split.csv`.
    pub truth_split: PathBuf,
    /// What volumes, load balancers, control planes and disks of clusters paid for, by billing
    /// period: `truth_resources.csv`.
    pub truth_resources: PathBuf,
    /// Hourly container facts, a file a month.
    pub usage: Vec<PathBuf>,
    /// Hourly node facts, a file a month, in the order of `usage`.
    pub nodes: Vec<PathBuf>,
    /// Hourly facts of volumes and who mounted them, a file a month, in the order of `usage`.
    pub volumes: Vec<PathBuf>,
    /// Hourly facts of load balancers and what is behind them, a file a month, in the order of `usage`.
    pub balancers: Vec<PathBuf>,
    /// Orders, shipments and scans by day and tenant, a file a month.
    pub drivers: Vec<PathBuf>,
    /// Charge lines over all deliveries of both kinds, replaced ones included.
    pub rows: u64,
    /// Rows of all usage files.
    pub usage_rows: u64,
}

impl DemoFiles {
    /// The usage files of each month: to be ingested together.
    pub fn usage_by_month(&self) -> impl Iterator<Item = [&PathBuf; 4]> {
        let beside = self.volumes.iter().zip(&self.balancers);
        let months = self.nodes.iter().zip(&self.usage).zip(beside);
        months.map(|((nodes, containers), (volumes, balancers))| [nodes, containers, volumes, balancers])
    }
}

/// Why the demo could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or folder could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The fleet description built into the program is not valid.
    #[error("the demo fleet description is not valid")]
    Fleet {
        /// Where.
        source: serde_json::Error,
    },
    /// The months are none, or leave the calendar.
    #[error("cannot lay out {months} months before {today}")]
    Calendar {
        /// The day asked for.
        today: NaiveDate,
        /// The number of months asked for.
        months: u32,
    },
    /// A charge across a change of owner has no exact parts at 12 digits.
    #[error("the charge of {resource} cannot be cut exactly")]
    UnevenCut {
        /// The resource of the charge.
        resource: String,
    },
}

/// Writes the company's bills, rules, truth, usage and drivers under `out`.
///
/// `progress` is told once per billing period. Files of an earlier run with the same months are
/// overwritten.
///
/// # Errors
/// When `out` cannot be written, or the configuration names no month.
pub fn write(out: &Path, config: &DemoConfig, progress: &mut dyn FnMut(&str)) -> Result<DemoFiles, DemoError> {
    let company = Company::load(config)?;
    let fleet = Fleet::build(&company);
    let biller = Biller {
        company: &company,
        fleet: &fleet,
        seed: config.seed,
    };
    let mut truth = Truth::default();
    let mut files = DemoFiles {
        deliveries: Vec::new(),
        native: Vec::new(),
        rules: "rules.yaml".into(),
        truth: "truth.csv".into(),
        truth_bills: "truth_bills.csv".into(),
        truth_split: "truth_split.csv".into(),
        truth_resources: "truth_resources.csv".into(),
        usage: Vec::new(),
        nodes: Vec::new(),
        volumes: Vec::new(),
        balancers: Vec::new(),
        drivers: Vec::new(),
        rows: 0,
        usage_rows: 0,
    };
    let last = company.months.len() - 1;
    let restated = last.saturating_sub(3);
    let mut restatement = None;
    let mut volumes_before = None;
    for (index, month) in company.months.iter().enumerate() {
        let facts = facts::month(&company, &fleet, index, config.seed);
        let volumes = volumes::month(&fleet, *month, &facts, config.seed);
        let usage = Usage {
            facts: &facts,
            users: &users::month(&facts),
            volumes: &volumes,
            balancers: &balancers::month(&company, &fleet, *month, config.seed),
            volumes_before: volumes_before.as_ref(),
        };
        write_usage(out, &month.key(), &usage, &mut files)?;
        for provider in [Provider::Aws, Provider::Eu] {
            let mut rows = biller.month(index, provider);
            evened::note(&mut rows);
            let period = month.key();
            truth.add(&period, &rows, &usage)?;
            progress(&format!("{period} {}: {} charges", source_name(provider), rows.len()));
            let delivery = Delivery {
                out,
                company: &company,
                month: *month,
                provider,
            };
            if provider == Provider::Aws && index == restated {
                let early: Vec<_> = rows.iter().filter_map(|row| bills::preliminary(*month, row)).collect();
                files
                    .deliveries
                    .push(delivery.write(1, false, &early, &mut files.rows)?);
                restatement = Some(delivery.write(2, month.closed(), &rows, &mut files.rows)?);
            } else {
                files
                    .deliveries
                    .push(delivery.write(1, month.closed(), &rows, &mut files.rows)?);
            }
        }
        for provider in [Provider::Cur, Provider::Azure] {
            let rows = biller.month(index, provider);
            let period = month.key();
            truth.add(&period, &rows, &usage)?;
            progress(&format!("{period} {}: {} charges", source_name(provider), rows.len()));
            let delivery = Delivery {
                out,
                company: &company,
                month: *month,
                provider,
            };
            // AWS delivers a month every few days; Azure once more after its end
            let early: Vec<_> = rows.iter().filter_map(|row| bills::preliminary(*month, row)).collect();
            let twice = provider == Provider::Cur || index == restated;
            if twice && early.len() < rows.len() && !early.is_empty() {
                files.native.push(delivery.write(1, false, &early, &mut files.rows)?);
                files
                    .native
                    .push(delivery.write(2, month.closed(), &rows, &mut files.rows)?);
            } else {
                files
                    .native
                    .push(delivery.write(1, month.closed(), &rows, &mut files.rows)?);
            }
        }
        // the second delivery arrives after the next month's first bill
        if index > restated || index == last {
            files.deliveries.extend(restatement.take());
        }
        let path = PathBuf::from(format!("drivers/drivers-{}.csv", month.key()));
        create(out, &path, |file| drivers::write(file, &company, *month, config.seed))?;
        files.drivers.push(path);
        volumes_before = Some(volumes);
    }
    create(out, &files.rules, |file| {
        Ok(file.write_all(rules::text(&company).as_bytes())?)
    })?;
    create(out, &files.truth, |file| truth.write(file))?;
    create(out, &files.truth_bills, |file| truth.write_bills(file))?;
    create(out, &files.truth_split, |file| truth.write_split(file))?;
    create(out, &files.truth_resources, |file| truth.write_resources(file))?;
    Ok(files)
}

fn source_name(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "aws-focus",
        Provider::Eu => "eu-focus",
        Provider::Cur => "havenline-cur2",
        Provider::Azure => "havenline-azure",
    }
}

/// Where one delivery goes.
struct Delivery<'a> {
    out: &'a Path,
    company: &'a Company,
    month: Month,
    provider: Provider,
}

impl Delivery<'_> {
    fn write(
        &self,
        number: u32,
        final_: bool,
        rows: &[rows::Row<'_>],
        count: &mut u64,
    ) -> Result<DemoDelivery, DemoError> {
        let (source, billing_period) = (source_name(self.provider).to_owned(), self.month.key());
        let path = PathBuf::from(format!("bills/{source}/{billing_period}/delivery-{number}.csv.gz"));
        create(self.out, &path, |file| {
            *count += match self.provider {
                Provider::Aws | Provider::Eu => {
                    bills::write(file, self.company, self.month, self.provider, final_, rows.iter())?
                }
                Provider::Cur | Provider::Azure => native::write(file, self.month, self.provider, final_, rows.iter())?,
            };
            Ok(())
        })?;
        Ok(DemoDelivery {
            source,
            path,
            billing_period,
            final_,
        })
    }
}

/// The facts of a month, a file for each kind.
fn write_usage(out: &Path, month: &str, usage: &Usage<'_>, files: &mut DemoFiles) -> Result<(), DemoError> {
    let rows = &mut files.usage_rows;
    let mut table = |name: &str, write: &dyn Fn(&mut BufWriter<File>) -> Result<u64, csv::Error>| {
        let path = PathBuf::from(format!("usage/{name}-{month}.csv.gz"));
        create(out, &path, |file| {
            *rows += write(file)?;
            Ok(())
        })?;
        Ok::<_, DemoError>(path)
    };
    let (containers, nodes) = (
        table("containers", &|file| usage::containers(file, usage.facts))?,
        table("nodes", &|file| usage::nodes(file, usage.facts))?,
    );
    let (volumes, balancers) = (
        table("volumes", &|file| usage::volumes(file, usage.volumes))?,
        table("load-balancers", &|file| usage::balancers(file, usage.balancers))?,
    );
    files.usage.push(containers);
    files.nodes.push(nodes);
    files.volumes.push(volumes);
    files.balancers.push(balancers);
    Ok(())
}

/// Creates a file and its folder, and lets `write` fill it.
fn create(
    out: &Path,
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), csv::Error>,
) -> Result<(), DemoError> {
    let path = out.join(path);
    let fill = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = BufWriter::new(File::create(&path)?);
        write(&mut file)?;
        file.flush()
    };
    fill().map_err(|source| DemoError::Write {
        path: path.clone(),
        source,
    })
}
