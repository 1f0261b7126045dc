//! What the kernel takes and gives: claims of a node's day, and where money went.

use super::rows::NO_BIN;
use domain::split::Claim;
use domain::usage::{Measure, Role};

/// Claims of a node's day, in canonical order: slots, observed before filled.
#[derive(Default)]
pub(super) struct Claims {
    /// Whose: position of the slot times two, one more when filled.
    pub entry: Vec<u32>,
    /// Of which stretch of hours.
    pub bin: Vec<u8>,
    /// Effective request: CPU, memory, accelerators.
    pub weight: Vec<[u64; 3]>,
    /// Per bin: their sums.
    pub sums: Vec<[u128; 3]>,
    /// Whether any claim has accelerators, and whether any is one of a DaemonSet.
    pub gpu: bool,
    pub daemons: bool,
}

impl Claims {
    pub fn clear(&mut self, bins: usize) {
        self.entry.clear();
        self.bin.clear();
        self.weight.clear();
        self.sums.clear();
        self.sums.resize(bins, [0; 3]);
        (self.gpu, self.daemons) = (false, false);
    }

    #[inline]
    pub fn push(&mut self, entry: u32, bin: u8, weight: [u64; 3], role: Role) {
        self.entry.push(entry);
        self.bin.push(bin);
        self.weight.push(weight);
        let sums = &mut self.sums[usize::from(bin)];
        for (sum, weight) in sums.iter_mut().zip(weight) {
            *sum += u128::from(weight);
        }
        self.gpu |= weight[2] > 0;
        self.daemons |= role == Role::DaemonSet;
    }

    /// Claims of an entry on different bins (`NO_BIN`: none).
    pub fn extend(&mut self, entry: u32, rows: impl Iterator<Item = (u8, [u64; 3])>, role: Role) {
        let mut any = 0;
        for (bin, weight) in rows.filter(|(bin, _)| *bin != NO_BIN) {
            self.entry.push(entry);
            self.bin.push(bin);
            self.weight.push(weight);
            let sums = &mut self.sums[usize::from(bin)];
            for (sum, weight) in sums.iter_mut().zip(weight) {
                *sum += u128::from(weight);
            }
            any |= weight[2];
            self.daemons |= role == Role::DaemonSet;
        }
        self.gpu |= any > 0;
    }

    /// The claims of a bin as the reference takes them, with their entries.
    pub fn of_bin(&self, bin: usize, roles: &[Role]) -> (Vec<u32>, Vec<Claim>) {
        let rows = (0..self.entry.len()).filter(|row| usize::from(self.bin[*row]) == bin);
        rows.map(|row| {
            let entry = self.entry[row];
            let [cpu_core_ms, memory_mib_s, gpu_ms] = self.weight[row];
            let claim = Claim {
                role: roles[entry as usize / 2],
                filled: entry % 2 == 1,
                effective: Measure {
                    cpu_core_ms,
                    memory_mib_s,
                    gpu_ms,
                },
                requested: Measure::ZERO,
                used: Measure::ZERO,
            };
            (entry, claim)
        })
        .unzip()
    }
}

/// Bits of [`Parts::touched`]: which parts got money.
pub(super) const OWN: u8 = 1;
pub(super) const SYSTEM: u8 = 2;
pub(super) const DAEMON: u8 = 4;
pub(super) const IDLE: u8 = 1;
pub(super) const NOT_READY: u8 = 2;
pub(super) const UNOBSERVED: u8 = 4;
pub(super) const DISK_LEFT: u8 = 8;

/// Where the costs of some bins went, in units of money. Sums over the bins.
#[derive(Default, Clone)]
pub(super) struct Parts {
    /// Per entry and resource; of a root disk the first alone.
    pub own: Vec<[i128; 3]>,
    /// Per entry: system reserved that followed it.
    pub system: Vec<i128>,
    /// Per entry: DaemonSets that followed it.
    pub daemon: Vec<i128>,
    /// Per entry: whether any of the three was ever not zero.
    pub touched: Vec<u8>,
    pub idle: [i128; 3],
    pub not_ready: [i128; 3],
    pub unobserved: [i128; 3],
    pub total: [i128; 3],
    /// Root disk that nobody pays for.
    pub disk_left: i128,
    /// The same for these.
    pub node_touched: u8,
}

impl Parts {
    pub fn clear(&mut self, entries: usize) {
        let Parts {
            own,
            system,
            daemon,
            touched,
            ..
        } = std::mem::take(self);
        *self = Parts {
            own,
            system,
            daemon,
            touched,
            ..Parts::default()
        };
        self.own.clear();
        self.own.resize(entries, [0; 3]);
        self.system.clear();
        self.system.resize(entries, 0);
        self.daemon.clear();
        self.daemon.resize(entries, 0);
        self.touched.clear();
        self.touched.resize(entries, 0);
    }

    #[inline]
    pub fn add_own(&mut self, entry: u32, resource: usize, amount: i128) {
        self.own[entry as usize][resource] += amount;
        self.touched[entry as usize] |= OWN * u8::from(amount != 0);
    }

    /// The first resources of an entry, added up; `any`: whether any part of them was not zero.
    #[inline]
    pub fn add_own_all(&mut self, entry: u32, amounts: &[i128], any: bool) {
        for (sum, amount) in self.own[entry as usize].iter_mut().zip(amounts) {
            *sum += amount;
        }
        self.touched[entry as usize] |= OWN * u8::from(any);
    }

    /// What followed an entry, added up: system reserved and DaemonSets.
    #[inline]
    pub fn follow_all(&mut self, entry: u32, [system, daemon]: [i128; 2], any: [bool; 2]) {
        let entry = entry as usize;
        self.system[entry] += system;
        self.daemon[entry] += daemon;
        self.touched[entry] |= (SYSTEM * u8::from(any[0])) | (DAEMON * u8::from(any[1]));
    }

    #[inline]
    pub fn follow(&mut self, entry: u32, system: i128, daemon: i128) {
        let entry = entry as usize;
        self.system[entry] += system;
        self.daemon[entry] += daemon;
        self.touched[entry] |= (SYSTEM * u8::from(system != 0)) | (DAEMON * u8::from(daemon != 0));
    }

    /// Everything with containers, and everything with the node.
    pub fn sum(&self) -> i128 {
        let own: i128 = self.own.iter().flatten().sum();
        let followed: i128 = self.system.iter().chain(&self.daemon).sum();
        own + followed + self.left().iter().sum::<i128>() + self.disk_left
    }

    /// What is with no container, by resource.
    pub fn left(&self) -> [i128; 3] {
        [0, 1, 2].map(|at| self.idle[at] + self.not_ready[at] + self.unobserved[at])
    }
}
