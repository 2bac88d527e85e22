//! In which formats a document is read.

use utoipa::ToSchema;

use super::error::ApiError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ToSchema)]
#[schema(as = ReadFormat, rename_all = "lowercase")]
pub enum Format {
    Text,
    Json,
    ProseMirror,
    Xml,
    Yjs,
}

impl Format {
    /// The format of this name.
    pub fn named(name: &str) -> Result<Self, ApiError> {
        match name {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "prosemirror" => Ok(Self::ProseMirror),
            "xml" => Ok(Self::Xml),
            "yjs" => Ok(Self::Yjs),
            _ => Err(ApiError::Parameter("format must be text, json, prosemirror, xml or yjs".into())),
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json | Self::ProseMirror => "application/json",
            Self::Xml => "application/xml",
            Self::Yjs => "application/octet-stream",
        }
    }
}
