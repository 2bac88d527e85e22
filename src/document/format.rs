//! In which formats a document is read.

use utoipa::ToSchema;

/// A format in which a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ToSchema)]
#[schema(as = ReadFormat, rename_all = "lowercase")]
pub enum Format {
    /// A text.
    Text,
    /// JSON of a root type, or of all.
    Json,
    /// The JSON of ProseMirror.
    ProseMirror,
    /// XML.
    Xml,
    /// A Yjs update.
    Yjs,
}

/// No format has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be text, json, prosemirror, xml or yjs")]
pub struct UnknownFormat;

impl Format {
    /// All of them, by name.
    const NAMED: [(&str, Self); 5] = [
        ("text", Self::Text),
        ("json", Self::Json),
        ("prosemirror", Self::ProseMirror),
        ("xml", Self::Xml),
        ("yjs", Self::Yjs),
    ];

    /// The format of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::NAMED.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| format).ok_or(UnknownFormat)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMED.into_iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_a_name_by_which_it_is_found_and_which_people_are_told() {
        let all = [Format::Text, Format::Json, Format::ProseMirror, Format::Xml, Format::Yjs];
        for format in all {
            assert_eq!(Format::parse(format.name()), Ok(format));
        }
        let told = format!("must be {}", all.map(Format::name).join(", "));
        assert_eq!(UnknownFormat.to_string().replace(" or", ","), told);
        assert_eq!(Format::parse("html"), Err(UnknownFormat));
    }
}
