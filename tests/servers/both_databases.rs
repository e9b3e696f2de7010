//! Makes two tests of one: on SQLite and on PostgreSQL.

/// Makes two tests of each of these, one on SQLite and one on PostgreSQL. They get what the `Place` of the test's `support`
/// makes there.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::support::Place::on_sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::support::Place::on_postgres().await).await;
            })+
        }
    };
}
