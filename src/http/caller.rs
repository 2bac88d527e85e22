//! Who calls, and whether they may: handlers take [`Caller`] or [`May`] as an argument and so cannot forget to ask.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};

use super::error::ApiError;
use super::state::AppState;
use crate::auth::{self, Access, Action, Identity, Tickets, TokenError};
use crate::bus::{ANSWER_TIMEOUT, Answer, Question};
use crate::ids::{RoomName, UserId, shortened};

type LocalBoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// The subprotocol that the server answers with.
pub const LABEL: &str = crate::protocol::json::NAME;
/// Precedes a token among the subprotocols.
const TOKEN_PROTOCOL: &str = "auth.";
/// Precedes a token in a query.
const TOKEN_PARAMETER: &str = "token=";

/// Precedes a ticket in a query.
const TICKET_PARAMETER: &str = "ticket=";

/// Why nobody is known to call.
#[derive(Debug, thiserror::Error)]
pub enum NoCaller {
    /// No token at all.
    #[error("a token is needed: send it as Authorization: Bearer, as subprotocol auth.<token>, or as ?token=")]
    NoToken,
    /// A ticket that does not hold.
    #[error("the ticket is unknown, too old or was used before; get a new one for each connection")]
    Ticket,
    /// A token that does not hold.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// All subprotocols that a request offers, over all its headers.
pub fn offered_protocols(req: &HttpRequest) -> impl Iterator<Item = &str> {
    let values = req.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// The token of a request: from `Authorization`, else from a subprotocol, else from the query where that is allowed.
pub fn token<'a>(req: &'a HttpRequest, state: &AppState) -> Option<&'a str> {
    let bearer = || {
        let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    let protocol = || offered_protocols(req).find_map(|offer| offer.strip_prefix(TOKEN_PROTOCOL));
    let query = || {
        let mut parameters = req.query_string().split('&');
        parameters.find_map(|parameter| parameter.strip_prefix(TOKEN_PARAMETER)).filter(|_| state.accepts_query_tokens)
    };
    bearer().or_else(protocol).or_else(query)
}

/// Who calls, if the request's token holds.
pub fn identify(req: &HttpRequest, state: &AppState) -> Result<Identity, NoCaller> {
    let token = token(req, state).ok_or(NoCaller::NoToken)?;
    Ok(state.verifier.verify(token, auth::now_s())?)
}

/// Waits until the key of the request's token is known, if that may be: it may be as new as the token.
pub async fn await_key(req: &HttpRequest, state: &AppState) {
    if let Some(token) = token(req, state) {
        state.verifier.await_key(token).await;
    }
}

/// Who opens a socket, if the request's token or ticket holds. A ticket is used up by that.
pub async fn identify_socket(req: &HttpRequest, state: &AppState) -> Result<Arc<Identity>, NoCaller> {
    let ticket = req.query_string().split('&').find_map(|parameter| parameter.strip_prefix(TICKET_PARAMETER));
    let Some(ticket) = ticket.filter(|_| token(req, state).is_none()) else {
        return identify(req, state).map(Arc::new);
    };
    let token = redeem(ticket, state).await.ok_or(NoCaller::Ticket)?;
    state.verifier.await_key(&token).await;
    Ok(Arc::new(state.verifier.verify(&token, auth::now_s())?))
}

/// The token that a ticket stands for, which this server has issued or another one.
async fn redeem(ticket: &str, state: &AppState) -> Option<String> {
    let issuer = Tickets::issuer(ticket)?;
    if issuer == state.cluster.mark() {
        return state.tickets.redeem(ticket, Instant::now());
    }
    match state.cluster.ask_marked(issuer, Question::Redeem { ticket: ticket.to_owned() }, ANSWER_TIMEOUT).await {
        Ok(Answer::Token { token }) => token,
        Ok(_) | Err(_) => None,
    }
}

/// Someone with a valid token.
pub struct Caller(pub Identity);

impl Caller {
    async fn of(req: &HttpRequest) -> Result<Self, ApiError> {
        let state = req.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
        await_key(req, state).await;
        let identity = identify(req, state).map_err(|error| ApiError::Unauthorized(error.to_string()))?;
        req.extensions_mut().insert(identity.clone());
        Ok(Caller(identity))
    }
}

/// Whether the caller's token still holds, if it was looked at before. For what takes a while to come.
pub fn confirm(req: &HttpRequest) -> Result<(), ApiError> {
    let state = req.app_data::<web::Data<AppState>>().ok_or(ApiError::Internal)?;
    req.extensions().get::<Identity>().map_or(Ok(()), |identity| state.confirm(identity))
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move { Caller::of(&req).await })
    }
}

/// Someone who administers the server: whoever does not is told so before anything else is read.
pub struct ServerAdmin(pub UserId);

impl FromRequest for ServerAdmin {
    type Error = ApiError;
    type Future = LocalBoxFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Caller(identity) = Caller::of(&req).await?;
            if identity.is_server_admin() { Ok(Self(identity.user)) } else { Err(ApiError::Forbidden) }
        })
    }
}

/// An action, as a type, for the arguments of handlers.
pub trait Permission {
    /// The action.
    const ACTION: Action;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Permission for $name {
            const ACTION: Action = Action::$name;
        }
    )*};
}

permissions! {
    /// [`Action::ListRoom`].
    ListRoom,
    /// [`Action::ReadHistory`].
    ReadHistory,
    /// [`Action::ReadDocument`].
    ReadDocument,
    /// [`Action::ReadPast`].
    ReadPast,
    /// [`Action::ReadPresence`].
    ReadPresence,
    /// [`Action::Edit`].
    Edit,
    /// [`Action::Publish`].
    Publish,
    /// [`Action::Administer`].
    Administer
}

/// The room that a path names, and what `identity` may do there, if that is enough for `action`. Who may not even read it gets the
/// answer for an unknown room.
pub fn permitted(identity: &Identity, name: &str, action: Action) -> Result<(RoomName, Access), ApiError> {
    let room = RoomName::parse(name).inspect_err(|reason| {
        tracing::info!(room.name = ?shortened(name), %reason, "room name refused");
    })?;
    let access = identity.access(&room);
    match identity.allows(&room, action) {
        true => Ok((room, access)),
        false if auth::allows(access, Action::ListRoom) => Err(ApiError::Forbidden),
        false => Err(ApiError::RoomNotFound),
    }
}

/// Someone who may do `P` in the room that the path names.
pub struct May<P> {
    /// The room.
    pub room: RoomName,
    /// What the token allows there.
    pub access: Access,
    /// Whose token it is.
    pub identity: Identity,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequest for May<P> {
    type Error = ApiError;
    type Future = LocalBoxFuture<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let Caller(identity) = Caller::of(&req).await?;
            let name = web::Path::<String>::extract(&req).into_inner().map_err(ApiError::parameter)?;
            let (room, access) = permitted(&identity, &name, P::ACTION)?;
            Ok(May { room, access, identity, permission: PhantomData })
        })
    }
}
