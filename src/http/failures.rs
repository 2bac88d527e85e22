//! The errors of REST for the API's description: which codes each status has, and which statuses operations share. Handlers name them in
//! the `responses(…)` of their `utoipa::path`.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// A status, its name among the description's components, and its codes.
type Failure = (u16, &'static str, &'static [(&'static str, &'static str)]);

/// All errors. Each code of [`super::error::ApiError`] has one place here.
const FAILURES: [Failure; 16] = [
    (
        400,
        "BadRequest",
        &[
            ("invalid_parameter", "a parameter of the path, the query or a header"),
            ("invalid_body", "the body"),
            ("invalid_handshake", "not a WebSocket upgrade, or `tutti.v1` was not offered"),
            ("root_needed", "the document has several root types; the message names them"),
        ],
    ),
    (401, "Unauthorized", &[("unauthorized", "no token, an invalid one, or one that was revoked")]),
    (
        403,
        "Forbidden",
        &[
            ("forbidden", "the token does not allow this"),
            ("origin_not_allowed", "a page of an origin that is not allowed"),
            ("host_not_allowed", "a demo on loopback answers to names of this machine only"),
        ],
    ),
    (
        404,
        "NotFound",
        &[
            ("room_not_found", "no such room, or no access to it"),
            ("root_not_found", "no root type of that name"),
            ("seq_not_found", "the room's timeline does not reach that seq"),
            ("version_not_found", "no version of that label at that seq"),
            ("webhook_not_found", "no webhook of that id"),
            ("stream_not_found", "no such event stream, or another user's"),
            ("not_found", "nothing at this path"),
        ],
    ),
    (405, "MethodNotAllowed", &[("method_not_allowed", "`Allow` has the methods that the path takes")]),
    (408, "RequestTimeout", &[("timeout", "the body came too slowly")]),
    (
        409,
        "Conflict",
        &[
            ("other_shape", "the document has a type of another kind there; the message says which"),
            ("incomplete", "the edit builds on what the document does not have"),
            ("version_exists", "the seq has a version of that label already"),
            ("steps_stay", "the user has written steps there, which cannot be erased one by one"),
            ("room_exists", "a room has the name already, or a deleted one"),
        ],
    ),
    (
        410,
        "Gone",
        &[
            (
                "room_deleted",
                "the room was deleted; an admin may take that back, or free the name of one that is gone for good",
            ),
            ("history_dropped", "what came before entry 5001 was dropped, for it was older than the room keeps it"),
            ("room_purged", "the room was deleted and its content is gone; an admin may free its name"),
        ],
    ),
    (412, "PreconditionFailed", &[("changed", "the room is not as `If-Match`, `If-None-Match` or `ifHead` says")]),
    (
        413,
        "ContentTooLarge",
        &[("too_large", "the body, as it came or unpacked, or in memory with the values of its JSON")],
    ),
    (
        415,
        "UnsupportedMediaType",
        &[("unsupported_encoding", "the body has a `Content-Encoding` that is not taken here")],
    ),
    (
        422,
        "UnprocessableContent",
        &[
            ("edit_refused", "no Yjs client can have written it"),
            ("too_costly", "it would take more memory than an answer may"),
        ],
    ),
    (429, "TooManyRequests", &[("rate_limited", "more than the caller, or all in the room, may say or send")]),
    (500, "InternalServerError", &[("internal", "the server's log has the cause")]),
    (503, "ServiceUnavailable", &[("try_later", "full, stopping, or the database is unavailable")]),
    (
        507,
        "InsufficientStorage",
        &[
            ("document_full", "the document would become too large"),
            (
                "quota_exceeded",
                "the room, or the caller, has as much on disk as is allowed, or the caller has made as many rooms",
            ),
        ],
    ),
];

/// The reusable answers, by their names.
pub fn components() -> impl Iterator<Item = (String, RefOr<Response>)> {
    FAILURES.iter().map(|failure| (failure.1.to_owned(), described(failure).into()))
}

fn described((status, _, codes): &Failure) -> Response {
    let lines: Vec<String> = codes.iter().map(|(code, when)| format!("`{code}`: {when}")).collect();
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let error = ObjectBuilder::new()
        .property("code", text().enum_values(Some(codes.iter().map(|(code, _)| *code))))
        .property("message", text().description(Some("For people; it may change.")))
        .required("code")
        .required("message");
    let body = ObjectBuilder::new().property("error", error).required("error");
    let content = ContentBuilder::new().schema(Some(body)).build();
    let response = ResponseBuilder::new().description(lines.join("; ")).content("application/json", content);
    match header(*status) {
        Some((name, what)) => {
            response.header(name, HeaderBuilder::new().schema(Some(text())).description(Some(what)).build()).build()
        }
        None => response.build(),
    }
}

/// The header that goes with a status.
fn header(status: u16) -> Option<(&'static str, &'static str)> {
    match status {
        401 => Some(("WWW-Authenticate", "`Bearer`")),
        405 => Some(("Allow", "The methods that the path takes")),
        429 | 503 => Some(("Retry-After", "Seconds to wait")),
        _ => None,
    }
}

fn named(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let known = FAILURES.iter().filter(|(status, ..)| statuses.contains(status));
    known.map(|(status, name, _)| (status.to_string(), Ref::from_response_name(*name).into())).collect()
}

/// One status.
pub struct Fails<const STATUS: u16>;

impl<const STATUS: u16> IntoResponses for Fails<STATUS> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        named(&[STATUS])
    }
}

macro_rules! shared {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)*;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                named(&[$($status),*])
            }
        }
    )*};
}

shared! {
    /// What every path may answer.
    Always: 403 415 500 503;
    /// What every path may answer that needs a token.
    WithToken: 401 403 415 500 503;
    /// What every path below a room may answer.
    InRoom: 400 401 403 404 410 415 500 503;
    /// What a path that takes a body may answer besides.
    WithBody: 400 408 413 429;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The codes that a text has between `before` and `after`, line by line.
    fn codes<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
        let code = |line: &'a str| line.split_once(before)?.1.split_once(after).map(|(code, _)| code);
        text.lines().filter_map(code).filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).collect()
    }

    #[test]
    fn every_code_of_an_error_is_described_here_and_in_the_protocol() {
        let written = codes(include_str!("error.rs"), "=> \"", "\",");
        assert!(written.len() > 20);
        let described: Vec<_> = FAILURES.iter().flat_map(|(_, _, codes)| *codes).map(|(code, _)| *code).collect();
        assert_eq!(described.len(), described.iter().collect::<BTreeSet<_>>().len(), "each has one status");
        assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), written);
        let protocol =
            include_str!("../../docs/PROTOCOL.md").split_once("\n### Errors\n\n```json\n{\"error\"").unwrap().1;
        let rows = FAILURES
            .iter()
            .flat_map(|(status, _, codes)| codes.iter().map(move |(code, _)| format!("| {status} | `{code}` |")));
        for row in rows {
            assert!(protocol.contains(&row), "docs/PROTOCOL.md lacks the row {row}");
        }
    }
}
