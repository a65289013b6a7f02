use sagas::Timestamp;
use uuid::Uuid;

use super::*;
use crate::generations::{BuildFrom, Generation, Stage};

type Harm = fn(&Path) -> io::Result<()>;

fn catalog(live: u32) -> Catalog {
    let generation = Generation {
        number: live,
        definition: 3,
        from: BuildFrom::Entities,
        stage: Stage::CatchingUp,
        begun_at: Timestamp::from_micros(7),
        replaced_at: Some(Timestamp::from_micros(8)),
    };
    Catalog {
        live: Some(live),
        generations: vec![generation],
        newest: live + 1,
        deployment: Some(Uuid::from_u128(5)),
        bound: Vec::new(),
        revision: 0,
    }
}

fn file(folder: &tempfile::TempDir) -> CatalogFile {
    CatalogFile::new("view", folder.path().join("view.json"))
}

#[tokio::test]
async fn the_catalog_saved_last_is_read_back_by_whoever_opens_the_file_next() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(file(&folder).load().await.unwrap(), Catalog::default());
    for live in [1, 2] {
        file(&folder).save(&catalog(live)).await.unwrap();
        assert_eq!(file(&folder).load().await.unwrap(), catalog(live));
    }
}

/// What a crash in the middle of saving leaves behind.
#[tokio::test]
async fn a_catalog_that_was_not_written_to_its_end_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    file.save(&catalog(1)).await.unwrap();
    fs::write(folder.path().join("view.json.new"), "{ \"live\": 2, \"gen").unwrap();
    assert_eq!(file.load().await.unwrap(), catalog(1));
    file.save(&catalog(2)).await.unwrap();
    assert_eq!(file.load().await.unwrap(), catalog(2));
}

#[tokio::test]
async fn what_is_no_catalog_is_damage_and_no_empty_view_and_gives_way_to_the_next_one() {
    let harms: [(&str, Harm); 4] = [
        ("garbage", |path| fs::write(path, b"\xff\x00{")),
        ("an empty file", |path| fs::write(path, "")),
        ("a catalog cut short", |path| {
            fs::write(path, "{ \"live\": 1, \"generations\": [")
        }),
        ("a folder", |path| fs::create_dir(path)),
    ];

    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        harm(&folder.path().join("view.json")).unwrap();
        let error = file(&folder).load().await.unwrap_err();
        assert!(
            matches!(error, ViewError::Damaged { .. }),
            "{what}: {error}"
        );

        file(&folder).save(&catalog(1)).await.unwrap();
        assert_eq!(file(&folder).load().await.unwrap(), catalog(1), "{what}");
        assert!(folder.path().join("view.json.damaged").exists(), "{what}");
    }
}

#[tokio::test]
async fn a_folder_in_the_way_of_the_next_catalog_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("view.json.new")).unwrap();
    file(&folder).save(&catalog(1)).await.unwrap();
    assert_eq!(file(&folder).load().await.unwrap(), catalog(1));
}
