//! Decompression of answers, piece by piece: a small piece in, a bounded piece out.

use std::io::{self, Write as _};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::{BodyError, Over};

/// How much is decompressed in one step, in bytes. Deflate makes at most 1,032 bytes of one, so a step is half a MiB.
pub(super) const STEP: usize = 512;

/// The most that one byte may become, once [`FREE`] bytes came out. Text seldom shrinks below a fiftieth.
const RATIO: u64 = 200;

/// What may come out before the ratio counts, so that a small answer of one repeated letter passes.
const FREE: u64 = 1 << 20;

/// One of the codings that the door asks for.
pub(super) struct Decoder {
    coding: Coding,
    taken: u64,
    given: u64,
}

enum Coding {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// `deflate` means zlib, and some servers send the bare form. The first two bytes tell.
    Unknown(Vec<u8>),
    Zlib(ZlibDecoder<Vec<u8>>),
    Bare(DeflateDecoder<Vec<u8>>),
}

/// What a `Content-Encoding` asks for.
pub(super) enum Encoding {
    /// The body as it is.
    Plain,
    /// One that we decode.
    Known(Box<Decoder>),
    /// One that we never asked for.
    Other,
}

impl Encoding {
    /// Reads the values of the header. Several codings on top of each other are more than we asked for.
    pub(super) fn of(mut values: impl Iterator<Item: AsRef<[u8]>>) -> Self {
        let first = match (values.next(), values.next()) {
            (None, _) => return Self::Plain,
            (Some(first), None) => first,
            (Some(_), Some(_)) => return Self::Other,
        };
        let decoder = |coding| Self::Known(Box::new(Decoder { coding, taken: 0, given: 0 }));
        match first.as_ref().trim_ascii().to_ascii_lowercase().as_slice() {
            b"identity" | b"" => Self::Plain,
            b"gzip" | b"x-gzip" => decoder(Coding::Gzip(MultiGzDecoder::new(Vec::new()))),
            b"deflate" => decoder(Coding::Unknown(Vec::new())),
            _ => Self::Other,
        }
    }
}

impl Decoder {
    /// Decodes one piece of at most [`STEP`] bytes.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, BodyError> {
        debug_assert!(piece.len() <= STEP, "a step is bounded by its caller");
        self.taken += piece.len() as u64;
        let decoded = self.coding.push(piece).map_err(broken)?;
        self.counted(decoded)
    }

    /// Checks that the compressed data is at its end, and gives what is left. An empty body is not compressed at all.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>, BodyError> {
        if self.taken == 0 {
            return Ok(Vec::new());
        }
        let decoded = self.coding.finish().map_err(broken)?;
        self.counted(decoded)
    }

    fn counted(&mut self, decoded: Vec<u8>) -> Result<Vec<u8>, BodyError> {
        self.given += decoded.len() as u64;
        if self.given > FREE && self.given > self.taken.saturating_mul(RATIO) {
            return Err(BodyError::Over(Over { limit: "http_decompression_ratio", value: RATIO }));
        }
        Ok(decoded)
    }
}

impl Coding {
    fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        if let Self::Unknown(start) = self {
            start.extend_from_slice(piece);
            let [first, second, ..] = start[..] else { return Ok(Vec::new()) };
            let start = std::mem::take(start);
            // RFC 1950, section 2.2: method 8, and a check of the first two bytes.
            let zlib = first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
            *self = if zlib {
                Self::Zlib(ZlibDecoder::new(Vec::new()))
            } else {
                Self::Bare(DeflateDecoder::new(Vec::new()))
            };
            return self.push(&start);
        }
        match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
            }
            Self::Zlib(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
            }
            Self::Bare(decoder) => {
                decoder.write_all(piece)?;
                decoder.flush()?;
            }
            Self::Unknown(_) => {}
        }
        Ok(self.take())
    }

    fn finish(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => decoder.try_finish()?,
            Self::Zlib(decoder) => decoder.try_finish()?,
            Self::Bare(decoder) => decoder.try_finish()?,
            Self::Unknown(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Gzip(decoder) => std::mem::take(decoder.get_mut()),
            Self::Zlib(decoder) => std::mem::take(decoder.get_mut()),
            Self::Bare(decoder) => std::mem::take(decoder.get_mut()),
            Self::Unknown(_) => Vec::new(),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(_: io::Error) -> BodyError {
    BodyError::Protocol("its compressed data is damaged".to_owned())
}
