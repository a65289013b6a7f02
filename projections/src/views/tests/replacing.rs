//! Generations that are damaged, lost, or another deployment's: what takes their place, and when.

use std::sync::Arc;

use sagas::Timestamp;
use store::Lease;

use super::*;
use crate::generations::Catalog;
use bench::unsupervised;

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_is_damaged_does_not_answer_and_another_one_does_when_it_is_built() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);

    let damage =
        |folder: &Path| std::fs::write(folder.join("search-1/meta.json"), "{ no json").unwrap();
    let bench = bench.restart_after(1, damage).await;
    eventually("it is built", || async {
        bench.view.status().await.progress.is_some()
    })
    .await;

    assert!(matches!(
        bench.view.current(),
        Err(ViewError::Damaged { .. })
    ));
    let told =
        |text: Option<String>| text.is_some_and(|text| text.contains("generation 1 is damaged"));
    assert!(told(bench.view.status().await.error) && told(bench.view.trouble()));
    // Also after a crash on the way, when nobody knows of the damage any more.
    let bench = bench.restart(1).await;

    eventually("it is built", || async {
        bench.view.status().await.progress.is_some()
    })
    .await;

    assert!(matches!(
        bench.view.current(),
        Err(ViewError::NotReady { .. })
    ));
    assert!(bench.view.trouble().is_some());

    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(2).await;
    bench.shows_the_shop().await;
    assert_eq!(
        (bench.view.trouble(), bench.view.status().await.error),
        (None, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_was_begun_and_never_committed_is_replaced_and_not_called_damaged() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);

    // As a node leaves it that is killed soon after its first start.
    let nothing_committed = |folder: &Path| {
        let meta = folder.join("search-1/meta.json");
        let text = std::fs::read_to_string(&meta).unwrap();
        let mut index: serde_json::Value = serde_json::from_str(&text).unwrap();
        index["segments"] = serde_json::json!([]);
        let payload = index["payload"].as_str().unwrap();
        let mut state: serde_json::Value = serde_json::from_str(payload).unwrap();
        state["positions"] = serde_json::json!([]);
        index["payload"] = state.to_string().into();
        std::fs::write(meta, index.to_string()).unwrap();
    };
    let bench = bench.restart_after(1, nothing_committed).await;
    eventually("it is told", || async {
        bench.view.status().await.error.is_some()
    })
    .await;

    let told = bench.view.status().await.error.unwrap();
    let expected = "generation 1 knows of nothing that has happened";
    assert!(told.contains(expected), "{told}");

    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(2).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_does_not_get_on_makes_room_for_the_one_that_is_asked_for() {
    let bench = Bench::live().await;
    *bench.faults.holds.lock().unwrap() = Some(2);
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    eventually("it fails", || async {
        bench.view.status().await.error.is_some()
    })
    .await;
    // The old one answers, and the new one is no better.
    assert_eq!(
        bench.view.rebuild(BuildFrom::History, None).await.unwrap(),
        3
    );
    bench.answers(3).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_cannot_be_read_for_now_is_waited_for_and_given_up_when_a_rebuild_is_asked_for()
 {
    let bench = Bench::live().await;
    bench.faults.unreadable.store(true, Ordering::SeqCst);
    let bench = bench.restart(1).await;
    eventually("it is told", || async {
        bench.view.status().await.error.is_some()
    })
    .await;
    assert!(bench.view.current().is_err());

    // Its generation is there, and the new one has another number.
    assert_eq!(
        bench.view.rebuild(BuildFrom::History, None).await.unwrap(),
        3
    );
    bench.answers(3).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_replaces_a_damaged_generation_and_is_damaged_at_once_is_not_rebuilt_without_end() {
    let bench = Bench::live().await;
    let bench = bench
        .restart_after(1, |folder| {
            std::fs::write(folder.join("search-1/meta.json"), "{ no json").unwrap();
            // A disk on which nothing lasts.
            for number in 2..100 {
                std::fs::write(folder.join(format!("search-{number}")), "").unwrap();
            }
        })
        .await;

    eventually("the next one waits", || async {
        bench.view.state() == ViewState::Failed
    })
    .await;
    let newest = bench.view.status().await.progress.unwrap().generation;
    assert!(newest < 10, "it has come to {newest}");
    // Who asks for a rebuild is not kept waiting.
    let begun = bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    assert!(begun > newest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_views_of_another_deployment_in_a_store_that_both_may_use_are_refused_and_left_alone() {
    let bench = Bench::live().await;
    bench.faults.is_shared.store(true, Ordering::SeqCst);
    let theirs = Uuid::from_u128(0xbad);
    let catalog = |folder: &Path| std::fs::read_to_string(folder.join("search.json")).unwrap();
    let ours = DEPLOYMENT.to_string();
    let bench = bench
        .restart_after(1, |folder| {
            let taken = catalog(folder).replace(&ours, &theirs.to_string());
            std::fs::write(folder.join("search.json"), taken).unwrap();
        })
        .await;
    eventually("it is told", || async {
        let told = bench.view.trouble();
        told.is_some_and(|told| told.contains(&theirs.to_string()) && told.contains(&ours))
    })
    .await;

    assert_eq!(bench.view.state(), ViewState::Failed);
    assert!(bench.view.current().is_err());
    let refused = bench.view.rebuild(BuildFrom::History, None).await;
    assert!(
        matches!(refused, Err(ViewError::Foreign { .. })),
        "{refused:?}"
    );

    // When the other one is gone, the view goes on by itself.
    let bench = bench
        .restart_after(1, |folder| {
            assert!(folder.join("search-1/meta.json").exists());
            let back = catalog(folder).replace(&theirs.to_string(), &ours);
            std::fs::write(folder.join("search.json"), back).unwrap();
        })
        .await;
    bench.answers(1).await;
    bench.shows_the_shop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_lost_generation_is_replaced_the_kept_one_answers() {
    let bench = Bench::live().await;
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    bench.answers(2).await;
    *bench.faults.holds.lock().unwrap() = Some(3);

    let remove = |folder: &Path| std::fs::remove_dir_all(folder.join("search-2")).unwrap();
    let bench = bench.restart_after(1, remove).await;
    eventually("the other one answers", || async {
        bench.view.status().await.generation == Some(1)
    })
    .await;

    bench.shows_the_shop().await;
    *bench.faults.holds.lock().unwrap() = None;
    bench.answers(3).await;
    bench.shows_the_shop().await;
}

/// The thread that swaps is the only one, so whoever never waits keeps all others from their turns.
#[tokio::test]
async fn a_swap_to_a_generation_that_is_damaged_lets_the_supervisor_give_it_up() {
    let (shared, _folder) = unsupervised();
    let shared = Arc::new(shared);
    let opened = shared.store.open(1, DEPLOYMENT).await.unwrap();
    let surroundings = shared.surroundings.clone();
    let (alarm, tenure) = (shared.alarm(1), Lease::for_ever());
    let next = OpenGeneration::feed(shared.definition, alarm, opened, surroundings, tenure);
    let next = Arc::new(next.unwrap());

    let building = Catalog::default().with_new(1, BuildFrom::History, Timestamp::default());
    let ready = building.with_live(1, Timestamp::default());
    next.alarm().notice(&ViewError::Damaged {
        view: "search",
        what: "a segment is gone".to_owned(),
    });
    shared.change(|stand| {
        stand.catalog = Some(ready);
        stand.open.insert(1, Arc::clone(&next));
    });

    let swapping = tokio::spawn(building::swap(Arc::clone(&shared), 1));
    tokio::task::yield_now().await;
    shared.change(|stand| stand.catalog = Some(Catalog::default()));
    let ended = swapping.await.unwrap();
    assert!(matches!(ended, Err(ViewError::Closed { .. })), "{ended:?}");

    // The end of the node is another reason.
    shared.change(|stand| stand.catalog = Some(building.with_live(1, Timestamp::default())));
    let swapping = tokio::spawn(building::swap(Arc::clone(&shared), 1));
    tokio::task::yield_now().await;
    shared.stop();
    let ended = swapping.await.unwrap();
    assert!(matches!(ended, Err(ViewError::Closed { .. })), "{ended:?}");
    next.stop().await;
}

async fn is_stopped(view: &View<crate::search::Search>) -> bool {
    let progress = view.status().await.progress;
    progress.is_some_and(|built| built.stopped)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_with_a_loss_does_not_answer_because_the_other_is_not_open_yet() {
    let bench = Bench::live().await;
    *bench.faults.loses.lock().unwrap() = Some((2, Uuid::from_u128(12)));
    bench.view.rebuild(BuildFrom::History, None).await.unwrap();
    eventually("it is stopped", || is_stopped(&bench.view)).await;

    *bench.faults.unopened.lock().unwrap() = Some(1);
    let bench = bench.restart(1).await;
    eventually("the other cannot be opened", || async {
        let error = bench.view.status().await.error;
        error.is_some_and(|error| error.contains("down"))
    })
    .await;
    *bench.faults.unopened.lock().unwrap() = None;

    eventually("it is stopped again", || is_stopped(&bench.view)).await;
    assert_eq!(bench.view.status().await.generation, Some(1));
    bench.shows_the_shop().await;
}
