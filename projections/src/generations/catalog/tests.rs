use super::*;

const NOW: Timestamp = Timestamp::from_micros(5);
const LATER: Timestamp = Timestamp::from_micros(9);

fn numbers(catalog: &Catalog) -> Vec<u32> {
    catalog
        .generations
        .iter()
        .map(|generation| generation.number)
        .collect()
}

#[test]
fn a_first_generation_is_built_before_it_answers() {
    let first = Catalog::default().with_new(1, BuildFrom::History, NOW);
    assert_eq!((first.live, first.newest), (None, 1));
    assert_eq!(
        first.building().map(|generation| generation.number),
        Some(1)
    );
    let live = first.with_live(1, NOW);
    assert_eq!(
        (live.live, live.building(), live.kept()),
        (Some(1), None, None)
    );
}

#[test]
fn the_generation_that_has_answered_is_kept_until_the_next_rebuild() {
    let live = Catalog::default()
        .with_new(1, BuildFrom::History, NOW)
        .with_live(1, NOW);

    let building = live.with_new(1, BuildFrom::Entities, NOW);
    assert_eq!(
        building.building().map(|generation| generation.stage),
        Some(Stage::Copying)
    );

    let swapped = building.with_copied(2).with_live(2, NOW);
    assert_eq!(swapped.kept().map(|generation| generation.number), Some(1));

    assert_eq!(
        numbers(&swapped.with_new(1, BuildFrom::History, NOW)),
        [2, 3]
    );
}

#[test]
fn a_number_is_never_given_twice() {
    let live = Catalog::default()
        .with_new(1, BuildFrom::History, NOW)
        .with_live(1, NOW);
    let given_up = live.with_new(1, BuildFrom::History, NOW).without(2);
    assert_eq!(given_up.with_new(1, BuildFrom::History, NOW).newest, 3);
}

#[test]
fn going_back_keeps_the_other_one() {
    let live = Catalog::default()
        .with_new(1, BuildFrom::History, NOW)
        .with_live(1, NOW);
    let swapped = live.with_new(1, BuildFrom::History, NOW).with_live(2, NOW);

    let back = swapped.with_live(1, LATER);
    assert_eq!(
        (back.live, back.kept().map(|generation| generation.number)),
        (Some(1), Some(2))
    );
    // How long it is kept counts from then.
    assert_eq!(swapped.kept().and_then(|kept| kept.replaced_at), Some(NOW));

    assert_eq!(back.kept().and_then(|kept| kept.replaced_at), Some(LATER));
    assert_eq!(back.answering().and_then(|live| live.replaced_at), None);
}

#[test]
fn another_generation_is_built_for_a_damaged_one_and_meanwhile_the_kept_one_answers() {
    let first = Catalog::default()
        .with_new(1, BuildFrom::History, NOW)
        .with_live(1, NOW);

    let alone = first.with_replaced(1, 1, NOW);
    assert_eq!(
        (alone.live, alone.building().map(|built| built.number)),
        (None, Some(2))
    );

    let swapped = first.with_new(1, BuildFrom::History, NOW).with_live(2, NOW);

    let back = swapped.with_replaced(2, 1, LATER);
    assert_eq!(
        (back.live, back.building().map(|built| built.number)),
        (Some(1), Some(3))
    );
    assert_eq!(back.answering().and_then(|live| live.replaced_at), None);

    assert_eq!(numbers(&swapped.with_replaced(1, 1, NOW)), [2]);
    // The one that is built takes its place when it is ready.
    let building = first.with_new(1, BuildFrom::History, NOW);
    let building = building.with_replaced(1, 1, NOW);
    assert_eq!((building.live, numbers(&building)), (None, vec![2]));
}

#[test]
fn a_damaged_generation_that_is_built_begins_again_from_what_it_was_built_from() {
    let live = Catalog::default()
        .with_new(1, BuildFrom::History, NOW)
        .with_live(1, NOW);
    let building = live.with_new(1, BuildFrom::Entities, NOW);
    let again = building.with_replaced(2, 1, LATER);
    let built = again.building().map(|built| (built.number, built.from));
    assert_eq!(
        (again.live, built),
        (Some(1), Some((3, BuildFrom::Entities)))
    );
    // What the catalog does not have is not replaced.
    assert_eq!(again.with_replaced(2, 1, LATER), again);
}
