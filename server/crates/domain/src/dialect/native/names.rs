//! Finding native columns whatever the spelling of the header.

use crate::finding::Finding;
use std::collections::HashMap;

/// The columns of a header by their normal form.
pub(crate) struct Names {
    /// As they are in the file, trimmed.
    pub headers: Vec<String>,
    by_name: HashMap<String, usize>,
}

/// Lower case, letters and digits only: `lineItem/UnblendedCost`,
/// `line_item_unblended_cost` and `LineItem/UnblendedCost` are one name.
pub(crate) fn letters(header: &str) -> String {
    header
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

impl Names {
    /// The columns of a header, each in the normal form that `normal` gives it.
    ///
    /// # Errors
    /// A finding per column that is there twice in the same spelling.
    pub fn new(headers: &[String], normal: impl Fn(&str) -> String) -> Result<Names, Vec<Finding>> {
        let headers: Vec<String> = headers.iter().map(|header| header.trim().to_owned()).collect();
        let mut errors = Vec::new();
        let mut by_name = HashMap::new();
        for (at, header) in headers.iter().enumerate() {
            if headers[..at].contains(header) {
                errors.push(super::super::twice(header, at));
            }
            // of two spellings of one name the first counts; both are kept
            by_name.entry(normal(header)).or_insert(at);
        }
        if errors.is_empty() {
            Ok(Names { headers, by_name })
        } else {
            Err(errors)
        }
    }

    /// Position of a column by its normal form.
    pub fn find(&self, normal: &str) -> Option<usize> {
        self.by_name.get(normal).copied()
    }

    /// Position of the first of some columns that is there.
    pub fn first(&self, normals: &[&str]) -> Option<usize> {
        normals.iter().find_map(|normal| self.find(normal))
    }

    /// A finding per group of columns of which none is there. Each group is
    /// (what people call it, its normal forms).
    pub fn missing(&self, groups: &[(&str, &[&str])]) -> Vec<Finding> {
        groups
            .iter()
            .filter(|(_, natives)| self.first(natives).is_none())
            .map(|(shown, _)| {
                Finding::error("missing_column", format!("the mandatory column {shown} is missing"))
                    .at_line(1)
                    .in_column(*shown)
                    .remedy("export it, or rename the column that holds it")
            })
            .collect()
    }
}
