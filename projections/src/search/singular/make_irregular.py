#!/usr/bin/env python3
"""Makes irregular.txt: the words that the rules of ../singular.rs get wrong.

    make_irregular.py /usr/share/wordnet > irregular.txt

The source is WordNet 3.0 (Debian's package wordnet-base): its nouns, how often each stands in its
texts, and its list of irregular plurals, noun.exc. A few words that it lacks are added below. The
rules here are those of singular.rs, and a test there compares them.
"""
import collections
import re
import sys

ADDED = """
axes=axe axis=axis bases=base data=datum media=medium people=person persons=person
dice=die pence=penny graffiti=graffito oxen=ox wharves=wharf wharfs=wharf elves=elf selves=self
lives=life leaves=leaf staves=staff lenses=lens lense=lens news=news gases=gas gasses=gas
has=has does=does yes=yes his=his its=its
quizzes=quiz buses=bus busses=bus geese=goose goods=goods stamina=stamina bacteria=bacterium algae=alga
candelabra=candelabrum stigmata=stigma women=woman men=man children=child feet=foot teeth=tooth mice=mouse
businessmen=businessman linemen=lineman carmen=carmen joes=joe
""".split()

COMPOUNDS = [
    ("children", "child"), ("women", "woman"), ("shelves", "shelf"), ("knives", "knife"),
    ("wives", "wife"), ("wolves", "wolf"), ("thieves", "thief"), ("leaves", "leaf"),
    ("loaves", "loaf"), ("hooves", "hoof"), ("teeth", "tooth"), ("geese", "goose"),
    ("feet", "foot"), ("mice", "mouse"), ("men", "man"),
]


def by_rule(word):
    for plural, one in COMPOUNDS:
        if word.endswith(plural) and len(word) - len(plural) >= 3:
            return word[: -len(plural)] + one
    if word.endswith(("ies", "ie")):
        stem = word.removesuffix("s").removesuffix("ie")
        return stem + ("y" if len(stem) >= 2 else "ie") if stem else word
    if not word.endswith("s") or len(word) < 3 or word.endswith(("ss", "us", "sis", "itis")):
        return word
    if word.endswith("zzes") or word.endswith(("sses", "xes", "tzes", "ches", "shes", "oes")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("uses") and not word.endswith(("ouses", "auses")) and len(word) > 4:
        return word[:-2]
    return word[:-1]


def read(folder):
    counts = collections.Counter()
    for line in open(f"{folder}/cntlist.rev"):
        key, _, count = line.split()
        word, sense = key.split("%")
        if sense.startswith("1:"):
            counts[word] += int(count)
    nouns = set()
    for line in open(f"{folder}/data.noun"):
        if not line.startswith("  "):
            fields = line.split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            nouns.update(word for word in words if re.fullmatch("[a-z]{2,}", word))
    irregular = {}
    for line in open(f"{folder}/noun.exc"):
        plural, one = line.split()[:2]
        if re.fullmatch("[a-z]+", plural) and re.fullmatch("[a-z]+", one):
            irregular.setdefault(plural, one)
    return nouns, counts, irregular


def regular_plurals(noun):
    if re.search("(sis|itis|[^aious]s)$", noun) and not re.search("(lens|ceps)$", noun):
        return
    if re.search("(s|x|z|ch|sh)$", noun):
        yield noun + "es"
        if re.search("[aeiou]z$", noun):
            yield noun + "zes"
        return
    if re.search("[^aeiou]y$", noun):
        yield noun[:-1] + "ies"
        return
    if noun.endswith("o"):
        yield noun + "es"
    yield noun + "s"


def main():
    nouns, counts, irregular = read(sys.argv[1])
    one_of = dict(entry.split("=") for entry in ADDED)

    def is_plural(noun):
        bases = [noun[:-1], noun[:-2] if noun.endswith("es") else ""]
        if noun.endswith("ies"):
            bases.append(noun[:-3] + "y")
        return noun.endswith("s") and any(len(b) > 2 and b in nouns and b != noun for b in bases)

    def singular(word):
        return one_of.get(word) or by_rule(word)

    # Irregular plurals, unless another noun's regular plural is meant more often.
    regular = collections.defaultdict(list)
    for noun in nouns:
        if not is_plural(noun) and noun not in irregular:
            for plural in regular_plurals(noun):
                regular[plural].append(noun)

    # Singulars that look like plurals stay what they are, unless nothing is lost: trousers may
    # become trouser, which is no other word, and what ends in "ie" is united by the rule.
    for noun in sorted(nouns):
        has_plural = re.search("([aio]s|lens|ceps|men|mice|feet)$", noun)
        if noun in one_of or noun in irregular or not has_plural:
            continue
        if by_rule(noun) != noun and not is_plural(noun):
            one_of[noun] = noun

    for plural, one in sorted(irregular.items()):
        rivals = [noun for noun in regular.get(plural, []) if noun != one]
        more = any(counts[noun] > counts[one] for noun in rivals)
        alone = plural in nouns and (one not in nouns or counts[plural] >= counts[one])
        if plural in one_of or one == plural or more or alone:
            continue
        if by_rule(plural) != singular(one):
            one_of[plural] = singular(one)

    # Regular plurals whose singular the rules do not find.
    for plural, owners in sorted(regular.items()):
        if plural in one_of or plural in irregular and irregular[plural] in nouns:
            continue
        owner = max(sorted(owners), key=lambda noun: (counts[noun], noun.endswith("e")))
        # Of a noun in -o, one of the two plurals may be another noun's.
        if plural in nouns and not is_plural(plural):
            continue
        if by_rule(plural) != singular(owner):
            one_of[plural] = singular(owner)

    # What a word becomes is its own singular.
    for word in list(one_of):
        one = one_of[word]
        if singular(one) != one:
            one_of[one] = one

    print("# Words whose singular the rules of singular.rs do not find: the word, and its singular")
    print("# when that is another one. Made by make_irregular.py of WordNet 3.0, whose licence says:")
    licence = open(f"{sys.argv[1]}/data.noun").readlines()[:29]
    for line in licence:
        print(f"# {line.strip().partition(chr(32))[2]}".rstrip())
    kept = {word: one for word, one in one_of.items() if by_rule(word) != one}
    for word, one in sorted(kept.items()):
        print(word if word == one else f"{word} {one}")


main()
