//! Telling dialects apart by the columns a file has.

use domain::Finding;
use domain::dialect::native::{Native, aws, azure, azure::AzureRows, gcp, oci};
use domain::dialect::{self, Dialect, FOCUS_COLUMNS, FOCUS_VERSIONS};

/// A dialect, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The dialect.
    pub dialect: Dialect,
    /// One sentence.
    pub why: String,
}

/// Formats that `--format` takes.
#[must_use]
pub fn known_formats() -> Vec<String> {
    let focus = FOCUS_VERSIONS.iter().map(|(version, _)| format!("focus-{version}"));
    let native = NATIVE.iter().map(|known| known.format.to_owned());
    ["auto".to_owned(), "focus".to_owned()]
        .into_iter()
        .chain(focus)
        .chain(native)
        .chain(["csv".to_owned()])
        .collect()
}

/// A provider's own export.
struct Known {
    format: &'static str,
    native: Native,
    recognises: fn(&[String]) -> bool,
    why: &'static str,
}

/// Providers' own exports, the most telling header first.
const NATIVE: &[Known] = &[
    Known {
        format: "aws-cur",
        native: Native::AwsCur,
        recognises: aws::recognises,
        why: "it has line item types and unblended costs",
    },
    Known {
        format: "azure",
        native: Native::Azure(AzureRows::All),
        recognises: azure::recognises,
        why: "it has meters, a date and a cost",
    },
    Known {
        format: "oci",
        native: Native::Oci,
        recognises: oci::recognises,
        why: "it has cost/myCost and usage intervals",
    },
    Known {
        format: "gcp",
        native: Native::Gcp,
        recognises: gcp::recognises,
        why: "it has a cost, usage times and an invoice month",
    },
];

/// Columns of such exports, for one that lacks too much to be read.
const FOREIGN: &[(&str, &str)] = &[
    ("lineItem/UnblendedCost", "an AWS Cost and Usage Report"),
    ("line_item_unblended_cost", "an AWS Cost and Usage Report"),
    ("CostInBillingCurrency", "an Azure cost export"),
    ("PreTaxCost", "an Azure usage file"),
    ("cost_at_list", "a Google Cloud billing export"),
    ("lineItem/intervalUsageStart", "an Oracle Cloud cost report"),
];

/// Columns FOCUS dropped before 1.0.
const BEFORE_1_0: &[&str] = &[
    "ChargeType",
    "ChargeSubcategory",
    "AmortizedCost",
    "BilledCurrency",
    "UsageQuantity",
    "InvoiceIssuer",
];

/// Picks the dialect of a file with these columns. `format` is what the user
/// asked for (`auto`, `focus`, `focus-1.2`); `declared` is the FOCUS version
/// the file itself names, if it does.
///
/// # Errors
/// A finding that says what the file looks like instead and what to do.
pub fn detect(headers: &[String], format: &str, declared: Option<&str>) -> Result<Detected, Box<Finding>> {
    if let Some(version) = format.strip_prefix("focus-") {
        let dialect = dialect::focus(version).ok_or_else(|| unknown_version(version))?;
        return Ok(Detected {
            dialect,
            why: format!("--format {format}"),
        });
    }
    let known = NATIVE
        .iter()
        .find(|known| known.format == format || (format == "auto" && (known.recognises)(headers)));
    if let Some(known) = known {
        let why = if format == "auto" {
            known.why.to_owned()
        } else {
            format!("--format {format}")
        };
        return Ok(Detected {
            dialect: dialect::of_native(known.native.clone(), headers),
            why,
        });
    }
    if format == "csv" {
        let finding = Finding::error("no_mapping", "--format csv needs a mapping: which column holds what");
        return Err(Box::new(
            finding.remedy("pass --mapping FILE; docs/FORMATS.md has one to begin with"),
        ));
    }
    if !matches!(format, "auto" | "focus") {
        let finding = Finding::error("unknown_format", format!("--format {format} is not known"));
        return Err(Box::new(
            finding.remedy(format!("use one of {}", known_formats().join(", "))),
        ));
    }
    if let Some(version) = declared {
        let plain = version.trim().trim_start_matches(['v', 'V']);
        let dialect = dialect::focus(plain).ok_or_else(|| unknown_version(version))?;
        return Ok(Detected {
            dialect,
            why: format!("the file says FOCUS {plain}"),
        });
    }
    let has = |name: &str| headers.iter().any(|header| header.trim().eq_ignore_ascii_case(name));
    let focus_columns = FOCUS_COLUMNS
        .iter()
        .filter(|column| headers.iter().any(|header| column.matches(header.trim())))
        .count();
    if !has("EffectiveCost") && BEFORE_1_0.iter().filter(|name| has(name)).count() >= 2 {
        return Err(Box::new(unknown_version("before 1.0").in_column(
            BEFORE_1_0.iter().find(|name| has(name)).copied().unwrap_or_default(),
        )));
    }
    if format == "auto" && focus_columns < 5 {
        return Err(Box::new(not_a_bill(headers)));
    }
    let newest = FOCUS_COLUMNS
        .iter()
        .filter(|column| has(column.name))
        .max_by_key(|column| column.since);
    let since = newest.map_or(10, |column| column.since);
    let version = FOCUS_VERSIONS
        .iter()
        .find(|(_, number)| *number == since)
        .map_or("1.0", |(version, _)| version);
    let why = match newest {
        Some(column) if column.since > 10 => format!(
            "{focus_columns} columns are FOCUS's, {} came with {version}",
            column.name
        ),
        _ => format!("{focus_columns} columns are FOCUS's, none newer than 1.0"),
    };
    let dialect = dialect::focus(version).ok_or_else(|| unknown_version(version))?;
    Ok(Detected { dialect, why })
}

fn unknown_version(version: &str) -> Finding {
    let known: Vec<&str> = FOCUS_VERSIONS.iter().map(|(version, _)| *version).collect();
    Finding::error("unknown_version", format!("FOCUS version {version} is not read"))
        .at_line(1)
        .remedy(format!("export one of FOCUS {}", known.join(", ")))
}

fn not_a_bill(headers: &[String]) -> Finding {
    let foreign = FOREIGN
        .iter()
        .find(|(name, _)| headers.iter().any(|header| header.trim().eq_ignore_ascii_case(name)));
    if let Some((column, what)) = foreign {
        return Finding::error(
            "unsupported_format",
            format!("this looks like {what}, but lacks columns that every such export has"),
        )
        .at_line(1)
        .in_column(*column)
        .remedy("export it with all its columns, or the same bill as FOCUS 1.0 to 1.4");
    }
    let shown: Vec<&str> = headers.iter().take(6).map(String::as_str).collect();
    let finding = Finding::error(
        "not_a_bill",
        format!("the columns are not those of a bill: {}", shown.join(", ")),
    )
    .at_line(1);
    match headers {
        [one] if one.matches(';').count() > 3 || one.matches('\t').count() > 3 => {
            finding.remedy("columns are separated by something other than commas; export comma-separated CSV, or pass a --mapping that names the delimiter")
        }
        _ => finding.remedy("a FOCUS bill has columns such as BilledCost, EffectiveCost, BillingPeriodStart, ChargePeriodStart, ChargeCategory; for any other table pass --mapping FILE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    const BASE: &str = "BilledCost,EffectiveCost,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargeCategory";

    #[test]
    fn version_by_column_set() {
        for (extra, expect) in [
            ("", "1.0"),
            (",x_Anything", "1.0"),
            (",CommitmentDiscountQuantity", "1.1"),
            (",InvoiceId", "1.2"),
            (",InvoiceId,ServiceProviderName", "1.3"),
            (",InvoiceDetailId", "1.4"),
        ] {
            let detected = detect(&headers(&format!("{BASE}{extra}")), "auto", None).expect(expect);
            assert_eq!(detected.dialect.version, expect, "{extra}: {}", detected.why);
        }
        assert_eq!(
            detect(&headers(BASE), "focus-1.3", None)
                .expect("forced")
                .dialect
                .version,
            "1.3"
        );
        assert_eq!(
            detect(&headers(BASE), "auto", Some("v1.1"))
                .expect("declared")
                .dialect
                .version,
            "1.1"
        );
    }

    #[test]
    fn native_exports_by_their_columns() {
        for (columns, format, expect) in [
            (
                "lineItem/LineItemType,lineItem/UnblendedCost,lineItem/UsageStartDate",
                "auto",
                ("aws-cur", "legacy"),
            ),
            (
                "line_item_line_item_type,line_item_unblended_cost,line_item_usage_start_date,resource_tags",
                "auto",
                ("aws-cur", "2.0"),
            ),
            (
                "MeterCategory,MeterId,PreTaxCost,UsageDateTime",
                "auto",
                ("azure", "export"),
            ),
            (
                "billing_account_id,cost,usage_start_time,usage_end_time,invoice.month,credits",
                "auto",
                ("gcp", "standard"),
            ),
            (
                "billing_account_id,cost,usage_start_time,usage_end_time,invoice,resource",
                "auto",
                ("gcp", "detailed"),
            ),
            (
                "lineItem/intervalUsageStart,lineItem/intervalUsageEnd,cost/myCost",
                "auto",
                ("oci", "cost report"),
            ),
            (BASE, "aws-cur", ("aws-cur", "legacy")),
        ] {
            let detected = detect(&headers(columns), format, None).expect(columns);
            assert_eq!((detected.dialect.format, detected.dialect.version), expect, "{columns}");
        }
    }

    #[test]
    fn refusals_name_the_remedy() {
        for (columns, format, declared, code) in [
            (BASE, "focus-2.0", None, "unknown_version"),
            (BASE, "auto", Some("2.0"), "unknown_version"),
            (
                "BilledCost,BilledCurrency,ChargeType,BillingPeriodStart,UsageQuantity",
                "auto",
                None,
                "unknown_version",
            ),
            (
                "CostInBillingCurrency,SubscriptionId",
                "auto",
                None,
                "unsupported_format",
            ),
            ("name,age", "auto", None, "not_a_bill"),
            ("a;b;c;d;e", "auto", None, "not_a_bill"),
            (BASE, "excel", None, "unknown_format"),
        ] {
            let finding = detect(&headers(columns), format, declared).expect_err(code);
            assert_eq!(finding.code, code);
            assert!(finding.remedy.is_some(), "{code}");
        }
    }
}
