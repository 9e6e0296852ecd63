//! The tables: as the code sees them and as the migrations make them, and the way back.

use std::collections::BTreeMap;

use maskline::db;

use crate::support::Database;

const COLUMNS: &str = "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
                       WHERE table_schema = 'public' AND table_name <> '__diesel_schema_migrations' \
                       ORDER BY 1, 2";
const KEYS: &str = "SELECT c.relname, (SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)) \
                    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(i.indkey)) \
                    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE i.indisprimary AND n.nspname = 'public' AND c.relname <> '__diesel_schema_migrations' ORDER BY 1";
/// Everything that a migration can make: tables, indexes, sequences, types, constraints, functions, triggers.
const EVERYTHING: &str = "SELECT 'relation', relname::text, relkind::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' \
                          UNION ALL SELECT 'type', typname::text, typtype::text FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = 'public' \
                          UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint JOIN pg_namespace n ON n.oid = connamespace WHERE nspname = 'public' \
                          UNION ALL SELECT 'index', indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' \
                          UNION ALL SELECT 'function', proname::text, prosrc FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public' \
                          UNION ALL SELECT 'trigger', tgname::text, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger WHERE NOT tgisinternal \
                          UNION ALL SELECT 'extension', extname::text, '' FROM pg_extension \
                          ORDER BY 1, 2, 3";

/// What `src/db/schema.rs` says: of each table its key and its columns, each with its type in Postgres' words.
fn as_the_code_sees_it() -> BTreeMap<String, (String, Vec<String>)> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema.rs")).unwrap();
    let mut tables = BTreeMap::new();
    for block in source.split("diesel::table! {").skip(1) {
        let (head, body) = block.trim_start().split_once('{').unwrap();
        let (name, key) = head.split_once('(').unwrap();
        let lines = body.split('}').next().unwrap().lines().map(str::trim);
        let mut columns: Vec<String> = lines
            .filter_map(|line| line.trim_end_matches(',').split_once(" -> "))
            .map(|(column, kind)| {
                let required = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
                let nullable = if required.is_some() { "YES" } else { "NO" };
                format!("{column}|{}|{nullable}", in_words_of_postgres(required.unwrap_or(kind)))
            })
            .collect();
        columns.sort();
        assert!(!columns.is_empty(), "{block}");
        tables.insert(name.trim().to_owned(), (key.trim().trim_end_matches(')').to_owned(), columns));
    }
    tables
}

fn in_words_of_postgres(kind: &str) -> &str {
    match kind {
        "Uuid" => "uuid",
        "Text" => "text",
        "Bytea" => "bytea",
        "Bool" => "boolean",
        "Int2" => "smallint",
        "Int4" => "integer",
        "Int8" => "bigint",
        "Date" => "date",
        "Jsonb" => "jsonb",
        "Timestamptz" => "timestamp with time zone",
        other => panic!("a type that this test does not know: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_sees_the_tables_that_the_migrations_make() {
    let database = Database::create().await;
    let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in database.rows(COLUMNS).await {
        let (table, column) = row.split_once('|').unwrap();
        made.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    for columns in made.values_mut() {
        columns.sort();
    }
    let seen = as_the_code_sees_it();
    let columns: BTreeMap<_, _> =
        seen.iter().map(|(table, (_, columns))| (table.clone(), columns.clone())).collect();
    assert_eq!(made, columns);
    for row in database.rows(KEYS).await {
        let (table, key) = row.split_once('|').unwrap();
        assert_eq!(key, seen[table].0, "the key of {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_has_a_way_back_and_up_again() {
    let database = Database::empty().await;
    let before = database.rows(EVERYTHING).await;
    let (url, names) = (database.url.clone(), folders());
    let migrate = || {
        let url = url.clone();
        async move { tokio::task::spawn_blocking(move || db::migrate(&url).unwrap()).await.unwrap() }
    };
    let is_behind = || {
        let url = url.clone();
        async move { tokio::task::spawn_blocking(move || db::is_behind(&url).unwrap()).await.unwrap() }
    };
    assert!(is_behind().await);
    assert_eq!(migrate().await.len(), names);
    assert!(!is_behind().await);
    assert_eq!(migrate().await, Vec::<String>::new());
    let made = database.rows(EVERYTHING).await;

    let down = url.clone();
    tokio::task::spawn_blocking(move || db::unmigrate(&down).unwrap()).await.unwrap();
    let mut left = database.rows(EVERYTHING).await;
    left.retain(|thing| !thing.contains("__diesel_schema_migrations"));
    assert_eq!(left, before, "left behind by a way back");
    assert!(is_behind().await);

    assert_eq!(migrate().await.len(), names);
    assert_eq!(database.rows(EVERYTHING).await, made);
}

fn folders() -> usize {
    let entries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
}
