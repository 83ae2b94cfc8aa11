//! Why bytes are no component that we take, in words for whoever dropped them into a folder.

use super::caps::Cap;

/// Bytes that have no shape.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ShapeError {
    /// No bytes at all.
    #[error("the file is empty; perhaps it is still being written")]
    Empty,
    /// A core module, as compilers emit before the step that makes a component.
    #[error(
        "this is a core WebAssembly module, not a component; build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// A native program or library.
    #[error("this is a native {0} file, not WebAssembly; build for wasm32-wasip2")]
    Native(&'static str),
    /// Machine code that an engine has cached.
    #[error(
        "this is cached native code of a WebAssembly engine; only the .wasm file it came from is accepted as a tool"
    )]
    CachedCode,
    /// The text format.
    #[error("this is WebAssembly text; translate it with `wasm-tools parse` and use the .wasm file")]
    Text,
    /// Something else.
    #[error("this is not WebAssembly: it begins with {0}")]
    NotWasm(String),
    /// A layer or version of the format that this build does not know.
    #[error(
        "this component has format version {0:#x}, which is newer or older than this build reads (0xd); rebuild it with current tools"
    )]
    OtherVersion(u16),
    /// The bytes end too early.
    #[error("the file is cut off: it ends at byte {0}, inside something that goes on; copy it again")]
    Truncated(usize),
    /// Not valid.
    #[error("this is not a valid component: {problem} (at byte {offset})")]
    Invalid {
        /// The validator's words, made inert.
        problem: String,
        /// Where.
        offset: usize,
    },
    /// Over a structural cap.
    #[error("the component has too many or too large {what}: {found}, and at most {most} are accepted, which stops {stops}", what = .cap.what, most = .cap.most, stops = .cap.stops)]
    Over {
        /// Which.
        cap: &'static Cap,
        /// What was counted when it was exceeded; there may be more.
        found: u64,
    },
    /// A 64-bit memory or table.
    #[error(
        "the component declares a 64-bit memory or table, which is not offered; build it for a 32-bit target such as wasm32-wasip2"
    )]
    Memory64,
    /// A memory that threads share.
    #[error("the component declares a shared memory, which is not offered; build it without threads")]
    SharedMemory,
    /// Active data outside the memory it goes to: the instance could never start.
    #[error(
        "the component's initial data ends at byte {end} of a memory that begins with {memory} bytes, so it could never start"
    )]
    DataOutsideMemory {
        /// Where the data would end.
        end: u64,
        /// What the memory has.
        memory: u64,
    },
    /// Two sections that say the same thing differently.
    #[error("the component has more than one `{0}` section, and it would be a guess which one is meant")]
    Contradictory(&'static str),
    /// A section of ours that cannot be read.
    #[error("the component's `{0}` section is not UTF-8 text")]
    SectionNotText(&'static str),
}

impl ShapeError {
    /// Translates the parser's errors.
    pub(crate) fn invalid(error: &wasmparser::Error, length: usize) -> Self {
        let message = error.message();
        // What the parser says where a section claims to be longer than the file is.
        if error.offset() >= length || message.contains("unexpected end-of-file") {
            return Self::Truncated(length);
        }
        Self::Invalid { problem: crate::schema::inert::inert(message, 400), offset: error.offset() }
    }
}

/// Recognises what is not a component by its first bytes.
///
/// # Errors
/// For everything that does not begin as a component of the version that is read here.
pub(crate) fn sniff(bytes: &[u8]) -> Result<(), ShapeError> {
    const MAGIC: &[u8] = b"\0asm";
    /// `wasmparser` reads this version of the component format.
    const COMPONENT: u16 = 0xd;
    if bytes.is_empty() {
        return Err(ShapeError::Empty);
    }
    if let Some(header) = bytes.strip_prefix(MAGIC) {
        return match *header {
            [1, 0, 0, 0, ..] => Err(ShapeError::CoreModule),
            [low, high, 1, 0, ..] => match u16::from_le_bytes([low, high]) {
                COMPONENT => Ok(()),
                other => Err(ShapeError::OtherVersion(other)),
            },
            [low, high, _, _, ..] => Err(ShapeError::OtherVersion(u16::from_le_bytes([low, high]))),
            _ => Err(ShapeError::Truncated(bytes.len())),
        };
    }
    if MAGIC.starts_with(bytes) {
        return Err(ShapeError::Truncated(bytes.len()));
    }
    match bytes {
        // Wasmtime's cached code is an ELF object with its own ABI byte (`ELFOSABI_WASMTIME`) behind the class, order and version.
        [0x7f, b'E', b'L', b'F', _, _, _, 200, ..] => return Err(ShapeError::CachedCode),
        [0x7f, b'E', b'L', b'F', ..] => return Err(ShapeError::Native("ELF")),
        [b'M', b'Z', ..] => return Err(ShapeError::Native("Windows")),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => return Err(ShapeError::Native("macOS")),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(256)];
    let text = start.utf8_chunks().next().map_or("", |chunk| chunk.valid()).trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('(') || text.starts_with(";;") {
        return Err(ShapeError::Text);
    }
    let shown: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Err(ShapeError::NotWasm(format!("the bytes {}", shown.join(" "))))
}
