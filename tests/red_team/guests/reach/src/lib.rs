//! A guest that reaches for the network, for secrets, for its store and for other tools. Nothing here is a mock: every
//! function really tries, with the bare interfaces.

use std::hint::black_box;

wit_bindgen::generate!({
    path: [
        "../../../../wit/tool",
        "../../../../wit/host",
        "../../../../wit/deps/random.wit",
        "../../../../wit/deps/io.wit",
        "../../../../wit/deps/clocks.wit",
        "../../../../wit/deps/filesystem.wit",
        "../../../../wit/deps/sockets.wit",
        "../../../../wit/deps/cli.wit",
        "../../../../wit/deps/http.wit",
        "wit",
    ],
    world: "toolcell:reach/reach",
    generate_all,
});

use exports::toolcell::reach::attacks::{Field, Guest, Request, Response};
use toolcell::host::{kv, log, secrets, toolbox};
use wasi::http::outgoing_handler::handle;
use wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasi::io::streams::StreamError;

struct Reach;
export!(Reach);

/// What one read or write takes at most.
const CHUNK: usize = 32 * 1024;

impl Guest for Reach {
    fn send(request: Request) -> Result<Response, String> {
        let body = request.body.clone().unwrap_or_default();
        read(begin(&request, &mut std::iter::once(body.as_bytes()))?)
    }

    fn flood(request: Request) -> Result<u32, String> {
        let mut sent = 0;
        loop {
            let body = request.body.clone().unwrap_or_default();
            match begin(&request, &mut std::iter::once(body.as_bytes())) {
                Ok(response) => black_box(response.status()),
                Err(error) => return if sent == 0 { Err(error) } else { Ok(sent) },
            };
            sent += 1;
        }
    }

    fn upload(request: Request, mebibytes: u32) -> Result<u16, String> {
        let block = vec![b'x'; 1 << 20];
        let mut blocks = (0..mebibytes).map(|_| block.as_slice());
        Ok(begin(&request, &mut blocks)?.status())
    }

    fn send_and_trap(request: Request) {
        let response = Self::send(request);
        black_box(&response);
        panic!("the end, with {} bytes", response.map_or(0, |response| response.body.len()));
    }

    fn search_memory(request: Request, masked: Vec<Vec<u8>>, mask: u8) -> (u64, Vec<u32>) {
        let response = Self::send(request);
        let found = search(&masked, mask);
        // It lives until here, so what came back is in memory while that is searched.
        black_box(&response);
        found
    }

    fn secret(name: String) -> bool {
        secrets::exists(&name)
    }

    fn get(key: String) -> Result<Option<String>, String> {
        let value = kv::get(&key).map_err(|error| format!("{error:?}"))?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    fn set(key: String, bytes: u64, ttl_ms: Option<u64>) -> Result<(), String> {
        let value = vec![b'x'; usize::try_from(bytes).unwrap_or(usize::MAX)];
        kv::set(&key, &value, ttl_ms).map_err(|error| format!("{error:?}"))
    }

    fn flood_keys(bytes: u64) -> (u64, String) {
        let value = vec![b'x'; usize::try_from(bytes).unwrap_or(usize::MAX)];
        let mut set = 0_u64;
        loop {
            match kv::set(&format!("key-{set:08}"), &value, None) {
                Ok(()) => set += 1,
                Err(error) => return (set, format!("{error:?}")),
            }
        }
    }

    fn keys(prefix: String, page: u32) -> Result<Vec<String>, String> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = kv::list_keys(&prefix, cursor.as_deref(), page).map_err(|error| format!("{error:?}"))?;
            all.extend(page.keys);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(all),
            }
        }
    }

    fn forge_cursor(cursor: String) -> Result<Vec<String>, String> {
        kv::list_keys("", Some(&cursor), 1_000).map(|page| page.keys).map_err(|error| format!("{error:?}"))
    }

    fn call(tool: String, arguments: String) -> Result<String, String> {
        toolbox::call(&tool, &arguments).map_err(|error| format!("{error:?}"))
    }

    fn call_on(tool: String, arguments: String) -> (u32, String) {
        let mut worked = 0;
        loop {
            match toolbox::call(&tool, &arguments) {
                Ok(_) => worked += 1,
                Err(error) => return (worked, format!("{error:?}")),
            }
        }
    }

    fn burn(units: u64) -> u64 {
        (0..units / 4).fold(1, |n, step| black_box(n ^ step))
    }

    fn say(text: String) {
        log::write(log::Level::Info, &text);
        println!("{text}");
    }
}

/// How often each pattern is in linear memory. No byte of it is copied, and no pattern is ever unmasked.
fn search(masked: &[Vec<u8>], mask: u8) -> (u64, Vec<u32>) {
    let end = core::arch::wasm32::memory_size::<0>() * 65_536;
    // SAFETY: every address below the memory's size can be read, and nothing else runs while this does. The first byte is
    // left out: its address is the null pointer.
    let byte = |at: usize| unsafe { core::ptr::read_volatile(at as *const u8) };
    let mut begins = [false; 256];
    masked.iter().for_each(|pattern| begins[usize::from(pattern[0] ^ mask)] = true);
    let mut found = vec![0; masked.len()];
    for at in (1..end).filter(|at| begins[usize::from(byte(*at))]) {
        for (pattern, count) in masked.iter().zip(&mut found) {
            let fits = at + pattern.len() <= end;
            *count += u32::from(fits && pattern.iter().enumerate().all(|(n, masked)| byte(at + n) ^ mask == *masked));
        }
    }
    (end as u64, found)
}

/// Builds a request, sends it with a body of these blocks, and waits for the head of the response.
fn begin<'a>(request: &Request, blocks: &mut dyn Iterator<Item = &'a [u8]>) -> Result<IncomingResponse, String> {
    let fields = Fields::from_list(&listed(&request.fields)).map_err(|error| format!("fields: {error:?}"))?;
    let outgoing = OutgoingRequest::new(fields);
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| "method".to_owned())?;
    let scheme = request.scheme.as_deref().map(|scheme| match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    });
    outgoing.set_scheme(scheme.as_ref()).map_err(|()| "scheme".to_owned())?;
    outgoing.set_authority(request.authority.as_deref()).map_err(|()| "authority".to_owned())?;
    outgoing.set_path_with_query(request.target.as_deref()).map_err(|()| "target".to_owned())?;
    let body = outgoing.body().map_err(|()| "body".to_owned())?;
    let future = handle(outgoing, None).map_err(|error| format!("handle: {error:?}"))?;
    // A server may answer, or the host may refuse, before the body is through; what counts is the answer.
    let written = write(body, blocks, &request.trailers);
    let response = wait(&future).map_err(|error| format!("response: {error:?}"))?;
    written.map_err(|error| format!("body: {error}"))?;
    Ok(response)
}

fn write<'a>(body: OutgoingBody, blocks: &mut dyn Iterator<Item = &'a [u8]>, trailers: &[Field]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream".to_owned())?;
    for block in blocks {
        for chunk in block.chunks(CHUNK) {
            stream.blocking_write_and_flush_in_parts(chunk)?;
        }
    }
    drop(stream);
    let trailers = if trailers.is_empty() {
        None
    } else {
        Some(Fields::from_list(&listed(trailers)).map_err(|error| format!("trailers: {error:?}"))?)
    };
    OutgoingBody::finish(body, trailers).map_err(|error| format!("{error:?}"))
}

trait InParts {
    /// Writes all of it, as much at a time as the stream takes.
    fn blocking_write_and_flush_in_parts(&self, bytes: &[u8]) -> Result<(), String>;
}

impl InParts for wasi::io::streams::OutputStream {
    fn blocking_write_and_flush_in_parts(&self, bytes: &[u8]) -> Result<(), String> {
        for part in bytes.chunks(4_096) {
            self.blocking_write_and_flush(part).map_err(|error| match error {
                StreamError::Closed => "closed".to_owned(),
                StreamError::LastOperationFailed(error) => error.to_debug_string(),
            })?;
        }
        Ok(())
    }
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        if let Some(response) = future.get() {
            return response.expect("a response is taken once");
        }
        future.subscribe().block();
    }
}

/// Reads a response to its end.
fn read(response: IncomingResponse) -> Result<Response, String> {
    let (status, fields) = (response.status(), shown(&response.headers()));
    let body = response.consume().map_err(|()| "no body".to_owned())?;
    let stream = body.stream().map_err(|()| "no stream".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("reading: {}", error.to_debug_string()));
            }
        }
    }
    drop(stream);
    let future = IncomingBody::finish(body);
    let trailers = loop {
        if let Some(trailers) = future.get() {
            break trailers.expect("trailers are taken once").map_err(|error| format!("trailers: {error:?}"))?;
        }
        future.subscribe().block();
    };
    let trailers = trailers.map(|trailers| shown(&trailers)).unwrap_or_default();
    Ok(Response { status, fields, body: String::from_utf8_lossy(&bytes).into_owned(), trailers })
}

fn listed(fields: &[Field]) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|field| (field.name.clone(), field.value.clone().into_bytes())).collect()
}

fn shown(fields: &Fields) -> Vec<Field> {
    let shown = |(name, value): (String, Vec<u8>)| Field { name, value: String::from_utf8_lossy(&value).into_owned() };
    fields.entries().into_iter().map(shown).collect()
}
