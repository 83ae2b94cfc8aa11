//! Garbage that is nearly right, for everything that reads what strangers wrote.
//!
//! Each target makes its input from good input by chance, and the chance is the same on every machine and in every run: a case that fails
//! says its number, and it fails again. A target holds what it reads against another reading of the same text wherever there is one;
//! that nothing panics is the least of what is checked. With `TOOLCELL_FUZZ_ROUNDS=50` every target runs fifty times as many
//! cases, of which the first ones are those of a run without it (`just fuzz`).

mod arguments;
mod components;
mod documents;
mod echoes;
mod responses;
mod urls;

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::red_team::{HOST_PANICS, watch_for_panics};

/// Runs a target's cases and says how many there were. Each has a chance of its own, so that one can be run alone.
fn fuzz(target: &str, cases: usize, mut case: impl FnMut(usize, &mut Chance)) {
    watch_for_panics();
    let before = HOST_PANICS.load(Ordering::SeqCst);
    let cases = cases * rounds();
    let began = Instant::now();
    for number in 0..cases {
        let told = Told { target, number };
        case(number, &mut Chance::new(target, number));
        drop(told);
    }
    assert_eq!(HOST_PANICS.load(Ordering::SeqCst), before, "something in the host panicked; its message stands above");
    eprintln!("fuzz: {target}: {cases} executions in {:.1?}", began.elapsed());
}

/// Says which case it was, where it ends in a panic.
struct Told<'a> {
    target: &'a str,
    number: usize,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("fuzz: {}: case {} failed", self.target, self.number);
        }
    }
}

/// How many times as many cases as usual, from 1.
fn rounds() -> usize {
    match std::env::var("TOOLCELL_FUZZ_ROUNDS") {
        Ok(text) => text.parse().ok().filter(|rounds| *rounds > 0).unwrap_or_else(|| {
            panic!("TOOLCELL_FUZZ_ROUNDS is `{text}`; it is a whole number from 1, how many times as many cases to run")
        }),
        Err(_) => 1,
    }
}

/// A small generator (xorshift64*): good enough to choose by, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn new(target: &str, case: usize) -> Self {
        // FNV-1a over both, so that neighbouring cases have nothing in common.
        let bytes = target.bytes().chain(case.to_le_bytes());
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(hash | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// So many random bytes.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// Does one thing to bytes, and now and then up to four, the pieces among them.
    fn damage(&mut self, bytes: &mut Vec<u8>, pieces: &[&[u8]]) {
        let more = if self.once_in(3) { self.below(4) } else { 0 };
        for _ in 0..=more {
            let at = self.below(bytes.len() + 1);
            let end = at + self.below((bytes.len() - at).min(32) + 1);
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let copy = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, copy).for_each(drop);
                }
                3 if self.once_in(4) => bytes.truncate(at),
                4 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[3],
                _ => {
                    let piece = self.of(pieces);
                    let replaced = if self.once_in(2) { at..end } else { at..at };
                    bytes.splice(replaced, piece.iter().copied()).for_each(drop);
                }
            }
        }
    }

    /// The same for text.
    fn damaged(&mut self, text: &str, pieces: &[&str]) -> String {
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        let mut bytes = text.as_bytes().to_vec();
        self.damage(&mut bytes, &pieces);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
