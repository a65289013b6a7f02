use super::*;
use crate::timeline::{AnswerMeaning, AnswerRecord};

fn attempt(number: u32, answer: Option<AnswerMeaning>) -> AttemptRecord {
    AttemptRecord {
        number,
        at: 3,
        undo: number > 1,
        answer: answer.map(|means| AnswerRecord {
            at: 5,
            name: "stock.done".into(),
            means,
        }),
        cause: (number > 1).then_some("TIMED_OUT".into()),
    }
}

/// A record with something in each field.
fn full(attempts: Vec<AttemptRecord>) -> StepRecord {
    StepRecord {
        state: StepState::Running,
        at: Some(Timestamp::from_micros(7)),
        detail: Some("stop".to_owned()),
        is_final: true,
        nested: Some(SagaId(uuid::Uuid::from_u128(1))),
        attempts,
        ..StepRecord::remaining("pay")
    }
}

#[test]
fn stored_steps_read_back() {
    let full = full(vec![
        attempt(1, Some(AnswerMeaning::Done)),
        attempt(2, Some(AnswerMeaning::Ignored)),
        attempt(3, None),
    ]);

    // Whatever comes last, what comes before it stays in its place.
    let mut records = vec![full];
    let forget: [fn(&mut StepRecord); 5] = [
        |record| record.nested = None,
        |record| record.detail = None,
        |record| record.is_final = false,
        |record| record.attempts.clear(),
        |record| record.at = None,
    ];
    for forget in forget {
        let mut next = records[records.len() - 1].clone();
        forget(&mut next);
        records.push(next);
    }
    records.push(StepRecord::remaining("pay"));

    for record in records {
        let json = serde_json::to_string(&record).unwrap();
        let read: StepRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(read, record, "{json}");
    }
}

#[test]
fn steps_that_were_stored_as_objects_are_read() {
    let json = r#"{"name":"pay","state":"RUNNING","at":7,"detail":"stop","is_final":true,
        "nested":"00000000-0000-0000-0000-000000000001",
        "attempts":[{"n":2,"at":3,"undo":true,"why":"TIMED_OUT",
        "re":{"at":5,"name":"stock.done","means":"IGNORED"}},{"n":3,"at":9}]}"#;
    let record: StepRecord = serde_json::from_str(json).unwrap();
    let expected = full(vec![
        attempt(2, Some(AnswerMeaning::Ignored)),
        AttemptRecord {
            at: 9,
            undo: false,
            cause: None,
            ..attempt(3, None)
        },
    ]);
    assert_eq!(record, expected);
}

/// Data of years ago must still be readable.
#[test]
fn steps_of_release_0_1_are_read_without_a_name() {
    let json = r#"[{"state":"DONE","at":1795848976846890},{"state":"RUNNING","detail":"x"}]"#;
    let records: Vec<StepRecord> = serde_json::from_str(json).unwrap();
    assert_eq!(records[0].state, StepState::Done);
    assert!(records.iter().all(|record| record.name.is_empty()));
    assert!(records.iter().all(|record| record.attempts.is_empty()));
}

/// It is what databases look for.
#[test]
fn what_a_step_shows_is_stored_by_name() {
    let record = StepRecord {
        detail: Some("stop".to_owned()),
        ..StepRecord::remaining("pay")
    };
    let json = serde_json::to_string(&record).unwrap();
    assert!(json.contains(r#""detail":"stop""#), "{json}");
}

/// Every saga writes it, three times.
#[test]
fn a_step_that_went_well_is_short() {
    let done = AttemptRecord {
        undo: false,
        cause: None,
        ..attempt(1, Some(AnswerMeaning::Done))
    };
    let record = StepRecord {
        state: StepState::Done,
        at: Some(Timestamp::from_micros(8)),
        attempts: vec![done],
        ..StepRecord::remaining("pay")
    };
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(json, r#"["pay","DONE",8,[[1,3,[5,"stock.done"]]]]"#);
}
