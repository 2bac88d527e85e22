//! Webhooks, on Postgres.

use std::collections::BTreeSet;

use sqlx::PgConnection as Connection;

use super::Postgres;
use crate::store::copy::CREATED;
use crate::store::error::StoreError;
use crate::store::rows::seq_column;
use crate::store::webhook::*;

impl Postgres {
    /// Other servers may hold some.
    async fn end_leases(&self, _: &mut Connection) -> sqlx::Result<()> {
        Ok(())
    }
}

webhook_methods!(Postgres, "(extract(epoch from clock_timestamp()) * 1000)::bigint");
