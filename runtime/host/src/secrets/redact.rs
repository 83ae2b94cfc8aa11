//! Taking secrets out of what is shown: every known form of every secret of a call, in whole texts and in streams.
//!
//! All forms are looked for at once by one automaton that sees each byte once. Every byte that belongs to any occurrence
//! is removed, also where occurrences overlap, so that no rest of one betrays another. What an occurrence
//! leaves behind is `[secret:NAME]`, which can be up to nine times as long as a short secret.
//!
//! Wiped on drop: the forms while the automaton is made from them, and what a stream holds back. Not wiped: the
//! automaton itself, whose states spell the forms in memory of the `aho-corasick` crate, and whatever text the caller
//! gave us. A redactor should therefore live as long as the calls that need it and no longer.

use std::borrow::Cow;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, Input, MatchKind};
use bytes::Bytes;
use zeroize::{Zeroize as _, Zeroizing};

use super::forms::forms;
use super::name::SecretName;
use super::value::SecretValue;

/// The most bytes of all forms of all secrets of one redactor. It bounds what making one costs: a token of 40 bytes has
/// forms of about 1 KiB together and takes 0.3 ms; the worst secret of 64 KiB was measured at 0.8 s and 200 MB.
pub const PATTERN_BYTES_MAX: usize = 8 << 20;

/// Takes the secrets of one call out of texts. Cheap to clone; made once for a call, or kept for many.
#[derive(Clone)]
pub struct Redactor(Arc<Patterns>);

struct Patterns {
    nfa: NFA,
    /// What each pattern is replaced by.
    marks: Vec<Arc<str>>,
    longest: usize,
    /// How far into a pattern each state is, sorted by state; what is not here is at its beginning.
    depths: Vec<(StateID, u32)>,
    start: StateID,
}

/// Too many secrets, or too long ones, to look for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secrets of one call have forms of more than {PATTERN_BYTES_MAX} bytes together, too many to take out of what comes back; bind fewer or shorter secrets to the tool"
)]
pub struct TooMuchToRedact;

impl Redactor {
    /// Looks for each of these secrets in all of its forms.
    ///
    /// # Errors
    /// Where the forms take more than [`PATTERN_BYTES_MAX`] bytes together; one secret of 64 KiB is below it.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = (&'a SecretName, &'a dyn SecretValue)>,
    ) -> Result<Self, TooMuchToRedact> {
        let mut patterns: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        let mut marks = Vec::new();
        let mut bytes = 0;
        for (name, secret) in secrets {
            let mark: Arc<str> = format!("[secret:{name}]").into();
            secret.expose(&mut |value| {
                for form in forms(value) {
                    bytes += form.len();
                    if bytes <= PATTERN_BYTES_MAX && !form.is_empty() {
                        patterns.push(form);
                        marks.push(Arc::clone(&mark));
                    }
                }
            });
            if bytes > PATTERN_BYTES_MAX {
                return Err(TooMuchToRedact);
            }
        }
        // `Standard` reports every occurrence at the byte where it ends, overlapping ones included.
        let nfa = NFA::builder().match_kind(MatchKind::Standard).build(&patterns).map_err(|_| TooMuchToRedact)?;
        let start = nfa.start_state(Anchored::No).map_err(|_| TooMuchToRedact)?;
        let mut depths = Vec::with_capacity(bytes);
        for pattern in &patterns {
            let mut state = start;
            for (depth, &byte) in (1..).zip(pattern.iter()) {
                state = nfa.next_state(Anchored::No, state, byte);
                depths.push((state, depth));
            }
        }
        depths.sort_unstable();
        depths.dedup();
        depths.shrink_to_fit();
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or(0);
        Ok(Self(Arc::new(Patterns { nfa, marks, longest, depths, start })))
    }

    /// The bytes without secrets; borrowed, and the same, where there is none in them.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.is_clean(bytes) {
            return Cow::Borrowed(bytes);
        }
        let mut stream = self.stream();
        let mut out = stream.pass(bytes);
        stream.release(stream.at, &mut out);
        Cow::Owned(out)
    }

    /// The text without secrets; borrowed, and the same, where there is none in it.
    ///
    /// A secret that is no UTF-8 may end within a character of its surroundings; the rest of it becomes U+FFFD.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            }),
        }
    }

    /// The longest form that is looked for, in bytes; 0 where there are no secrets.
    pub fn longest(&self) -> usize {
        self.0.longest
    }

    /// The same for bytes that come in pieces.
    pub fn stream(&self) -> RedactStream {
        RedactStream {
            patterns: Arc::clone(&self.0),
            state: self.0.start,
            at: 0,
            held: Held::default(),
            open: Vec::new(),
            covered: 0,
        }
    }

    fn is_clean(&self, bytes: &[u8]) -> bool {
        // Only a start state that the automaton does not have is an error, and it was asked for when it was made.
        matches!(self.0.nfa.try_find(&Input::new(bytes).earliest(true)), Ok(None))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("forms", &self.0.marks.len()).finish_non_exhaustive()
    }
}

/// Redacts bytes that come in pieces, split wherever they may be; what comes out is what [`Redactor::bytes`] makes of
/// the whole.
///
/// Held back is only what may be the beginning of a secret: less than [`Redactor::longest`], and mostly nothing.
pub struct RedactStream {
    patterns: Arc<Patterns>,
    state: StateID,
    /// How many bytes have come.
    at: u64,
    /// The last of them, which have not been passed on.
    pub(super) held: Held,
    /// Occurrences in what is held, merged where they overlap, in order.
    open: Vec<Occurrence>,
    /// Bytes before here are removed, and their mark has been passed on.
    covered: u64,
}

struct Occurrence {
    start: u64,
    end: u64,
    pattern: usize,
}

impl RedactStream {
    /// What of the bytes so far can be passed on.
    pub fn push(&mut self, bytes: Bytes) -> Bytes {
        let is_idle = self.held.bytes().is_empty() && self.state == self.patterns.start;
        // The automaton looks from its beginning here, which is where this stream stands, too.
        if is_idle && Redactor(Arc::clone(&self.patterns)).is_clean(&bytes) {
            let last = bytes.len().saturating_sub(self.patterns.longest);
            let state = bytes[last..].iter().fold(self.state, |state, &byte| self.patterns.next(state, byte));
            if self.patterns.depth(state) == 0 {
                self.at += bytes.len() as u64;
                self.state = state;
                return bytes;
            }
        }
        self.pass(&bytes).into()
    }

    /// What was held back. Nothing follows it: after this the stream is as new.
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::with_capacity(self.held.bytes().len());
        self.release(self.at, &mut out);
        (self.state, self.at, self.covered) = (self.patterns.start, 0, 0);
        out.into()
    }

    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let patterns = Arc::clone(&self.patterns);
        self.held.push(bytes);
        for &byte in bytes {
            self.state = patterns.next(self.state, byte);
            self.at += 1;
            if patterns.nfa.is_special(self.state) && patterns.nfa.is_match(self.state) {
                self.note();
            }
        }
        let mut out = Vec::with_capacity(bytes.len());
        // What may begin an occurrence is as long as the automaton is deep; one of full length has no continuation.
        let depth = (patterns.depth(self.state) as usize).min(patterns.longest.saturating_sub(1));
        self.release(self.at - depth as u64, &mut out);
        out
    }

    /// Notes the longest occurrence that ends here; the others lie in it.
    fn note(&mut self) {
        let nfa = &self.patterns.nfa;
        let found = (0..nfa.match_len(self.state)).map(|index| nfa.match_pattern(self.state, index));
        let Some(pattern) = found.max_by_key(|&pattern| nfa.pattern_len(pattern)) else { return };
        let end = self.at;
        let start = end - nfa.pattern_len(pattern) as u64;
        if start < self.covered {
            self.covered = end;
            self.open.clear();
            return;
        }
        let mut found = Occurrence { start, end, pattern: pattern.as_usize() };
        while let Some(before) = self.open.pop_if(|before| before.end > start) {
            if before.start < found.start {
                (found.start, found.pattern) = (before.start, before.pattern);
            }
        }
        self.open.push(found);
    }

    /// Passes on everything before `until`. An occurrence that begins before it goes as a whole.
    fn release(&mut self, until: u64, out: &mut Vec<u8>) {
        let held = self.held.bytes();
        let begin = self.at - held.len() as u64;
        let place = |at: u64| usize::try_from(at - begin).expect("what is held fits in memory");
        let mut from = self.covered.clamp(begin, until);
        let gone = self.open.iter().take_while(|found| found.start < until).count();
        for found in self.open.drain(..gone) {
            out.extend_from_slice(&held[place(from)..place(found.start)]);
            out.extend_from_slice(self.patterns.marks[found.pattern].as_bytes());
            self.covered = found.end;
            from = found.end.min(until);
        }
        out.extend_from_slice(&held[place(from)..place(until)]);
        let released = place(until);
        self.held.drop_first(released);
    }
}

/// The end of what has come. Adding at the back and dropping at the front move each byte a bounded number of times, so
/// a server that sends single bytes of a long secret costs no more than one that sends it at once.
#[derive(Default)]
pub(super) struct Held {
    room: Zeroizing<Vec<u8>>,
    /// Where in the room it begins.
    from: usize,
}

impl Held {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.room[self.from..]
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.room.capacity() - self.room.len() < bytes.len() {
            // Assigning drops, and so wipes, the old room, which a vector that grows by itself would not do.
            let mut room = Zeroizing::new(Vec::with_capacity(2 * self.bytes().len() + bytes.len()));
            room.extend_from_slice(self.bytes());
            (self.room, self.from) = (room, 0);
        }
        self.room.extend_from_slice(bytes);
    }

    fn drop_first(&mut self, count: usize) {
        self.from += count;
        if self.bytes().is_empty() {
            self.room.zeroize();
            self.from = 0;
        } else if self.from > self.room.len() / 2 {
            self.room.drain(..self.from);
            self.from = 0;
        }
    }
}

impl std::fmt::Debug for RedactStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactStream").field("held", &self.held.bytes().len()).finish_non_exhaustive()
    }
}

impl Patterns {
    fn next(&self, state: StateID, byte: u8) -> StateID {
        self.nfa.next_state(Anchored::No, state, byte)
    }

    fn depth(&self, state: StateID) -> u32 {
        let found = self.depths.binary_search_by_key(&state, |&(state, _)| state);
        found.map_or(0, |at| self.depths[at].1)
    }
}
