use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);
const PATIENCE: Duration = Duration::from_secs(600);

fn timer(saga: u128, wake_at: Timestamp, waits_for: u128) -> StoredTimer {
    StoredTimer {
        id: Uuid::from_u128(saga),
        set: TimerSet {
            wake_at,
            patience: PATIENCE,
            waits_for: Uuid::from_u128(waits_for),
        },
    }
}

fn set(timers: &mut Timers, timer: StoredTimer) {
    let StoredTimer { id, set } = timer;
    timers.set(&TimerChange { id, set: Some(set) }, false, NOW);
}

#[test]
fn a_timer_of_a_clock_that_has_stepped_back_is_due_within_the_policy() {
    let mut timers = Timers::default();
    let three_hours_on = NOW.after(Duration::from_secs(3 * 3600));
    timers.restore(&timer(1, three_hours_on, 1), NOW);

    assert_eq!(timers.next_due(), Some(NOW.after(PATIENCE)));
    let due = timers.due(NOW.after(PATIENCE), NOW.after(PATIENCE));
    assert_eq!(due, [(Uuid::from_u128(1), three_hours_on)]);
}

#[test]
fn a_saga_that_cannot_be_woken_is_tried_ever_more_rarely_over_reloads_too() {
    let mut timers = Timers::default();
    let saga = Uuid::from_u128(1);
    set(&mut timers, timer(1, NOW, 1));

    assert_eq!(timers.put_off(saga, NOW), Some(Duration::from_secs(1)));
    assert_eq!(timers.put_off(saga, NOW), Some(Duration::from_secs(2)));
    timers.clear();
    timers.restore(&timer(1, NOW, 1), NOW);
    assert_eq!(timers.next_due(), Some(NOW.after(Duration::from_secs(2))));

    timers.woken(saga);
    timers.restore(&timer(1, NOW, 1), NOW);
    assert_eq!(timers.next_due(), Some(NOW));
}

#[test]
fn whoever_many_sagas_wait_for_is_refused_and_nobody_else() {
    let mut timers = Timers::default();
    for number in (0..).take(WAITING_FOR_ONE) {
        set(&mut timers, timer(number, NOW, 7));
    }
    assert!(!timers.has_room_for(Uuid::from_u128(7)));
    assert!(timers.has_room_for(Uuid::from_u128(8)));

    // When the shard as a whole has many, those who have few still get more.
    for number in (0..).take(MANY).skip(WAITING_FOR_ONE) {
        set(&mut timers, timer(number, NOW, 100 + number % 100));
    }
    assert!(!timers.has_room_for(Uuid::from_u128(100)));
    assert!(timers.has_room_for(Uuid::from_u128(8)));

    // One that has ended makes room.
    let ended = TimerChange {
        id: Uuid::from_u128(0),
        set: None,
    };
    timers.set(&ended, false, NOW);
    assert_eq!(timers.len(), MANY - 1);
    assert!(timers.has_room_for(Uuid::from_u128(8)));
}

#[test]
fn an_entity_that_waits_by_itself_is_due_when_others_are_level_and_holds_up_nobody() {
    let mut timers = Timers::default();
    let later = NOW.after(Duration::from_secs(1));
    for (id, at, by_itself) in [(1, NOW, true), (2, later, true), (3, later, false)] {
        let StoredTimer { id, set } = timer(id, at, 7);
        timers.set(&TimerChange { id, set: Some(set) }, by_itself, NOW);
    }

    let ids = |level| {
        let due = timers.due(later, level).into_iter();
        due.map(|(id, _)| id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(ids(Timestamp::default()), [3]);
    assert_eq!(ids(NOW), [1, 3]);
    assert!(timers.is_ahead_of(NOW, later) && !timers.is_ahead_of(NOW, NOW));
    assert_eq!(ids(later), [1, 2, 3]);
    assert!(!timers.is_ahead_of(later, later));
}

#[test]
fn a_stuck_saga_keeps_its_place_until_it_goes_on_or_ends() {
    let (mut timers, seven) = (Timers::default(), Uuid::from_u128(7));
    for number in (0..).take(WAITING_FOR_ONE) {
        set(&mut timers, timer(number, NOW, 7));
        let stuck = TimerChange {
            id: Uuid::from_u128(number),
            set: None,
        };
        timers.set(&stuck, false, NOW);
        timers.is_stuck(stuck.id, Some(seven));
    }
    assert_eq!(timers.len(), 0);
    assert!(!timers.has_room_for(seven));

    // It goes on, and has a timer again.
    timers.is_stuck(Uuid::from_u128(0), None);
    set(&mut timers, timer(0, NOW, 7));
    assert!(!timers.has_room_for(seven));

    timers.is_stuck(Uuid::from_u128(1), None);
    timers.is_stuck(Uuid::from_u128(1), None);
    assert!(timers.has_room_for(seven));
    timers.clear();
    assert_eq!(timers.waiting_for.len(), 0);
}
