//! The split of one node's costs of a day, all hours side by side: one pass
//! over its claims with an accumulator per hour and resource, a second one for
//! what follows the pods (A27). Digit for digit `domain::split`, which is asked
//! itself where numbers do not fit 64 bits.

use super::carry::{Divisor, Share, portions};
use super::parts::{Claims, DISK_LEFT, IDLE, NOT_READY, Parts, SYSTEM_LEFT, UNOBSERVED};
use domain::Money;
use domain::allocate::clusters::{disk_weight, own_money, split_disk, system_left};
use domain::apportion::{ApportionError, Splitter};
use domain::split::{NodeWeights, UNIT_WEIGHTS, split_node, split_resources};
use domain::usage::{Measure, Resource, Role};

/// Money that pods are weighed by when something follows them: units of 1e-12.
const FOLLOW_UNITS: u64 = 1_000_000_000_000;
/// Costs above this are split by the reference: what follows them is weighed in 64 bits.
const LARGEST_COST: u128 = (FOLLOW_UNITS as u128) << 62;

/// Why a node's cost could not be split.
#[derive(Debug, Clone, Copy)]
pub(super) enum KernelError {
    /// The splitter refused.
    Refused(ApportionError),
    /// The parts are not the cost: a fault of this program.
    Unbalanced,
    /// The costs are too large to add.
    Overflow,
}

impl From<ApportionError> for KernelError {
    fn from(error: ApportionError) -> KernelError {
        KernelError::Refused(error)
    }
}

/// How amounts are apportioned.
#[derive(Clone, Copy)]
pub(super) struct Arithmetic {
    pub split: Splitter,
    /// Whether `split` is [`domain::apportion::apportion`], so that the kernel may do without it.
    pub exact: bool,
}

/// A cost of a bin.
#[derive(Clone, Copy)]
pub(super) struct BinCost {
    pub bin: usize,
    pub cost: Money,
}

fn sign(cost: Money) -> i128 {
    if cost.units() < 0 { -1 } else { 0 }
}

/// A magnitude with a sign of 0 or -1.
#[inline]
fn signed(magnitude: u128, sign: i128) -> i128 {
    // a part is never larger than its whole, which fits
    let amount = magnitude.cast_signed();
    (amount ^ sign) - sign
}

fn measure([cpu, memory, gpu]: [u128; 3]) -> Measure {
    let fit = |amount: u128| u64::try_from(amount).unwrap_or(u64::MAX);
    Measure {
        cpu_core_ms: fit(cpu),
        memory_mib_s: fit(memory),
        gpu_ms: fit(gpu),
    }
}

/// The cost of a bin, taken apart as far as the claims.
struct Divided {
    cost: [u128; 3],
    system: [u128; 3],
    not_ready: [u128; 3],
    unobserved: [u128; 3],
    available: [u128; 3],
    /// What claims and idle capacity weigh together, and idle capacity alone.
    weight: [u64; 3],
    headroom: [u64; 3],
}

/// `None` when the weights need more than 64 bits.
fn divide(cost: u128, weights: &NodeWeights, claimed: [u128; 3]) -> Option<Divided> {
    let mut weights = *weights;
    if weights.total().is_zero() {
        // without any known capacity there is as much as is claimed
        weights.available = measure(claimed);
    }
    let total = weights.total();
    let mut divided = Divided {
        cost: [cost, 0, 0],
        system: [0; 3],
        not_ready: [0; 3],
        unobserved: [0; 3],
        available: [0; 3],
        weight: [0; 3],
        headroom: [0; 3],
    };
    if total.is_zero() {
        // nothing is known of the node but its cost
        divided.unobserved[0] = cost;
        return Some(divided);
    }
    let units = Resource::ALL.map(|r| u128::from(UNIT_WEIGHTS.get(r)) * u128::from(total.get(r)));
    divided.cost = portions(cost, units)?;
    for (at, resource) in Resource::ALL.into_iter().enumerate() {
        let of = |measure: &Measure| u128::from(measure.get(resource));
        let kinds = [
            of(&weights.system_reserved),
            of(&weights.not_ready),
            of(&weights.unobserved),
            of(&weights.available),
        ];
        let [system, not_ready, unobserved, available] = portions(divided.cost[at], kinds)?;
        (divided.system[at], divided.not_ready[at]) = (system, not_ready);
        (divided.unobserved[at], divided.available[at]) = (unobserved, available);
        let headroom = kinds[3].saturating_sub(claimed[at]);
        divided.weight[at] = u64::try_from(claimed[at] + headroom).ok()?;
        divided.headroom[at] = u64::try_from(headroom).ok()?;
    }
    Some(divided)
}

/// Room for the passes, kept from node to node.
#[derive(Default)]
pub(super) struct Kernel {
    shares: [Vec<Share>; 3],
    divided: Vec<Option<(Divided, i128)>>,
    paid: Vec<[u128; 3]>,
    /// Per bin: weight of the pods that are followed, money of the DaemonSets.
    pods: Vec<u128>,
    daemons: Vec<u128>,
    /// Per claim: what its pod weighs when something follows.
    following: Vec<u64>,
    /// Claims of DaemonSets: row and money by resource.
    stash: Vec<(usize, [u128; 3])>,
    systems: Vec<Share>,
    daemon_shares: Vec<Share>,
    signs: Vec<i128>,
}

impl Kernel {
    /// Adds the split of the costs of some bins to `parts`. `roles` are those
    /// of the slots.
    pub fn compute(
        &mut self,
        claims: &Claims,
        roles: &[Role],
        weights: &[NodeWeights],
        costs: &[BinCost],
        by: Arithmetic,
        parts: &mut Parts,
    ) -> Result<(), KernelError> {
        check_sum(costs)?;
        let bins = weights.len();
        self.divided.clear();
        self.divided.resize_with(bins, || None);
        let mut any = false;
        for of in costs {
            let magnitude = of.cost.units().unsigned_abs();
            let divided = (by.exact && magnitude <= LARGEST_COST)
                .then(|| divide(magnitude, &weights[of.bin], claims.sums[of.bin]))
                .flatten();
            match divided {
                Some(divided) => {
                    self.divided[of.bin] = Some((divided, sign(of.cost)));
                    any = true;
                }
                None => by_reference(claims, roles, &weights[of.bin], *of, by.split, parts)?,
            }
        }
        if any {
            self.claims(claims, roles, parts);
            self.rest(claims, parts)?;
            self.followers(claims, parts)?;
        }
        Ok(())
    }

    /// First pass: the claims' own money.
    fn claims(&mut self, claims: &Claims, roles: &[Role], parts: &mut Parts) {
        let bins = self.divided.len();
        self.signs.clear();
        self.signs
            .extend(self.divided.iter().map(|of| of.as_ref().map_or(0, |(_, sign)| *sign)));
        for (at, shares) in self.shares.iter_mut().enumerate() {
            shares.clear();
            shares.extend(self.divided.iter().map(|of| match of {
                Some((of, _)) if of.weight[at] > 0 => Share::new(of.available[at], of.weight[at]),
                _ => Share::nothing(),
            }));
        }
        self.paid.clear();
        self.paid.resize(bins, [0; 3]);
        self.pods.clear();
        self.pods.resize(bins, 0);
        self.daemons.clear();
        self.daemons.resize(bins, 0);
        self.following.clear();
        self.stash.clear();
        let units = Divisor::new(FOLLOW_UNITS);
        let resources = if claims.gpu { 3 } else { 2 };
        for row in 0..claims.entry.len() {
            let (entry, bin) = (claims.entry[row], usize::from(claims.bin[row]));
            let weight = &claims.weight[row];
            let mut money = [0u128; 3];
            for at in 0..resources {
                money[at] = self.shares[at][bin].next(weight[at]);
                self.paid[bin][at] += money[at];
            }
            let whole = money[0] + money[1] + money[2];
            let role = roles[entry as usize / 2];
            let mut following = 0;
            match role {
                Role::DaemonSet => {
                    self.daemons[bin] += whole;
                    self.stash.push((row, money));
                }
                Role::Workload | Role::PodOverhead => {
                    following = units.divide(whole).0;
                    self.pods[bin] += u128::from(following);
                }
                Role::Placeholder => {}
            }
            self.following.push(following);
            if role != Role::DaemonSet {
                let sign = self.signs[bin];
                for (at, money) in money.iter().enumerate().take(resources) {
                    parts.add_own(entry, at, signed(*money, sign));
                }
            }
        }
    }

    /// What claims do not have, and that nothing is missing.
    fn rest(&mut self, claims: &Claims, parts: &mut Parts) -> Result<(), KernelError> {
        for (bin, of) in self.divided.iter().enumerate() {
            let Some((of, sign)) = of else { continue };
            let resources = if claims.gpu { 3 } else { 2 };
            for at in 0..3 {
                let idle = if of.weight[at] > 0 && (at < resources || of.headroom[at] > 0) {
                    self.shares[at][bin].next(of.headroom[at])
                } else {
                    0
                };
                // every node-hour, resource by resource
                let named = of.system[at] + of.not_ready[at] + of.unobserved[at];
                if self.paid[bin][at] + idle != of.available[at] || named + of.available[at] != of.cost[at] {
                    return Err(KernelError::Unbalanced);
                }
                let mut add = |into: fn(&mut Parts) -> &mut [i128; 3], amount: u128, bit: u8| {
                    into(parts)[at] += signed(amount, *sign);
                    parts.node_touched |= bit * u8::from(amount != 0);
                };
                add(|parts| &mut parts.idle, idle, IDLE);
                add(|parts| &mut parts.not_ready, of.not_ready[at], NOT_READY);
                add(|parts| &mut parts.unobserved, of.unobserved[at], UNOBSERVED);
                add(|parts| &mut parts.total, of.cost[at], 0);
                if self.pods[bin] == 0 {
                    add(|parts| &mut parts.system_left, of.system[at], SYSTEM_LEFT);
                }
            }
        }
        Ok(())
    }

    /// Second pass: system reserved and DaemonSets follow the other pods (A27).
    fn followers(&mut self, claims: &Claims, parts: &mut Parts) -> Result<(), KernelError> {
        for (row, money) in &self.stash {
            let bin = usize::from(claims.bin[*row]);
            if self.pods[bin] == 0 {
                for (at, money) in money.iter().enumerate() {
                    parts.add_own(claims.entry[*row], at, signed(*money, self.signs[bin]));
                }
            }
        }
        let bins = self.divided.len();
        self.systems.clear();
        self.daemon_shares.clear();
        let (mut systems, mut daemons) = (false, false);
        for bin in 0..bins {
            let system: u128 = self.divided[bin].as_ref().map_or(0, |(of, _)| of.system.iter().sum());
            let share = |amount: u128| match u64::try_from(self.pods[bin]) {
                Ok(weight) if weight > 0 && amount > 0 => Share::new(amount, weight),
                // the cost is small enough for 64 bits
                _ => Share::nothing(),
            };
            self.systems.push(share(system));
            self.daemon_shares.push(share(self.daemons[bin]));
            systems |= system > 0 && self.pods[bin] > 0;
            daemons |= self.daemons[bin] > 0 && self.pods[bin] > 0;
            self.paid[bin] = [0; 3];
        }
        if !systems && !daemons {
            return Ok(());
        }
        for row in 0..claims.entry.len() {
            let weight = self.following[row];
            if weight == 0 {
                continue;
            }
            let bin = usize::from(claims.bin[row]);
            let system = self.systems[bin].next(weight);
            let daemon = if daemons {
                self.daemon_shares[bin].next(weight)
            } else {
                0
            };
            self.paid[bin][0] += system;
            self.paid[bin][1] += daemon;
            let sign = self.signs[bin];
            parts.follow(claims.entry[row], signed(system, sign), signed(daemon, sign));
        }
        for bin in 0..bins {
            let Some((of, _)) = &self.divided[bin] else { continue };
            let followed = self.pods[bin] > 0;
            let expected = [of.system.iter().sum::<u128>(), self.daemons[bin]];
            if followed && self.paid[bin][..2] != expected {
                return Err(KernelError::Unbalanced);
            }
        }
        Ok(())
    }
}

/// The same by the reference, one bin.
fn by_reference(
    claims: &Claims,
    roles: &[Role],
    weights: &NodeWeights,
    of: BinCost,
    split: Splitter,
    parts: &mut Parts,
) -> Result<(), KernelError> {
    let (entries, claims) = claims.of_bin(of.bin, roles);
    let whole = split_node(of.cost, weights, &claims, split)?;
    let resources = split_resources(of.cost, weights, &claims, split)?;
    let own = own_money(&whole, &claims);
    let left = system_left(&whole);
    for (at, resource) in resources.iter().enumerate() {
        for (row, entry) in entries.iter().enumerate() {
            if own[row] == whole.claims[row] {
                parts.add_own(*entry, at, resource.claims[row].units());
            }
        }
        let mut add = |into: fn(&mut Parts) -> &mut [i128; 3], amount: Money, bit: u8| {
            into(parts)[at] += amount.units();
            parts.node_touched |= bit * u8::from(!amount.is_zero());
        };
        add(|parts| &mut parts.idle, resource.idle, IDLE);
        add(|parts| &mut parts.not_ready, resource.not_ready, NOT_READY);
        add(|parts| &mut parts.unobserved, resource.unobserved, UNOBSERVED);
        add(|parts| &mut parts.total, resource.cost, 0);
        if left == whole.system_reserved {
            add(|parts| &mut parts.system_left, resource.system_reserved, SYSTEM_LEFT);
        }
    }
    for (row, entry) in entries.iter().enumerate() {
        parts.follow(
            *entry,
            whole.follow_system[row].units(),
            whole.follow_daemon[row].units(),
        );
    }
    Ok(())
}

/// The costs of a root disk over the pods of the node (A27). `first` gets each
/// bin with the first entry that pays for it: where its bill lines are counted.
pub(super) fn disk(
    claims: &Claims,
    roles: &[Role],
    costs: &[BinCost],
    split: Splitter,
    parts: &mut Parts,
    first: &mut dyn FnMut(usize, Option<u32>),
) -> Result<(), KernelError> {
    check_sum(costs)?;
    for of in costs {
        let (entries, claims) = claims.of_bin(of.bin, roles);
        match split_disk(of.cost, &claims, split)? {
            None => {
                parts.disk_left += of.cost.units();
                parts.node_touched |= DISK_LEFT * u8::from(!of.cost.is_zero());
                first(of.bin, None);
            }
            Some(money) => {
                let mut payer = None;
                for ((entry, claim), money) in entries.iter().zip(&claims).zip(money) {
                    if disk_weight(claim) > 0 {
                        payer = payer.or(Some(*entry));
                        parts.add_own(*entry, 0, money.units());
                    }
                }
                first(of.bin, payer);
            }
        }
    }
    Ok(())
}

/// Whether the costs can be added in any order.
fn check_sum(costs: &[BinCost]) -> Result<(), KernelError> {
    let mut sum = 0i128;
    for of in costs {
        sum = sum.checked_add(of.cost.units().abs()).ok_or(KernelError::Overflow)?;
    }
    Ok(())
}
