//! What the reader thread sends of a file: its header and records, rewritten
//! as FOCUS where the dialect asks for it.

use super::reader::{Hangup, Message};
use super::records::Block;
use super::{IngestError, Part};
use domain::Finding;
use domain::dialect::native::{Rewriter, Rows};
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
        Ok(Ok(Feed {
            to,
            rewriter,
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
                let (block, implied) = rewritten(rewriter, block);
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
fn rewritten(rewriter: &mut Rewriter, block: Block) -> (Block, u64) {
    let mut rows = Rows::over(&block.data[..block.used]);
    let mut lines = Vec::with_capacity(block.rows());
    let mut cells: Vec<&[u8]> = Vec::with_capacity(block.width);
    for (row, line) in block.lines.iter().enumerate() {
        cells.clear();
        cells.extend((0..block.width).map(|column| block.cell(row, column)));
        rewriter.row(&cells, &mut rows);
        lines.resize(rows.count, *line);
    }
    let block = Block {
        used: block.used + rows.data.len(),
        cells: rows.cells,
        lines,
        width: rewriter.headers().len(),
        ..block
    };
    // what was added comes behind the text; bytes behind that mean nothing
    let mut data = block.data;
    data.truncate(block.used - rows.data.len());
    data.reserve_exact(rows.data.len());
    data.extend_from_slice(&rows.data);
    (Block { data, ..block }, rows.implied)
}
