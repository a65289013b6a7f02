use super::*;

const COLUMNS: [&str; 9] = [
    "shard",
    "sequence",
    "count",
    "entity_id",
    "version",
    "correlation_id",
    "time",
    "events",
    "messages",
];

fn relation() -> Vec<u8> {
    let mut message = b"R\0\0\0\x07public\0outbox\0d\0\x09".to_vec();
    for column in COLUMNS {
        message.push(1);
        message.extend(column.as_bytes());
        message.extend([0; 9]);
    }
    message
}

fn insert(values: [Option<&str>; 9]) -> Vec<u8> {
    let mut message = b"I\0\0\0\x07N\0\x09".to_vec();
    for value in values {
        match value {
            None => message.push(b'n'),
            Some(value) => {
                message.push(b't');
                message.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                message.extend(value.as_bytes());
            }
        }
    }
    message
}

const ID: &str = "00000000-0000-0000-0000-000000000007";

fn a_row() -> Vec<u8> {
    let events = Some("[{\"ü\":1}]");
    insert([
        Some("3"),
        Some("41"),
        Some("2"),
        Some(ID),
        Some("5"),
        Some(ID),
        Some("-1"),
        events,
        None,
    ])
}

#[test]
fn a_row_is_read_by_the_names_of_its_columns() {
    let mut tables = Tables::default();
    assert!(tables.read(&relation()).unwrap().is_none());
    let row = tables.read(&a_row()).unwrap().unwrap();
    assert_eq!(row.number(), 3);
    assert_eq!((row.model.sequence, row.model.count), (41, 2));
    assert_eq!((row.model.version, row.model.time), (Some(5), -1));
    assert_eq!(row.model.entity_id, Uuid::from_u128(7));
    assert_eq!(row.model.events.as_deref(), Some("[{\"ü\":1}]"));
    assert_eq!(row.model.messages, None);
}

#[test]
fn what_cannot_be_read_is_told_and_nothing_is_made_of_it() {
    let mut tables = Tables::default();
    assert!(tables.read(&a_row()).is_err(), "its table is not known");
    tables.read(&relation()).unwrap();

    let whole = a_row();
    for length in 0..whole.len() {
        assert!(tables.read(&whole[..length]).is_err(), "cut at {length}");
    }
    let no_sequence = insert([
        Some("3"),
        None,
        Some("2"),
        Some(ID),
        None,
        Some(ID),
        Some("1"),
        None,
        None,
    ]);
    assert!(tables.read(&no_sequence).is_err());
    // Of other tables, and of what is done to them, nothing is asked.
    assert!(tables.read(b"T\0\0\0\x01\0\0\0\0\x07").unwrap().is_none());
}
