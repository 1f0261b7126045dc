//! The file both sides read: gzip in several members, made once and kept.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::decimal;
use super::rows::{Random, write_header, write_row};

/// Part of the cached file's name: raise it when the rows change.
const VERSION: u32 = 1;
/// Rows of one gzip member.
const MEMBER_ROWS: u64 = 500_000;
/// Rows compressed at a time, so that a member is never held in plain.
const BATCH_ROWS: u64 = 2_000;

/// A generated bill and what it must add up to.
pub struct Bill {
    /// The `.csv.gz`.
    pub path: PathBuf,
    /// Rows without the header.
    pub rows: u64,
    /// The sum of BilledCost in units of 10^-24.
    pub billed_cost: i128,
}

/// The bill of so many rows: the cached one, or a new one.
///
/// # Errors
/// When it cannot be written or the cached totals cannot be read.
pub fn ensure(folder: &Path, rows: u64) -> Result<Bill> {
    let path = folder.join(format!("focus-v{VERSION}-{rows}.csv.gz"));
    let totals = path.with_extension("json");
    if path.is_file() && totals.is_file() {
        let known: Value = serde_json::from_str(&std::fs::read_to_string(&totals)?)?;
        let billed_cost = decimal::parse(known["billed_cost"].as_str().context("no billed_cost in the totals")?)?;
        return Ok(Bill {
            path,
            rows,
            billed_cost,
        });
    }
    let partial = path.with_extension("partial");
    let billed_cost = write_members(&partial, rows)?;
    std::fs::rename(&partial, &path)?;
    let known = json!({ "rows": rows, "billed_cost": decimal::print(billed_cost) });
    std::fs::write(&totals, known.to_string())?;
    Ok(Bill {
        path,
        rows,
        billed_cost,
    })
}

/// Writes the members in order, as many at a time as there are cores.
fn write_members(path: &Path, rows: u64) -> Result<i128> {
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?);
    let cores = thread::available_parallelism()?.get();
    let members: Vec<u64> = (0..rows.div_ceil(MEMBER_ROWS)).collect();
    let mut sum = 0;
    for wave in members.chunks(cores) {
        let compressed = thread::scope(|scope| {
            let running: Vec<_> = wave
                .iter()
                .map(|&index| scope.spawn(move || member(index, member_len(index, rows))))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a generator thread panicked"))?)
                .collect::<Result<Vec<_>>>()
        })?;
        for (bytes, billed_cost) in compressed {
            file.write_all(&bytes)?;
            sum += billed_cost;
        }
        let last = wave.last().map_or(0, |index| index + 1);
        println!("    generated {} of {rows} rows", (last * MEMBER_ROWS).min(rows));
    }
    file.flush()?;
    Ok(sum)
}

/// Rows of one member of a bill of so many rows.
fn member_len(index: u64, rows: u64) -> u64 {
    rows.saturating_sub(index * MEMBER_ROWS).min(MEMBER_ROWS)
}

/// One gzip member of so many rows and the sum of its BilledCost; the first one holds the header.
fn member(index: u64, rows: u64) -> Result<(Vec<u8>, i128)> {
    let mut random = Random::new(index.wrapping_mul(0x5851_F42D_4C95_7F2D) + 1);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut plain = Vec::new();
    if index == 0 {
        write_header(&mut plain)?;
    }
    let mut sum = 0;
    let mut left = rows;
    while left > 0 {
        let batch = left.min(BATCH_ROWS);
        for _ in 0..batch {
            sum += write_row(&mut plain, &mut random)?;
        }
        encoder.write_all(&plain)?;
        plain.clear();
        left -= batch;
    }
    Ok((encoder.finish()?, sum))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_bill_is_whole_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let bill = ensure(folder.path(), 3_000).unwrap();
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(File::open(&bill.path).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text.lines().count(), 3_001);
        // exponents are re-read by hand: this test must not share the writer's arithmetic
        let sum: i128 = text
            .lines()
            .skip(1)
            .map(|line| {
                let written = line.split(',').next().unwrap();
                match written.split_once("E-") {
                    Some((digits, power)) => decimal::parse(digits).unwrap() / 10_i128.pow(power.parse().unwrap()),
                    None => decimal::parse(written).unwrap(),
                }
            })
            .sum();
        assert_eq!(sum, bill.billed_cost);
        assert_eq!(ensure(folder.path(), 3_000).unwrap().billed_cost, sum);
    }

    #[test]
    fn members_end_with_the_rows_and_differ() {
        for (index, rows, expected) in [
            (0, 10, 10),
            (0, MEMBER_ROWS + 10, MEMBER_ROWS),
            (1, MEMBER_ROWS + 10, 10),
            (1, MEMBER_ROWS, 0),
        ] {
            assert_eq!(member_len(index, rows), expected, "{index} of {rows}");
        }
        let text = |index| {
            let mut text = String::new();
            let (bytes, _) = member(index, 10).unwrap();
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
            text
        };
        assert_eq!(text(0).lines().count(), 11);
        assert_eq!(text(1).lines().count(), 10);
        assert_ne!(text(1), text(2));
    }
}
