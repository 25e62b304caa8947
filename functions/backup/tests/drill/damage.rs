//! Whatever happens to what is stored: verify and restore say so, and nothing half-done is left.

use backup::{
    manifest::Manifest,
    store::{archive_key, manifest_key},
    verify::verify,
};

use super::{Arguments, ID, LONG, World, support};

impl World {
    /// What verifying says, and a drill; both must fail.
    async fn faults(&self) -> [String; 2] {
        let drilled = self.drill(&super::arguments(serde_json::json!({"backup": ID})), LONG).await.unwrap_err();
        let programs = support::programs().await;
        let verified = match self.store.manifest(ID).await {
            Ok(manifest) => verify(&self.store, &manifest, &programs, |_| ()).await.unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        [verified, drilled]
    }

    async fn both_say(&self, words: &str) {
        for said in self.faults().await {
            assert!(said.contains(words), "{words}: {said}");
        }
    }

    async fn change_manifest(&self, change: impl FnOnce(&mut Manifest)) {
        let mut manifest: Manifest = serde_json::from_slice(&self.backups.get(&manifest_key(ID)).await).unwrap();
        change(&mut manifest);
        self.backups.put(&manifest_key(ID), serde_json::to_vec(&manifest).unwrap()).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_whole_is_verified() {
    let world = World::new().await;
    let manifest = world.store.manifest(ID).await.unwrap();
    let mut seen = 0;
    let verified = verify(&world.store, &manifest, &support::programs().await, |bytes| seen = bytes).await.unwrap();
    assert_eq!((verified.bytes, verified.plain_bytes), (manifest.archive.bytes, manifest.archive.plain_bytes));
    assert!(verified.entries > 20 && seen == manifest.archive.plain_bytes, "{verified:?} {seen}");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found() {
    let world = World::new().await;
    let whole = world.backups.get(&archive_key(ID)).await;
    // The header, the contents, the data, the very end.
    for at in [0, 20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        world.backups.put(&archive_key(ID), damaged).await;
        world.both_say("is damaged").await;
    }
    // In the plain data, packed once more: only the sum of the stored bytes can tell.
    let mut plain = zstd::decode_all(&whole[..]).unwrap();
    let at = plain.windows(12).position(|window| window == b"invoice.paid").unwrap();
    plain[at] ^= 1;
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    let bytes = packed.len() as u64;
    world.backups.put(&archive_key(ID), packed).await;
    world.change_manifest(|manifest| manifest.archive.bytes = bytes).await;
    world.both_say("its bytes were changed").await;
}

/// Someone who can write both the archive and the manifest's sums is found out by the tables.
#[tokio::test]
async fn other_data_with_sums_that_fit_are_found_by_the_drill() {
    let world = World::new().await;
    world.database.execute("UPDATE executions SET event_type = 'invoice.paie' WHERE idempotency_key = '7'").await;
    let (other, stored) = support::take(&world.database.admin_url(), ID).await;
    world.backups.put(&archive_key(ID), stored).await;
    world.change_manifest(|manifest| manifest.archive = other.archive).await;
    let error = world.drill(&Arguments::default(), LONG).await.unwrap_err();
    assert!(error.contains("is not equal: public.executions has as many rows (2000), with other values"), "{error}");
}

#[tokio::test]
async fn an_archive_that_is_cut_missing_or_too_long_is_found() {
    let world = World::new().await;
    let whole = world.backups.get(&archive_key(ID)).await;
    world.backups.put(&archive_key(ID), &whole[..whole.len() / 2]).await;
    world.both_say("another size").await;
    let longer = [&whole[..], b"x"].concat();
    world.backups.put(&archive_key(ID), longer).await;
    world.both_say("another size").await;
    // A manifest that fits the cut archive: the compressed data have no end.
    let cut = whole[..whole.len() / 2].to_vec();
    let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &cut).as_ref());
    world
        .change_manifest(|manifest| (manifest.archive.bytes, manifest.archive.sha256) = (cut.len() as u64, sha256))
        .await;
    world.backups.put(&archive_key(ID), cut).await;
    world.both_say("it ends after").await;
    world.backups.delete(&archive_key(ID)).await;
    world.both_say("its archive is not there").await;
}

#[tokio::test]
async fn what_is_not_what_it_says_is_refused() {
    let world = World::new().await;
    let (manifest, stored) = support::pack(ID, b"PGDMP, it says");
    support::put(&world.backups, &manifest, &stored).await;
    for said in world.faults().await {
        assert!(said.contains("pg_restore") && said.contains("error:"), "{said}");
    }
    let (manifest, _) = support::pack(ID, b"PGDMP");
    support::put(&world.backups, &manifest, &vec![7; usize::try_from(manifest.archive.bytes).unwrap()]).await;
    world.both_say("cannot be unpacked").await;
    let (other, _) = support::pack("20261121T013000Z-1a2b3c4d", b"PGDMP");
    world.backups.put(&manifest_key(ID), serde_json::to_vec(&other).unwrap()).await;
    world.both_say("its manifest is that of 20261121T013000Z-1a2b3c4d").await;
    world.backups.put(&manifest_key(ID), "{\"version\": 1}").await;
    world.both_say("its manifest cannot be read").await;
    world.backups.delete(&manifest_key(ID)).await;
    world.both_say("there is no backup").await;
}
