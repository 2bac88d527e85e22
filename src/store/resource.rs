//! Rooms as an app sees them: in the order of their last changes, with what it keeps with them, and how much they hold. Both databases
//! run the same statements; `resource_methods!` makes the methods of each.

/// How much a room holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RoomSize {
    /// Edits, messages, events and steps.
    pub entries: [u64; 4],
    /// What is in them, in bytes.
    pub entry_bytes: u64,
    /// Snapshots and the index of its history, in bytes.
    pub derived_bytes: u64,
    /// Named versions.
    pub versions: u64,
}

/// The methods of a backend, in the words of `$database`.
macro_rules! resource_methods {
    ($backend:ty, $database:ident) => {
        impl $backend {
            /// Keeps something with a room; whether it is there and not deleted.
            pub async fn set_room_meta(&self, name: &RoomName, meta: Option<&str>) -> Result<bool, StoreError> {
                let mut writing = self.writing().await?;
                let sql = "update room set meta = $2 where name = $1 and deleted_at is null";
                let query = sqlx::query(sql).bind(name.as_str()).bind(meta);
                let changed = query.execute(&mut *writing.connection()).await?.rows_affected();
                writing.commit().await?;
                Ok(changed > 0)
            }

            pub async fn rooms_by_change(
                &self,
                prefix: &str,
                (at_ms, after): (i64, &str),
                limit: u32,
            ) -> Result<Vec<RoomRow>, StoreError> {
                let sql = "select id, name, head, created_at, last_at, meta, horizon, epoch from room \
                           where name >= $1 and name < $2 and deleted_at is null \
                           and (last_at < $3 or (last_at = $3 and name > $4)) order by last_at desc, name limit $5";
                let mut reading = self.reading().await?;
                let query = sqlx::query_as(sql).bind(prefix).bind(rows::prefix_end(prefix)).bind(at_ms).bind(after);
                let query = query.bind(i64::from(limit));
                let found: Vec<RoomColumns> = query.fetch_all(&mut *reading.connection()).await?;
                reading.keep();
                found.into_iter().map(rows::room).collect()
            }

            pub async fn room_size(&self, room: RoomId) -> Result<RoomSize, StoreError> {
                let mut reading = self.reading().await?;
                // Packed ones are edits.
                let sql = concat!(
                    "select kind, cast(sum(entries) as bigint), cast(sum(bytes) as bigint) from \
                     (select kind, count(*) as entries, sum(",
                    rows::entry_bytes!($database),
                    ") as bytes from entry where room_id = $1 group by kind \
                      union all \
                      select cast(1 as smallint), sum(entries), sum(bytes) from pack_user where room_id = $1 having count(*) > 0) as stored \
                     group by kind"
                );
                let kinds: Vec<(i16, i64, i64)> =
                    sqlx::query_as(sql).bind(room.0).fetch_all(&mut *reading.connection()).await?;
                let sql = "select cast(coalesce((select sum(length(state)) from snapshot where room_id = $1), 0) \
                             + coalesce((select sum(length(body) + coalesce(length(times), 0)) from history where room_id = $1), 0) as bigint), \
                           (select count(*) from version where room_id = $1)";
                let (derived, versions): (i64, i64) =
                    sqlx::query_as(sql).bind(room.0).fetch_one(&mut *reading.connection()).await?;
                reading.keep();
                let mut size = RoomSize {
                    derived_bytes: derived.unsigned_abs(),
                    versions: versions.unsigned_abs(),
                    ..RoomSize::default()
                };
                for (kind, count, bytes) in kinds {
                    size.entry_bytes += bytes.unsigned_abs();
                    let kind = rows::kind_column(rows::kind_of(kind)?);
                    size.entries[usize::from(kind.unsigned_abs()) - 1] = count.unsigned_abs();
                }
                Ok(size)
            }
        }
    };
}
pub(super) use resource_methods;
