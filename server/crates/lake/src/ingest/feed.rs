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
