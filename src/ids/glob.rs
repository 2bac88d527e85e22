//! Patterns in which a star stands for anything.

/// Whether a name fits a pattern in which each `*` stands for any run of characters, or none.
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
        return false;
    };
    for part in middle.split('*') {
        match name.find(part) {
            Some(start) => name = &name[start + part.len()..],
            None => return false,
        }
    }
    true
}
