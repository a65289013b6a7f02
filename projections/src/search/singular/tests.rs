use proptest::prelude::*;

use super::*;

/// Words that must find each other.
const UNITED: &str = "apple apples, axe axes, box boxes, peach peaches, quiche quiches, \
    radish radishes, glass glasses, mousse mousses, tomato tomatoes, shoe shoes, bee bees, \
    pie pies, cookie cookies, bus buses, lens lenses, gas gases, iris irises, \
    asparagus asparaguses, house houses, cheese cheeses, virus viruses, citrus citruses, \
    emu emus, guru gurus, haiku haikus, menu menus, tofu tofus, tutu tutus, bayou bayous, \
    caribou caribous, waltz waltzes, quiz quizzes, fizz fizzes, size sizes, pizza pizzas, \
    juice juices, use uses, toy toys, selfie selfies, trouser trousers, berry berries, \
    knife knives, wife wives, elf elves, thief thieves, hoof hooves, hoof hoofs, life lives, \
    wharf wharves, wharf wharfs, calf calves, half halves, leaf leaves, loaf loaves, \
    scarf scarves, shelf shelves, wolf wolves, self selves, sheaf sheaves, dwarf dwarves, \
    midwife midwives, penknife penknives, werewolf werewolves, bookshelf bookshelves, \
    child children, grandchild grandchildren, stepchild stepchildren, foot feet, \
    forefoot forefeet, goose geese, man men, woman women, fisherman fishermen, mouse mice, \
    dormouse dormice, louse lice, tooth teeth, ox oxen, person people, penny pence, \
    criterion criteria, phenomenon phenomena, cactus cacti, cactus cactuses, fungus fungi, \
    alumnus alumni, nucleus nuclei, radius radii, octopus octopi, octopus octopuses, \
    larva larvae, formula formulae, antenna antennae, bacterium bacteria, datum data, \
    medium media, stratum strata, index indices, index indexes, matrix matrices, \
    appendix appendices, vertex vertices, analysis analyses, crisis crises, oasis oases, \
    thesis theses, bureau bureaux, plateau plateaux, glove gloves, olive olives, \
    valve valves, groove grooves, cache caches, niche niches, toe toes, nose noses, \
    hero heroes, photo photos, canvas canvases, atlas atlases, tea teas, no noes, \
    headache headaches, status statuses, piano pianos";

/// Words that must not.
const APART: &str = "tea tease, no nose, goo goose, glass glance, bass base, axe ax, toe to, \
    lens len, new news, gas ga, bus bu, glass glas, good goods, do does, hi his, pi pie, \
    ho hose, do dose, pro prose, ro rose, caus cause, hors horse, cur curse, plea please, \
    see seize, bra brass, pumice pumouse, specimen speciman, omen oman, olive olife, \
    valve valf, groove groof, pox pose, cash cache, man mane, leave life, hoof hoove";

fn pairs(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table
        .split(',')
        .map(|pair| pair.trim().split_once(' ').unwrap())
}

#[test]
fn singular_and_plural_meet() {
    for (one, many) in pairs(UNITED) {
        assert_eq!(singular(one), singular(many), "{one}, {many}");
    }
}

#[test]
fn words_that_differ_by_more_stay_apart() {
    for (one, other) in pairs(APART) {
        assert_ne!(singular(one), singular(other), "{one}, {other}");
    }
}

#[test]
fn a_word_too_short_or_of_another_language_stays_or_loses_its_s() {
    for (word, expected) in [
        ("us", "us"),
        ("is", "is"),
        ("s", "s"),
        ("", ""),
        ("ie", "ie"),
        ("ies", "ies"),
        ("ñas", "ña"),
        ("οδοσ", "οδοσ"),
    ] {
        assert_eq!(singular(word), expected, "{word}");
    }
}

#[test]
fn the_list_holds_what_the_rules_get_wrong_and_nothing_else() {
    for (word, one) in irregular() {
        assert_ne!(by_rule(word), one, "{word}");
        assert_eq!(singular(one), one, "{word}");
    }
    assert!(irregular().is_sorted());
}

proptest! {
    #[test]
    fn a_singular_has_no_other_singular(
        word in "[a-z]{0,4}(ie|ches|shes|sses|ses|zzes|oes|xe|es|ss|us|uses|men|leaves)?e?s?",
    ) {
        let once = singular(&word);
        prop_assert_eq!(singular(&once), once.as_ref());
    }
}
