//! Decides on each WebSocket upgrade. The decision travels in the answer's extensions to where the stream is taken over
//! (see [`crate::server`]); until then nothing but HTTP has happened.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::ws::verify_handshake;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path as UrlPath};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use actix_web_actors::ws::{self, HandshakeError};

use super::caller::{self, LABEL, NoCaller, identify_socket, offered_protocols};
use super::error::ApiError;
use super::peer;
use super::state::AppState;
use crate::auth::origin::OriginVerdict;
use crate::auth::{Action, Identity, TokenError, allows};
use crate::ids::{RoomName, UserId};
use crate::protocol::CloseCode;
use crate::socket::{GateFull, Opening, Path, Permit, UpgradeRefusal, network};
use crate::wire::{DeflateRules, Encoding, deflate};

/// The shortest time a denied connection is held. Its client knows at once; what waits is its coming back.
const DENIED_HOLD_MIN: Duration = Duration::from_secs(1);

/// `GET /yjs/{room}`: y-websocket. Who may not is upgraded all the same and told in band: to a browser a refused upgrade looks
/// like a server that is down, and it comes back for ever.
pub async fn yjs(req: HttpRequest, name: UrlPath<String>, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&req, &state)?;
    caller::await_key(&req, &state).await;
    let identity = identify_socket(&req, &state).await;
    // Not by the user's name, which a room full of guests may share; nor by a token that anyone could have made up.
    let is_genuine = matches!(identity, Ok(_) | Err(NoCaller::Token(TokenError::Expired)));
    let token = caller::token(&req, &state).filter(|_| is_genuine);
    // Each ticket is another; it is its user who comes back.
    let token = token.or_else(|| identity.as_ref().ok().map(|identity| identity.user.as_str()));
    let user = user_of(&identity, &req, &state);
    let network = network(peer::address(&req, &state.trusted_proxies));
    let visitor = state.pace.visitor(network, token, &name);
    let decided = decide(identity, &name).and_then(|(room, identity)| {
        let user_permit = state.users.enter(&identity.user).map_err(|full| (CloseCode::TryLater, full.to_string()))?;
        match state.openings.take(&identity.user, &room, &state.directory, Instant::now()) {
            Ok(pause) => Ok((room, identity, user_permit, pause)),
            Err(too_many) => Err((CloseCode::TryLater, too_many.to_string())),
        }
    });
    let path = match decided {
        Ok((room, identity, user_permit, pause)) => {
            let visit = state.pace.enter(visitor, Instant::now());
            tokio::time::sleep(visit.wait().max(pause.unwrap_or_default())).await;
            let rights = identity.rights(&room);
            let lease = state.directory.lookup(&room);
            let place = lease.place();
            Path::Yjs { room, lease, place, identity, rights, visit, user_permit }
        }
        Err((code, reason)) => {
            let hold = state.pace.deny(visitor, Instant::now()).max(DENIED_HOLD_MIN);
            Path::Denied { room: name.into_inner(), code, refusal: UpgradeRefusal { reason, user }, hold }
        }
    };
    Ok(admitted.answer(path))
}

/// `GET /ws`: `tutti.v1`. A token may come with the request or in the first message.
pub async fn json(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&req, &state)?;
    let network = network(peer::address(&req, &state.trusted_proxies));
    caller::await_key(&req, &state).await;
    let identity = identify_socket(&req, &state).await;
    let user = user_of(&identity, &req, &state);
    let identity = match identity {
        Ok(identity) => Ok(Some(identity)),
        Err(NoCaller::NoToken) => Ok(None),
        Err(error) => Err(UpgradeRefusal { reason: error.to_string(), user }),
    };
    Ok(admitted.answer(Path::Json { identity, network }))
}

/// `GET /hocuspocus`: the Hocuspocus provider, whose tokens come in band, one for each document. Documents without one stand on the
/// ticket or token of the request; one that does not hold is as good as none.
pub async fn hocuspocus(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let admitted = admit(&req, &state)?;
    caller::await_key(&req, &state).await;
    Ok(admitted.answer(Path::Hocuspocus { identity: identify_socket(&req, &state).await.ok() }))
}

/// `GET /echo`: sends back what comes, for testing proxies and clients.
pub async fn echo(req: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    Ok(admit(&req, &state)?.answer(Path::Echo))
}

/// A request that will be upgraded, and its place.
struct Admitted {
    response: HttpResponseBuilder,
    encoding: Encoding,
    address: IpAddr,
    permit: Permit,
}

impl Admitted {
    /// The 101 with the decision.
    fn answer(mut self, path: Path) -> HttpResponse {
        let mut response = self.response.finish();
        let Self { encoding, address, permit, .. } = self;
        response.extensions_mut().insert(Opening { path, encoding, address, permit });
        response
    }
}

/// What every upgrade must pass before its answer: origin, handshake, and room for one more. Only who has passed counts as a
/// connection.
fn admit(req: &HttpRequest, state: &AppState) -> Result<Admitted, ApiError> {
    let origins = req.headers().get_all(header::ORIGIN).map(HeaderValue::as_bytes);
    let host = req.headers().get(header::HOST).map(HeaderValue::as_bytes);
    if let OriginVerdict::Refused(refusal) = state.origins.judge(origins, host) {
        return Err(ApiError::Origin(refusal.to_string()));
    }
    let mut response = handshake(req)?;
    let encoding = agree_on_encoding(req, state, &mut response);
    if state.is_draining() {
        return Err(ApiError::TryLater("the server is stopping, try again later".into()));
    }
    let peer = peer::address(req, &state.trusted_proxies);
    let permit = state.gate.enter(peer).map_err(|full: GateFull| ApiError::TryLater(full.to_string()))?;
    Ok(Admitted { response, encoding, address: peer, permit })
}

/// Who comes into which room, or why not. Unknown and forbidden rooms look alike.
fn decide(
    identity: Result<Arc<Identity>, NoCaller>,
    name: &str,
) -> Result<(RoomName, Arc<Identity>), (CloseCode, String)> {
    let identity = identity.map_err(|error| {
        let code = match error {
            // A client that reconnects may do so with a fresh one.
            NoCaller::Token(TokenError::Expired) | NoCaller::Ticket => CloseCode::TokenExpired,
            // Its key may be known soon.
            NoCaller::Token(TokenError::UnknownKey) => CloseCode::TryLater,
            _ => CloseCode::Unauthorized,
        };
        (code, error.to_string())
    })?;
    let room = RoomName::parse(name).map_err(|error| (CloseCode::Forbidden, error.to_string()))?;
    if !allows(identity.access(&room), Action::Join) {
        return Err((CloseCode::Forbidden, CloseCode::Forbidden.reason().into()));
    }
    Ok((room, identity))
}

/// Who calls, for the log: also with a genuine token that does not hold here or now.
fn user_of(identity: &Result<Arc<Identity>, NoCaller>, req: &HttpRequest, state: &AppState) -> Option<UserId> {
    match identity {
        Ok(identity) => Some(identity.user.clone()),
        Err(_) => state.verifier.signer(caller::token(req, state)?),
    }
}

/// The 101, labelled where the client offered labels.
fn handshake(req: &HttpRequest) -> Result<HttpResponseBuilder, ApiError> {
    let wrong = |error: HandshakeError| ApiError::Handshake(error.to_string());
    let headers = req.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        return Err(ApiError::Handshake("a handshake has no body".into()));
    }
    let repeats = |name: header::HeaderName| headers.get_all(name).nth(1).is_some();
    if req.version() < Version::HTTP_11 || repeats(header::SEC_WEBSOCKET_KEY) || repeats(header::SEC_WEBSOCKET_VERSION)
    {
        let message = "a handshake is a request of HTTP/1.1, with one Sec-WebSocket-Key and one Sec-WebSocket-Version";
        return Err(ApiError::Handshake(message.into()));
    }
    // The one below also takes drafts of the protocol, and any key.
    verify_handshake(req.head()).map_err(wrong)?;
    let mut response = ws::handshake(req).map_err(wrong)?;
    let mut offers = offered_protocols(req).peekable();
    if offers.peek().is_some() {
        if !offers.any(|offer| offer == LABEL) {
            let message = format!("also offer the subprotocol {LABEL}: browsers need it in the answer");
            return Err(ApiError::Handshake(message));
        }
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, LABEL));
    }
    Ok(response)
}

/// Compression, if the server has it on and the client offers one that fits. Without, the socket opens all the same.
fn agree_on_encoding(req: &HttpRequest, state: &AppState, response: &mut HttpResponseBuilder) -> Encoding {
    let offers = req.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS).map(HeaderValue::as_bytes);
    match (state.compression_bytes_min, deflate::accept(offers)) {
        (Some(bytes_min), Some(accepted)) => {
            response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, accepted.to_string()));
            Encoding::Deflated(DeflateRules { bytes_min, window_bits: accepted.window_bits() })
        }
        _ => Encoding::Plain,
    }
}
