//! Fresh databases, and short ways to say what the cases say often.

use std::time::Duration;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tutti::ids::{RoomName, Seq, UserId};
use tutti::store::{
    Append, Entry, EntryKind, HistoryQuery, Kinds, NewEntry, Outcome, Page, Placed, RoomId, Store, StoreSettings,
};
use tutti::store::{Bodies, Refused};
use uuid::Uuid;

/// Turns `async fn case(db: &Database)` into two tests, one a database.
macro_rules! contract {
    ($(async fn $name:ident($db:ident: &Database) $body:block)*) => {
        $(async fn $name($db: &Database) $body)*
        mod sqlite { $(#[test] fn $name() { crate::support::on_sqlite(super::$name) })* }
        mod postgres { $(#[test] fn $name() { crate::support::on_postgres(super::$name) })* }
    };
}
pub(crate) use contract;

/// A database that nobody else knows; gone when dropped.
pub struct Database {
    pub url: String,
    kept: Kept,
}

enum Kept {
    Sqlite { _folder: TempDir },
    Postgres { admin_url: String, name: String },
}

/// Runs `case` on a fresh SQLite file.
pub fn on_sqlite(case: impl AsyncFnOnce(&Database)) {
    block_on(case(&another_sqlite()));
}

/// A fresh SQLite file.
pub fn another_sqlite() -> Database {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("tutti.db").display());
    Database { url, kept: Kept::Sqlite { _folder: folder } }
}

/// Runs `case` on a fresh Postgres database.
pub fn on_postgres(case: impl AsyncFnOnce(&Database)) {
    block_on(async { case(&another_postgres().await).await });
}

/// A fresh Postgres database.
pub async fn another_postgres() -> Database {
    postgres_from("template0").await
}

async fn postgres_from(template: &str) -> Database {
    let admin_url = std::env::var("TUTTI_TEST_POSTGRES_URL").expect(
        "TUTTI_TEST_POSTGRES_URL must name a Postgres role that may create databases: run `make test`, which starts one",
    );
    let name = format!("tutti_test_{}", Uuid::new_v4().simple());
    admin(&admin_url, format!("create database {name} template {template}")).await;
    let url = with_database(&admin_url, &name);
    Database { url, kept: Kept::Postgres { admin_url, name } }
}

/// The cases' executor: not the store's.
pub fn block_on<T>(case: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(case)
}

/// `url` with another database.
pub fn with_database(url: &str, database: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(url, query)| (url, format!("?{query}")));
    let (scheme, rest) = address.split_once("://").expect("a URL with a scheme");
    let host = rest.split('/').next().expect("a URL with a host");
    format!("{scheme}://{host}/{database}{query}")
}

async fn admin(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.expect("the test database server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the test role may create databases");
    connection.close().await.expect("a clean end");
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Kept::Postgres { admin_url, name } = &self.kept {
            let (url, sql) = (admin_url.clone(), format!("drop database {name} with (force)"));
            // A thread, because the case's executor is still running.
            let dropped = std::thread::spawn(move || block_on(admin(&url, sql))).join();
            assert!(dropped.is_ok() || std::thread::panicking(), "the test database could not be dropped");
        }
    }
}

impl Database {
    pub fn settings(&self, server_name: &str) -> StoreSettings {
        // Nothing but a test about waiting should fail for it.
        let patience = Duration::from_secs(30);
        StoreSettings {
            connect_timeout: patience,
            lock_timeout: patience,
            statement_timeout: patience,
            ..StoreSettings::new(&self.url, server_name)
        }
    }

    /// A store of the server `server_name`, migrated.
    pub async fn store(&self, server_name: &str) -> Store {
        opened(self.settings(server_name)).await
    }

    /// Runs statements past the store.
    pub async fn execute(&self, sql: &str) {
        self.try_execute(sql).await.expect("the statement works");
    }

    /// Runs statements past the store that may fail.
    pub async fn try_execute(&self, sql: &str) -> sqlx::Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
            Kept::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database opens");
                sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
            }
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.kept, Kept::Sqlite { .. })
    }

    /// A column of bytes, past the store.
    pub async fn blobs(&self, sql: &'static str) -> Vec<Vec<u8>> {
        match self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("it is read")
            }
            Kept::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database opens");
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.expect("it is read")
            }
        }
    }

    /// Puts other bytes where these are, past the store.
    pub async fn replace(&self, table: &str, column: &str, from: &[u8], to: &[u8]) {
        let sql = AssertSqlSafe(format!("update {table} set {column} = $2 where {column} = $1"));
        let replaced = match self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
                sqlx::query(sql).bind(from).bind(to).execute(&mut connection).await.map(|done| done.rows_affected())
            }
            Kept::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database opens");
                sqlx::query(sql).bind(from).bind(to).execute(&mut connection).await.map(|done| done.rows_affected())
            }
        };
        assert_eq!(replaced.expect("the statement works"), 1, "{table}");
    }

    /// Another database that holds the same; nobody may have this one open.
    pub async fn copy(&self) -> Self {
        match &self.kept {
            Kept::Sqlite { _folder: folder } => {
                let copy = another_sqlite();
                // What is in its log is not in the file.
                self.execute("pragma wal_checkpoint(truncate)").await;
                let Kept::Sqlite { _folder: to } = &copy.kept else { unreachable!("it is a file") };
                std::fs::copy(folder.path().join("tutti.db"), to.path().join("tutti.db")).expect("it is copied");
                copy
            }
            Kept::Postgres { name, .. } => postgres_from(name).await,
        }
    }

    /// Which columns of which tables have a text anywhere in them, as it is.
    pub async fn columns_with(&self, text: &str) -> Vec<String> {
        let mut with = Vec::new();
        match self.kept {
            Kept::Sqlite { .. } => {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("the file opens");
                let sql = "select m.name, c.name from sqlite_schema m join pragma_table_info(m.name) c where m.type = 'table'";
                let columns: Vec<(String, String)> =
                    sqlx::query_as(sql).fetch_all(&mut connection).await.expect("there are tables");
                for (table, column) in columns {
                    let sql = format!(
                        "select count(*) from \"{table}\" where instr(cast(\"{column}\" as blob), cast($1 as blob)) > 0"
                    );
                    let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(text);
                    let rows: i64 = query.fetch_one(&mut connection).await.expect("it is read");
                    with.extend((rows > 0).then(|| format!("{table}.{column}")));
                }
            }
            Kept::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database opens");
                let sql = "select table_name::text, column_name::text, data_type::text from information_schema.columns \
                           where table_schema = 'public'";
                let columns: Vec<(String, String, String)> =
                    sqlx::query_as(sql).fetch_all(&mut connection).await.expect("there are tables");
                for (table, column, kind) in columns {
                    let bytes = match kind.as_str() {
                        "bytea" => format!("\"{column}\""),
                        _ => format!("convert_to(\"{column}\"::text, 'UTF8')"),
                    };
                    let sql = format!(
                        "select count(*) from \"{table}\" where position(convert_to($1, 'UTF8') in {bytes}) > 0"
                    );
                    let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(text);
                    let rows: i64 = query.fetch_one(&mut connection).await.expect("it is read");
                    with.extend((rows > 0).then(|| format!("{table}.{column}")));
                }
            }
        }
        with
    }

    /// What the database takes, once what is deleted is free to be used again.
    pub async fn bytes_on_disk(&self) -> u64 {
        match &self.kept {
            Kept::Sqlite { _folder: folder } => {
                self.execute("pragma wal_checkpoint(truncate)").await;
                let file = std::fs::metadata(folder.path().join("tutti.db"));
                file.expect("there is a file").len()
            }
            Kept::Postgres { .. } => {
                let mut connection = PgConnection::connect(&self.url).await.expect("the database opens");
                sqlx::raw_sql("vacuum").execute(&mut connection).await.expect("it works");
                let sql = "select cast(sum(pg_total_relation_size(oid)) as bigint) from pg_class \
                           where relkind = 'r' and relnamespace = 'public'::regnamespace";
                let bytes: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("it works");
                bytes.unsigned_abs()
            }
        }
    }

    /// Runs a statement in the transaction that inserts a row into a table.
    pub async fn with_the_first_row_of(&self, table: &str, sql: &str) {
        match self.kept {
            Kept::Sqlite { .. } => {
                self.execute(&format!("create trigger once after insert on {table} when (select count(*) from {table}) = 1 begin {sql}; end")).await
            }
            Kept::Postgres { .. } => {
                let function = format!(
                    "create function once() returns trigger language plpgsql as \
                     'begin if (select count(*) from {table}) = 1 then {}; end if; return new; end'",
                    sql.replace('\'', "''")
                );
                self.execute(&function).await;
                self.execute(&format!("create trigger once after insert on {table} for each row execute function once()")).await
            }
        }
    }

    /// Makes the database refuse every entry by `mallory`, which no check before SQL notices.
    pub async fn refuse_mallory(&self) {
        match self.kept {
            Kept::Sqlite { .. } => {
                self.execute(
                    "create trigger refuse before insert on entry when new.author = 'mallory' \
                     begin select raise(abort, 'refused'); end",
                )
                .await
            }
            Kept::Postgres { .. } => {
                self.execute("alter table entry add constraint refuse check (author <> 'mallory')").await
            }
        }
    }
}

pub async fn opened(settings: StoreSettings) -> Store {
    let store = Store::open(settings).await.expect("the store opens");
    store.migrate().await.expect("the migrations run");
    store
}

pub fn name(text: &str) -> RoomName {
    RoomName::parse(text).expect("a room name")
}

pub async fn room(store: &Store, text: &str) -> RoomId {
    store.ensure_room(&name(text), None).await.expect("the room is made")
}

/// What users have on disk, in bytes.
pub async fn stored_of(store: &Store, users: &[&str]) -> Vec<u64> {
    let users = users.iter().map(|user| UserId::new(*user)).collect();
    store.usage_of(users, 0).await.expect("works").iter().map(|used| used.bytes).collect()
}

pub fn entry(kind: EntryKind, author: &str, body: &'static str) -> NewEntry {
    NewEntry {
        kind,
        author: UserId::new(author),
        via: None,
        key: None,
        condition: None,
        body: Bytes::from_static(body.as_bytes()),
    }
}

pub fn edit(body: &'static str) -> NewEntry {
    entry(EntryKind::Edit, "ada", body)
}

pub fn keyed(author: &str, key: &str) -> NewEntry {
    NewEntry { key: Some(key.to_owned()), ..entry(EntryKind::Message, author, "hello") }
}

pub fn append(room: RoomId, entries: Vec<NewEntry>) -> Append {
    Append { room, id: Uuid::new_v4(), is_repeated: false, after: None, epoch: None, entries, clients: Vec::new() }
}

/// Appends to one room.
pub async fn one(store: &Store, append: &Append) -> Outcome {
    let mut outcomes = store.append(vec![append.clone()]).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

/// Appends to one room; every entry is placed.
pub async fn placed(store: &Store, append: &Append) -> Vec<Placed> {
    let outcome = one(store, append).await.expect("the append is stored");
    outcome.into_iter().map(|placed| placed.expect("the entry is stored")).collect()
}

/// Appends as a room does: again, with the same id, while the store is not available.
pub async fn insistently(store: &Store, appends: Vec<Append>) -> Vec<Vec<Placed>> {
    let outcomes = within_seconds(120, async {
        let mut done: Vec<Option<Outcome>> = vec![None; appends.len()];
        while done.iter().any(Option::is_none) {
            let open: Vec<usize> = (0..appends.len()).filter(|&index| done[index].is_none()).collect();
            let again = open.iter().map(|&index| appends[index].clone()).collect();
            for (index, outcome) in open.into_iter().zip(store.append(again).await) {
                done[index] = outcome.is_ok().then_some(outcome);
            }
        }
        done.into_iter().flatten().collect::<Vec<Outcome>>()
    });
    let placed = |outcome: Outcome| outcome.into_iter().flatten().collect::<Result<Vec<Placed>, Refused>>();
    outcomes.await.into_iter().map(|outcome| placed(outcome).expect("no entry is refused")).collect()
}

/// Waits until the store says that it can save.
pub async fn can_save_soon(store: &Store) {
    saving_becomes(store, true).await;
}

/// Waits until the store says that it can save, or cannot: it remembers its last answer for a while.
pub async fn saving_becomes(store: &Store, is_possible: bool) {
    let asked_again = Duration::from_millis(50);
    within_seconds(60, async {
        while store.can_save().await.is_ok() != is_possible {
            tokio::time::sleep(asked_again).await;
        }
    })
    .await;
}

pub async fn within_seconds<T>(seconds: u64, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), work).await.expect("it ends in time")
}

pub fn seqs(placed: &[Placed]) -> Vec<u64> {
    placed.iter().map(|placed| placed.seq.0).collect()
}

pub fn everything() -> HistoryQuery {
    HistoryQuery {
        after: None,
        before: None,
        kinds: Kinds::All,
        author: None,
        limit: u32::MAX,
        page: Page::Oldest,
        bodies: Bodies::All,
    }
}

pub async fn history(store: &Store, room: RoomId) -> Vec<Entry> {
    store.history(room, everything()).await.expect("the history is read")
}

/// The timeline has the seqs 1, 2, 3 … `count`, and its times never decrease.
pub async fn assert_gap_free(store: &Store, room: RoomId, count: u64) {
    let entries = history(store, room).await;
    let found: Vec<Seq> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(found, (1..=count).map(Seq).collect::<Vec<_>>());
    assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
}
