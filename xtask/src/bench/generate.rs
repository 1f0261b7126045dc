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
use super::dialect::Dialect;
use super::duckdb::DuckDb;
use super::rows::Random;

/// Part of the cached file's name: raise it when the rows change.
const VERSION: u32 = 2;
/// Rows of one gzip member.
const MEMBER_ROWS: u64 = 500_000;
/// Rows compressed at a time, so that a member is never held in plain.
const BATCH_ROWS: u64 = 2_000;

/// A generated bill and what it must add up to.
pub struct Bill {
    /// The file both sides read.
    pub path: PathBuf,
    /// Rows without the header.
    pub rows: u64,
    /// What it is.
    pub dialect: Dialect,
    /// The BilledCost of its rows in units of 10^-24.
    pub billed_cost: i128,
    /// The sum of its cost column, as it is in the file.
    pub raw_cost: i128,
}

/// The bill of so many rows: the cached one, or a new one. CUR 2.0 is written
/// as CSV first and made Parquet by the peer.
///
/// # Errors
/// When it cannot be written or the cached totals cannot be read.
pub fn ensure(folder: &Path, dialect: Dialect, rows: u64, peer: &DuckDb) -> Result<Bill> {
    let csv = csv_path(folder, dialect, rows);
    let path = match dialect {
        Dialect::Cur2 => csv.with_extension("").with_extension("parquet"),
        Dialect::Focus | Dialect::Azure => csv,
    };
    let totals = path.with_extension("json");
    if !(path.is_file() && totals.is_file()) {
        let bill = ensure_csv(folder, dialect, rows)?;
        if dialect == Dialect::Cur2 {
            let partial = path.with_extension("partial");
            peer.make_parquet(&bill.path, dialect, &partial)?;
            std::fs::rename(&partial, &path)?;
            std::fs::rename(bill.path.with_extension("json"), &totals)?;
            std::fs::remove_file(&bill.path)?;
        }
    }
    kept(path, dialect, rows)
}

fn csv_path(folder: &Path, dialect: Dialect, rows: u64) -> PathBuf {
    folder.join(format!("{}-v{VERSION}-{rows}.csv.gz", dialect.name()))
}

/// A bill whose totals were written down beside it.
fn kept(path: PathBuf, dialect: Dialect, rows: u64) -> Result<Bill> {
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path.with_extension("json"))?)?;
    let amount = |name: &str| {
        decimal::parse(
            known[name]
                .as_str()
                .with_context(|| format!("no {name} in the totals"))?,
        )
    };
    Ok(Bill {
        rows,
        dialect,
        billed_cost: amount("billed_cost")?,
        raw_cost: amount("raw_cost")?,
        path,
    })
}

fn ensure_csv(folder: &Path, dialect: Dialect, rows: u64) -> Result<Bill> {
    let path = csv_path(folder, dialect, rows);
    let totals = path.with_extension("json");
    if !(path.is_file() && totals.is_file()) {
        let partial = path.with_extension("partial");
        let (billed, raw) = write_members(&partial, dialect, rows)?;
        std::fs::rename(&partial, &path)?;
        let known = json!({ "rows": rows, "billed_cost": decimal::print(billed), "raw_cost": decimal::print(raw) });
        std::fs::write(&totals, known.to_string())?;
    }
    kept(path, dialect, rows)
}

/// Writes the members in order, as many at a time as there are cores.
fn write_members(path: &Path, dialect: Dialect, rows: u64) -> Result<(i128, i128)> {
    let mut file = BufWriter::new(File::create(path).with_context(|| format!("cannot create {}", path.display()))?);
    let cores = thread::available_parallelism()?.get();
    let members: Vec<u64> = (0..rows.div_ceil(MEMBER_ROWS)).collect();
    let mut sums = (0, 0);
    for wave in members.chunks(cores) {
        let compressed = thread::scope(|scope| {
            let running: Vec<_> = wave
                .iter()
                .map(|&index| scope.spawn(move || member(dialect, index, member_len(index, rows))))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a generator thread panicked"))?)
                .collect::<Result<Vec<_>>>()
        })?;
        for (bytes, (billed, raw)) in compressed {
            file.write_all(&bytes)?;
            sums = (sums.0 + billed, sums.1 + raw);
        }
        let last = wave.last().map_or(0, |index| index + 1);
        println!("    generated {} of {rows} rows", (last * MEMBER_ROWS).min(rows));
    }
    file.flush()?;
    Ok(sums)
}

/// Rows of one member of a bill of so many rows.
fn member_len(index: u64, rows: u64) -> u64 {
    rows.saturating_sub(index * MEMBER_ROWS).min(MEMBER_ROWS)
}

/// One gzip member of so many rows and its two sums; the first one holds the header.
fn member(dialect: Dialect, index: u64, rows: u64) -> Result<(Vec<u8>, (i128, i128))> {
    let mut random = Random::new(index.wrapping_mul(0x5851_F42D_4C95_7F2D) + 1);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut plain = Vec::new();
    if index == 0 {
        let columns = dialect.columns();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        writeln!(plain, "{}", names.join(","))?;
    }
    let mut sums = (0, 0);
    let mut left = rows;
    while left > 0 {
        let batch = left.min(BATCH_ROWS);
        for _ in 0..batch {
            let (billed, raw) = dialect.write_row(&mut plain, &mut random)?;
            sums = (sums.0 + billed, sums.1 + raw);
        }
        encoder.write_all(&plain)?;
        plain.clear();
        left -= batch;
    }
    Ok((encoder.finish()?, sums))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_bill_is_whole_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let bill = ensure_csv(folder.path(), Dialect::Focus, 3_000).unwrap();
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
        assert_eq!(
            ensure_csv(folder.path(), Dialect::Focus, 3_000).unwrap().billed_cost,
            sum
        );
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
            let (bytes, _) = member(Dialect::Focus, index, 10).unwrap();
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
