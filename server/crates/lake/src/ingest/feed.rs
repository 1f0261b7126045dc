//! What the reader thread sends of a file: its header and records, rewritten
//! as FOCUS where the dialect asks for it.

use super::reader::{Hangup, Message};
use super::records::{Block, Kept};
use super::{IngestError, Part};
use domain::Finding;
use domain::dialect::native::{Cells, Rewriter, Rows};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

/// The header of a file.
pub(crate) struct Header {
    /// Of the rows that follow.
    pub names: Vec<String>,
    /// As it is in the file.
    pub in_file: Vec<String>,
    /// Native columns that FOCUS columns were made from, for messages.
    pub origins: Vec<(String, String)>,
}

/// The way of one file's records to the checks.
pub(crate) struct Feed<'a> {
    to: &'a SyncSender<Message>,
    rewriter: Option<Rewriter>,
    /// Positions of the columns that it keeps.
    kept: Arc<[usize]>,
    implied: u64,
}

impl<'a> Feed<'a> {
    /// Begins a file. The inner error is that nobody listens any more.
    ///
    /// # Errors
    /// When the header lacks what the dialect needs.
    pub fn begin(
        part: &Part,
        position: usize,
        header: Vec<String>,
        to: &'a SyncSender<Message>,
    ) -> Result<Result<Feed<'a>, Hangup>, IngestError> {
        let rewriter = match &part.dialect.native {
            Some(native) => Some(native.rewriter(&header).map_err(|findings| {
                IngestError::Refused(
                    findings
                        .into_iter()
                        .map(|finding| finding.in_file(&part.name))
                        .collect(),
                )
            })?),
            None => None,
        };
        let header = match &rewriter {
            Some(rewriter) => Header {
                names: rewriter.headers().to_vec(),
                in_file: header,
                origins: rewriter.origins(),
            },
            None => Header {
                names: header.clone(),
                in_file: header,
                origins: Vec::new(),
            },
        };
        if to.send(Message::Begin(position, header)).is_err() {
            return Ok(Err(Hangup));
        }
        let kept = rewriter.as_ref().map(|rewriter| rewriter.kept().into());
        Ok(Ok(Feed {
            to,
            rewriter,
            kept: kept.unwrap_or_default(),
            implied: 0,
        }))
    }

    /// Sends records.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub fn send(&mut self, block: Block) -> Result<(), Hangup> {
        let block = match &mut self.rewriter {
            Some(rewriter) => {
                let (block, implied) = rewritten(rewriter, &self.kept, block);
                self.implied += implied;
                block
            }
            None => block,
        };
        self.to.send(Message::Block(block)).map_err(|_| Hangup)
    }

    /// What was remarkable about the rewriting of the whole file.
    pub fn findings(&self) -> Vec<Finding> {
        let Some(rewriter) = &self.rewriter else {
            return Vec::new();
        };
        let mut findings = rewriter.findings();
        if self.implied > 0 {
            findings.push(
                Finding::info(
                    "implied_rows",
                    "rows were added for the unused part of commitments: the export has it on the rows of their fees",
                )
                .times(self.implied),
            );
        }
        findings
    }
}

/// The rows of a block, rewritten; rows that cannot be read go along as they are.
fn rewritten(rewriter: &mut Rewriter, kept: &Arc<[usize]>, block: Block) -> (Block, u64) {
    let text = &block.data[..block.used];
    let cells = Cells {
        ranges: &block.cells,
        by_column: block.by_column,
        width: block.width,
        rows: block.rows(),
    };
    let mut rows = Rows::over(text);
    rewriter.block(text, cells, &mut rows);
    // a row is made of each, or some of none or of several
    let as_they_were = rows.sources.len() == block.rows() && rows.implied == 0;
    let line = |source: &u32| block.lines[*source as usize];
    let lines = if as_they_were {
        block.lines
    } else {
        rows.sources.iter().map(line).collect()
    };
    let keeps = |(row, source): (usize, &u32)| (!rows.is_implied(row)).then_some(*source);
    let kept = Kept {
        by_column: block.by_column,
        width: block.width,
        rows: cells.rows,
        columns: Arc::clone(kept),
        sources: (!as_they_were).then(|| rows.sources.iter().enumerate().map(keeps).collect()),
        cells: block.cells,
    };
    // what was added comes behind the text; bytes behind that mean nothing
    let mut data = block.data;
    data.truncate(block.used);
    data.extend_from_slice(&rows.data);
    let block = Block {
        used: data.len(),
        data,
        cells: rows.cells,
        by_column: false,
        lines,
        ragged: block.ragged,
        width: rewriter.headers().len() - kept.columns.len(),
        kept: Some(kept),
        shares: true,
    };
    (block, rows.implied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::dialect::native::{Native, azure::AzureRows};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A column and what its cells may be.
    type Pool = (&'static str, &'static [&'static str]);

    const NUMBERS: &[&str] = &["", "0", "1.5", "-2", "x"];
    const AWS: &[Pool] = &[
        (
            "lineItem/LineItemType",
            &["Usage", "RIFee", "Discount", "Refund", "odd"],
        ),
        ("lineItem/UnblendedCost", NUMBERS),
        ("lineItem/UsageStartDate", &["2024-09-02", "2024-08-02", ""]),
        ("lineItem/UsageEndDate", &["2024-09-03", "soon"]),
        ("bill/BillingPeriodStartDate", &["2024-09-01"]),
        ("bill/BillingPeriodEndDate", &["2024-10-01"]),
        ("reservation/UnusedRecurringFee", NUMBERS),
        ("reservation/ReservationARN", &["", "arn:ri"]),
        ("lineItem/UsageType", &["BoxUsage", "EBS:VolumeUsage", "NULL"]),
        ("product", &["", "{\"product_name\":\"S3\",\"region\":\"x\"}", "{"]),
        (
            "resource_tags",
            &["", "{\"user_a\":\"b\"}", "{\"user_a\":\"Zürich\"}", "no map"],
        ),
        ("note", &["", "NULL", "kept", "kept as well"]),
    ];
    const AZURE: &[Pool] = &[
        ("CostInBillingCurrency", NUMBERS),
        ("Date", &["09/30/2023", "10/01/2023", "soon"]),
        ("MeterCategory", &["Storage", "storage ", "none"]),
        ("MeterId", &["m", ""]),
        ("ChargeType", &["Usage", "Purchase", "Refund", "UnusedReservation"]),
        ("PricingModel", &["Reservation", "SavingsPlan", "OnDemand"]),
        (
            "ResourceId",
            &[
                "",
                "/subscriptions/1/providers/Microsoft.Compute/virtualMachines/a",
                "/providers/a/providers/Microsoft.Storage/disks",
                "providers/a/b",
                "/x/Providers/only",
                "/s/providers/Microsoft.Compute/virtualMachineScaleSets/pool/",
            ],
        ),
        ("AdditionalInfo", &["", "{\"VMName\":\"pool_7\"}", "{"]),
        ("note", &["", "null", "kept"]),
    ];

    proptest! {
        /// A block, whichever way its cells lie, is what its rows are one by one.
        #[test]
        fn blocks_are_rewritten_as_rows_are(
            picks in vec(vec(0usize..60, AWS.len()), 0..40),
            by_column in any::<bool>(),
            dialect in 0usize..3,
        ) {
            let (native, pools) = [
                (Native::AwsCur, AWS),
                (Native::Azure(AzureRows::All), AZURE),
                (Native::Azure(AzureRows::CommitmentPurchases), AZURE),
            ][dialect].clone();
            let headers: Vec<String> = pools.iter().map(|(name, _)| (*name).to_owned()).collect();
            let cell = |row: usize, at: usize| pools[at].1[picks[row][at] % pools[at].1.len()].as_bytes();
            let mut block = Block { width: pools.len(), by_column, ..Block::default() };
            let (rows, width) = (picks.len(), pools.len());
            for place in 0..rows * width {
                let (row, at) = if by_column { (place % rows, place / rows) } else { (place / width, place % width) };
                block.push(cell(row, at));
            }
            block.lines = (10..).take(rows).collect();
            block.used = block.data.len();

            let mut one_by_one = native.rewriter(&headers).expect("binds");
            let mut expect = Rows::default();
            let mut lines = Vec::new();
            for row in 0..rows {
                let cells: Vec<&[u8]> = (0..width).map(|at| cell(row, at)).collect();
                one_by_one.row(&cells, &mut expect);
                lines.resize(expect.count, 10 + row as u64);
            }
            let mut rewriter = native.rewriter(&headers).expect("binds");
            let kept: Arc<[usize]> = rewriter.kept().into();
            let (block, implied) = rewritten(&mut rewriter, &kept, block);
            prop_assert_eq!((&block.lines, implied), (&lines, expect.implied));
            for row in 0..expect.count {
                let found: Vec<&[u8]> = block.columns().map(|column| block.bytes(column.get(row))).collect();
                prop_assert_eq!(found, expect.row(row));
            }
            prop_assert_eq!(rewriter.findings(), one_by_one.findings());
        }
    }
}
