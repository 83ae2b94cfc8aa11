//! The contract's WIT packages as text, compiled in.
//!
//! They are offered to a tool's own WIT where its folder does not bring them, and a new tool gets a copy of the first.
//! There is one source of truth: the files in the repository's `wit/` folder.

/// `toolcell:tool`: the failures that a tool can name.
pub const TOOL_WIT: &str = include_str!("../../../wit/tool/tool.wit");

/// `toolcell:host`: what the host offers beside WASI.
pub const HOST_WIT: &str = include_str!("../../../wit/host/host.wit");

/// Every package of the contract as (name of the source in messages, text): `toolcell:*` and WASI 0.2.
pub const PACKAGES: &[(&str, &str)] = &[
    ("toolcell-tool.wit", TOOL_WIT),
    ("toolcell-host.wit", HOST_WIT),
    ("wasi-cli.wit", include_str!("../../../wit/deps/cli.wit")),
    ("wasi-clocks.wit", include_str!("../../../wit/deps/clocks.wit")),
    ("wasi-filesystem.wit", include_str!("../../../wit/deps/filesystem.wit")),
    ("wasi-http.wit", include_str!("../../../wit/deps/http.wit")),
    ("wasi-io.wit", include_str!("../../../wit/deps/io.wit")),
    ("wasi-random.wit", include_str!("../../../wit/deps/random.wit")),
    ("wasi-sockets.wit", include_str!("../../../wit/deps/sockets.wit")),
];
