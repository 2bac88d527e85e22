//! Takes a connection from actix-web in the middle of a plain request: what answers it from then on is a socket, as after an upgrade.
//! The HTTP dispatcher is left with a connection that takes everything and brings nothing, and so it ends.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_codec::Encoder;
use actix_http::body::BodySize;
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, Extensions, Response};
use actix_web::Error;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::upgrade::start;
use crate::socket::{Detach, Detached, Opening, SocketContext};

type Slot<C> = Rc<RefCell<Option<C>>>;

/// A connection that can be taken away.
pub(super) struct Takeable<C>(Slot<C>);

/// The way to a connection, for the requests that come by it.
pub(super) struct Taker<C>(Slot<C>);

impl<C: Detach> Taker<C> {
    /// Of the connection that a request came by.
    pub fn of(request: &ServiceRequest) -> Option<Self> {
        request.request().conn_data::<Self>().map(|Self(slot)| Self(slot.clone()))
    }
}

impl<C: Detach> Takeable<C> {
    /// The connection, as long as nobody takes it.
    pub fn new(connection: C) -> Self {
        Self(Rc::new(RefCell::new(Some(connection))))
    }

    /// Lets the connection's requests reach it.
    pub fn offer(&self, extensions: &mut Extensions) {
        extensions.insert(Taker(self.0.clone()));
    }

    /// What `look` finds of it. `None`: somebody has taken it.
    pub fn peek<R>(&self, look: impl FnOnce(&C) -> R) -> Option<R> {
        self.0.borrow().as_ref().map(look)
    }

    fn with<R>(&self, act: impl FnOnce(Pin<&mut C>) -> R) -> Option<R> {
        self.0.borrow_mut().as_mut().map(|connection| act(Pin::new(connection)))
    }
}

impl<C: Detach> AsyncRead for Takeable<C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|connection| connection.poll_read(cx, buf)).unwrap_or(Poll::Ready(Ok(())))
    }
}

impl<C: Detach> AsyncWrite for Takeable<C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|connection| connection.poll_write(cx, buf)).unwrap_or(Poll::Ready(Ok(buf.len())))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection| connection.poll_flush(cx)).unwrap_or(Poll::Ready(Ok(())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|connection| connection.poll_shutdown(cx)).unwrap_or(Poll::Ready(Ok(())))
    }
}

impl<C: Detach> Detach for Takeable<C> {
    fn detach(self) -> io::Result<Detached> {
        let connection = self.0.take().ok_or(io::ErrorKind::NotConnected)?;
        connection.detach()
    }
}

/// Gives the connection of a request whose answer has an [`Opening`] to a socket, which writes that answer's head first.
pub(super) async fn take_over<C: Detach, B>(
    sockets: Arc<SocketContext>,
    taker: Option<Taker<C>>,
    answer: impl Future<Output = Result<ServiceResponse<B>, Error>>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answer = answer.await?;
    let opening = answer.response_mut().extensions_mut().remove::<Opening>();
    let Some(opening) = opening else { return Ok(answer) };
    answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    // So that answers to what was asked before are sent, which the dispatcher has in a buffer of its own.
    tokio::task::yield_now().await;
    let connection = taker.and_then(|Taker(slot)| slot.take()).ok_or(io::Error::from(io::ErrorKind::NotConnected))?;
    let (head, detached) = (head(answer.response())?, connection.detach()?);
    start(detached, head, Bytes::new(), opening, sockets);
    Ok(answer)
}

/// The head of an answer whose body ends with its connection.
fn head<B>(answer: &actix_web::HttpResponse<B>) -> io::Result<Bytes> {
    let mut response = Response::new(answer.status());
    *response.headers_mut() = answer.headers().clone();
    response.head_mut().set_connection_type(ConnectionType::Close);
    let mut head = BytesMut::new();
    Codec::default().encode(Message::Item((response.set_body(()), BodySize::None)), &mut head)?;
    Ok(head.freeze())
}
