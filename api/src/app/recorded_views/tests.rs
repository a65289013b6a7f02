//! What is kept of an operator's deed, and what of one of which nobody knows what has become.
//!
//! How it is tested: the notes are those that a shard would have, in memory, and the view does what
//! the test says.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::*;

/// Keeps notes as a shard does.
#[derive(Default)]
struct Book {
    kept: Mutex<Vec<(RequestBinding, Note)>>,
    /// So many notes more can be kept.
    breaks_after: Mutex<Option<usize>>,
}

impl Book {
    fn take(&self, key: RequestBinding, noting: Noting) -> Option<NotedOutcome> {
        let mut kept = self.kept.lock().unwrap();
        let is_done = |note: &Note| !note.action.ends_with(actions::ASKED);
        let outcome = |(key, note): &(RequestBinding, Note)| NotedOutcome {
            fingerprint: key.fingerprint,
            action: note.action.clone(),
            detail: note.detail.clone(),
        };
        let mut done = kept.iter().filter(|(of, _)| of.key == key.key);
        let done = done.find(|(_, note)| is_done(note)).map(outcome);

        let (id, note) = match noting {
            Noting::Before(note) | Noting::After(note) => (note.id, Some(note)),
            Noting::Never(id) => (id, None),
        };
        kept.retain(|(_, note)| note.id != id || is_done(note));
        match (done, note) {
            (None, Some(note)) => {
                let noted = (key, note);
                let done = is_done(&noted.1).then(|| outcome(&noted));
                kept.push(noted);
                done
            }
            (done, _) => done,
        }
    }
}

impl Notes for Book {
    fn note(
        &self,
        binding: RequestBinding,
        noting: Noting,
    ) -> LocalBoxFuture<'_, Result<Option<NotedOutcome>, CommandError>> {
        let mut left = self.breaks_after.lock().unwrap();
        if *left == Some(0) {
            return Box::pin(async { Err(CommandError::Unavailable) });
        }
        *left = left.map(|left| left - 1);
        let outcome = self.take(binding, noting);
        Box::pin(async move { Ok(outcome) })
    }
}

/// Does what it is told, and counts.
#[derive(Default)]
struct Scripted {
    outcomes: Mutex<VecDeque<Result<Done, ReadError>>>,
    asked: Mutex<Vec<Deed>>,
}

impl ViewDeeds for Scripted {
    fn carry_out<'a>(
        &'a self,
        _: &'a str,
        deed: Deed,
        _: Option<RequestBinding>,
    ) -> ReadFuture<'a, Done> {
        self.asked.lock().unwrap().push(deed);
        let outcome = self.outcomes.lock().unwrap().pop_front();
        Box::pin(async move { outcome.unwrap_or(Err(ReadError::Failed)) })
    }

    fn before<'a>(&'a self, _: &'a str, _: Deed) -> LocalBoxFuture<'a, Option<Before>> {
        let generation = Some(1);
        Box::pin(async move {
            Some(Before::Generation {
                generation,
                kept: None,
            })
        })
    }
}

struct Shop {
    book: Arc<Book>,
    view: Arc<Scripted>,
    recorded: RecordedViews,
}

impl Shop {
    fn whose_view(outcomes: impl IntoIterator<Item = Result<Done, ReadError>>) -> Self {
        let (book, view) = (Arc::new(Book::default()), Arc::new(Scripted::default()));
        view.outcomes.lock().unwrap().extend(outcomes);
        Shop {
            recorded: RecordedViews::new(view.clone(), book.clone()),
            book,
            view,
        }
    }

    async fn rebuild(&self, key: Option<RequestBinding>) -> Result<u32, ReadError> {
        let by = Operator::anonymous().because("it looks odd");
        let begun = self.recorded.rebuild("search", BuildFrom::History, by, key);
        begun.await.map(|begun| begun.generation)
    }

    fn kept(&self) -> Vec<(String, Value)> {
        let kept = self.book.kept.lock().unwrap();
        let one = |(_, note): &(RequestBinding, Note)| {
            let detail = serde_json::from_str(&note.detail).unwrap();
            (note.action.clone(), detail)
        };
        kept.iter().map(one).collect()
    }

    fn asked(&self) -> usize {
        self.view.asked.lock().unwrap().len()
    }
}

fn key(value: &str) -> RequestBinding {
    RequestBinding::new("POST /views/search/rebuild", "k", value.as_bytes())
}

fn begun(number: u32) -> Result<Done, ReadError> {
    Ok(Done::generation(number, false))
}

#[actix_web::test]
async fn what_was_done_is_kept_with_how_the_view_was_before_and_after() {
    let shop = Shop::whose_view([begun(2)]);
    assert_eq!(shop.rebuild(None).await, Ok(2));

    let detail = json!({
        "view": "search",
        "before": {"generation": 1},
        "after": {"generation": 2, "answers": false},
    });
    assert_eq!(shop.kept(), [("view.rebuild-begun".to_owned(), detail)]);
    let kept = shop.book.kept.lock().unwrap();
    let (_, note) = kept.first().unwrap();
    assert_eq!(note.by.reason.as_deref(), Some("it looks odd"));
    assert_eq!(
        (note.subject, note.entity),
        (subject_of("search"), subject_of("search"))
    );
}

#[actix_web::test]
async fn what_a_view_refuses_leaves_nothing_and_binds_no_key() {
    let busy = Err(ReadError::Conflict("a rebuild is under way".to_owned()));
    let shop = Shop::whose_view([busy.clone(), begun(3)]);
    assert_eq!(shop.rebuild(Some(key("a"))).await, busy.map(|_| 0));
    assert_eq!(shop.kept(), []);

    assert_eq!(shop.rebuild(Some(key("b"))).await, Ok(3));
    assert_eq!(shop.kept().len(), 1);
}

#[actix_web::test]
async fn nobody_asks_a_view_when_it_cannot_be_kept() {
    let shop = Shop::whose_view([begun(2)]);
    *shop.book.breaks_after.lock().unwrap() = Some(0);
    assert_eq!(shop.rebuild(None).await, Err(ReadError::StoreUnavailable));
    assert_eq!(shop.asked(), 0);
}

#[actix_web::test]
async fn what_nobody_knows_the_end_of_stands_as_asked_and_a_repeat_goes_on() {
    let away = || ReadError::Unavailable {
        view: "search".to_owned(),
    };
    let shop = Shop::whose_view([Err(away()), begun(2), begun(2)]);
    assert_eq!(shop.rebuild(Some(key("a"))).await, Err(away()));
    let names = |shop: &Shop| {
        shop.kept()
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&shop), ["view.rebuild-asked"]);

    // It is begun, and the shard that keeps it goes away before that is kept.
    *shop.book.breaks_after.lock().unwrap() = Some(1);
    assert_eq!(
        shop.rebuild(Some(key("a"))).await,
        Err(ReadError::StoreUnavailable)
    );
    assert_eq!(names(&shop), ["view.rebuild-asked"; 2]);

    *shop.book.breaks_after.lock().unwrap() = None;
    assert_eq!(shop.rebuild(Some(key("a"))).await, Ok(2));
    assert_eq!(names(&shop).last().unwrap(), "view.rebuild-begun");
}

#[actix_web::test]
async fn a_repeat_gets_the_same_answer_and_asks_no_view() {
    let shop = Shop::whose_view([begun(2), begun(9)]);
    for _ in 0..3 {
        assert_eq!(shop.rebuild(Some(key("a"))).await, Ok(2));
    }
    assert_eq!((shop.asked(), shop.kept().len()), (1, 1));
    assert_eq!(
        shop.rebuild(Some(key("b"))).await,
        Err(ReadError::KeyReused)
    );
}

#[actix_web::test]
async fn a_way_back_that_is_not_gone_yet_is_not_said_to_be() {
    let on_its_way = Ok(Done::generation(1, false));
    let shop = Shop::whose_view([on_its_way, Ok(Done::generation(1, true))]);
    for done in [false, true] {
        let back = shop.recorded.revert("search", Operator::anonymous(), None);
        assert_eq!(back.await.unwrap().done, done);
    }
    let names: Vec<_> = shop.kept().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["view.revert-begun", "view.reverted"]);
}

#[actix_web::test]
async fn a_way_back_that_was_not_gone_yet_is_asked_for_again_with_its_repeat() {
    let on_its_way = || Ok(Done::generation(1, false));
    let shop = Shop::whose_view([on_its_way(), on_its_way(), Err(ReadError::Failed)]);
    for _ in 0..3 {
        let by = Operator::anonymous();
        let back = shop.recorded.revert("search", by, Some(key("a")));
        assert!(!back.await.unwrap().done);
    }
    assert_eq!((shop.asked(), shop.kept().len()), (3, 1));
}

#[actix_web::test]
async fn of_a_view_that_is_not_there_nothing_is_kept() {
    let shop = Shop::whose_view([begun(2)]);
    let by = Operator::anonymous();
    let healed = shop.recorded.heal("odd", Uuid::nil(), by, None).await;
    assert!(matches!(healed, Err(ReadError::NotFound(_))), "{healed:?}");
    assert_eq!((shop.asked(), shop.kept()), (0, Vec::new()));
}

#[actix_web::test]
async fn whoever_goes_away_keeps_nothing_from_being_kept() {
    let shop = Shop::whose_view([begun(2)]);
    {
        let mut asking = std::pin::pin!(shop.rebuild(None));
        let asked = futures_util::poll!(asking.as_mut());
        assert!(asked.is_pending());
    }
    while shop
        .kept()
        .iter()
        .all(|(name, _)| name != "view.rebuild-begun")
    {
        actix_rt::task::yield_now().await;
    }
}
