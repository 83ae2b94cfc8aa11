//! `wasi:sockets`: linked, because toolchains import it, and closed.
//!
//! There is no socket in any call, so the functions of sockets have nothing behind them; Wasmtime's own sockets are
//! not reachable from here at all. What would make one answers with the interface's own "access denied", and the
//! attempt is noted.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::bindings::sockets::tcp::{self, ShutdownType};
use wasmtime_wasi::p2::bindings::sockets::udp::{
    self, IncomingDatagram, IncomingDatagramStream, OutgoingDatagram, OutgoingDatagramStream,
};
use wasmtime_wasi::p2::bindings::sockets::{instance_network, network, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, DynPollable, IoError, Network, SocketError, SocketResult, TcpSocket, UdpSocket,
};

use super::Inner;
use super::crossing::{Door, crossing};

crossing! { impl network::HostNetwork, "wasi:sockets/network", |state| &mut Inner(state);
    drop(Resource<Network>);
}

crossing! { impl network::Host, "wasi:sockets/network", |state| &mut Inner(state);
    fn network_error_code(error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> = "network-error-code";
    convert convert_error_code(SocketError) -> wasmtime::Result<ErrorCode>;
}

crossing! { impl instance_network::Host, "wasi:sockets/instance-network", |state| &mut Inner(state);
    fn instance_network() -> wasmtime::Result<Resource<Network>> = "instance-network";
}

crossing! { impl tcp_create_socket::Host, "wasi:sockets/tcp-create-socket", |state| &mut Inner(state);
    fn create_tcp_socket(address_family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> = "create-tcp-socket";
}

crossing! { impl udp_create_socket::Host, "wasi:sockets/udp-create-socket", |state| &mut Inner(state);
    async fn create_udp_socket(address_family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>>
        = "create-udp-socket";
}

crossing! { impl ip_name_lookup::Host, "wasi:sockets/ip-name-lookup", |state| &mut Inner(state);
    fn resolve_addresses(network: Resource<Network>, name: String) -> SocketResult<Resource<ResolveAddressStream>>
        = "resolve-addresses";
}

crossing! { impl ip_name_lookup::HostResolveAddressStream, "wasi:sockets/ip-name-lookup", |state| &mut Inner(state);
    fn resolve_next_address(stream: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>>
        = "[method]resolve-address-stream.resolve-next-address";
    fn subscribe(stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]resolve-address-stream.subscribe";
    drop(Resource<ResolveAddressStream>);
}

crossing! { impl tcp::HostTcpSocket, "wasi:sockets/tcp", nothing;
    async fn start_bind(
        socket: Resource<TcpSocket>, network: Resource<Network>, local_address: IpSocketAddress
    ) -> SocketResult<()>
        = "[method]tcp-socket.start-bind";
    fn finish_bind(socket: Resource<TcpSocket>) -> SocketResult<()> = "[method]tcp-socket.finish-bind";
    fn start_connect(
        socket: Resource<TcpSocket>, network: Resource<Network>, remote_address: IpSocketAddress
    ) -> SocketResult<()>
        = "[method]tcp-socket.start-connect";
    fn finish_connect(
        socket: Resource<TcpSocket>
    ) -> SocketResult<(Resource<DynInputStream>, Resource<DynOutputStream>)>
        = "[method]tcp-socket.finish-connect";
    async fn start_listen(socket: Resource<TcpSocket>) -> SocketResult<()> = "[method]tcp-socket.start-listen";
    fn finish_listen(socket: Resource<TcpSocket>) -> SocketResult<()> = "[method]tcp-socket.finish-listen";
    fn accept(
        socket: Resource<TcpSocket>
    ) -> SocketResult<(Resource<TcpSocket>, Resource<DynInputStream>, Resource<DynOutputStream>)>
        = "[method]tcp-socket.accept";
    fn local_address(socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress> = "[method]tcp-socket.local-address";
    fn remote_address(socket: Resource<TcpSocket>) -> SocketResult<IpSocketAddress>
        = "[method]tcp-socket.remote-address";
    fn is_listening(socket: Resource<TcpSocket>) -> wasmtime::Result<bool> = "[method]tcp-socket.is-listening";
    fn address_family(socket: Resource<TcpSocket>) -> wasmtime::Result<IpAddressFamily>
        = "[method]tcp-socket.address-family";
    fn set_listen_backlog_size(socket: Resource<TcpSocket>, value: u64) -> SocketResult<()>
        = "[method]tcp-socket.set-listen-backlog-size";
    fn keep_alive_enabled(socket: Resource<TcpSocket>) -> SocketResult<bool> = "[method]tcp-socket.keep-alive-enabled";
    fn set_keep_alive_enabled(socket: Resource<TcpSocket>, value: bool) -> SocketResult<()>
        = "[method]tcp-socket.set-keep-alive-enabled";
    fn keep_alive_idle_time(socket: Resource<TcpSocket>) -> SocketResult<u64>
        = "[method]tcp-socket.keep-alive-idle-time";
    fn set_keep_alive_idle_time(socket: Resource<TcpSocket>, value: u64) -> SocketResult<()>
        = "[method]tcp-socket.set-keep-alive-idle-time";
    fn keep_alive_interval(socket: Resource<TcpSocket>) -> SocketResult<u64> = "[method]tcp-socket.keep-alive-interval";
    fn set_keep_alive_interval(socket: Resource<TcpSocket>, value: u64) -> SocketResult<()>
        = "[method]tcp-socket.set-keep-alive-interval";
    fn keep_alive_count(socket: Resource<TcpSocket>) -> SocketResult<u32> = "[method]tcp-socket.keep-alive-count";
    fn set_keep_alive_count(socket: Resource<TcpSocket>, value: u32) -> SocketResult<()>
        = "[method]tcp-socket.set-keep-alive-count";
    fn hop_limit(socket: Resource<TcpSocket>) -> SocketResult<u8> = "[method]tcp-socket.hop-limit";
    fn set_hop_limit(socket: Resource<TcpSocket>, value: u8) -> SocketResult<()> = "[method]tcp-socket.set-hop-limit";
    fn receive_buffer_size(socket: Resource<TcpSocket>) -> SocketResult<u64> = "[method]tcp-socket.receive-buffer-size";
    fn set_receive_buffer_size(socket: Resource<TcpSocket>, value: u64) -> SocketResult<()>
        = "[method]tcp-socket.set-receive-buffer-size";
    fn send_buffer_size(socket: Resource<TcpSocket>) -> SocketResult<u64> = "[method]tcp-socket.send-buffer-size";
    fn set_send_buffer_size(socket: Resource<TcpSocket>, value: u64) -> SocketResult<()>
        = "[method]tcp-socket.set-send-buffer-size";
    fn subscribe(socket: Resource<TcpSocket>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]tcp-socket.subscribe";
    fn shutdown(socket: Resource<TcpSocket>, shutdown_type: ShutdownType) -> SocketResult<()>
        = "[method]tcp-socket.shutdown";
    drop(Resource<TcpSocket>);
}

crossing! { impl udp::HostUdpSocket, "wasi:sockets/udp", nothing;
    async fn start_bind(
        socket: Resource<UdpSocket>, network: Resource<Network>, local_address: IpSocketAddress
    ) -> SocketResult<()>
        = "[method]udp-socket.start-bind";
    fn finish_bind(socket: Resource<UdpSocket>) -> SocketResult<()> = "[method]udp-socket.finish-bind";
    async fn stream(
        socket: Resource<UdpSocket>, remote_address: Option<IpSocketAddress>
    ) -> SocketResult<(Resource<IncomingDatagramStream>, Resource<OutgoingDatagramStream>)>
        = "[method]udp-socket.stream";
    fn local_address(socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress> = "[method]udp-socket.local-address";
    fn remote_address(socket: Resource<UdpSocket>) -> SocketResult<IpSocketAddress>
        = "[method]udp-socket.remote-address";
    fn address_family(socket: Resource<UdpSocket>) -> wasmtime::Result<IpAddressFamily>
        = "[method]udp-socket.address-family";
    fn unicast_hop_limit(socket: Resource<UdpSocket>) -> SocketResult<u8> = "[method]udp-socket.unicast-hop-limit";
    fn set_unicast_hop_limit(socket: Resource<UdpSocket>, value: u8) -> SocketResult<()>
        = "[method]udp-socket.set-unicast-hop-limit";
    fn receive_buffer_size(socket: Resource<UdpSocket>) -> SocketResult<u64> = "[method]udp-socket.receive-buffer-size";
    fn set_receive_buffer_size(socket: Resource<UdpSocket>, value: u64) -> SocketResult<()>
        = "[method]udp-socket.set-receive-buffer-size";
    fn send_buffer_size(socket: Resource<UdpSocket>) -> SocketResult<u64> = "[method]udp-socket.send-buffer-size";
    fn set_send_buffer_size(socket: Resource<UdpSocket>, value: u64) -> SocketResult<()>
        = "[method]udp-socket.set-send-buffer-size";
    fn subscribe(socket: Resource<UdpSocket>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]udp-socket.subscribe";
    drop(Resource<UdpSocket>);
}

crossing! { impl udp::HostIncomingDatagramStream, "wasi:sockets/udp", nothing;
    fn receive(stream: Resource<IncomingDatagramStream>, max_results: u64) -> SocketResult<Vec<IncomingDatagram>>
        = "[method]incoming-datagram-stream.receive";
    fn subscribe(stream: Resource<IncomingDatagramStream>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]incoming-datagram-stream.subscribe";
    drop(Resource<IncomingDatagramStream>);
}

crossing! { impl udp::HostOutgoingDatagramStream, "wasi:sockets/udp", nothing;
    fn check_send(stream: Resource<OutgoingDatagramStream>) -> SocketResult<u64>
        = "[method]outgoing-datagram-stream.check-send";
    fn send(stream: Resource<OutgoingDatagramStream>, datagrams: Vec<OutgoingDatagram>) -> SocketResult<u64>
        = "[method]outgoing-datagram-stream.send";
    fn subscribe(stream: Resource<OutgoingDatagramStream>) -> wasmtime::Result<Resource<DynPollable>>
        = "[method]outgoing-datagram-stream.subscribe";
    async drop(Resource<OutgoingDatagramStream>);
}

impl tcp::Host for Door<'_> {}
impl udp::Host for Door<'_> {}

/// Why nothing here is allowed, for the receipt.
const NO_SOCKETS: &str = "tools have no sockets, and no policy grants them; outgoing HTTP goes through wasi:http";

/// What stands for the network where a function wants to be given one. It can do nothing.
struct NoNetwork;

impl network::Host for Inner<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    /// No stream of this host comes from a socket.
    fn network_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        self.0.table.get(&error)?;
        Ok(None)
    }
}

impl network::HostNetwork for Inner<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.0.table.delete(Resource::<NoNetwork>::new_own(network.rep()))?;
        Ok(())
    }
}

impl instance_network::Host for Inner<'_> {
    fn instance_network(&mut self) -> wasmtime::Result<Resource<Network>> {
        Ok(Resource::new_own(self.0.table.push(NoNetwork)?.rep()))
    }
}

impl tcp_create_socket::Host for Inner<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.0.deny(NO_SOCKETS);
        Err(ErrorCode::AccessDenied.into())
    }
}

impl udp_create_socket::Host for Inner<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.0.deny(NO_SOCKETS);
        Err(ErrorCode::AccessDenied.into())
    }
}

impl ip_name_lookup::Host for Inner<'_> {
    fn resolve_addresses(&mut self, _: Resource<Network>, _: String) -> SocketResult<Resource<ResolveAddressStream>> {
        self.0.deny(NO_SOCKETS);
        Err(ErrorCode::AccessDenied.into())
    }
}

// The generated trait asks for the stream's functions on the same type; no call can own such a stream.
impl ip_name_lookup::HostResolveAddressStream for Inner<'_> {
    fn resolve_next_address(&mut self, _: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        Err(ErrorCode::InvalidState.into())
    }

    fn subscribe(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Err(wasmtime::component::ResourceTableError::NotPresent.into())
    }

    fn drop(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        Ok(())
    }
}
