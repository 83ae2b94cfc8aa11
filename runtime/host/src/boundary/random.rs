//! `wasi:random`: a generator of the call's own, under a budget.
//!
//! `ChaCha12` with the key and the stream that whoever starts the call gives, so that nothing here asks the operating system
//! and the budget bounds all the work there is. It is made when the first byte is asked for: most calls never do. The insecure functions take from the same generator and the same budget.

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::crossing::crossing;
use super::{CallState, Inner, Randomness};

crossing! { impl random::Host, "wasi:random/random", |state| &mut Inner(state);
    fn get_random_bytes(len: u64) -> wasmtime::Result<Vec<u8>> = "get-random-bytes";
    fn get_random_u64() -> wasmtime::Result<u64> = "get-random-u64";
}

crossing! { impl insecure::Host, "wasi:random/insecure", |state| &mut Inner(state);
    fn get_insecure_random_bytes(len: u64) -> wasmtime::Result<Vec<u8>> = "get-insecure-random-bytes";
    fn get_insecure_random_u64() -> wasmtime::Result<u64> = "get-insecure-random-u64";
}

crossing! { impl insecure_seed::Host, "wasi:random/insecure-seed", |state| &mut Inner(state);
    fn insecure_seed() -> wasmtime::Result<(u64, u64)> = "insecure-seed";
}

/// Takes so many bytes from the budget and gives the generator that makes them.
fn generator(state: &mut CallState, bytes: u64) -> wasmtime::Result<&mut ChaCha12Rng> {
    state.budget.random(bytes)?;
    let Randomness { key, stream } = &state.randomness;
    Ok(state.generator.get_or_insert_with(|| {
        let mut generator = ChaCha12Rng::from_seed(**key);
        generator.set_stream(*stream);
        Box::new(generator)
    }))
}

fn bytes(state: &mut CallState, len: u64) -> wasmtime::Result<Vec<u8>> {
    let generator = generator(state, len)?;
    let mut bytes = vec![0; usize::try_from(len)?];
    generator.fill_bytes(&mut bytes);
    Ok(bytes)
}

fn number(state: &mut CallState) -> wasmtime::Result<u64> {
    Ok(generator(state, 8)?.next_u64())
}

impl random::Host for Inner<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(self.0, len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        number(self.0)
    }
}

impl insecure::Host for Inner<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        bytes(self.0, len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        number(self.0)
    }
}

impl insecure_seed::Host for Inner<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((number(self.0)?, number(self.0)?))
    }
}
