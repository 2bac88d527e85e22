//! What a path answers to. Another method gets 405 and hears which would do, instead of looking like a path that is not there.

use actix_web::dev::Handler;
use actix_web::{FromRequest, Resource, Responder, Route, guard, web};

use super::error::ApiError;

/// A path to read; for probes and link checkers, too, who ask for the head alone.
pub(super) fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    only(path, reading().to(handler), "GET, HEAD")
}

/// A route for those who read.
pub(super) fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A path to post to.
pub(super) fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    only(path, web::post().to(handler), "POST")
}

/// A path that becomes a WebSocket or an event stream.
pub(super) fn socket<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    only(path, web::get().to(handler), "GET")
}

fn only(path: &str, route: Route, allowed: &'static str) -> Resource {
    web::resource(path)
        .route(route)
        .default_service(web::to(move || async move { Err::<&str, ApiError>(ApiError::WrongMethod(allowed)) }))
}
