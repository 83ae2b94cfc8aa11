//! Every host function that is linked, by name, in one table.
//!
//! The table gives each function a number, so that counting a call is one addition to an array. It refuses to be
//! forgotten: a crossing that names a function which is not here does not compile, and a test compares the table with
//! `wit/`.
//!
//! Dropping a resource is not in the table. A guest can only drop what it was given by a function that was counted, a
//! drop has no result, and nothing outside the call changes by it; so drops are neither counted nor shown to an
//! interceptor.

use std::fmt;

/// The place of a function in [`FUNCTIONS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(u16);

impl FunctionId {
    /// The function of that interface and name (`wasi:io/streams`, `[method]input-stream.read`).
    ///
    /// # Panics
    /// Where there is none. It is meant for constants, where that is a compile error.
    pub const fn of(interface: &str, function: &str) -> Self {
        let mut place = 0;
        while place < FUNCTIONS.len() {
            if is_named(FUNCTIONS[place].as_bytes(), interface.as_bytes(), function.as_bytes()) {
                #[expect(clippy::cast_possible_truncation, reason = "the table has a few hundred rows")]
                return Self(place as u16);
            }
            place += 1;
        }
        panic!("no such host function in FUNCTIONS");
    }

    /// The full name, without a version.
    pub const fn name(self) -> &'static str {
        FUNCTIONS[self.0 as usize]
    }

    /// Its place in [`FUNCTIONS`].
    pub(super) const fn place(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const fn is_named(full: &[u8], interface: &[u8], function: &[u8]) -> bool {
    if full.len() != interface.len() + 1 + function.len() || full[interface.len()] != b'.' {
        return false;
    }
    let mut at = 0;
    while at < interface.len() {
        if full[at] != interface[at] {
            return false;
        }
        at += 1;
    }
    at = 0;
    while at < function.len() {
        if full[interface.len() + 1 + at] != function[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Every host function that is linked, sorted.
#[rustfmt::skip]
pub const FUNCTIONS: &[&str] = &[
    "toolcell:host/config.get",
    "toolcell:host/config.keys",
    "toolcell:host/kv.delete",
    "toolcell:host/kv.get",
    "toolcell:host/kv.list-keys",
    "toolcell:host/kv.set",
    "toolcell:host/log.write",
    "toolcell:host/progress.report",
    "toolcell:host/secrets.exists",
    "toolcell:host/toolbox.call",
    "wasi:cli/environment.get-arguments",
    "wasi:cli/environment.get-environment",
    "wasi:cli/environment.initial-cwd",
    "wasi:cli/exit.exit",
    "wasi:cli/exit.exit-with-code",
    "wasi:cli/stderr.get-stderr",
    "wasi:cli/stdin.get-stdin",
    "wasi:cli/stdout.get-stdout",
    "wasi:cli/terminal-stderr.get-terminal-stderr",
    "wasi:cli/terminal-stdin.get-terminal-stdin",
    "wasi:cli/terminal-stdout.get-terminal-stdout",
    "wasi:clocks/monotonic-clock.now",
    "wasi:clocks/monotonic-clock.resolution",
    "wasi:clocks/monotonic-clock.subscribe-duration",
    "wasi:clocks/monotonic-clock.subscribe-instant",
    "wasi:clocks/timezone.display",
    "wasi:clocks/timezone.utc-offset",
    "wasi:clocks/wall-clock.now",
    "wasi:clocks/wall-clock.resolution",
    "wasi:filesystem/preopens.get-directories",
    "wasi:filesystem/types.[method]descriptor.advise",
    "wasi:filesystem/types.[method]descriptor.append-via-stream",
    "wasi:filesystem/types.[method]descriptor.create-directory-at",
    "wasi:filesystem/types.[method]descriptor.get-flags",
    "wasi:filesystem/types.[method]descriptor.get-type",
    "wasi:filesystem/types.[method]descriptor.is-same-object",
    "wasi:filesystem/types.[method]descriptor.link-at",
    "wasi:filesystem/types.[method]descriptor.metadata-hash",
    "wasi:filesystem/types.[method]descriptor.metadata-hash-at",
    "wasi:filesystem/types.[method]descriptor.open-at",
    "wasi:filesystem/types.[method]descriptor.read",
    "wasi:filesystem/types.[method]descriptor.read-directory",
    "wasi:filesystem/types.[method]descriptor.read-via-stream",
    "wasi:filesystem/types.[method]descriptor.readlink-at",
    "wasi:filesystem/types.[method]descriptor.remove-directory-at",
    "wasi:filesystem/types.[method]descriptor.rename-at",
    "wasi:filesystem/types.[method]descriptor.set-size",
    "wasi:filesystem/types.[method]descriptor.set-times",
    "wasi:filesystem/types.[method]descriptor.set-times-at",
    "wasi:filesystem/types.[method]descriptor.stat",
    "wasi:filesystem/types.[method]descriptor.stat-at",
    "wasi:filesystem/types.[method]descriptor.symlink-at",
    "wasi:filesystem/types.[method]descriptor.sync",
    "wasi:filesystem/types.[method]descriptor.sync-data",
    "wasi:filesystem/types.[method]descriptor.unlink-file-at",
    "wasi:filesystem/types.[method]descriptor.write",
    "wasi:filesystem/types.[method]descriptor.write-via-stream",
    "wasi:filesystem/types.[method]directory-entry-stream.read-directory-entry",
    "wasi:filesystem/types.filesystem-error-code",
    "wasi:http/outgoing-handler.handle",
    "wasi:http/types.[constructor]fields",
    "wasi:http/types.[constructor]outgoing-request",
    "wasi:http/types.[constructor]outgoing-response",
    "wasi:http/types.[constructor]request-options",
    "wasi:http/types.[method]fields.append",
    "wasi:http/types.[method]fields.clone",
    "wasi:http/types.[method]fields.delete",
    "wasi:http/types.[method]fields.entries",
    "wasi:http/types.[method]fields.get",
    "wasi:http/types.[method]fields.has",
    "wasi:http/types.[method]fields.set",
    "wasi:http/types.[method]future-incoming-response.get",
    "wasi:http/types.[method]future-incoming-response.subscribe",
    "wasi:http/types.[method]future-trailers.get",
    "wasi:http/types.[method]future-trailers.subscribe",
    "wasi:http/types.[method]incoming-body.stream",
    "wasi:http/types.[method]incoming-request.authority",
    "wasi:http/types.[method]incoming-request.consume",
    "wasi:http/types.[method]incoming-request.headers",
    "wasi:http/types.[method]incoming-request.method",
    "wasi:http/types.[method]incoming-request.path-with-query",
    "wasi:http/types.[method]incoming-request.scheme",
    "wasi:http/types.[method]incoming-response.consume",
    "wasi:http/types.[method]incoming-response.headers",
    "wasi:http/types.[method]incoming-response.status",
    "wasi:http/types.[method]outgoing-body.write",
    "wasi:http/types.[method]outgoing-request.authority",
    "wasi:http/types.[method]outgoing-request.body",
    "wasi:http/types.[method]outgoing-request.headers",
    "wasi:http/types.[method]outgoing-request.method",
    "wasi:http/types.[method]outgoing-request.path-with-query",
    "wasi:http/types.[method]outgoing-request.scheme",
    "wasi:http/types.[method]outgoing-request.set-authority",
    "wasi:http/types.[method]outgoing-request.set-method",
    "wasi:http/types.[method]outgoing-request.set-path-with-query",
    "wasi:http/types.[method]outgoing-request.set-scheme",
    "wasi:http/types.[method]outgoing-response.body",
    "wasi:http/types.[method]outgoing-response.headers",
    "wasi:http/types.[method]outgoing-response.set-status-code",
    "wasi:http/types.[method]outgoing-response.status-code",
    "wasi:http/types.[method]request-options.between-bytes-timeout",
    "wasi:http/types.[method]request-options.connect-timeout",
    "wasi:http/types.[method]request-options.first-byte-timeout",
    "wasi:http/types.[method]request-options.set-between-bytes-timeout",
    "wasi:http/types.[method]request-options.set-connect-timeout",
    "wasi:http/types.[method]request-options.set-first-byte-timeout",
    "wasi:http/types.[method]response-outparam.send-informational",
    "wasi:http/types.[static]fields.from-list",
    "wasi:http/types.[static]incoming-body.finish",
    "wasi:http/types.[static]outgoing-body.finish",
    "wasi:http/types.[static]response-outparam.set",
    "wasi:http/types.http-error-code",
    "wasi:io/error.[method]error.to-debug-string",
    "wasi:io/poll.[method]pollable.block",
    "wasi:io/poll.[method]pollable.ready",
    "wasi:io/poll.poll",
    "wasi:io/streams.[method]input-stream.blocking-read",
    "wasi:io/streams.[method]input-stream.blocking-skip",
    "wasi:io/streams.[method]input-stream.read",
    "wasi:io/streams.[method]input-stream.skip",
    "wasi:io/streams.[method]input-stream.subscribe",
    "wasi:io/streams.[method]output-stream.blocking-flush",
    "wasi:io/streams.[method]output-stream.blocking-splice",
    "wasi:io/streams.[method]output-stream.blocking-write-and-flush",
    "wasi:io/streams.[method]output-stream.blocking-write-zeroes-and-flush",
    "wasi:io/streams.[method]output-stream.check-write",
    "wasi:io/streams.[method]output-stream.flush",
    "wasi:io/streams.[method]output-stream.splice",
    "wasi:io/streams.[method]output-stream.subscribe",
    "wasi:io/streams.[method]output-stream.write",
    "wasi:io/streams.[method]output-stream.write-zeroes",
    "wasi:random/insecure-seed.insecure-seed",
    "wasi:random/insecure.get-insecure-random-bytes",
    "wasi:random/insecure.get-insecure-random-u64",
    "wasi:random/random.get-random-bytes",
    "wasi:random/random.get-random-u64",
    "wasi:sockets/instance-network.instance-network",
    "wasi:sockets/ip-name-lookup.[method]resolve-address-stream.resolve-next-address",
    "wasi:sockets/ip-name-lookup.[method]resolve-address-stream.subscribe",
    "wasi:sockets/ip-name-lookup.resolve-addresses",
    "wasi:sockets/network.network-error-code",
    "wasi:sockets/tcp-create-socket.create-tcp-socket",
    "wasi:sockets/tcp.[method]tcp-socket.accept",
    "wasi:sockets/tcp.[method]tcp-socket.address-family",
    "wasi:sockets/tcp.[method]tcp-socket.finish-bind",
    "wasi:sockets/tcp.[method]tcp-socket.finish-connect",
    "wasi:sockets/tcp.[method]tcp-socket.finish-listen",
    "wasi:sockets/tcp.[method]tcp-socket.hop-limit",
    "wasi:sockets/tcp.[method]tcp-socket.is-listening",
    "wasi:sockets/tcp.[method]tcp-socket.keep-alive-count",
    "wasi:sockets/tcp.[method]tcp-socket.keep-alive-enabled",
    "wasi:sockets/tcp.[method]tcp-socket.keep-alive-idle-time",
    "wasi:sockets/tcp.[method]tcp-socket.keep-alive-interval",
    "wasi:sockets/tcp.[method]tcp-socket.local-address",
    "wasi:sockets/tcp.[method]tcp-socket.receive-buffer-size",
    "wasi:sockets/tcp.[method]tcp-socket.remote-address",
    "wasi:sockets/tcp.[method]tcp-socket.send-buffer-size",
    "wasi:sockets/tcp.[method]tcp-socket.set-hop-limit",
    "wasi:sockets/tcp.[method]tcp-socket.set-keep-alive-count",
    "wasi:sockets/tcp.[method]tcp-socket.set-keep-alive-enabled",
    "wasi:sockets/tcp.[method]tcp-socket.set-keep-alive-idle-time",
    "wasi:sockets/tcp.[method]tcp-socket.set-keep-alive-interval",
    "wasi:sockets/tcp.[method]tcp-socket.set-listen-backlog-size",
    "wasi:sockets/tcp.[method]tcp-socket.set-receive-buffer-size",
    "wasi:sockets/tcp.[method]tcp-socket.set-send-buffer-size",
    "wasi:sockets/tcp.[method]tcp-socket.shutdown",
    "wasi:sockets/tcp.[method]tcp-socket.start-bind",
    "wasi:sockets/tcp.[method]tcp-socket.start-connect",
    "wasi:sockets/tcp.[method]tcp-socket.start-listen",
    "wasi:sockets/tcp.[method]tcp-socket.subscribe",
    "wasi:sockets/udp-create-socket.create-udp-socket",
    "wasi:sockets/udp.[method]incoming-datagram-stream.receive",
    "wasi:sockets/udp.[method]incoming-datagram-stream.subscribe",
    "wasi:sockets/udp.[method]outgoing-datagram-stream.check-send",
    "wasi:sockets/udp.[method]outgoing-datagram-stream.send",
    "wasi:sockets/udp.[method]outgoing-datagram-stream.subscribe",
    "wasi:sockets/udp.[method]udp-socket.address-family",
    "wasi:sockets/udp.[method]udp-socket.finish-bind",
    "wasi:sockets/udp.[method]udp-socket.local-address",
    "wasi:sockets/udp.[method]udp-socket.receive-buffer-size",
    "wasi:sockets/udp.[method]udp-socket.remote-address",
    "wasi:sockets/udp.[method]udp-socket.send-buffer-size",
    "wasi:sockets/udp.[method]udp-socket.set-receive-buffer-size",
    "wasi:sockets/udp.[method]udp-socket.set-send-buffer-size",
    "wasi:sockets/udp.[method]udp-socket.set-unicast-hop-limit",
    "wasi:sockets/udp.[method]udp-socket.start-bind",
    "wasi:sockets/udp.[method]udp-socket.stream",
    "wasi:sockets/udp.[method]udp-socket.subscribe",
    "wasi:sockets/udp.[method]udp-socket.unicast-hop-limit",
];
