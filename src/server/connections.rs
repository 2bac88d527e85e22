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
use tokio::net::{TcpStream, UnixStream};

use super::listener::Listener;
use super::requests::Requests;
use super::takeover::{Takeable, Taker, take_over};
use super::tls::Tls;
use super::upgrade::Upgrades;
use crate::http::{self, AppState};
use crate::socket::{Detach, SocketContext};

/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
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
}

impl Connections {
    /// Starts the workers; `tls` stands in front of an address.
    pub fn serve(self, listener: Listener, tls: Option<Tls>, workers: usize) -> io::Result<actix_server::ServerHandle> {
        let each_max = (self.requests.max() / workers).max(1);
        let server =
            actix_server::Server::build().workers(workers).max_concurrent_connections(each_max).disable_signals();
        let server = match (listener, tls) {
            (Listener::Tcp(listener), Some(tls)) => server.listen("tutti", listener, move || {
                let tls = tls.clone();
                let accept = move |stream: TcpStream| {
                    let tls = tls.clone();
                    async move { tls.accept(stream, HEAD_TIMEOUT).await }
                };
                fn_service(accept).and_then(self.http())
            })?,
            (Listener::Tcp(listener), None) => {
                let accept = |stream: TcpStream| async move {
                    let peer = stream.peer_addr().ok();
                    // Fails on a connection that has just died; reading will tell.
                    let _ = stream.set_nodelay(true);
                    Ok((stream, Protocol::Http1, peer))
                };
                server.listen("tutti", listener, move || fn_service(accept).and_then(self.http()))?
            }
            (Listener::Unix(listener), _) => {
                let accept = |stream: UnixStream| async { Ok((stream, Protocol::Http1, Some(UNIX_PEER))) };
                server.listen_uds("tutti", listener, move || fn_service(accept).and_then(self.http()))?
            }
        };
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(handle)
    }

    /// A worker's HTTP. It has the routes twice: for requests, and for upgrades before their stream is taken over.
    fn http<C: Detach>(
        &self,
    ) -> impl ServiceFactory<
        (C, Protocol, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<C> {
        let Self { state, sockets, requests, keep_alive } = self.clone();
        let (for_routes, for_answers, for_streams) = (state.clone(), requests.clone(), sockets.clone());
        let routes = App::new()
            .wrap(Compress::default())
            .wrap_fn(move |request, routes| end_if_crowded(for_answers.clone(), routes.call(request)))
            .wrap(from_fn(http::check_host))
            .wrap(http::headers())
            .wrap_fn(move |request, routes| {
                let taker = Taker::<C>::of(&request);
                take_over(for_streams.clone(), taker, routes.call(request))
            })
            .configure(move |config| http::routes(config, &for_routes));
        let http = HttpService::<Takeable<C>, _, _>::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .keep_alive(keep_alive)
            .on_connect_ext(move |connection, extensions| {
                extensions.insert(requests.enter());
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
