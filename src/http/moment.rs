//! A moment of the past, as a parameter says it.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::error::ApiError;
use super::parameters::Parameters;
use crate::history::When;
use crate::ids::Seq;

/// For the API's description: a seq or a time.
pub struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let seq = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let time = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        OneOfBuilder::new().item(seq).item(time).into()
    }
}

impl ToSchema for Moment {}

/// A parameter with a seq or a time.
pub fn when(name: &str, parameters: &mut Parameters) -> Result<Option<When>, ApiError> {
    parameters.text(name).map(|text| read(name, &text)).transpose()
}

fn read(name: &str, text: &str) -> Result<When, ApiError> {
    if let Ok(seq) = text.parse() {
        return Ok(When::Seq(Seq(seq)));
    }
    time(text)
        .ok_or_else(|| ApiError::Parameter(format!("{name} must be a seq, or a time as 2026-11-21T12:16:06.348Z")))
}

/// Reads a time.
pub fn time(text: &str) -> Option<When> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    // Times within the years of RFC 3339 fit.
    Some(When::TimeMs((at.unix_timestamp_nanos() / 1_000_000) as i64))
}
