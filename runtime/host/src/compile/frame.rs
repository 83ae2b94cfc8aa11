//! What parent and child say to each other: one request, one answer, each a header of fixed length and a body.
//!
//! Both sides are one program, so there is one format and no negotiation; another build is refused by the engine's fingerprint. A
//! reader takes no more than it was told to expect, and believes no length beyond its own bound.

use std::io::{self, Read, Write};

use toolcell_core::Digest;

use crate::code::{Ceiling, EngineClass};
use crate::schema::inert;

/// What is to be compiled, and what for. The component's bytes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The class of engine.
    pub(super) class: EngineClass,
    /// The process that asks. A child whose parent is another one by now has been left behind.
    pub(super) parent: u32,
    /// The component's bytes.
    pub(super) size: u64,
    /// Their digest.
    pub(super) digest: Digest,
    /// What the code depends on, as the parent's engine sums it up.
    pub(super) engine: Digest,
    /// The most bytes of code.
    pub(super) code: u64,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The code.
    Code(Vec<u8>),
    /// These bytes will not compile: why, for the caller.
    Refused(String),
    /// They need more than there is.
    Over(Ceiling),
    /// The child cannot do its work: why, for the operator.
    Fault(String),
}

/// A request or an answer that is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// It ended, or its pipe did.
    #[error("it was cut off")]
    Cut(#[source] io::Error),
    /// It has another form.
    #[error("it is not in the form that both sides speak")]
    Form,
    /// It is longer than its reader takes.
    #[error("it says that {size} bytes follow, and at most {most} may")]
    Long {
        /// What it says.
        size: u64,
        /// What may follow.
        most: u64,
    },
    /// Its bytes are not those of its digest.
    #[error("its bytes do not have the digest that it states")]
    Digest,
}

const REQUEST: [u8; 8] = *b"tc-comp1";
const ANSWER: [u8; 8] = *b"tc-code1";
const REQUEST_BYTES: usize = 8 + 1 + 4 + 8 + 32 + 32 + 8;
const ANSWER_BYTES: usize = 8 + 1 + 8 + 32;

/// The longest reason, in bytes. It goes to a caller, and names in it are the component's.
pub(super) const MAX_REASON: usize = 1_024;

impl Request {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut header = Vec::with_capacity(REQUEST_BYTES);
        header.extend_from_slice(&REQUEST);
        header.push(self.class as u8);
        header.extend_from_slice(&self.parent.to_le_bytes());
        header.extend_from_slice(&self.size.to_le_bytes());
        header.extend_from_slice(self.digest.as_bytes());
        header.extend_from_slice(self.engine.as_bytes());
        header.extend_from_slice(&self.code.to_le_bytes());
        to.write_all(&header)
    }

    pub(super) fn read(from: &mut impl Read) -> Result<Self, FrameError> {
        let mut fields = Fields::read::<REQUEST_BYTES>(from, REQUEST)?;
        let class = match fields.take()? {
            [0] => EngineClass::Standard,
            [1] => EngineClass::Extended,
            [2] => EngineClass::Oversized,
            [_] => return Err(FrameError::Form),
        };
        Ok(Self {
            class,
            parent: u32::from_le_bytes(fields.take()?),
            size: u64::from_le_bytes(fields.take()?),
            digest: Digest::from_bytes(fields.take()?),
            engine: Digest::from_bytes(fields.take()?),
            code: u64::from_le_bytes(fields.take()?),
        })
    }

    /// The component's bytes, of which there may be `most`.
    pub(super) fn body(&self, from: &mut impl Read, most: u64) -> Result<Vec<u8>, FrameError> {
        body(from, self.size, most, self.digest)
    }
}

impl Answer {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let text;
        let (kind, body): (u8, &[u8]) = match self {
            Self::Code(code) => (0, code),
            Self::Refused(reason) | Self::Fault(reason) => {
                text = inert(reason, MAX_REASON);
                (if matches!(self, Self::Refused(_)) { 1 } else { 2 }, text.as_bytes())
            }
            Self::Over(ceiling) => (3 + *ceiling as u8, &[]),
        };
        let mut header = Vec::with_capacity(ANSWER_BYTES);
        header.extend_from_slice(&ANSWER);
        header.push(kind);
        header.extend_from_slice(&(body.len() as u64).to_le_bytes());
        header.extend_from_slice(Digest::of(body).as_bytes());
        to.write_all(&header)?;
        to.write_all(body)?;
        to.flush()
    }

    /// Reads an answer with at most so many bytes of code. A child that has been taken over may have written it, so its texts are made
    /// inert.
    pub(super) fn read(from: &mut impl Read, code: u64) -> Result<Self, FrameError> {
        let mut fields = Fields::read::<ANSWER_BYTES>(from, ANSWER)?;
        let [kind] = fields.take()?;
        let size = u64::from_le_bytes(fields.take()?);
        let digest = Digest::from_bytes(fields.take()?);
        let most = match kind {
            0 => code,
            1 | 2 => MAX_REASON as u64,
            _ => 0,
        };
        let body = body(from, size, most, digest)?;
        let text = |body: &[u8]| inert(&String::from_utf8_lossy(body), MAX_REASON);
        match kind {
            0 => Ok(Self::Code(body)),
            1 => Ok(Self::Refused(text(&body))),
            2 => Ok(Self::Fault(text(&body))),
            over => match Ceiling::ALL.iter().find(|ceiling| 3 + **ceiling as u8 == over) {
                Some(ceiling) => Ok(Self::Over(*ceiling)),
                None => Err(FrameError::Form),
            },
        }
    }
}

fn body(from: &mut impl Read, size: u64, most: u64, digest: Digest) -> Result<Vec<u8>, FrameError> {
    if size > most {
        return Err(FrameError::Long { size, most });
    }
    // Room is made as bytes come, and not because a header speaks of them.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(1 << 20)).unwrap_or(0));
    from.take(size).read_to_end(&mut bytes).map_err(FrameError::Cut)?;
    if bytes.len() as u64 != size {
        return Err(FrameError::Cut(io::ErrorKind::UnexpectedEof.into()));
    }
    if Digest::of(&bytes) != digest {
        return Err(FrameError::Digest);
    }
    Ok(bytes)
}

/// A header, field by field.
struct Fields {
    bytes: Vec<u8>,
    at: usize,
}

impl Fields {
    fn read<const N: usize>(from: &mut impl Read, magic: [u8; 8]) -> Result<Self, FrameError> {
        let mut bytes = vec![0; N];
        from.read_exact(&mut bytes).map_err(FrameError::Cut)?;
        if bytes[..8] != magic {
            return Err(FrameError::Form);
        }
        Ok(Self { bytes, at: 8 })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let field = self.bytes.get(self.at..self.at + N).and_then(|field| field.try_into().ok());
        self.at += N;
        field.ok_or(FrameError::Form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            class: EngineClass::Extended,
            parent: 7,
            size: 4,
            digest: Digest::of(b"wasm"),
            engine: Digest::of(b"engine"),
            code: 100,
        }
    }

    fn written(answer: &Answer) -> Vec<u8> {
        let mut bytes = Vec::new();
        answer.write(&mut bytes).expect("writes to memory");
        bytes
    }

    #[test]
    fn both_sides_understand_each_other() {
        let mut bytes = Vec::new();
        request().write(&mut bytes).expect("writes to memory");
        bytes.extend_from_slice(b"wasm");
        let mut reader = &*bytes;
        let read = Request::read(&mut reader).expect("a request");
        assert_eq!(read, request());
        assert_eq!(read.body(&mut reader, 4).expect("a body"), b"wasm");
        let over = Ceiling::ALL.iter().map(|ceiling| Answer::Over(*ceiling));
        let answers = [Answer::Code(b"code".into()), Answer::Refused("no".into()), Answer::Fault("disk".into())];
        for answer in answers.into_iter().chain(over) {
            assert_eq!(Answer::read(&mut &*written(&answer), 100).expect("an answer"), answer);
        }
    }

    #[test]
    fn no_garbage_is_an_answer() {
        let good = written(&Answer::Code(b"native code".into()));
        for cut in 0..good.len() {
            assert!(matches!(Answer::read(&mut &good[..cut], 100), Err(FrameError::Cut(_))), "{cut}");
        }
        for offset in 0..good.len() {
            let mut bad = good.clone();
            bad[offset] ^= 0x80;
            assert!(Answer::read(&mut &*bad, 100).is_err(), "byte {offset}");
        }
        assert!(matches!(Answer::read(&mut &*good, 10), Err(FrameError::Long { size: 11, most: 10 })));
        let giant = [&good[..9], &u64::MAX.to_le_bytes(), &good[17..]].concat();
        assert!(matches!(Answer::read(&mut &*giant, 1 << 30), Err(FrameError::Long { .. })));
        assert!(matches!(Answer::read(&mut io::repeat(0xff), 1 << 30), Err(FrameError::Form)));
    }

    #[test]
    fn a_reason_is_inert_whoever_wrote_it() {
        let text = "\u{1b}[2J gone\n\u{202e}".as_bytes();
        let header = |size: usize| [&ANSWER[..], &[1], &(size as u64).to_le_bytes()].concat();
        let forged = [&*header(text.len()), Digest::of(text).as_bytes(), text].concat();
        let Ok(Answer::Refused(reason)) = Answer::read(&mut &*forged, 100) else { panic!("is a refusal") };
        assert!(!reason.contains(['\u{1b}', '\u{202e}']), "{reason:?}");
        let flood = [&*header(MAX_REASON + 1), &[0; 32], &[b'x'; 9_999]].concat();
        assert!(matches!(Answer::read(&mut &*flood, 100), Err(FrameError::Long { .. })));
        let long = written(&Answer::Fault("x".repeat(9_999)));
        assert!(matches!(Answer::read(&mut &*long, 100), Ok(Answer::Fault(cut)) if cut.len() <= MAX_REASON));
    }
}
