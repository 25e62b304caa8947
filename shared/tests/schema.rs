//! `shared/schema.txt` is what the migrations make.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use shared::schema::{Catalog, EXPECTED, compare};
use testkit::TestDatabase;
use tokio_postgres::Client;

async fn read(client: &Client) -> Catalog {
    client.batch_execute("BEGIN READ ONLY").await.unwrap();
    let catalog = Catalog::read(client).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    catalog
}

#[tokio::test]
async fn the_text_is_that_of_a_freshly_migrated_database() {
    let database = TestDatabase::new().await;
    let admin = database.admin().await;
    let actual = read(&admin).await;
    let lines: Vec<_> = compare(&Catalog::parse(EXPECTED), &actual).iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "shared/schema.txt is not current: run make schemas\n{}", lines.join("\n"));
    assert_eq!(actual.text(), EXPECTED, "shared/schema.txt is not current: run make schemas");

    // Who reads it does not matter, nor do their settings.
    admin.batch_execute("SET ROLE solo_reader; SET search_path = ''; SET timezone = 'Asia/Tokyo'").await.unwrap();
    assert_eq!(read(&admin).await, actual);
}
