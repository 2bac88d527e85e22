//! What every connection meets first: HTTP on the workers' threads, with the routes, until an upgrade takes its stream over.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, Protocol};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Service, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, Error, web};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use super::listener::Listener;
use super::pacing::{hold_answer, pace_request};
use super::requests::{RequestPlace, Requests};
use super::takeover::{Takeable, Taker, take_over};
use super::tls::Tls;
use super::upgrade::Upgrades;
use super::watched::Watched;
use crate::budget::ByteBudget;
use crate::http::{self, AppState};
use crate::socket::{Detach, SEND_BUFFER_BYTES, SocketContext};

/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client whose connection ends may take to read the answer, and to end it, too.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The address of whoever comes by a Unix socket: from this machine, and believed as a proxy if that is.
const UNIX_PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What is needed to serve connections.
#[derive(Clone)]
pub(super) struct Connections {
    pub state: web::Data<AppState>,
    pub sockets: Arc<SocketContext>,
    pub requests: Requests,
    /// How long one may wait for its next request.
    pub keep_alive: Duration,
    /// How long one may take nothing of its answer.
    pub stall_timeout: Duration,
    /// What large answers may hold together.
    pub answers: Arc<ByteBudget>,
}

/// Of an address that has too many connections, without an answer: that would need reading.
fn refused() -> DispatchError {
    DispatchError::Io(io::Error::other("too many connections from this address"))
}

impl Connections {
    /// Starts the workers; `tls` stands in front of an address.
    pub fn serve(self, listener: Listener, tls: Option<Tls>, workers: usize) -> io::Result<actix_server::ServerHandle> {
        let each_max = (self.requests.max() / workers).max(1);
        let server =
            actix_server::Server::build().workers(workers).max_concurrent_connections(each_max).disable_signals();
        let server = match (listener, tls) {
            (Listener::Tcp(listener), Some(tls)) => server.listen("tutti", listener, move || {
                let (tls, connections) = (tls.clone(), self.clone());
                let accept = move |stream: TcpStream| {
                    let (tls, connections) = (tls.clone(), connections.clone());
                    async move {
                        let peer = stream.peer_addr().ok();
                        let place = connections.enter(peer)?;
                        // Fails on a connection that has just died; reading will tell.
                        let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
                        let stream = tls.accept(stream, HEAD_TIMEOUT).await?;
                        Ok((connections.watch(stream, place), Protocol::Http1, peer))
                    }
                };
                fn_service(accept).and_then(self.http())
            })?,
            (Listener::Tcp(listener), None) => server.listen("tutti", listener, move || {
                let connections = self.clone();
                let accept = move |stream: TcpStream| {
                    let peer = stream.peer_addr().ok();
                    // Both fail on a connection that has just died; reading will tell.
                    let _ = stream.set_nodelay(true);
                    let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES);
                    let place = connections.enter(peer);
                    std::future::ready(place.map(|place| (connections.watch(stream, place), Protocol::Http1, peer)))
                };
                fn_service(accept).and_then(self.http())
            })?,
            (Listener::Unix(listener), _) => server.listen_uds("tutti", listener, move || {
                let connections = self.clone();
                let accept = move |stream: UnixStream| {
                    // Whoever else is on this machine comes by the same file.
                    let place = connections.enter(None);
                    let peer = Some(UNIX_PEER);
                    std::future::ready(place.map(|place| (connections.watch(stream, place), Protocol::Http1, peer)))
                };
                fn_service(accept).and_then(self.http())
            })?,
        };
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(handle)
    }

    fn enter(&self, peer: Option<SocketAddr>) -> Result<RequestPlace, DispatchError> {
        self.requests.enter(peer.map(|peer| peer.ip())).ok_or_else(refused)
    }

    fn watch<C>(&self, stream: C, place: RequestPlace) -> Watched<C> {
        Watched::new(stream, place, HEAD_TIMEOUT, self.stall_timeout)
    }

    /// A worker's HTTP. It has the routes twice: for requests, and for upgrades before their stream is taken over.
    fn http<C: Detach>(
        &self,
    ) -> impl ServiceFactory<
        (Watched<C>, Protocol, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<C> {
        let Self { state, sockets, requests, keep_alive, answers, .. } = self.clone();
        let (for_routes, for_streams) = (state.clone(), sockets.clone());
        let routes = App::new()
            .wrap_fn(move |request, routes| {
                let (answer, answers) = (routes.call(request), answers.clone());
                async move { Ok(hold_answer(answer.await?, &answers)) }
            })
            .wrap(Compress::default())
            .wrap_fn(move |request, routes| end_if_crowded(requests.clone(), routes.call(request)))
            .wrap(from_fn(http::check_body))
            .wrap(from_fn(http::check_host))
            .wrap(from_fn(pace_request))
            .wrap(http::headers())
            .wrap_fn(move |request, routes| {
                let taker = Taker::<Watched<C>>::of(&request);
                take_over(for_streams.clone(), taker, routes.call(request))
            })
            .configure(move |config| http::routes(config, &for_routes));
        let http = HttpService::<Takeable<Watched<C>>, _, _>::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .keep_alive(keep_alive)
            .on_connect_ext(move |connection: &Takeable<Watched<C>>, extensions| {
                if let Some(watch) = connection.peek(Watched::watch) {
                    extensions.insert(watch.hung_up());
                    extensions.insert(watch);
                }
                connection.offer(extensions);
            })
            .upgrade(Upgrades::new(state, sockets))
            .finish(map_config(routes, |()| AppConfig::default()));
        fn_service(|(connection, protocol, peer)| async move { Ok((Takeable::new(connection), protocol, peer)) })
            .and_then(http)
    }
}

/// Ends the connection with its answer, if too many are open.
async fn end_if_crowded<B>(
    requests: Requests,
    answer: impl Future<Output = Result<ServiceResponse<B>, Error>>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answer = answer.await?;
    if requests.is_crowded() {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}
