//! Takes a connection's stream over from actix-web, once its upgrade is decided. The request went through the same routes as any
//! other; if their answer is a 101 with an [`Opening`], its head is the first thing that the socket writes, and the HTTP
//! dispatcher and its buffers are gone. Any other answer is written as a normal response.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::{Encoder, Framed};
use actix_http::body::{BodySize, MessageBody};
use actix_http::h1::{Codec, Message};
use actix_http::{Request, Response};
use actix_service::boxed::{BoxService, service};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

use crate::http::{self, AppState};
use crate::socket::{Detach, Detached, Opening, Socket, SocketContext, Stream};

/// How long a refused client may take to read its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes each worker's service for upgrades.
pub struct Upgrades {
    state: web::Data<AppState>,
    sockets: Arc<SocketContext>,
}

impl Upgrades {
    /// Upgrades decided by the routes over `state`, to sockets over `sockets`.
    pub fn new(state: web::Data<AppState>, sockets: Arc<SocketContext>) -> Self {
        Self { state, sockets }
    }
}

type Handshake<C> = (Request, Framed<C, Codec>);
type LocalFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

impl<C: Detach> ServiceFactory<Handshake<C>> for Upgrades {
    type Response = ();
    type Error = Error;
    type Config = ();
    type Service = Upgrade;
    type InitError = ();
    type Future = LocalFuture<Upgrade, ()>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (state, sockets) = (self.state.clone(), self.sockets.clone());
        let routes = App::new()
            .wrap(from_fn(http::check_host))
            .wrap(http::headers())
            .configure(move |config| http::routes(config, &state));
        let routes = map_config(routes, |()| AppConfig::default()).map_init_err(drop);
        let routes = actix_service::IntoServiceFactory::<_, Request>::into_factory(routes).new_service(());
        Box::pin(async move { Ok(Upgrade { routes: Rc::new(service(routes.await?)), sockets }) })
    }
}

/// A worker's service for upgrades.
pub struct Upgrade {
    routes: Rc<BoxService<Request, ServiceResponse, Error>>,
    sockets: Arc<SocketContext>,
}

impl<C: Detach> Service<Handshake<C>> for Upgrade {
    type Response = ();
    type Error = Error;
    type Future = LocalFuture<(), Error>;

    actix_service::always_ready!();

    fn call(&self, (request, framed): Handshake<C>) -> Self::Future {
        let (routes, sockets) = (self.routes.clone(), self.sockets.clone());
        Box::pin(async move {
            let mut response = match routes.call(request).await {
                Ok(response) => Response::from(response.into_parts().1),
                Err(error) => Response::from(error.error_response()),
            };
            let opening = response.extensions_mut().remove::<Opening>();
            let (response, body) = response.into_parts();
            let mut parts = framed.into_parts();
            // Answers to what was asked before, and was not sent yet.
            let mut out = std::mem::take(&mut parts.write_buf);
            match opening {
                Some(opening) => {
                    parts.codec.encode(Message::Item((response, BodySize::None)), &mut out)?;
                    // A copy: the dispatcher's buffer has 8 KiB, and the socket would keep it.
                    let early = Bytes::copy_from_slice(&parts.read_buf);
                    let (out, detached) = (out.freeze(), parts.io.detach()?);
                    start(detached, out, early, opening, sockets);
                    Ok(())
                }
                None => {
                    let answer = answer(out, response, body, parts.codec, parts.io);
                    // Whoever does not take the answer in time, or is gone, has missed it.
                    let _ = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
                    Ok(())
                }
            }
        })
    }
}

/// Starts the socket of a connection on its thread.
pub(super) fn start(detached: Detached, head: Bytes, early: Bytes, opening: Opening, sockets: Arc<SocketContext>) {
    opening.thread(&sockets.directory).spawn_fn(move || match Stream::adopt(detached) {
        Ok(stream) => Socket::start_on(stream, head, early, opening, sockets),
        Err(error) => tracing::warn!(%error, "a connection is lost"),
    });
}

/// Writes a response other than an upgrade behind what is to be sent before it, and ends the connection.
async fn answer(
    mut out: BytesMut,
    mut response: Response<()>,
    body: BoxBody,
    mut codec: Codec,
    mut io: impl Detach,
) -> io::Result<()> {
    let size = body.size();
    response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    codec.encode(Message::Item((response, size)), &mut out)?;
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        codec.encode(Message::Chunk(Some(chunk.map_err(|error| io::Error::other(error.to_string()))?)), &mut out)?;
    }
    codec.encode(Message::Chunk(None), &mut out)?;
    io.write_all(&out).await?;
    io.shutdown().await
}
