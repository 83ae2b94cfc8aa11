//! `wasi:http`: requests can be built; whether they go out is decided elsewhere.
//!
//! Types are Wasmtime's, with small bounds. `outgoing-handler.handle` is the one way out, and behind it stands the door of
//! [`crate::egress`]; without a grant it answers with the interface's own "request denied", and the attempt is noted.
//! Requests never come in: a tool is called, not served.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types};
use wasmtime_wasi_http::p2::{HeaderError, HeaderResult, HttpError, HttpResult};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use super::crossing::crossing;
use super::{CallState, Inner};

/// The most that one header collection may hold, counted as Wasmtime counts: contents plus what its table needs.
const MAX_FIELDS: usize = 32 * 1024;

/// What a future of `wasi:http` holds: nothing yet, nothing any more, or how the request ended.
type Polled<T> = Option<Result<Result<T, types::ErrorCode>, ()>>;

crossing! { impl types::HostFields, "wasi:http/types", |state| &mut state.http();
    fn new() -> wasmtime::Result<Resource<types::Fields>> = "[constructor]fields";
    fn from_list(entries: Vec<(String, Vec<u8>)>) -> HeaderResult<Resource<types::Fields>> = "[static]fields.from-list";
    fn get(fields: Resource<types::Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> = "[method]fields.get";
    fn has(fields: Resource<types::Fields>, name: String) -> wasmtime::Result<bool> = "[method]fields.has";
    fn set(fields: Resource<types::Fields>, name: String, value: Vec<Vec<u8>>) -> HeaderResult<()>
        = "[method]fields.set";
    fn delete(fields: Resource<types::Fields>, name: String) -> HeaderResult<()> = "[method]fields.delete";
    fn append(fields: Resource<types::Fields>, name: String, value: Vec<u8>) -> HeaderResult<()>
        = "[method]fields.append";
    fn entries(fields: Resource<types::Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> = "[method]fields.entries";
    fn clone(fields: Resource<types::Fields>) -> wasmtime::Result<Resource<types::Fields>> = "[method]fields.clone";
    drop(Resource<types::Fields>);
}

crossing! { impl types::HostIncomingRequest, "wasi:http/types", |state| &mut state.http();
    fn method(request: Resource<types::IncomingRequest>) -> wasmtime::Result<types::Method>
        = "[method]incoming-request.method";
    fn path_with_query(request: Resource<types::IncomingRequest>) -> wasmtime::Result<Option<String>>
        = "[method]incoming-request.path-with-query";
    fn scheme(request: Resource<types::IncomingRequest>) -> wasmtime::Result<Option<types::Scheme>>
        = "[method]incoming-request.scheme";
    fn authority(request: Resource<types::IncomingRequest>) -> wasmtime::Result<Option<String>>
        = "[method]incoming-request.authority";
    fn headers(request: Resource<types::IncomingRequest>) -> wasmtime::Result<Resource<types::Fields>>
        = "[method]incoming-request.headers";
    fn consume(request: Resource<types::IncomingRequest>) -> wasmtime::Result<Result<Resource<types::IncomingBody>, ()>>
        = "[method]incoming-request.consume";
    drop(Resource<types::IncomingRequest>);
}

crossing! { impl types::HostOutgoingRequest, "wasi:http/types", |state| &mut state.http();
    fn new(headers: Resource<types::Fields>) -> wasmtime::Result<Resource<types::OutgoingRequest>>
        = "[constructor]outgoing-request";
    fn body(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<Result<Resource<types::OutgoingBody>, ()>>
        = "[method]outgoing-request.body";
    fn method(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<types::Method>
        = "[method]outgoing-request.method";
    fn set_method(request: Resource<types::OutgoingRequest>, method: types::Method) -> wasmtime::Result<Result<(), ()>>
        = "[method]outgoing-request.set-method";
    fn path_with_query(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<Option<String>>
        = "[method]outgoing-request.path-with-query";
    fn set_path_with_query(
        request: Resource<types::OutgoingRequest>, path_with_query: Option<String>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]outgoing-request.set-path-with-query";
    fn scheme(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<Option<types::Scheme>>
        = "[method]outgoing-request.scheme";
    fn set_scheme(
        request: Resource<types::OutgoingRequest>, scheme: Option<types::Scheme>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]outgoing-request.set-scheme";
    fn authority(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<Option<String>>
        = "[method]outgoing-request.authority";
    fn set_authority(
        request: Resource<types::OutgoingRequest>, authority: Option<String>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]outgoing-request.set-authority";
    fn headers(request: Resource<types::OutgoingRequest>) -> wasmtime::Result<Resource<types::Fields>>
        = "[method]outgoing-request.headers";
    drop(Resource<types::OutgoingRequest>);
}

crossing! { impl types::HostRequestOptions, "wasi:http/types", |state| &mut state.http();
    fn new() -> wasmtime::Result<Resource<types::RequestOptions>> = "[constructor]request-options";
    fn connect_timeout(options: Resource<types::RequestOptions>) -> wasmtime::Result<Option<u64>>
        = "[method]request-options.connect-timeout";
    fn set_connect_timeout(
        options: Resource<types::RequestOptions>, duration: Option<u64>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]request-options.set-connect-timeout";
    fn first_byte_timeout(options: Resource<types::RequestOptions>) -> wasmtime::Result<Option<u64>>
        = "[method]request-options.first-byte-timeout";
    fn set_first_byte_timeout(
        options: Resource<types::RequestOptions>, duration: Option<u64>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]request-options.set-first-byte-timeout";
    fn between_bytes_timeout(options: Resource<types::RequestOptions>) -> wasmtime::Result<Option<u64>>
        = "[method]request-options.between-bytes-timeout";
    fn set_between_bytes_timeout(
        options: Resource<types::RequestOptions>, duration: Option<u64>
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]request-options.set-between-bytes-timeout";
    drop(Resource<types::RequestOptions>);
}

crossing! { impl types::HostResponseOutparam, "wasi:http/types", |state| &mut state.http();
    fn send_informational(
        outparam: Resource<types::ResponseOutparam>, status: u16, headers: Resource<types::Fields>
    ) -> HttpResult<()>
        = "[method]response-outparam.send-informational";
    fn set(
        param: Resource<types::ResponseOutparam>, response: Result<Resource<types::OutgoingResponse>, types::ErrorCode>
    ) -> wasmtime::Result<()>
        = "[static]response-outparam.set";
    drop(Resource<types::ResponseOutparam>);
}

crossing! { impl types::HostIncomingResponse, "wasi:http/types", |state| &mut state.http();
    fn status(response: Resource<types::IncomingResponse>) -> wasmtime::Result<u16>
        = "[method]incoming-response.status";
    fn headers(response: Resource<types::IncomingResponse>) -> wasmtime::Result<Resource<types::Fields>>
        = "[method]incoming-response.headers";
    fn consume(
        response: Resource<types::IncomingResponse>
    ) -> wasmtime::Result<Result<Resource<types::IncomingBody>, ()>>
        = "[method]incoming-response.consume";
    drop(Resource<types::IncomingResponse>);
}

crossing! { impl types::HostIncomingBody, "wasi:http/types", |state| &mut state.http();
    fn stream(body: Resource<types::IncomingBody>) -> wasmtime::Result<Result<Resource<DynInputStream>, ()>>
        = "[method]incoming-body.stream";
    fn finish(this: Resource<types::IncomingBody>) -> wasmtime::Result<Resource<types::FutureTrailers>>
        = "[static]incoming-body.finish";
    drop(Resource<types::IncomingBody>);
}

crossing! { impl types::HostFutureTrailers, "wasi:http/types", |state| &mut state.http();
    fn subscribe(future: Resource<types::FutureTrailers>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]future-trailers.subscribe";
    fn get(future: Resource<types::FutureTrailers>) -> wasmtime::Result<Polled<Option<Resource<types::Fields>>>>
        = "[method]future-trailers.get";
    drop(Resource<types::FutureTrailers>);
}

crossing! { impl types::HostOutgoingResponse, "wasi:http/types", |state| &mut state.http();
    fn new(headers: Resource<types::Fields>) -> wasmtime::Result<Resource<types::OutgoingResponse>>
        = "[constructor]outgoing-response";
    fn status_code(response: Resource<types::OutgoingResponse>) -> wasmtime::Result<u16>
        = "[method]outgoing-response.status-code";
    fn set_status_code(
        response: Resource<types::OutgoingResponse>, status_code: u16
    ) -> wasmtime::Result<Result<(), ()>>
        = "[method]outgoing-response.set-status-code";
    fn headers(response: Resource<types::OutgoingResponse>) -> wasmtime::Result<Resource<types::Fields>>
        = "[method]outgoing-response.headers";
    fn body(response: Resource<types::OutgoingResponse>) -> wasmtime::Result<Result<Resource<types::OutgoingBody>, ()>>
        = "[method]outgoing-response.body";
    drop(Resource<types::OutgoingResponse>);
}

crossing! { impl types::HostOutgoingBody, "wasi:http/types", |state| &mut state.http();
    fn write(body: Resource<types::OutgoingBody>) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>>
        = "[method]outgoing-body.write";
    fn finish(this: Resource<types::OutgoingBody>, trailers: Option<Resource<types::Fields>>) -> HttpResult<()>
        = "[static]outgoing-body.finish";
    drop(Resource<types::OutgoingBody>);
}

crossing! { impl types::HostFutureIncomingResponse, "wasi:http/types", |state| &mut state.http();
    fn subscribe(future: Resource<types::FutureIncomingResponse>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]future-incoming-response.subscribe";
    fn get(
        future: Resource<types::FutureIncomingResponse>
    ) -> wasmtime::Result<Polled<Resource<types::IncomingResponse>>>
        = "[method]future-incoming-response.get";
    drop(Resource<types::FutureIncomingResponse>);
}

crossing! { impl types::Host, "wasi:http/types", |state| &mut state.http();
    fn http_error_code(error: Resource<IoError>) -> wasmtime::Result<Option<types::ErrorCode>> = "http-error-code";
    convert convert_error_code(HttpError) -> wasmtime::Result<types::ErrorCode>;
    convert convert_header_error(HeaderError) -> wasmtime::Result<types::HeaderError>;
}

crossing! { impl outgoing_handler::Host, "wasi:http/outgoing-handler", |state| &mut Inner(state);
    fn handle(
        request: Resource<types::OutgoingRequest>, options: Option<Resource<types::RequestOptions>>
    ) -> HttpResult<Resource<types::FutureIncomingResponse>>
        = "handle";
}

/// Why no request goes out, for the receipt.
const NO_EGRESS: &str = "the call may send no requests: the manifest must request `network` and a rule allow it; `toolcell policy explain` says which is missing";

impl outgoing_handler::Host for Inner<'_> {
    fn handle(
        &mut self,
        request: Resource<types::OutgoingRequest>,
        options: Option<Resource<types::RequestOptions>>,
    ) -> HttpResult<Resource<types::FutureIncomingResponse>> {
        if self.0.egress.is_open() {
            return self.0.http().handle(request, options);
        }
        self.0.table.delete(request)?;
        if let Some(options) = options {
            self.0.table.delete(options)?;
        }
        self.0.deny(NO_EGRESS);
        Err(types::ErrorCode::HttpRequestDenied.into())
    }
}

/// The settings of `wasi:http`.
pub(super) fn context() -> WasiHttpCtx {
    let mut context = WasiHttpCtx::new();
    context.set_field_size_limit(MAX_FIELDS);
    context
}

impl CallState {
    pub(super) fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.egress, table: &mut self.table, ctx: &mut self.http }
    }
}
