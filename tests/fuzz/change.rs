//! Random changes of bytes, from a seed.

/// Pieces that readers of bills have tripped over.
const PIECES: [&[u8]; 26] = [
    b"\"",
    b",",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"-",
    b"1e9",
    b"1E-30",
    b"NaN",
    b"inf",
    b"null",
    b"NULL",
    b"$10,000.00 ",
    b"00000000000000000000000000000000000000000000000001",
    b"99999999999999999999999999999999999999999",
    b"2024-02-30",
    b"0000-00-00T99:99:99Z",
    b"2023-11-13T10:00Z",
    b"{",
    b"[{'name': \"it's\", 'amount': -1.5}]",
    b"]",
    b"'",
    b"\xc3\x28",
    b";",
];

/// A sequence of numbers that follows from a seed (xorshift).
pub struct Changes(u64);

impl Changes {
    /// Of a case.
    pub fn of(case: u64) -> Changes {
        // never zero, which would stay zero
        Changes((case + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// One to four changes.
    pub fn apply(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(40)).min(bytes.len());
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            2 => {
                let piece = PIECES[self.below(PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            3 => {
                bytes.drain(at..end);
            }
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
}
