//! A registry whose file is damaged: it reads as what was registered, or it is refused by its name.

use std::fs;
use std::path::{Path, PathBuf};

use feature::Micros;
use tempfile::TempDir;

use super::{BASE, base, definitions, plan_of};
use crate::{Registered, Registry, RegistryError, Using};

/// What lies there before it is damaged, with a second revision, a live version and a first use.
struct Sound {
    folder: TempDir,
    bytes: Vec<u8>,
    registered: Registered,
}

impl Sound {
    async fn new() -> Sound {
        let folder = TempDir::new().unwrap();
        let registry = Registry::open(&url(folder.path())).await.unwrap();
        let at = Micros::new(1_370_000_000_000_000).unwrap();
        for text in [BASE.to_owned(), format!("{BASE}\n# the same\n")] {
            let registered = registry.registered().await.unwrap();
            let plan = plan_of(&definitions(&text, &registered), &registered);
            registry.apply(&plan, at).await.unwrap();
        }
        let registered = registry.registered().await.unwrap();
        let view = registered.view(&"airport_arrivals@1".parse().unwrap()).unwrap();
        registry.begin_use(&[Using::view(&view)], "backfill", at).await.unwrap();
        let registered = registry.registered().await.unwrap();
        registry.pool().await.unwrap().close().await;
        let bytes = fs::read(folder.path().join("r.db")).unwrap();
        Sound { folder, bytes, registered }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("r.db")
    }

    /// What a registry of these bytes says.
    async fn read(&self, bytes: &[u8]) -> Result<Registered, RegistryError> {
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(self.folder.path().join(format!("r.db{suffix}")));
        }
        fs::write(self.path(), bytes).unwrap();
        let registry = Registry::open(&url(self.folder.path())).await?;
        let registered = registry.registered().await;
        registry.pool().await.unwrap().close().await;
        registered
    }

    /// The same, which has to be refused or to be right.
    async fn is_right_or_refused(&self, bytes: &[u8], what: &str) -> bool {
        match self.read(bytes).await {
            Ok(read) => {
                assert!(same(&read, &self.registered), "{what} reads as something else");
                true
            }
            Err(RegistryError::Newer { .. }) => false,
            Err(error) => {
                let sentence = error.to_string();
                assert!(sentence.contains("r.db"), "{what}: {sentence}");
                false
            }
        }
    }
}

fn url(folder: &Path) -> String {
    format!("sqlite://{}/r.db", folder.display())
}

fn same(one: &Registered, other: &Registered) -> bool {
    let ids = one.definitions().map(|definition| definition.id());
    one.generation() == other.generation()
        && one.definitions().eq(other.definitions())
        && one.list() == other.list()
        && ids.into_iter().all(|id| one.first_use(&id) == other.first_use(&id))
}

#[tokio::test]
async fn a_flipped_bit_is_never_another_definition() {
    let sound = Sound::new().await;
    assert!(sound.registered.definitions().count() >= base().len());
    let bits = sound.bytes.len() * 8;
    let mut refused = 0;
    // Every offset is as likely, and the first bytes are all tried.
    for bit in (0..100 * 8).step_by(3).chain((0..bits).step_by(bits / 400)) {
        let mut bytes = sound.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let is_right = sound.is_right_or_refused(&bytes, &format!("bit {bit} flipped")).await;
        refused += usize::from(!is_right);
    }
    assert!(refused > 100, "{refused}");
    assert!(sound.is_right_or_refused(&sound.bytes, "nothing damaged").await);
}

#[tokio::test]
async fn a_file_that_is_cut_emptied_or_overwritten_is_refused_by_name() {
    let sound = Sound::new().await;
    let pages = sound.bytes.len() / 4096;
    let mut damages: Vec<(String, Vec<u8>)> = vec![
        ("emptied".into(), Vec::new()),
        ("garbage".into(), b"no registry ".repeat(2000)),
        ("zeroed".into(), vec![0; sound.bytes.len()]),
        ("halved".into(), sound.bytes[..sound.bytes.len() / 2].to_vec()),
        ("one byte".into(), sound.bytes[..1].to_vec()),
        ("one byte short".into(), sound.bytes[..sound.bytes.len() - 1].to_vec()),
    ];
    for page in 0..pages {
        let mut zeroed = sound.bytes.clone();
        zeroed[page * 4096..(page + 1) * 4096].fill(0);
        damages.push((format!("page {page} zeroed"), zeroed));
        damages.push((format!("cut to {page} pages"), sound.bytes[..page * 4096].to_vec()));
    }
    for (what, bytes) in damages {
        let is_right = sound.is_right_or_refused(&bytes, &what).await;
        // A page of revisions, of what was counted, or a free one is not read.
        assert!(!is_right || what.starts_with("page") || what == "one byte short", "{what} is not seen");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_while_its_journal_is_there_is_not_made_again() {
    let sound = Sound::new().await;
    fs::remove_file(sound.path()).unwrap();
    fs::write(sound.folder.path().join("r.db-wal"), b"journal").unwrap();
    let refusal = Registry::open(&url(sound.folder.path())).await.unwrap_err().to_string();
    assert!(refusal.contains("it is missing"), "{refusal}");
}

#[tokio::test]
async fn what_was_registered_does_not_depend_on_the_journal() {
    let folder = TempDir::new().unwrap();
    let registry = Registry::open(&url(folder.path())).await.unwrap();
    let empty = registry.registered().await.unwrap();
    let plan = plan_of(&definitions(BASE, &empty), &empty);
    registry.apply(&plan, Micros::new(0).unwrap()).await.unwrap();
    // As a process leaves it that is killed now, and whoever copies only the file.
    let copy = TempDir::new().unwrap();
    fs::copy(folder.path().join("r.db"), copy.path().join("r.db")).unwrap();
    let copied = Registry::open(&url(copy.path())).await.unwrap().registered().await.unwrap();
    assert!(same(&copied, &registry.registered().await.unwrap()));
}

#[tokio::test]
async fn damaged_revisions_are_not_shown() {
    let sound = Sound::new().await;
    let registry = Registry::open(&url(sound.folder.path())).await.unwrap();
    let change = "UPDATE revisions SET source_text = 'other' WHERE revision = 1";
    sqlx::query(change).execute(&registry.pool().await.unwrap()).await.unwrap();
    registry.registered().await.unwrap();
    let refusal = registry.show("airport_arrivals").await.unwrap_err().to_string();
    assert!(refusal.contains("other revisions"), "{refusal}");
    let refusal = registry.integrity().await.unwrap_err().to_string();
    assert!(refusal.contains("other revisions"), "{refusal}");
}

#[tokio::test]
async fn damage_is_not_written_over_as_though_it_had_been_registered() {
    let sound = Sound::new().await;
    let registry = Registry::open(&url(sound.folder.path())).await.unwrap();
    let change = "UPDATE definitions SET source_text = 'other' WHERE name = 'airport_arrivals'";
    sqlx::query(change).execute(&registry.pool().await.unwrap()).await.unwrap();
    for _ in 0..2 {
        let view = crate::DefinitionId {
            kind: crate::Kind::FeatureView,
            name: "airport_arrivals".parse().unwrap(),
            version: Some(1),
        };
        let refusal = registry.never_used(&[view]).await.unwrap_err().to_string();
        assert!(refusal.contains("other definitions"), "{refusal}");
    }
}
