//! Reads container-days back after they were written. Row groups are added up
//! apart from each other, so that two threads can do it.

use super::file::{Kind, MONEY, amounts, damaged, units};
use crate::error::LakeError;
use crate::scan::{self, TextCells};
use std::ops::Range;
use std::path::Path;
use std::thread;

/// Reads a written file back: every node's containers and remainders are the
/// node, and rows and nodes are what was written. The file has so many row groups,
/// which are read by so many threads.
pub(super) fn check(
    written: &Path,
    (expected_rows, expected): (u64, &[i128; 7]),
    (groups, threads): (usize, usize),
) -> Result<(), LakeError> {
    let path = "container-days being written";
    scan::check_version(written, path)?;
    let read = |groups: Range<usize>| read_balances(written, path, groups);
    let half = groups.div_ceil(2);
    let found = if threads > 1 && half < groups {
        thread::scope(|scope| {
            let last = scope.spawn(|| read(half..groups));
            let mut first = read(0..half)?;
            first.extend(last.join().unwrap_or(Err(LakeError::Stage { stage: "check" }))?);
            Ok::<_, LakeError>(first)
        })?
    } else {
        read(0..groups)?
    };
    if all(&found) != Some((expected_rows, *expected)) {
        return Err(damaged(path, "the sum of a node's parts"));
    }
    Ok(())
}

/// Rows, and what all nodes add up to, of the pieces of a file in order; `None`
/// when some node is not the sum of its parts.
fn all(pieces: &[Balance]) -> Option<(u64, [i128; 7])> {
    let (mut rows, mut nodes, mut open) = (0, [0i128; 7], [0i128; 2]);
    for piece in pieces {
        rows += piece.rows;
        open = [0, 1].map(|at| open[at].wrapping_sub(piece.before[at]));
        if let Some(last) = piece.last {
            if open != [0; 2] || !piece.even {
                return None;
            }
            open = last;
        }
        for (sum, amount) in nodes.iter_mut().zip(piece.nodes) {
            *sum = sum.wrapping_add(amount);
        }
    }
    (open == [0; 2]).then_some((rows, nodes))
}

/// What some rows of a file add up to: cost and BilledCost.
struct Balance {
    rows: u64,
    /// Of the rows before the first node.
    before: [i128; 2],
    /// Of all nodes, by column.
    nodes: [i128; 7],
    /// Whether every node but the last is the sum of its parts.
    even: bool,
    /// Of the last node: what its parts so far leave; `None` without a node.
    last: Option<[i128; 2]>,
}

impl Balance {
    fn new() -> Balance {
        Balance {
            rows: 0,
            before: [0; 2],
            nodes: [0; 7],
            even: true,
            last: None,
        }
    }

    fn add(&mut self, is_node: bool, amounts: &[i128; 7]) {
        // system, DaemonSets and disk are among the first six of a row
        let effective = amounts[..6].iter().fold(0i128, |sum, amount| sum.wrapping_add(*amount));
        let of_row = [effective, amounts[6]];
        self.rows += 1;
        if is_node {
            self.even &= self.last.is_none_or(|left| left == [0; 2]);
            self.last = Some(of_row);
            for (sum, amount) in self.nodes.iter_mut().zip(amounts) {
                *sum = sum.wrapping_add(*amount);
            }
        } else if let Some(left) = &mut self.last {
            *left = [0, 1].map(|at| left[at].wrapping_sub(of_row[at]));
        } else {
            self.before = [0, 1].map(|at| self.before[at].wrapping_add(of_row[at]));
        }
    }
}

/// What these row groups add up to, piece by piece.
fn read_balances(local: &Path, path: &str, groups: Range<usize>) -> Result<Vec<Balance>, LakeError> {
    let mut columns = vec!["kind"];
    columns.extend(MONEY);
    let mut found = Vec::new();
    scan::groups(local, path, &columns, groups, |frame| {
        let kinds = TextCells::of(Some(scan::text(frame, "kind").ok_or_else(|| damaged(path, "kind"))?));
        let money = units(frame, path)?;
        let mut balance = Balance::new();
        for row in 0..frame.height() {
            let is_node = kinds.get(row) == Some(Kind::Node.as_str());
            balance.add(is_node, &amounts(&money, row, path)?);
        }
        found.push(balance);
        Ok::<(), LakeError>(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A node's cost, then what its parts have of it.
    fn any_node() -> impl Strategy<Value = Vec<(bool, [i128; 7])>> {
        let part = prop::array::uniform7(-1_000i128..1_000);
        prop::collection::vec(part, 0..6).prop_map(|parts| {
            let whole = parts.iter().fold([0; 7], |sum: [i128; 7], part| {
                std::array::from_fn(|at| sum[at] + part[at])
            });
            let parts = parts.into_iter().map(|part| (false, part));
            std::iter::once((true, whole)).chain(parts).collect()
        })
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(
            nodes in prop::collection::vec(any_node(), 0..6),
            length in 1usize..8,
            (at, column, error) in (any::<prop::sample::Index>(), 0usize..7, 1i128..5),
        ) {
            let mut rows = nodes.concat();
            let of = |rows: &[(bool, [i128; 7])]| {
                let mut balance = Balance::new();
                rows.iter().for_each(|(is_node, amounts)| balance.add(*is_node, amounts));
                balance
            };
            let pieces = |rows: &[(bool, [i128; 7])]| all(&rows.chunks(length).map(of).collect::<Vec<_>>());
            let sum = nodes.iter().fold([0; 7], |sum: [i128; 7], node| std::array::from_fn(|at| sum[at] + node[0].1[at]));
            prop_assert_eq!(pieces(&rows), Some((rows.len() as u64, sum)));
            if !rows.is_empty() {
                let at = at.index(rows.len());
                rows[at].1[column] += error;
                prop_assert_eq!(pieces(&rows), None);
            }
        }
    }
}
