//! How usage was spread over an hour: quantiles, mean and peaks that can be
//! merged over hours, pods and days. For sizing, never for money.
//!
//! A profile is weighted by time: a sample counts for the milliseconds it
//! stood, so profiles of different sampling intervals merge fairly. Quantiles
//! are within 1 % of the true value (DDSketch); peaks are exact, and so are
//! means while value times milliseconds stays below 2^53 (100 cores for three
//! years). Up to there the bytes depend on what was recorded, not on its order.

use sketches_ddsketch::DDSketch;
use std::fmt;
use thiserror::Error;

/// First byte of [`UsageProfile::to_bytes`].
const FORMAT: u8 = 1;

/// Largest bin of a decoded sketch; 2,047 stands for some 6e17.
const MAX_BIN: i64 = 2_047;

/// Largest count whose `f64` is exact.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// A distribution of whole numbers, weighted by time.
#[derive(Clone, Default)]
pub struct Sketch(DDSketch);

/// Bytes that are no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a usage profile: {0}")]
pub struct ProfileError(&'static str);

impl Sketch {
    /// Records a value that stood for some milliseconds.
    pub fn record(&mut self, value: u32, stood_ms: u64) {
        self.0.add_with_count(f64::from(value), stood_ms);
    }

    /// The value that was not exceeded for the share `p` (0 to 1) of the time,
    /// within 1 %; `None` when nothing was recorded or `p` is no share.
    #[must_use]
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let value = self.0.quantile(p).ok().flatten()?;
        // a bin's middle can lie beyond what was seen
        Some(value.clamp(self.0.min()?, self.0.max()?))
    }

    /// The mean over time; `None` when nothing was recorded.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        // whole numbers below 2^53 add exactly, in any order
        Some(self.0.sum()? / self.0.count() as f64)
    }

    /// Milliseconds recorded.
    #[must_use]
    pub fn recorded_ms(&self) -> u64 {
        u64::try_from(self.0.count()).unwrap_or(u64::MAX)
    }

    /// Adds what another one recorded.
    pub fn merge(&mut self, other: &Sketch) {
        // all sketches have one configuration (`from_bytes` refuses others), the only thing that can fail
        let merged = self.0.merge(&other.0);
        debug_assert!(merged.is_ok(), "sketches of one configuration merge");
    }

    fn from_bytes(bytes: &[u8]) -> Result<Sketch, ProfileError> {
        check(bytes)?;
        let sketch = DDSketch::from_java_bytes(bytes).map_err(|_| ProfileError("a sketch cannot be read"))?;
        // the encoding is canonical: whatever does not come back is not ours
        if sketch.to_java_bytes() == bytes {
            Ok(Sketch(sketch))
        } else {
            Err(ProfileError("a sketch contradicts itself"))
        }
    }
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Sketch) -> bool {
        self.0.to_java_bytes() == other.0.to_java_bytes()
    }
}

impl Eq for Sketch {}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch")
            .field("recorded_ms", &self.recorded_ms())
            .field("p50", &self.quantile(0.5))
            .field("max", &self.0.max())
            .finish()
    }
}

/// How CPU and memory were used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageProfile {
    /// CPU, millicores.
    pub cpu: Sketch,
    /// Memory, MiB.
    pub memory: Sketch,
    /// Largest CPU sample, millicores.
    pub cpu_max: u32,
    /// Largest memory sample, MiB.
    pub memory_peak: u32,
}

impl UsageProfile {
    /// Records usage that stood for some milliseconds.
    pub fn record(&mut self, cpu_millicores: u32, memory_mib: u32, stood_ms: u64) {
        if stood_ms == 0 {
            return;
        }
        self.cpu.record(cpu_millicores, stood_ms);
        self.memory.record(memory_mib, stood_ms);
        self.cpu_max = self.cpu_max.max(cpu_millicores);
        self.memory_peak = self.memory_peak.max(memory_mib);
    }

    /// Whether nothing was recorded: there were no metrics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu.recorded_ms() == 0
    }

    /// Adds what another one recorded.
    pub fn merge(&mut self, other: &UsageProfile) {
        self.cpu.merge(&other.cpu);
        self.memory.merge(&other.memory);
        self.cpu_max = self.cpu_max.max(other.cpu_max);
        self.memory_peak = self.memory_peak.max(other.memory_peak);
    }

    /// For a file or the wire; a profile without records is no bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let (cpu, memory) = (self.cpu.0.to_java_bytes(), self.memory.0.to_java_bytes());
        let mut bytes = vec![FORMAT];
        bytes.extend(self.cpu_max.to_le_bytes());
        bytes.extend(self.memory_peak.to_le_bytes());
        bytes.extend(u32::try_from(cpu.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(cpu);
        bytes.extend(memory);
        bytes
    }

    /// Back from [`UsageProfile::to_bytes`].
    ///
    /// # Errors
    /// Refuses anything else, and never panics: agents send these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<UsageProfile, ProfileError> {
        let mut rest = bytes;
        match take::<1>(&mut rest) {
            None => return Ok(UsageProfile::default()),
            Some([FORMAT]) => {}
            Some(_) => return Err(ProfileError("of an unknown format")),
        }
        let mut number = || {
            take::<4>(&mut rest)
                .map(u32::from_le_bytes)
                .ok_or(ProfileError("too short"))
        };
        let (cpu_max, memory_peak, cpu_len) = (number()?, number()?, number()?);
        let (cpu, memory) = usize::try_from(cpu_len)
            .ok()
            .and_then(|at| rest.split_at_checked(at))
            .ok_or(ProfileError("too short"))?;
        let profile = UsageProfile {
            cpu: Sketch::from_bytes(cpu)?,
            memory: Sketch::from_bytes(memory)?,
            cpu_max,
            memory_peak,
        };
        if profile.to_bytes() == bytes {
            Ok(profile)
        } else {
            Err(ProfileError("it contradicts itself"))
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// Walks the encoding before the sketch crate does: it trusts its input, and
/// bins or counts out of range would overflow there.
fn check(mut rest: &[u8]) -> Result<(), ProfileError> {
    const COUNT: u8 = 0xA0;
    const MIN: u8 = 0x88;
    const MAX: u8 = 0x8C;
    const SUM: u8 = 0x84;
    const MAPPING: u8 = 0x02;
    const ZEROS: u8 = 0x04;
    const BINS: u8 = 0x05;
    let cut = ProfileError("a sketch is cut off");
    while let Some([flag]) = take::<1>(&mut rest) {
        match flag {
            MIN | MAX | SUM => {
                let _ = take::<8>(&mut rest).ok_or(cut)?;
            }
            MAPPING => {
                let gamma = take::<8>(&mut rest).map(f64::from_le_bytes).ok_or(cut)?;
                if gamma.to_bits() != sketches_ddsketch::Config::defaults().gamma.to_bits() {
                    return Err(ProfileError("a sketch is of another accuracy"));
                }
                let _ = take::<8>(&mut rest).ok_or(cut)?;
            }
            COUNT | ZEROS => {
                let _ = count(&mut rest)?;
            }
            BINS => bins(&mut rest)?,
            _ => return Err(ProfileError("a sketch holds what we never write")),
        }
    }
    Ok(())
}

/// Ascending bins within range, with their counts.
fn bins(rest: &mut &[u8]) -> Result<(), ProfileError> {
    let (mut bin, mut total) = (-1i64, 0.0);
    for index in 0..var_long(rest)? {
        let step = var_long(rest)?;
        // zigzag: even numbers are the positive ones
        let step = i64::try_from(step / 2)
            .ok()
            .filter(|_| step % 2 == 0)
            .ok_or(ProfileError("bins out of order"))?;
        let next = if index == 0 { step } else { bin.saturating_add(step) };
        if next <= bin || next > MAX_BIN {
            return Err(ProfileError("bins out of order"));
        }
        bin = next;
        total += count(rest)?;
        if total > MAX_COUNT {
            return Err(ProfileError("a count is too large"));
        }
    }
    Ok(())
}

fn var_long(rest: &mut &[u8]) -> Result<u64, ProfileError> {
    let mut value = 0u64;
    for shift in (0..=56).step_by(7) {
        let [byte] = take::<1>(rest).ok_or(ProfileError("a sketch is cut off"))?;
        if byte < 0x80 || shift == 56 {
            return Ok(value | u64::from(byte) << shift);
        }
        value |= u64::from(byte & 0x7F) << shift;
    }
    Ok(value)
}

/// A count in the sketch's variable-length form of `f64`.
fn count(rest: &mut &[u8]) -> Result<f64, ProfileError> {
    let mut bits = 0u64;
    for shift in (1..=57u32).rev().step_by(7) {
        let [byte] = take::<1>(rest).ok_or(ProfileError("a sketch is cut off"))?;
        if shift == 1 {
            bits |= u64::from(byte);
        } else {
            bits |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
    }
    let value = f64::from_bits(bits.rotate_right(6).wrapping_add(1f64.to_bits())) - 1.0;
    if (0.0..=MAX_COUNT).contains(&value) {
        Ok(value)
    } else {
        Err(ProfileError("a count is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn profile(records: &[(u32, u32, u64)]) -> UsageProfile {
        let mut profile = UsageProfile::default();
        for &(cpu, memory, stood_ms) in records {
            profile.record(cpu, memory, stood_ms);
        }
        profile
    }

    #[test]
    fn figures() {
        // 50 minutes at 100 millicores, 10 minutes at 2 cores
        let hour = profile(&[(100, 512, 3_000_000), (2_000, 900, 600_000)]);
        for (p, expect) in [
            (0.0, 100.0),
            (0.5, 100.0),
            (0.83, 100.0),
            (0.84, 2_000.0),
            (1.0, 2_000.0),
        ] {
            let value = hour.cpu.quantile(p).expect("recorded");
            assert!((value - expect).abs() <= expect * 0.01, "p{p}: {value}, not {expect}");
        }
        assert_eq!(hour.cpu.mean().map(|x| (x * 1000.0).round()), Some(416_667.0));
        assert_eq!((hour.cpu_max, hour.memory_peak), (2_000, 900));
        assert_eq!(hour.cpu.recorded_ms(), 3_600_000);
        assert_eq!(hour.cpu.quantile(1.5), None);
        assert_eq!(UsageProfile::default().cpu.quantile(0.5), None);
        assert_eq!(UsageProfile::default().cpu.mean(), None);
    }

    #[test]
    fn bytes_that_are_no_profile() {
        let good = profile(&[(1_000, 10, 60_000), (0, 0, 5)]).to_bytes();
        assert!(UsageProfile::from_bytes(&good).is_ok());
        for cut in 1..good.len() {
            assert!(UsageProfile::from_bytes(&good[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(
            UsageProfile::from_bytes(&[9]),
            Err(ProfileError("of an unknown format"))
        );
        let mut longer = good;
        longer.push(0);
        assert!(UsageProfile::from_bytes(&longer).is_err());
    }

    /// The bins of a sketch, each with a count of one, by their distances.
    fn bins_at(steps: &[i64]) -> Vec<u8> {
        let mut bytes = vec![0x05, u8::try_from(steps.len()).expect("few")];
        for step in steps {
            let mut zigzag = ((step >> 63) ^ (step << 1)) as u64;
            for _ in 0..8 {
                if zigzag < 0x80 {
                    break;
                }
                bytes.push(zigzag as u8 | 0x80);
                zigzag >>= 7;
            }
            bytes.extend([zigzag as u8, 0x02]);
        }
        bytes
    }

    #[test]
    fn bins_out_of_range_never_reach_the_sketch() {
        for (steps, good) in [
            (vec![0], true),
            (vec![5, 1, 200], true),
            (vec![2_047], true),
            (vec![2_048], false),
            (vec![2_000, 48], false),
            (vec![0, i64::from(i32::MAX)], false),
            (vec![i64::MAX], false),
            (vec![5, i64::MAX], false),
            (vec![5, 0], false),
            (vec![5, -1], false),
            (vec![-1], false),
            (vec![i64::MIN], false),
        ] {
            assert_eq!(check(&bins_at(&steps)).is_ok(), good, "{steps:?}");
        }
    }

    fn records() -> impl Strategy<Value = Vec<(u32, u32, u64)>> {
        prop::collection::vec((0u32..1_000_000, 0u32..10_000_000, 0u64..3_600_000), 0..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn merging_is_recording_in_any_order(records in records(), at in any::<prop::sample::Index>()) {
            let (left, right) = records.split_at(at.index(records.len() + 1));
            let mut merged = profile(right);
            merged.merge(&profile(left));
            prop_assert_eq!(merged.to_bytes(), profile(&records).to_bytes());
        }

        #[test]
        fn bytes_come_back(records in records()) {
            let profile = profile(&records);
            prop_assert_eq!(UsageProfile::from_bytes(&profile.to_bytes()), Ok(profile));
        }

        #[test]
        fn changed_bytes_never_panic(records in records(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = profile(&records).to_bytes();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                if let Ok(read) = UsageProfile::from_bytes(&bytes) {
                    prop_assert_eq!(read.to_bytes(), bytes);
                }
            }
        }

        #[test]
        fn any_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(first) = bytes.first_mut() {
                *first = FORMAT;
            }
            let _ = UsageProfile::from_bytes(&bytes);
            let _ = Sketch::from_bytes(&bytes);
        }
    }
}
