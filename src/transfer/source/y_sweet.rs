//! A `data.ysweet` of y-sweet: a map of keys to bytes, written by bincode (little endian, lengths of 8 bytes), in which yrs-kvstore keeps
//! one document as a state and the updates after it.

use bytes::{Buf, Bytes};

/// What such a file is called; its folder is called like the document.
pub(super) const FILE_NAME: &str = "data.ysweet";

/// The key under which the document's number is: version 0, names, "doc", end.
const NUMBER_KEY: &[u8] = b"\0\0doc\0";
/// What the keys of a document's content begin with, before its number: version 0, content.
const CONTENT: [u8; 2] = [0, 1];
/// What follows the number.
const STATE: u8 = 0;
const UPDATE: u8 = 2;

/// The document's state and updates, in order. Shares the bytes.
pub(super) fn updates(file: &Bytes) -> Result<Vec<Bytes>, &'static str> {
    let entries = entries(file.clone()).ok_or("it ends too early")?;
    // An empty map: the document was opened, and nothing was ever written.
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let number = entries.iter().find(|(key, _)| key == NUMBER_KEY).map(|(_, number)| number);
    let number = number.filter(|number| number.len() == 4).ok_or("it has no document called \"doc\"")?;
    let start = [&CONTENT, &number[..]].concat();
    let content = entries.iter().filter_map(|(key, value)| Some((key.strip_prefix(&start[..])?, value)));
    // In the order of the keys: the state before the updates, these by their clocks.
    Ok(content
        .filter(|(key, _)| matches!(key.first(), Some(&STATE | &UPDATE)))
        .map(|(_, value)| value.clone())
        .collect())
}

fn entries(mut file: Bytes) -> Option<Vec<(Bytes, Bytes)>> {
    let count = file.try_get_u64_le().ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((buffer(&mut file)?, buffer(&mut file)?));
    }
    entries.sort();
    file.is_empty().then_some(entries)
}

fn buffer(file: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(file.try_get_u64_le().ok()?).ok()?;
    (length <= file.len()).then(|| file.split_to(length))
}
