//! A database per test, copied from one that was migrated once, in a cluster that ends with this process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use maskline::cluster::{self, Cluster};
use maskline::db;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = cluster::start(&cluster::Settings {
        directory: concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-postgres").into(),
        durable: false,
        tied_to_this_process: true,
    })
    .unwrap();
    db::execute(&cluster.url("postgres"), "CREATE DATABASE template_of_tests").unwrap();
    db::migrate(&cluster.url("template_of_tests")).unwrap();
    cluster
});
static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Database {
    pub(crate) url: String,
    /// A connection to look at rows by, for as long as it lives.
    looking: Arc<Mutex<Option<diesel::PgConnection>>>,
}

impl Database {
    /// A migrated database.
    pub(crate) async fn create() -> Self {
        Self::made("TEMPLATE template_of_tests").await
    }

    /// A migrated database in a cluster of a test's own.
    pub(crate) async fn of(cluster: &Arc<Cluster>) -> Self {
        let cluster = cluster.clone();
        tokio::task::spawn_blocking(move || {
            let url = cluster.url("maskline");
            db::execute(&cluster.url("postgres"), "CREATE DATABASE maskline").unwrap();
            db::migrate(&url).unwrap();
            Self { url, looking: Arc::default() }
        })
        .await
        .unwrap()
    }

    /// A database without tables.
    pub(crate) async fn empty() -> Self {
        Self::made("TEMPLATE template0").await
    }

    /// A database that is made with these options of `CREATE DATABASE`.
    pub(crate) async fn made(options: &'static str) -> Self {
        tokio::task::spawn_blocking(move || {
            let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
            let statement = format!("CREATE DATABASE {name} {options}");
            db::execute(&CLUSTER.url("postgres"), &statement).unwrap();
            Self { url: CLUSTER.url(&name), looking: Arc::default() }
        })
        .await
        .unwrap()
    }

    /// The rows of a query, each as text with `|` between its columns.
    pub(crate) async fn rows(&self, query: &str) -> Vec<String> {
        let (url, query, looking) = (self.url.clone(), query.to_owned(), self.looking.clone());
        tokio::task::spawn_blocking(move || {
            use diesel::prelude::*;
            #[derive(diesel::QueryableByName)]
            struct Row {
                #[diesel(sql_type = diesel::sql_types::Text)]
                row: String,
            }
            let query = format!("SELECT coalesce(array_to_string(ARRAY(SELECT value FROM json_each_text(row_to_json(q))), '|', '∅'), '') AS row FROM ({query}) q");
            let mut looking = looking.lock().unwrap_or_else(PoisonError::into_inner);
            let known = looking.take().and_then(|mut conn| {
                let rows: Option<Vec<Row>> = diesel::sql_query(&query).load(&mut conn).ok();
                rows.map(|rows| (rows, conn))
            });
            let (rows, conn) = known.unwrap_or_else(|| {
                let mut conn = diesel::PgConnection::establish(&url).unwrap();
                (diesel::sql_query(&query).load(&mut conn).unwrap(), conn)
            });
            *looking = Some(conn);
            rows.into_iter().map(|row| row.row).collect()
        })
        .await
        .unwrap()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> usize {
        self.rows(&format!("SELECT * FROM {table}")).await.len()
    }

    /// The first column of the only row of a query.
    pub(crate) async fn one(&self, query: &str) -> String {
        let rows = self.rows(query).await;
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows[0].clone()
    }

    /// Every row of every table, as JSON.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
        let mut all = vec![];
        for table in self.rows(tables).await {
            all.extend(self.rows(&format!("SELECT row_to_json(t)::text FROM \"{table}\" t")).await);
        }
        all
    }

    /// Every row of every table as one text.
    pub(crate) async fn dump(&self) -> String {
        self.everything().await.join("\n")
    }

    /// Runs a statement, whatever it answers.
    pub(crate) async fn execute(&self, statement: &str) {
        let (url, statement) = (self.url.clone(), statement.to_owned());
        tokio::task::spawn_blocking(move || db::execute(&url, &statement).unwrap()).await.unwrap();
    }

    /// Runs a statement in a transaction that stays open until the answer is dropped.
    pub(crate) async fn hold(&self, statement: &str) -> std::sync::mpsc::Sender<()> {
        use diesel::connection::{Connection as _, SimpleConnection as _};
        let (url, statement) = (self.url.clone(), statement.to_owned());
        let (let_go, until) = std::sync::mpsc::channel::<()>();
        let (held, is_held) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut conn = diesel::PgConnection::establish(&url).unwrap();
            let kept = conn.transaction(|conn| {
                conn.batch_execute(&statement)?;
                held.send(()).unwrap();
                // Whoever holds the other end lets go by dropping it.
                until.recv().ok();
                Ok::<_, diesel::result::Error>(())
            });
            kept.unwrap();
        });
        is_held.await.unwrap();
        let_go
    }

    /// Takes every connection that the database has to give, and sends away whoever has one, until the answer is
    /// dropped.
    pub(crate) async fn crowd(&self) -> Vec<diesel::PgConnection> {
        use diesel::RunQueryDsl as _;
        use diesel::connection::Connection as _;
        let url = format!("{}&application_name=crowd", self.url);
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE backend_type = 'client backend' AND application_name <> 'crowd'";
        let crowd = move || {
            let mut crowd = vec![];
            loop {
                crowd.extend(std::iter::from_fn(|| diesel::PgConnection::establish(&url).ok()));
                if diesel::sql_query(others).execute(&mut crowd[0]).unwrap() == 0 {
                    return crowd;
                }
            }
        };
        tokio::task::spawn_blocking(crowd).await.unwrap()
    }

    /// Makes the database refuse everybody, or takes them again.
    pub(crate) async fn let_in(&self, everybody: bool) {
        let name = self.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        let statements = [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {everybody}"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ];
        tokio::task::spawn_blocking(move || {
            for statement in &statements[..if everybody { 1 } else { 2 }] {
                db::execute(&CLUSTER.url("postgres"), statement).unwrap();
            }
        })
        .await
        .unwrap();
    }
}
