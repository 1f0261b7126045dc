//! The split of one node's costs of a day, all hours side by side: one pass
//! over its claims with an accumulator per hour and resource, a second one for
//! what follows the pods (A27). Digit for digit `domain::split`, which is asked
//! itself where numbers do not fit 64 bits.

use super::carry::{Divisor, Share, portions};
use super::parts::{Claims, DISK_LEFT, IDLE, NOT_READY, Parts, UNOBSERVED};
use domain::Money;
use domain::allocate::clusters::{disk_weight, left_alone, split_disk};
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

/// What the passes keep of a bin.
#[derive(Clone, Copy)]
struct BinRun {
    /// By resource: what claims have of what is available.
    shares: [Share; 3],
    /// By resource: what claims were given so far.
    paid: [u128; 3],
    /// Weight of the pods that are followed, money of the DaemonSets.
    pods: u128,
    daemons: u128,
    /// What follows the pods: system reserved, and DaemonSets.
    system_share: Share,
    daemon_share: Share,
    /// What of these pods were given so far.
    followed: [u128; 2],
    sign: i128,
}

/// Room for the passes, kept from node to node.
#[derive(Default)]
pub(super) struct Kernel {
    divided: Vec<Option<(Divided, i128)>>,
    bins: Vec<BinRun>,
    /// Per claim: what its pod weighs when something follows.
    following: Vec<u64>,
    /// Claims of DaemonSets: row and money by resource.
    stash: Vec<(usize, [u128; 3])>,
}

/// Where the claims of the entry that begins at `start` end: they are neighbours.
fn end_of(entries: &[u32], start: usize) -> usize {
    let entry = entries[start];
    start + entries[start..].iter().take_while(|of| **of == entry).count()
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
            self.begin();
            if claims.gpu {
                self.claims::<3>(claims, roles, parts);
            } else {
                self.claims::<2>(claims, roles, parts);
            }
            self.rest(claims, parts)?;
            self.followers(claims, parts)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        let nothing = Share::nothing();
        self.bins.clear();
        self.bins.extend(self.divided.iter().map(|of| {
            let mut run = BinRun {
                shares: [nothing; 3],
                paid: [0; 3],
                pods: 0,
                daemons: 0,
                system_share: nothing,
                daemon_share: nothing,
                followed: [0; 2],
                sign: 0,
            };
            if let Some((of, sign)) = of {
                run.sign = *sign;
                for (at, share) in run.shares.iter_mut().enumerate().filter(|(at, _)| of.weight[*at] > 0) {
                    *share = Share::new(of.available[at], of.weight[at]);
                }
            }
            run
        }));
    }

    /// First pass: the claims' own money, of the first so many resources.
    fn claims<const RESOURCES: usize>(&mut self, claims: &Claims, roles: &[Role], parts: &mut Parts) {
        self.following.clear();
        self.stash.clear();
        let units = Divisor::new(FOLLOW_UNITS);
        let mut start = 0;
        while start < claims.entry.len() {
            let entry = claims.entry[start];
            let end = end_of(&claims.entry, start);
            let role = roles[entry as usize / 2];
            let (mut own, mut any) = ([0i128; RESOURCES], 0u128);
            let rows = claims.bin[start..end].iter().zip(&claims.weight[start..end]);
            for (row, (bin, weight)) in (start..).zip(rows) {
                let bin = &mut self.bins[usize::from(*bin)];
                let mut money = [0u128; 3];
                let mut whole = 0;
                for at in 0..RESOURCES {
                    let part = bin.shares[at].next(weight[at]);
                    bin.paid[at] += part;
                    own[at] += signed(part, bin.sign);
                    money[at] = part;
                    whole += part;
                }
                any |= whole;
                let following = match role {
                    Role::Workload | Role::PodOverhead => units.divide(whole).0,
                    Role::Placeholder => 0,
                    Role::DaemonSet => {
                        bin.daemons += whole;
                        self.stash.push((row, money));
                        0
                    }
                };
                bin.pods += u128::from(following);
                self.following.push(following);
            }
            if role != Role::DaemonSet {
                parts.add_own_all(entry, &own, any != 0);
            }
            start = end;
        }
    }

    /// What claims do not have, and that nothing is missing.
    fn rest(&mut self, claims: &Claims, parts: &mut Parts) -> Result<(), KernelError> {
        for (run, of) in self.bins.iter_mut().zip(&self.divided) {
            let Some((of, sign)) = of else { continue };
            let resources = if claims.gpu { 3 } else { 2 };
            for at in 0..3 {
                let idle = if of.weight[at] > 0 && (at < resources || of.headroom[at] > 0) {
                    run.shares[at].next(of.headroom[at])
                } else {
                    0
                };
                // every node-hour, resource by resource
                let named = of.system[at] + of.not_ready[at] + of.unobserved[at];
                if run.paid[at] + idle != of.available[at] || named + of.available[at] != of.cost[at] {
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
                if run.pods == 0 {
                    // nobody is there to pay for it (A27)
                    add(|parts| &mut parts.idle, of.system[at], IDLE);
                }
            }
        }
        Ok(())
    }

    /// Second pass: system reserved and DaemonSets follow the other pods, else
    /// they are idle capacity (A27).
    fn followers(&mut self, claims: &Claims, parts: &mut Parts) -> Result<(), KernelError> {
        for (row, money) in &self.stash {
            let bin = &self.bins[usize::from(claims.bin[*row])];
            if bin.pods == 0 {
                for (at, money) in money.iter().enumerate() {
                    parts.idle[at] += signed(*money, bin.sign);
                    parts.node_touched |= IDLE * u8::from(*money != 0);
                }
            }
        }
        let (mut systems, mut daemons) = (false, false);
        for (run, of) in self.bins.iter_mut().zip(&self.divided) {
            let system: u128 = of.as_ref().map_or(0, |(of, _)| of.system.iter().sum());
            let share = |amount: u128| match u64::try_from(run.pods) {
                Ok(weight) if weight > 0 && amount > 0 => Share::new(amount, weight),
                // the cost is small enough for 64 bits
                _ => Share::nothing(),
            };
            (run.system_share, run.daemon_share) = (share(system), share(run.daemons));
            systems |= system > 0 && run.pods > 0;
            daemons |= run.daemons > 0 && run.pods > 0;
        }
        if !systems && !daemons {
            return Ok(());
        }
        if daemons {
            self.follow::<true>(claims, parts);
        } else {
            self.follow::<false>(claims, parts);
        }
        for (run, of) in self.bins.iter().zip(&self.divided) {
            let Some((of, _)) = of else { continue };
            let expected = [of.system.iter().sum::<u128>(), run.daemons];
            if run.pods > 0 && run.followed != expected {
                return Err(KernelError::Unbalanced);
            }
        }
        Ok(())
    }

    fn follow<const DAEMONS: bool>(&mut self, claims: &Claims, parts: &mut Parts) {
        let mut start = 0;
        while start < claims.entry.len() {
            let entry = claims.entry[start];
            let end = end_of(&claims.entry, start);
            let (mut own, mut any) = ([0i128; 2], [0u128; 2]);
            for (bin, weight) in claims.bin[start..end].iter().zip(&self.following[start..end]) {
                let bin = &mut self.bins[usize::from(*bin)];
                let system = bin.system_share.next(*weight);
                let daemon = if DAEMONS { bin.daemon_share.next(*weight) } else { 0 };
                for (at, part) in [system, daemon].into_iter().enumerate() {
                    bin.followed[at] += part;
                    own[at] += signed(part, bin.sign);
                    any[at] |= part;
                }
            }
            parts.follow_all(entry, own, any.map(|any| any != 0));
            start = end;
        }
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
    let alone = !left_alone(&whole, &claims).is_zero();
    for (at, resource) in resources.iter().enumerate() {
        let mut add = |into: fn(&mut Parts) -> &mut [i128; 3], amount: Money, bit: u8| {
            into(parts)[at] += amount.units();
            parts.node_touched |= bit * u8::from(!amount.is_zero());
        };
        add(|parts| &mut parts.idle, resource.idle, IDLE);
        add(|parts| &mut parts.not_ready, resource.not_ready, NOT_READY);
        add(|parts| &mut parts.unobserved, resource.unobserved, UNOBSERVED);
        add(|parts| &mut parts.total, resource.cost, 0);
        if alone {
            add(|parts| &mut parts.idle, resource.system_reserved, IDLE);
        }
        for ((entry, claim), money) in entries.iter().zip(&claims).zip(&resource.claims) {
            if claim.role != Role::DaemonSet {
                parts.add_own(*entry, at, money.units());
            } else if alone {
                parts.idle[at] += money.units();
                parts.node_touched |= IDLE * u8::from(!money.is_zero());
            }
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
