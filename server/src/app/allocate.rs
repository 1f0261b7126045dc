//! Allocation: keeps every billing period's cube equal to what the manifest
//! and the rules say, idempotent on (input hashes, rules version).

use super::cube::PeriodCube;
use super::fees::{known_hash, moved_between_months};
use super::{App, catalogue, hash_of};
use crate::error::AppError;
use domain::access::{Permission, Reaches};
use domain::allocate::{Cube, CubeValue, Program};
use domain::apportion::apportion;
use domain::bridge::BridgeTerm;
use domain::catalogue::Catalogue;
use domain::class::{Class, ClassRules};
use domain::price::{CommitmentScope, Entities};
use domain::{BillingPeriod, Currency, Finding, Money};
use lake::ChargeFile;
use lake::container_days::ContainerDayFile;
use lake::usage::UsageFile;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{ActiveFile, AllocationFile, AllocationRow, AllocationTotal, DeliveryState, NO_RULES, StoreError};

/// Raised whenever the same inputs would give another cube or other
/// container-days: part of every inputs hash.
const ENGINE: u32 = 6;

/// What `allocate` did for a period.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Allocated {
    /// The month.
    pub period: BillingPeriod,
    /// Rules version, `0` = no rules yet.
    pub rules_version: i64,
    /// The inputs were the same: nothing was changed.
    pub unchanged: bool,
    /// Lines of the cube.
    pub rows: u64,
    /// Totals by currency.
    pub totals: Vec<AllocatedTotal>,
    /// What was remarkable.
    pub findings: Vec<Finding>,
}

/// Totals of one currency.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct AllocatedTotal {
    /// Currency.
    pub currency: Currency,
    /// BilledCost.
    pub billed: Money,
    /// EffectiveCost.
    pub effective: Money,
    /// EffectiveCost without a tenant.
    pub unallocated: Money,
}

impl App {
    /// Allocates the given period, or every period, where its inputs changed.
    ///
    /// # Errors
    /// When a figure does not add up, or the machinery failed.
    pub async fn allocate(&self, period: Option<BillingPeriod>) -> Result<Vec<Allocated>, AppError> {
        self.reads_estate()?;
        let periods = match period {
            Some(period) => vec![period],
            None => self.store.periods().await?,
        };
        let mut done = Vec::with_capacity(periods.len());
        for period in periods {
            let (row, unchanged) = self.fresh_allocation(period).await?;
            done.push(allocated(row, unchanged));
        }
        Ok(done)
    }

    /// The allocation of a period as of now; made when its inputs changed.
    pub(crate) async fn fresh_allocation(&self, period: BillingPeriod) -> Result<(AllocationRow, bool), AppError> {
        loop {
            let version = self.store.manifest_version().await?;
            let files = self.store.active_files(Some(period)).await?;
            if files.is_empty() {
                return Err(AppError::no_bill(period, &self.store.periods().await?));
            }
            let (program, rules) = self.program_for(period).await?;
            let usage = self.usage_for(period).await?;
            let is_final = self.is_final(period).await?;
            // estimates are of open months, so that only those follow the catalogue (A6)
            let priced = !is_final && !usage.is_empty();
            let prices = if priced {
                Some(self.catalogue_at(version).await?)
            } else {
                None
            };
            let priced_by = prices.as_ref().map_or("", |known| known.sha256.as_str());
            let known_beside = known_hash(&program.prices);
            let inputs = inputs_hash(&files, &usage, &rules, (is_final, priced_by, &known_beside));
            let known = self
                .store
                .allocation(period)
                .await?
                .filter(|row| row.inputs_hash == inputs);
            // they can always be made again: a file that was deleted is
            if let Some(row) = known
                && self.is_there(&row)?
            {
                return Ok((row, true));
            }
            let row = match self
                .build(
                    period,
                    &files,
                    usage,
                    program,
                    (rules.version, is_final, prices),
                    inputs,
                )
                .await
            {
                // the control totals may be those of a delivery that was committed meanwhile
                Err(AppError::DoesNotAddUp { .. }) if self.store.manifest_version().await? != version => continue,
                built => built?,
            };
            match self.store.commit_allocation(&row, version).await {
                Ok(_) => return Ok((row, false)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_there(&self, row: &AllocationRow) -> Result<bool, AppError> {
        for path in [&row.cube_path]
            .into_iter()
            .chain(row.files.iter().map(|file| &file.path))
        {
            if !self.lake.exists(path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn build(
        &self,
        period: BillingPeriod,
        files: &[ActiveFile],
        usage: Vec<UsageFile>,
        program: Program,
        (rules_version, is_final, prices): (i64, bool, Option<Arc<catalogue::Known>>),
        inputs: String,
    ) -> Result<AllocationRow, AppError> {
        let path = format!("cube/{period}/{}.parquet", &inputs[..32]);
        let charges: Vec<ChargeFile> = files.iter().map(charge_file).collect();
        let (lake, task_program) = (self.lake.clone(), program.clone());
        let cube_path = path.clone();
        let allocation = self
            .heavy("cannot allocate", move || {
                let allocation =
                    lake::allocate_with_usage(&lake, &charges, &usage, Some(period), &task_program, apportion)?;
                let cube = &allocation.cube;
                lake::cube::write_cube(&lake, cube, &cube_path)?;
                // after the read: the file says what the cube says
                let read = lake::cube::read_cube(&lake, &cube_path)?;
                if read != *cube {
                    return Err(AppError::broken(
                        format!("the cube {cube_path} reads back differently"),
                        "read-back mismatch",
                    ));
                }
                Ok(allocation)
            })
            .await?;
        let cube = allocation.cube;
        self.check_against_control(period, &cube, &program).await?;
        let mut findings = findings(&cube)?;
        let unpriced = Catalogue::default();
        let catalogue = prices.as_ref().map_or(&unpriced, |known| &known.catalogue);
        let prices = (!is_final).then_some((catalogue, period));
        findings.extend(super::clusters::findings(&cube, &allocation.unbilled, prices)?);
        findings.extend(super::clusters::provider_findings(&allocation.provider_rows));
        Ok(AllocationRow {
            allocation_id: inputs[..32].to_owned(),
            period,
            rules_version,
            inputs_hash: inputs,
            cube_path: path,
            rows: cube.lines.len() as u64,
            totals: totals(&cube)?,
            files: allocation.container_days.into_iter().map(file_row).collect(),
            findings,
            created_us: self.clock.now().0,
        })
    }

    /// Whether every delivery of a period is final: what has no line then never will (A6).
    async fn is_final(&self, period: BillingPeriod) -> Result<bool, AppError> {
        let held = self.store.active_totals(Some(period)).await?;
        Ok(held.iter().all(|held| held.state == DeliveryState::Final))
    }

    /// Before the commit: the cube's totals are the control totals of the bill,
    /// what schedules move between months, and what is not elapsed.
    async fn check_against_control(
        &self,
        period: BillingPeriod,
        cube: &Cube,
        program: &Program,
    ) -> Result<(), AppError> {
        let mut control: BTreeMap<Currency, CubeValue> = BTreeMap::new();
        for held in self.store.active_totals(Some(period)).await? {
            let value = CubeValue {
                charges: held.total.rows,
                billed: held.total.billed,
                effective: held.total.effective,
            };
            control.entry(held.total.currency.clone()).or_default().add(value)?;
        }
        for (currency, effective) in moved_between_months(&program.prices.fees, period)? {
            let value = CubeValue {
                effective,
                ..CubeValue::default()
            };
            control.entry(currency).or_default().add(value)?;
        }
        for (key, value) in cube.lines.iter().filter(|(key, _)| key.term == BridgeTerm::NotElapsed) {
            control.entry(key.currency.clone()).or_default().add(*value)?;
        }
        evened_out(period, cube, program.prices.entities())?;
        let cube = cube.totals()?;
        control.retain(|currency, value| *value != CubeValue::default() || cube.contains_key(currency));
        if control == cube {
            return Ok(());
        }
        let text = |map: &BTreeMap<Currency, CubeValue>| {
            let one = |(c, v): (&Currency, &CubeValue)| {
                format!(
                    "{c}: {} charges, billed {}, effective {}",
                    v.charges, v.billed, v.effective
                )
            };
            map.iter().map(one).collect::<Vec<_>>().join("; ")
        };
        Err(AppError::DoesNotAddUp {
            what: "the allocation",
            period,
            left: text(&control),
            right: text(&cube),
        })
    }

    /// The rules in force, ready to run.
    pub(crate) async fn active_program(&self) -> Result<(Program, ActiveRules), AppError> {
        let active = self.store.active_rules(store::RulesKind::Owner).await?;
        let (rules, version, sha256) = match active {
            Some(active) => (super::rules::parse(&active.yaml)?, active.version, active.sha256),
            None => (domain::rule::RuleSet::empty(), NO_RULES, String::new()),
        };
        let (prices, prices_sha256) = self.active_prices().await?;
        Ok((
            Program {
                rules,
                classes: ClassRules::preset(),
                prices,
            },
            ActiveRules {
                version,
                sha256,
                prices_sha256,
            },
        ))
    }
}

/// What is moved between lines stays in its legal entity, else its billing
/// account, and in its currency.
fn evened_out(period: BillingPeriod, cube: &Cube, entities: &Entities) -> Result<(), AppError> {
    let mut sums: BTreeMap<(CommitmentScope<'_>, &Currency), Money> = BTreeMap::new();
    for (key, value) in &cube.lines {
        if key.term == BridgeTerm::Evened {
            let scope = entities.scope(key.columns[0].as_deref().unwrap_or("").trim());
            let sum = sums.entry((scope, &key.currency)).or_default();
            *sum = sum.checked_add(value.effective)?;
        }
    }
    match sums.into_iter().find(|(_, sum)| !sum.is_zero()) {
        None => Ok(()),
        Some(((scope, currency), sum)) => Err(AppError::DoesNotAddUp {
            what: "evening prices out",
            period,
            left: match scope {
                CommitmentScope::Account(account) => format!("billing account {account}: 0 {currency}"),
                CommitmentScope::Entity(entity) => format!("legal entity {entity}: 0 {currency}"),
            },
            right: format!("{sum} {currency}"),
        }),
    }
}

/// Which rules are in force.
pub(crate) struct ActiveRules {
    pub(crate) version: i64,
    pub(crate) sha256: String,
    /// Of the price policy in force.
    pub(crate) prices_sha256: String,
}

pub(crate) fn charge_file(file: &ActiveFile) -> ChargeFile {
    ChargeFile {
        path: file.path.clone(),
        delivery_id: file.delivery_id.clone(),
    }
}

fn file_row(file: ContainerDayFile) -> AllocationFile {
    AllocationFile {
        cluster_id: file.cluster,
        day: file.day,
        path: file.path,
        slots_path: file.slots_path,
        sha256: file.sha256,
        bytes: file.bytes,
        rows: file.rows,
    }
}

fn inputs_hash(
    files: &[ActiveFile],
    usage: &[UsageFile],
    rules: &ActiveRules,
    (is_final, prices, known_beside): (bool, &str, &str),
) -> String {
    let engine = format!(
        "engine {ENGINE}, final {is_final}, prices {prices}, classes {}",
        include_str!("../../../assets/presets/classes.yaml")
    );
    let parts = files
        .iter()
        .flat_map(|file| [file.path.as_bytes(), file.sha256.as_bytes()]);
    let usage = usage
        .iter()
        .flat_map(|file| [file.cluster.as_bytes(), file.sha256.as_bytes()]);
    hash_of(
        [
            engine.as_bytes(),
            rules.sha256.as_bytes(),
            rules.prices_sha256.as_bytes(),
            known_beside.as_bytes(),
        ]
        .into_iter()
        .chain(parts)
        .chain(usage),
    )
}

fn totals(cube: &Cube) -> Result<Vec<AllocationTotal>, AppError> {
    let mut totals: BTreeMap<Currency, (CubeValue, CubeValue)> = BTreeMap::new();
    let tenant = cube.dimensions.position("tenant");
    for (key, value) in &cube.lines {
        let entry = totals.entry(key.currency.clone()).or_default();
        entry.0.add(*value)?;
        if tenant.is_none_or(|at| key.assignment.values[at].is_none()) {
            entry.1.add(*value)?;
        }
    }
    let total = |(currency, (all, without)): (Currency, (CubeValue, CubeValue))| AllocationTotal {
        currency,
        billed: all.billed,
        effective: all.effective,
        unallocated_billed: without.billed,
        unallocated_effective: without.effective,
    };
    Ok(totals.into_iter().map(total).collect())
}

/// Services no class is known for, by money (A35), and bills whose two costs
/// differ without a reason the bill gives (A8).
fn findings(cube: &Cube) -> Result<Vec<Finding>, AppError> {
    type Sums = BTreeMap<(String, Currency), (Money, u64)>;
    let mut unmapped = Sums::new();
    let mut unexplained = Sums::new();
    for (key, value) in &cube.lines {
        if key.class == Class::Other {
            let service = key.columns[5].as_deref().unwrap_or("(no ServiceName)").to_owned();
            let sum = unmapped.entry((service, key.currency.clone())).or_default();
            *sum = (sum.0.checked_add(value.effective)?, sum.1 + value.charges);
        }
        let difference = value.effective.checked_sub(value.billed)?;
        if key.term == BridgeTerm::None && !difference.is_zero() {
            let account = key.columns[0].as_deref().unwrap_or("(no BillingAccountId)").to_owned();
            let sum = unexplained.entry((account, key.currency.clone())).or_default();
            *sum = (sum.0.checked_add(difference)?, sum.1 + value.charges);
        }
    }
    let mut findings = Vec::new();
    for ((service, currency), (money, charges)) in unmapped {
        let finding = Finding::warning(
            "unmapped_service",
            format!("no class is known for service {service}; it is class other"),
        );
        findings.push(finding.times(charges.max(1)).money(format!("{money} {currency}")));
    }
    for ((account, currency), (money, charges)) in unexplained.into_iter().filter(|(_, (money, _))| !money.is_zero()) {
        let finding = Finding::warning(
            "billed_is_not_effective",
            format!(
                "billing account {account}: billed and effective cost differ on rows that are neither commitment, purchase nor correction"
            ),
        );
        findings.push(
            finding
                .times(charges.max(1))
                .money(format!("{money} {currency}"))
                .remedy("compare the export with the invoice"),
        );
    }
    findings.sort_by(|a, b| a.code.cmp(&b.code).then(a.message.cmp(&b.message)));
    Ok(findings)
}

fn allocated(row: AllocationRow, unchanged: bool) -> Allocated {
    let total = |t: AllocationTotal| AllocatedTotal {
        currency: t.currency,
        billed: t.billed,
        effective: t.effective,
        unallocated: t.unallocated_effective,
    };
    Allocated {
        period: row.period,
        rules_version: row.rules_version,
        unchanged,
        rows: row.rows,
        totals: row.totals.into_iter().map(total).collect(),
        findings: row.findings,
    }
}

/// The cube of a period as of now, in the shape pages read.
pub(crate) async fn load(app: &App, period: BillingPeriod) -> Result<Arc<PeriodCube>, AppError> {
    load_days(app, period, None).await
}

/// The same, of its first days only.
pub(crate) async fn load_days(
    app: &App,
    period: BillingPeriod,
    days: Option<i32>,
) -> Result<Arc<PeriodCube>, AppError> {
    let reaches = app.scope().require_some(Permission::ReadCosts)?;
    if reaches != Reaches::All {
        return load_within(app, period, days, &reaches).await;
    }
    let view = app.view().await?;
    if let Some(cube) = view.cube(period, days) {
        return Ok(cube);
    }
    let (row, unchanged) = app.fresh_allocation(period).await?;
    let cube = match app.cubes.get(&super::cube::cache_key(&row.allocation_id, days)) {
        Some(cube) => cube,
        None => {
            let (lake, path, id) = (app.lake.clone(), row.cube_path.clone(), row.allocation_id.clone());
            let rules_version = row.rules_version;
            let read = app.heavy("cannot read the cube", move || {
                let cube = lake::cube::read_cube(&lake, &path)?;
                PeriodCube::new(id, period, rules_version, days, cube)
            });
            app.cubes.put(read.await?)
        }
    };
    // an allocation made just now has raised the version: the next view keeps it
    if unchanged && app.store.manifest_version().await? == view.version {
        view.keep(&cube);
    }
    Ok(cube)
}

/// The same, of what is within reach of a caller who may not see everything:
/// lines of others are left out before anything is added up.
async fn load_within(
    app: &App,
    period: BillingPeriod,
    days: Option<i32>,
    reaches: &Reaches,
) -> Result<Arc<PeriodCube>, AppError> {
    let (row, _) = app.inner().fresh_allocation(period).await?;
    let key = super::cube::cache_key(&row.allocation_id, days);
    if let Some(cube) = app.cubes.get_within(&key, reaches) {
        return Ok(cube);
    }
    let (lake, path, id) = (app.lake.clone(), row.cube_path.clone(), row.allocation_id.clone());
    let (rules_version, wanted) = (row.rules_version, reaches.clone());
    let read = app.heavy("cannot read the cube", move || {
        let mut cube = lake::cube::read_cube(&lake, &path)?;
        super::cube::keep_within(&mut cube, &wanted);
        if cube.lines.is_empty() {
            return Err(AppError::NotFound {
                what: format!("cost within your reach in {period}"),
            });
        }
        PeriodCube::new(id, period, rules_version, days, cube)
    });
    Ok(app.cubes.put_within(key, reaches, read.await?))
}
