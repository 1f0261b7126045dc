//! Noise without state: every figure is a pure function of (seed, stream, index), so adding a
//! resource to the fleet does not change the figures of another one.

/// SplitMix64's finaliser: spreads the bits of `value`.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// 64 random bits for one (seed, stream, index).
pub const fn bits(seed: u64, stream: u64, index: u64) -> u64 {
    let first = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
    let second = mix(first ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
    mix(second ^ index.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7))
}

/// A factor in parts per million between `1 - spread` and `1 + spread`.
pub fn around_one_ppm(random: u64, spread_ppm: u32) -> i128 {
    let spread = u64::from(spread_ppm);
    1_000_000 - i128::from(spread) + i128::from(random % (2 * spread + 1))
}

/// FNV-1a of a text: a stable stream number for a name.
pub fn stream(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// In the form of a UUID.
pub fn uid(stream: u64) -> String {
    let (high, low) = (bits(1, stream, 0), bits(1, stream, 1));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_depends_on_every_argument() {
        let base = bits(1, 2, 3);
        assert_eq!(base, bits(1, 2, 3));
        for other in [bits(2, 2, 3), bits(1, 3, 3), bits(1, 2, 4)] {
            assert_ne!(base, other);
        }
        for index in 0..1_000 {
            let factor = around_one_ppm(bits(7, 7, index), 80_000);
            assert!((920_000..=1_080_000).contains(&factor));
        }
    }
}
