//! Service tiers: named promises with recovery objectives, and the defaults
//! recommendations must stay inside (`docs/RULES.md`, tiers).

use serde::{Deserialize, Serialize};

/// Whether a tier may run on spot capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotPolicy {
    /// Not even by override.
    Never,
    /// Only by a recorded override.
    NeverByDefault,
    /// If the workload qualifies.
    IfEligible,
    /// Yes.
    Allowed,
}

/// A tier. `None` = the tier promises nothing on that point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// `T0`.
    pub key: String,
    /// `Core path`.
    pub name: String,
    /// What belongs here.
    pub example: String,
    /// Recovery time objective.
    #[serde(default)]
    pub rto_s: Option<u32>,
    /// Recovery point objective.
    #[serde(default)]
    pub rpo_s: Option<u32>,
    /// Permitted share of 5-minute windows above the CPU request, parts per million.
    pub cpu_risk_ppm: u32,
    /// Permitted memory overflows a year; `None`: the workload restarts.
    #[serde(default)]
    pub memory_overflows_per_year: Option<u32>,
    /// Headroom above the requirement.
    pub headroom_percent: u32,
    /// Spot policy.
    pub spot: SpotPolicy,
    /// Whether savings must leave it alone unless overridden.
    pub protected: bool,
    /// Evidence needed before downsizing.
    pub window_days: u32,
    /// Whether the evidence must also hold the last peak season.
    pub include_last_peak: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    format: u32,
    tiers: Vec<Tier>,
}

/// Parses a tier file.
///
/// # Errors
/// Text with the place and the problem.
pub fn parse(yaml: &str) -> Result<Vec<Tier>, String> {
    let file: RawFile = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    if file.format != 1 {
        return Err(format!("format {} is not known; write `format: 1`", file.format));
    }
    Ok(file.tiers)
}

/// The tiers we ship, `assets/presets/tiers.yaml`: T0 to T3.
#[must_use]
pub fn presets() -> Vec<Tier> {
    parse(include_str!("../../../../assets/presets/tiers.yaml"))
        .expect("the shipped presets parse: a test of this module says so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_ordered_by_promise() {
        let tiers = presets();
        assert_eq!(
            tiers.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(),
            ["T0", "T1", "T2", "T3"]
        );
        assert_eq!(tiers[0].spot, SpotPolicy::Never);
        assert!(
            tiers
                .windows(2)
                .all(|w| w[0].cpu_risk_ppm < w[1].cpu_risk_ppm && w[0].headroom_percent > w[1].headroom_percent)
        );
        assert_eq!(tiers[3].rto_s, None);
    }
}
