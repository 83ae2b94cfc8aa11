//! How many bytes a crossing value has, and how each error type of the bindings says "no".

use std::io;
use std::mem::size_of;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{timezone, wall_clock};
use wasmtime_wasi::p2::bindings::filesystem::types as filesystem;
use wasmtime_wasi::p2::bindings::sockets::{network, tcp, udp};
use wasmtime_wasi::p2::{FsError, SocketError, StreamError};
use wasmtime_wasi_http::p2::bindings::http::types as http;
use wasmtime_wasi_http::p2::{HeaderError, HttpError};

use super::crossing::{Crossed, Refusal};
use super::ends::Refused;
use super::offers::{kv, log, toolbox};

/// What the contents of a list or string cost beside themselves: a pointer and a length in the guest's memory. It
/// keeps a list of empty strings from being free.
const POINTER_AND_LENGTH: u64 = 8;

macro_rules! as_large_as_it_is {
    ($($ty:ty),* $(,)?) => {$(
        impl Crossed for $ty {
            fn weight(&self) -> u64 {
                size_of::<$ty>() as u64
            }

            fn weights(items: &[Self]) -> u64 {
                size_of::<$ty>() as u64 * items.len() as u64
            }
        }
    )*};
}
as_large_as_it_is! {
    (), bool, u8, u16, u32, u64, i32,
    wall_clock::Datetime,
    filesystem::Advice, filesystem::DescriptorFlags, filesystem::DescriptorStat, filesystem::DescriptorType,
    filesystem::ErrorCode, filesystem::MetadataHashValue, filesystem::NewTimestamp, filesystem::OpenFlags,
    filesystem::PathFlags,
    network::ErrorCode, network::IpAddress, network::IpAddressFamily, network::IpSocketAddress,
    tcp::ShutdownType,
    log::Level,
}

/// A handle is a number in the guest's memory.
impl<T: 'static> Crossed for Resource<T> {
    fn weight(&self) -> u64 {
        size_of::<u32>() as u64
    }

    fn weights(items: &[Self]) -> u64 {
        size_of::<u32>() as u64 * items.len() as u64
    }
}

impl Crossed for String {
    fn weight(&self) -> u64 {
        POINTER_AND_LENGTH + self.len() as u64
    }
}

impl<T: Crossed> Crossed for Vec<T> {
    fn weight(&self) -> u64 {
        POINTER_AND_LENGTH + T::weights(self)
    }
}

impl<T: Crossed> Crossed for Option<T> {
    fn weight(&self) -> u64 {
        1 + self.as_ref().map_or(0, T::weight)
    }
}

impl<T: Crossed, E: Crossed> Crossed for Result<T, E> {
    fn weight(&self) -> u64 {
        match self {
            Ok(value) => value.weight(),
            Err(error) => error.weight(),
        }
    }
}

impl<A: Crossed, B: Crossed> Crossed for (A, B) {
    fn weight(&self) -> u64 {
        self.0.weight() + self.1.weight()
    }
}

impl<A: Crossed, B: Crossed, C: Crossed> Crossed for (A, B, C) {
    fn weight(&self) -> u64 {
        self.0.weight() + self.1.weight() + self.2.weight()
    }
}

macro_rules! with_its_texts {
    ($($ty:ty, |$value:ident| $texts:expr;)*) => {$(
        impl Crossed for $ty {
            fn weight(&self) -> u64 {
                let $value = self;
                size_of::<$ty>() as u64 + $texts as u64
            }
        }
    )*};
}
with_its_texts! {
    timezone::TimezoneDisplay, |display| display.name.len();
    filesystem::DirectoryEntry, |entry| entry.name.len();
    udp::IncomingDatagram, |datagram| datagram.data.len();
    udp::OutgoingDatagram, |datagram| datagram.data.len();
    http::Method, |method| if let http::Method::Other(name) = method { name.len() } else { 0 };
    http::Scheme, |scheme| if let http::Scheme::Other(name) = scheme { name.len() } else { 0 };
    http::ErrorCode, |code| if let http::ErrorCode::InternalError(Some(text)) = code { text.len() } else { 0 };
    kv::Page, |page| page.keys.iter().map(String::len).sum::<usize>() + page.next.as_ref().map_or(0, String::len);
    kv::Error, |error| match error {
        kv::Error::NotGranted(text)
        | kv::Error::InvalidKey(text)
        | kv::Error::OverQuota(text)
        | kv::Error::Unavailable(text) => text.len(),
    };
    toolbox::Error, |error| match error {
        toolbox::Error::NotGranted(text) => text.len(),
        toolbox::Error::Ended(ended) => ended.kind.len() + ended.message.len(),
        toolbox::Error::Failed(_) => 0,
    };
}

/// Errors of the bindings. What they carry for the guest is a case or two; a trap carries nothing to the guest.
macro_rules! errors {
    ($($ty:ty, trap $trap:expr, refuse $refuse:expr;)*) => {$(
        impl Crossed for $ty {
            fn weight(&self) -> u64 {
                1
            }
        }

        impl Refusal for $ty {
            fn trap(error: wasmtime::Error) -> Self {
                $trap(error)
            }

            fn refuse(refused: Refused) -> Self {
                $refuse(refused)
            }
        }
    )*};
}
errors! {
    wasmtime::Error, trap std::convert::identity, refuse wasmtime::Error::from;
    StreamError, trap StreamError::Trap, refuse |_| StreamError::LastOperationFailed(not_permitted().into());
    FsError, trap FsError::trap, refuse |_| filesystem::ErrorCode::NotPermitted.into();
    SocketError, trap SocketError::trap, refuse |_| network::ErrorCode::AccessDenied.into();
    HttpError, trap HttpError::trap, refuse |_| http::ErrorCode::HttpRequestDenied.into();
    HeaderError, trap HeaderError::trap, refuse |_| http::HeaderError::Forbidden.into();
}

fn not_permitted() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}
