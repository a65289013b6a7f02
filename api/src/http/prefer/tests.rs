use super::*;

fn parse(texts: &[&str]) -> Prefer {
    Prefer::parse(texts.iter(), Duration::from_secs(30))
}

fn wait(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn both_preferences_are_read_in_every_spelling() {
    let both = Prefer {
        wait: wait(5),
        lenient: true,
    };

    for texts in [
        &["wait=5, handling=lenient"][..],
        &["handling=lenient", "wait=5"],
        &["WAIT = \"5\" , Handling=LENIENT"],
        &["respond-async, wait=5;x=1", "handling=\"lenient\", wait=9"],
        &[
            "foo=\"a, wait=9\", wait=5",
            "bar; x=\"\\\", wait=8\"",
            "handling=lenient",
        ],
        &[
            ", ,wait=\"\\5\"; y=\"a;b\";z ,",
            "h\u{e4}ndling=x, handling=lenient",
        ],
    ] {
        assert_eq!(parse(texts), both, "{texts:?}");
    }

    assert_eq!(
        parse(&["return=minimal", "handling=strict"]),
        Prefer::default()
    );
}

#[test]
fn a_wait_is_capped() {
    assert_eq!(parse(&["wait=31"]).wait, wait(30));
    assert_eq!(parse(&["wait=99999999999999999999999"]).wait, wait(30));
    assert_eq!(parse(&["wait=0"]).wait, wait(0));
}

#[test]
fn what_is_not_understood_is_ignored() {
    for text in [
        "wait",
        "wait=",
        "wait=-1",
        "wait=1.5",
        "wait=soon",
        "wait=+1",
        "wait=soon, wait=5",
        "note=\"wait=5",
        "note=\"never ends, wait=5, handling=lenient",
        "wait=\"5",
        "handling, handling=lenient",
        "=5, =lenient",
        "\"wait=5\"",
    ] {
        assert_eq!(parse(&[text]), Prefer::default(), "{text}");
    }
}

#[test]
fn what_was_applied_is_told() {
    assert_eq!(
        parse(&["wait=5,handling=lenient"]).applied().as_deref(),
        Some("wait=5, handling=lenient")
    );
    assert_eq!(Prefer::default().applied(), None);
}
