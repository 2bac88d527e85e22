//! The parameters of a query, read one by one so that an error names the one that is wrong.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::{IntoParams, PartialSchema};

use super::error::ApiError;
use crate::ids::RoomName;

/// For the API's description: the room that a path names.
pub struct RoomPath;

impl IntoParams for RoomPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let room = ParameterBuilder::new()
            .name("room")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The room's name. A slash in it is written `%2F`"))
            .schema(Some(RoomName::schema()));
        vec![room.build()]
    }
}

/// A request's parameters. Each is taken once; what nobody took is an error, for it would be a typing mistake that does nothing.
pub struct Parameters(BTreeMap<String, String>);

impl FromRequest for Parameters {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = Query::<Vec<(String, String)>>::from_query(req.query_string());
        let unique =
            query.map_err(|_| ApiError::Parameter("the query cannot be read".into())).and_then(|Query(pairs)| {
                let mut all = BTreeMap::new();
                for (name, value) in pairs {
                    if all.insert(name.clone(), value).is_some() {
                        return Err(ApiError::Parameter(format!("{} is given twice", shown(&name))));
                    }
                }
                // Has been read as the caller's token.
                all.remove("token");
                Ok(Parameters(all))
            });
        ready(unique)
    }
}

/// A parameter's name as far as it is fit for a message.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Parameters {
    /// A text, if it is there.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A value, if it is there; `allowed` says in the error what it may be.
    pub fn value<T: FromStr>(&mut self, name: &str, allowed: &str) -> Result<Option<T>, ApiError> {
        let read = |text: String| text.parse().map_err(|_| ApiError::Parameter(format!("{name} must be {allowed}")));
        self.0.remove(name).map(read).transpose()
    }

    /// The size of a page: `default` if it is not there, at most `max`.
    pub fn limit(&mut self, default: u32, max: u32) -> Result<u32, ApiError> {
        let allowed = format!("a number from 1 to {max}");
        match self.value("limit", &allowed)?.unwrap_or(default) {
            limit if (1..=max).contains(&limit) => Ok(limit),
            _ => Err(ApiError::Parameter(format!("limit must be {allowed}"))),
        }
    }

    /// Must be called when all known ones have been taken.
    pub fn end(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            Some(name) => Err(ApiError::Parameter(format!("{} is not a parameter here", shown(name)))),
            None => Ok(()),
        }
    }
}
