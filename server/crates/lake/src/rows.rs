//! Charges out of the lake, row by row, with their attributes interned: rules
//! and classes look at each distinct set once, not at every row.

use crate::clusters::join::{Join, Target};
use crate::error::LakeError;
use crate::object::Lake;
use crate::scan::{self, Cells, TextCells};
use crate::schema::{BILLING_PERIOD, ChargeFile, LINE, PART};
use domain::allocate::clusters::{Thing, billed_seconds};
use domain::allocate::{CubeKey, Program, key_of, pieces, split_over};
use domain::apportion::Splitter;
use domain::charge::{Attributes, ChargeCategory};
use domain::fx::{Conversion, Ratio};
use domain::instant::{Day, Instant, Span};
use domain::price::{Kind, Prices};
use domain::split::balancer::Charged;
use domain::{BillingPeriod, Currency, Money, tags};
use polars::prelude::*;

const TAGS: &str = "Tags";
const CATEGORY: &str = "ChargeCategory";
const CURRENCY: &str = "BillingCurrency";
const AMOUNTS: [&str; 2] = ["BilledCost", "EffectiveCost"];
const LIST: &str = "ListCost";
const CONTRACTED: &str = "ContractedCost";
const PRICING_QUANTITY: &str = "PricingQuantity";
const SPAN: [&str; 2] = ["ChargePeriodStart", "ChargePeriodEnd"];
/// What a charge is joined to a machine by.
const RESOURCE: &str = "ResourceId";
const UNIT: &str = "ConsumedUnit";
const QUANTITY: &str = "ConsumedQuantity";

/// What is the same for many rows.
pub(crate) struct Set {
    pub attributes: Attributes,
    pub currency: Currency,
    /// Of the bill, when amounts are converted.
    origin: Option<Currency>,
    pub category: ChargeCategory,
    /// Per epoch of the rules: position of the key without period and day.
    keys: Vec<(usize, u32)>,
}

/// A charge.
pub(crate) struct Row {
    /// Position of its [`Set`].
    pub set: u32,
    pub part: i32,
    pub line: i64,
    pub period: BillingPeriod,
    pub span: Span,
    pub billed: Money,
    pub effective: Money,
    /// ListCost, ContractedCost and quantity, where they are read and there.
    pub prices: Prices,
    /// Bill lines it is: none when money is moved between lines.
    pub lines: u64,
    /// What it names, when the usage knows it.
    pub target: Option<Target>,
    /// What a charge of a load balancer counts (A32).
    pub charged: Charged,
    /// Seconds of ConsumedQuantity, for charges of a machine (A3).
    pub consumed_s: Option<u64>,
}

/// What part of a charge lands where.
pub(crate) struct Landing {
    /// Position in [`Charges::key`].
    pub key: u32,
    pub start: Instant,
    pub billed: Money,
    pub effective: Money,
}

/// The distinct sets and keys of the charges read so far.
pub(crate) struct Charges<'p> {
    program: &'p Program,
    columns: Vec<String>,
    with_tags: bool,
    /// Decimal columns read beside the two costs.
    extra: &'static [&'static str],
    join: Option<&'p Join>,
    conversion: Option<&'p Conversion>,
    /// The rate of the last row, and what it is of.
    ratio: Option<((u32, BillingPeriod, Day), Ratio)>,
    ids: PlHashMap<Box<[u8]>, u32>,
    sets: Vec<Set>,
    key_ids: PlHashMap<CubeKey, u32>,
    keys: Vec<CubeKey>,
    /// Whether ResourceId is read without a join.
    with_resource: bool,
    /// ResourceId of the row at hand, when it is read.
    resource: String,
}

impl<'p> Charges<'p> {
    /// Charges with the columns a program looks at.
    pub fn new(program: &'p Program) -> Charges<'p> {
        Charges::with(program, &[])
    }

    /// The same, and these columns besides, which decide nothing.
    pub fn with(program: &'p Program, more: &[&str]) -> Charges<'p> {
        let mut columns = program.columns();
        columns.extend(more.iter().map(|name| (*name).to_owned()));
        columns.extend([CATEGORY.to_owned(), CURRENCY.to_owned()]);
        // tags are parsed apart
        columns.remove(TAGS);
        Charges {
            program,
            columns: columns.into_iter().collect(),
            with_tags: true,
            extra: &[],
            join: None,
            conversion: None,
            ratio: None,
            ids: PlHashMap::default(),
            sets: Vec::new(),
            key_ids: PlHashMap::default(),
            keys: Vec::new(),
            with_resource: false,
            resource: String::new(),
        }
    }

    /// Charges of which only the currency matters.
    pub fn bare(program: &'p Program) -> Charges<'p> {
        Charges {
            columns: vec![CURRENCY.to_owned()],
            with_tags: false,
            ..Charges::new(program)
        }
    }

    /// Charges that also name the machines a usage knows.
    pub fn joining(mut self, join: &'p Join) -> Charges<'p> {
        self.join = (!join.is_empty()).then_some(join);
        self
    }

    /// Charges that are read as others are: converted, and with the things a usage knows.
    pub fn like(self, other: &Charges<'p>) -> Charges<'p> {
        Charges {
            join: other.join,
            ..self.converting(other.conversion)
        }
    }

    /// Charges in another currency: each is converted once, before anything is
    /// split (A40).
    pub fn converting(mut self, conversion: Option<&'p Conversion>) -> Charges<'p> {
        self.conversion = conversion;
        self
    }

    /// Whether charges are joined with a usage.
    pub fn joins(&self) -> bool {
        self.join.is_some()
    }

    /// The cluster of a thing that rows name.
    pub fn cluster(&self, thing: Thing, id: u32) -> Option<&'p str> {
        self.join.map(|join| join.thing(thing, id).cluster.as_str())
    }

    /// ResourceId of the row at hand.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Charges of which ListCost is read too.
    pub fn listing(mut self) -> Charges<'p> {
        self.extra = &[LIST];
        self
    }

    /// Charges with all that prices are compared by, and ResourceId.
    pub fn pricing(mut self) -> Charges<'p> {
        self.extra = &[LIST, CONTRACTED, PRICING_QUANTITY, QUANTITY];
        self.with_resource = true;
        self
    }

    /// Charges of which ResourceId is read too.
    pub fn naming(mut self) -> Charges<'p> {
        self.with_resource = true;
        self
    }

    /// An amount of a bill, converted as those of its rows are.
    pub fn converted(
        &self,
        amount: Money,
        from: &Currency,
        (period, day): (BillingPeriod, Day),
    ) -> Result<Money, LakeError> {
        let Some(conversion) = self.conversion else {
            return Ok(amount);
        };
        let ratio = conversion.ratio(from, period, day);
        let converted = ratio.and_then(|ratio| conversion.apply(ratio, amount, from));
        converted.map_err(|source| LakeError::Fx { source })
    }

    /// The program.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// A set of attributes.
    pub fn set(&self, id: u32) -> &Set {
        &self.sets[id as usize]
    }

    /// A key; its period and day mean nothing.
    pub fn key(&self, id: u32) -> &CubeKey {
        &self.keys[id as usize]
    }

    /// Hands every row of a file to `each`.
    pub fn read(
        &mut self,
        lake: &Lake,
        file: &ChargeFile,
        mut each: impl FnMut(&mut Self, &Row) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let local = lake.local(&file.path)?;
        scan::check_version(local.path(), &file.path)?;
        let schema = scan::schema(local.path(), &file.path)?;
        let tags = self.with_tags.then_some(TAGS);
        let texts = self
            .columns
            .iter()
            .map(String::as_str)
            .chain(tags)
            .filter(|name| schema.get(name) == Some(&DataType::String));
        let fixed = [LINE, PART, BILLING_PERIOD].into_iter().chain(AMOUNTS).chain(SPAN);
        let mut wanted: Vec<String> = texts.chain(fixed).map(str::to_owned).collect();
        let joined = [RESOURCE, UNIT, QUANTITY].into_iter().filter(|_| self.join.is_some());
        let resource = [RESOURCE].into_iter().filter(|_| self.with_resource);
        for name in joined.chain(resource).chain(self.extra.iter().copied()) {
            if schema.contains(name) && !wanted.iter().any(|known| known == name) {
                wanted.push(name.to_owned());
            }
        }
        scan::batches(local.path(), &file.path, &wanted, |frame| {
            self.frame(frame, &file.path, &mut each)
        })
    }

    fn frame(
        &mut self,
        frame: &DataFrame,
        path: &str,
        each: &mut impl FnMut(&mut Self, &Row) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let damaged = |what: &str| LakeError::Damaged {
            path: path.to_owned(),
            detail: format!("{what} is not as it was written"),
        };
        let texts: Vec<Option<&StringChunked>> = self
            .columns
            .iter()
            .map(|name| scan::text(frame, name))
            .chain([self.with_tags.then(|| scan::text(frame, TAGS)).flatten()])
            .collect();
        let [billed, effective] = AMOUNTS.map(|name| scan::units(frame, name).ok_or_else(|| damaged(name)));
        let [start, end] = SPAN.map(|name| scan::instants(frame, name).ok_or_else(|| damaged(name)));
        let (billed, effective) = (Cells::of(billed?), Cells::of(effective?));
        let (start, end) = (Cells::of(start?), Cells::of(end?));
        let int = |name: &'static str| {
            frame
                .column(name)
                .and_then(|column| column.i32())
                .map(Cells::of)
                .map_err(|_| damaged(name))
        };
        let (period, part) = (int(BILLING_PERIOD)?, int(PART)?);
        let line = frame
            .column(LINE)
            .and_then(|column| column.i64())
            .map(Cells::of)
            .map_err(|_| damaged(LINE))?;
        let joined = self.join.map(|join| {
            let texts = [RESOURCE, UNIT].map(|name| TextCells::of(scan::text(frame, name)));
            (join, texts, scan::units(frame, QUANTITY).map(Cells::of))
        });
        let extra = |name: &'static str| {
            let column = self.extra.contains(&name).then(|| scan::units(frame, name));
            column.flatten().map(Cells::of)
        };
        let [list, contracted] = [LIST, CONTRACTED].map(extra);
        let quantities = [PRICING_QUANTITY, QUANTITY].map(extra);
        let resources = TextCells::of(self.with_resource.then(|| scan::text(frame, RESOURCE)).flatten());
        let cells: Vec<TextCells<'_>> = texts.iter().map(|column| TextCells::of(*column)).collect();
        let mut key = Vec::new();
        let mut last: (Vec<u8>, Option<u32>) = (Vec::new(), None);
        for row in 0..frame.height() {
            let set = match last.1 {
                Some(set) if row > 0 && cells.iter().all(|cells| cells.repeats(row)) => set,
                _ => {
                    key.clear();
                    cells.iter().for_each(|cells| push(&mut key, cells.get(row)));
                    match last.1 {
                        Some(set) if last.0 == key => set,
                        _ => {
                            let set = self.intern(&key, &texts, row);
                            std::mem::swap(&mut last.0, &mut key);
                            last.1 = Some(set);
                            set
                        }
                    }
                }
            };
            let money = |column: &Cells<'_, Int128Type>, name: &str| {
                column.get(row).and_then(Money::from_units).ok_or_else(|| damaged(name))
            };
            let when =
                |column: &Cells<'_, Int64Type>, name: &str| column.get(row).map(Instant).ok_or_else(|| damaged(name));
            self.resource.clear();
            self.resource.push_str(resources.get(row).unwrap_or(""));
            let (mut target, mut consumed_s, mut charged) = (None, None, Charged::Hours);
            if let Some((join, [resource, unit], quantity)) = &joined {
                let (id, unit) = (resource.get(row), unit.get(row));
                self.resource.clear();
                self.resource.push_str(id.unwrap_or(""));
                target = id.and_then(|id| join.find(id));
                if let Some(target) = target {
                    consumed_s = billed_seconds(unit, quantity.as_ref().and_then(|column| column.get(row)));
                    if target.get(Thing::Balancer).is_some() {
                        let attributes = &self.sets[set as usize].attributes;
                        charged = Charged::of(unit, attributes.column("ChargeDescription"));
                    }
                }
            }
            let other = |column: &Option<Cells<'_, Int128Type>>| column.as_ref()?.get(row).and_then(Money::from_units);
            let mut charge = Row {
                prices: Prices {
                    list: other(&list),
                    contracted: other(&contracted),
                    quantity: quantities.iter().find_map(|column| column.as_ref()?.get(row)),
                },
                lines: 1,
                target,
                charged,
                consumed_s,
                set,
                part: part.get(row).unwrap_or(0),
                line: line.get(row).unwrap_or(0),
                period: period
                    .get(row)
                    .and_then(BillingPeriod::from_number)
                    .ok_or_else(|| damaged(BILLING_PERIOD))?,
                span: Span {
                    start: when(&start, SPAN[0])?,
                    end: when(&end, SPAN[1])?,
                },
                billed: money(&billed, AMOUNTS[0])?,
                effective: money(&effective, AMOUNTS[1])?,
            };
            self.convert(&mut charge)?;
            each(self, &charge)?;
        }
        Ok(())
    }

    fn convert(&mut self, row: &mut Row) -> Result<(), LakeError> {
        let set = &self.sets[row.set as usize];
        let (Some(conversion), Some(from)) = (self.conversion, &set.origin) else {
            return Ok(());
        };
        // rows of a set and day come in runs
        let key = (row.set, row.period, row.span.start.day());
        let ratio = match self.ratio {
            Some((known, ratio)) if known == key => ratio,
            _ => {
                let found = conversion.ratio(from, key.1, key.2);
                found.map_err(|source| LakeError::Fx { source })?
            }
        };
        self.ratio = Some((key, ratio));
        let convert = |money: Money| {
            let converted = conversion.apply(ratio, money, from);
            converted.map_err(|source| LakeError::Fx { source })
        };
        (row.billed, row.effective) = (convert(row.billed)?, convert(row.effective)?);
        for price in [&mut row.prices.list, &mut row.prices.contracted] {
            *price = price.map(convert).transpose()?;
        }
        Ok(())
    }

    fn intern(&mut self, key: &[u8], texts: &[Option<&StringChunked>], row: usize) -> u32 {
        if let Some(id) = self.ids.get(key) {
            return *id;
        }
        let value = |at: usize| texts[at].and_then(|column| column.get(row));
        let named = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(at, name)| Some((name.clone(), value(at)?.to_owned())));
        let columns = named.collect();
        let tags = tags::parse(value(self.columns.len()).unwrap_or("")).unwrap_or_default();
        let id = self.add_set(Attributes { columns, tags });
        self.ids.insert(key.into(), id);
        id
    }

    /// Adds a set of attributes that no row of a file has.
    pub fn add_set(&mut self, attributes: Attributes) -> u32 {
        // there are fewer sets than rows in memory, far below 2^32
        let id = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        let currency = attributes
            .column(CURRENCY)
            .and_then(Currency::parse)
            .unwrap_or_else(Currency::unknown);
        let category = attributes
            .column(CATEGORY)
            .and_then(ChargeCategory::parse)
            .unwrap_or(ChargeCategory::Usage);
        let (currency, origin) = match self.conversion {
            Some(conversion) => (conversion.to.clone(), Some(currency)),
            None => (currency, None),
        };
        self.sets.push(Set {
            attributes,
            currency,
            origin,
            category,
            keys: Vec::new(),
        });
        id
    }

    /// The kinds of charges read so far: category, class, attributes.
    pub fn kinds(&self) -> impl Iterator<Item = Kind<'_>> + Clone {
        self.sets.iter().map(|set| Kind {
            category: set.category,
            class: match set.keys.first() {
                Some((_, key)) => self.keys[*key as usize].class,
                None => self.program.classes.class_of(&set.attributes),
            },
            attributes: &set.attributes,
        })
    }

    /// What usage knows of a resource, of which a charge of this set is.
    pub fn join_to(&mut self, resource: &str, set: u32) -> (Option<Target>, Charged) {
        self.resource.clear();
        self.resource.push_str(resource);
        let join = self.join.filter(|_| !resource.is_empty());
        let Some(target) = join.and_then(|join| join.find(resource)) else {
            return (None, Charged::Hours);
        };
        let column = |name| self.sets[set as usize].attributes.column(name);
        let charged = match target.get(Thing::Balancer) {
            Some(_) => Charged::of(column(UNIT), column("ChargeDescription")),
            None => Charged::Hours,
        };
        (Some(target), charged)
    }

    /// Who has a row's set at an instant: found once per set and epoch of the rules.
    pub fn key_at(&mut self, row: &Row, at: Instant) -> u32 {
        let epoch = self.program.rules.epoch(at);
        let set = &self.sets[row.set as usize];
        if let Some((_, key)) = set.keys.iter().find(|(known, _)| *known == epoch) {
            return *key;
        }
        // period and day come from the row, so that the same owner is one key
        let found = key_of(
            self.program,
            BillingPeriod::of(Instant(0)),
            &set.currency,
            set.category,
            &set.attributes,
            at,
        );
        let key = self.key_id(CubeKey { day: None, ..found });
        self.sets[row.set as usize].keys.push((epoch, key));
        key
    }

    /// The position of a key.
    pub fn key_id(&mut self, key: CubeKey) -> u32 {
        let next = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let keys = &mut self.keys;
        *self.key_ids.entry(key).or_insert_with_key(|new| {
            keys.push(new.clone());
            next
        })
    }

    /// Where a row's money lands, as the reference says: cut at midnights and
    /// rule dates, split by time.
    pub fn landings(
        &mut self,
        row: &Row,
        path: &str,
        split: Splitter,
        into: &mut Vec<Landing>,
    ) -> Result<(), LakeError> {
        into.clear();
        // rules change at midnight: within one day nothing is cut
        if row.span.within_one_day() {
            let key = self.key_at(row, row.span.start);
            into.push(Landing {
                key,
                start: row.span.start,
                billed: row.billed,
                effective: row.effective,
            });
            return Ok(());
        }
        let refused = |source| LakeError::Split {
            path: path.to_owned(),
            line: row.line,
            source,
        };
        let pieces = pieces(&self.program.rules, row.span);
        let billed = split_over(row.billed, &pieces, split).map_err(refused)?;
        let effective = split_over(row.effective, &pieces, split).map_err(refused)?;
        for ((piece, billed), effective) in pieces.iter().zip(billed).zip(effective) {
            let key = self.key_at(row, piece.start);
            into.push(Landing {
                key,
                start: piece.start,
                billed,
                effective,
            });
        }
        Ok(())
    }
}

/// Appends a text so that different rows cannot give the same bytes.
fn push(key: &mut Vec<u8>, text: Option<&str>) {
    let length = text.map_or(0, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1) + 1);
    key.extend_from_slice(&length.to_le_bytes());
    key.extend_from_slice(text.unwrap_or("").as_bytes());
}
