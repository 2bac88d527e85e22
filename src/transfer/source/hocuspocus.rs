//! The database of Hocuspocus' SQLite extension: one state a document, in a row by its name.

use std::collections::VecDeque;
use std::path::Path;

use super::found::{Found, Unreadable};
use crate::store::{DocumentRow, DocumentTable, StoreError};

/// Rows read at once, without their data.
const PAGE: u32 = 500;

pub(in super::super) struct HocuspocusSqlite {
    table: DocumentTable,
    shown: String,
    count: u64,
    document_bytes_max: usize,
    page: VecDeque<DocumentRow>,
    last: Option<i64>,
}

impl HocuspocusSqlite {
    pub async fn open(path: &Path, document_bytes_max: usize) -> Result<Self, StoreError> {
        let table = DocumentTable::open(path).await?;
        let count = table.count().await?;
        let shown = path.display().to_string();
        Ok(Self { table, shown, count, document_bytes_max, page: VecDeque::new(), last: None })
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub async fn next(&mut self) -> Result<Option<Found>, StoreError> {
        if self.page.is_empty() {
            self.page = self.table.rows(self.last, PAGE).await?.into();
        }
        let Some(DocumentRow { id, name, bytes }) = self.page.pop_front() else { return Ok(None) };
        self.last = Some(id);
        let limit = self.document_bytes_max;
        let updates = match bytes > limit as u64 {
            true => Err(Unreadable::TooLarge { bytes, limit }),
            false => self.table.data(id).await?.map(|data| vec![data]).ok_or(Unreadable::Gone),
        };
        Ok(Some(Found { name, origin: format!("{}, row {id}", self.shown), updates }))
    }
}
