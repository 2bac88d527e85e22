//! What each request may take of the server while it comes and while it is answered: the time of its body, the bytes of its answer.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use actix_http::error::PayloadError;
use actix_http::{ConnectionType, Payload};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Sleep;

use super::watched::Watch;
use crate::budget::{ByteBudget, HeldBytes, Payer};
use crate::http;

/// How long a body may take before it must have come at a certain rate.
const BODY_GRACE: Duration = Duration::from_secs(10);
/// That rate, in bytes a second.
const BODY_RATE: f64 = 16.0 * 1024.0;
/// How long a body may stand still, at most, for having come faster before.
const BODY_STILL_MAX: Duration = Duration::from_secs(30);
/// How long the rest of a body may take that is of no use any more.
const REST_TIMEOUT: Duration = Duration::from_secs(2);
/// Shorter answers are not counted: connections are.
const LARGE_BYTES: usize = 64 * 1024;
/// An answer goes out in pieces of this size, so that no connection has a copy of all of it.
const PIECE_BYTES: usize = 64 * 1024;

/// Serves a request whose body must come in time.
pub(super) async fn pace_request(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(watch) = request.conn_data::<Rc<Watch>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    watch.begin_answer();
    let answering = Answering(watch.clone());
    let state = Rc::new(Cell::new(BodyState::Coming));
    match request.take_payload() {
        Payload::None => state.set(BodyState::Whole),
        payload => {
            request.set_payload(Payload::Stream { payload: Box::pin(PacedBody::new(payload, watch, state.clone())) })
        }
    }
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if state.get() == BodyState::Late {
        answer = answer.into_response(http::late_body());
    }
    if state.get() != BodyState::Whole {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(answer.map_body(|_, body| BoxBody::new(Kept { body, _kept: answering })))
}

/// Counts an answer that is large until it was taken. One that would be more than its caller's share is not given now.
pub(super) fn hold_answer(answer: ServiceResponse<BoxBody>, answers: &Arc<ByteBudget>) -> ServiceResponse<BoxBody> {
    let BodySize::Sized(bytes) = answer.response().body().size() else { return answer };
    if bytes <= LARGE_BYTES as u64 || answer.response().headers().contains_key(header::CONTENT_RANGE) {
        return answer;
    }
    let mut held = answers.hold_for(Payer::of(http::network(answer.request())), 0);
    if !held.try_add_fairly(bytes as usize) {
        return answer.into_response(http::too_many_answers());
    }
    answer.map_body(|_, body| match body.try_into_bytes() {
        Ok(rest) => BoxBody::new(Pieces { rest, _held: held }),
        Err(body) => BoxBody::new(Kept { body, _kept: held }),
    })
}

/// Tells the connection when its answer is on its way, or was given up.
struct Answering(Rc<Watch>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end_answer();
    }
}

/// How far a request's body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Coming,
    Whole,
    Late,
}

/// A request's body that must come in time.
struct PacedBody {
    payload: Payload,
    watch: Rc<Watch>,
    state: Rc<Cell<BodyState>>,
    due: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl PacedBody {
    fn new(payload: Payload, watch: Rc<Watch>, state: Rc<Cell<BodyState>>) -> Self {
        let due = Instant::now() + BODY_GRACE;
        Self { payload, watch, state, due, sleep: Box::pin(tokio::time::sleep_until(due.into())) }
    }
}

impl Stream for PacedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.payload).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => {
                let due = self.due + Duration::from_secs_f64(bytes.len() as f64 / BODY_RATE);
                self.due = due.min(Instant::now() + BODY_STILL_MAX);
            }
            Poll::Ready(_) => self.state.set(BodyState::Whole),
            Poll::Pending => {
                let due = self.due.into();
                if self.sleep.deadline() != due {
                    self.sleep.as_mut().reset(due);
                }
                ready!(self.sleep.as_mut().poll(cx));
                self.state.set(BodyState::Late);
                return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
            }
        }
        next
    }
}

impl Drop for PacedBody {
    fn drop(&mut self) {
        // All of it may have come, and nobody has looked.
        let cx = &mut Context::from_waker(Waker::noop());
        while self.state.get() == BodyState::Coming
            && let Poll::Ready(part) = Pin::new(&mut self.payload).poll_next(cx)
        {
            if part.is_none_or(|part| part.is_err()) {
                self.state.set(BodyState::Whole);
            }
        }
        if self.state.get() != BodyState::Whole {
            self.watch.await_rest(Instant::now() + REST_TIMEOUT);
        }
    }
}

/// A body that keeps something until it was taken.
struct Kept<K> {
    body: BoxBody,
    _kept: K,
}

impl<K: Unpin> MessageBody for Kept<K> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// A large body.
struct Pieces {
    rest: Bytes,
    _held: HeldBytes,
}

impl MessageBody for Pieces {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let length = self.rest.len().min(PIECE_BYTES);
        Poll::Ready((length > 0).then(|| Ok(self.rest.split_to(length))))
    }
}
