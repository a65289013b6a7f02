//! What is compared of a row and a history.

use super::*;

fn memory(version: u64) -> Memory {
    Memory {
        version,
        created_by: None,
        remembered: Vec::new(),
    }
}

fn replayed(version: u64) -> Replayed<&'static str> {
    Replayed {
        state: "as it is",
        version,
        snapshot: 0,
    }
}

fn unreadable<T>() -> Result<T, StoreError> {
    Err(StoreError::Corrupt {
        what: "it".to_owned(),
        source: "damaged".into(),
    })
}

#[test]
fn what_row_and_history_do_not_both_say_is_not_loaded() {
    let id = Uuid::from_u128(1);
    let differs = |row, replayed| match compare(id, row, replayed) {
        Compared::Differ(error) => (error.chain(), false),
        Compared::Ahead(error) => (error.chain(), true),
        other => panic!("{other:?}"),
    };

    assert!(matches!(compare::<()>(id, None, None), Compared::Absent));
    let same = compare(id, Some(Ok(memory(3))), Some(Ok(replayed(3))));
    assert!(matches!(same, Compared::Same(..)), "{same:?}");

    for (row, history, says) in [
        (
            Some(3),
            Some(2),
            "its history is at version 2, its row is at version 3",
        ),
        (
            Some(2),
            Some(3),
            "its history is at version 3, its row is at version 2",
        ),
        (
            None,
            Some(3),
            "its history is at version 3, its row is not there",
        ),
        (
            Some(3),
            None,
            "its history is not there, its row is at version 3",
        ),
    ] {
        let row = row.map(|version| Ok(memory(version)));
        let is_ahead = says.starts_with("its history is at version 3");
        let told = differs(row, history.map(|version| Ok(replayed(version))));
        assert!(told.0.contains(says) && told.1 == is_ahead, "{told:?}");
    }
    for (row, history) in [
        (unreadable(), Ok(replayed(1))),
        (Ok(memory(1)), unreadable()),
    ] {
        let told = differs(Some(row), Some(history));
        assert!(told.0.contains("damaged") && !told.1, "{told:?}");
    }
}
