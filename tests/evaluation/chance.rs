//! Owns chance: the same choices on every machine and in every run.

/// A small generator (xorshift64*), good enough to choose by.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

/// FNV-1a, which spreads names and numbers that differ in one place. It also decides what is held out.
pub(crate) fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

impl Chance {
    /// The chance of a family for one ground truth and one seed.
    pub(crate) fn new(family: &str, truth: &str, seed: u64) -> Self {
        let bytes = family.bytes().chain([0]).chain(truth.bytes()).chain([0]).chain(seed.to_le_bytes());
        let mut chance = Self(fnv(bytes) | 1);
        // The first numbers of neighbouring states are alike.
        for _ in 0..4 {
            chance.next();
        }
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    /// One of several.
    pub(crate) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// One of several, where there are any.
    pub(crate) fn pick<T>(&mut self, mut choices: Vec<T>) -> Option<T> {
        let at = if choices.is_empty() { return None } else { self.below(choices.len()) };
        Some(choices.swap_remove(at))
    }
}
