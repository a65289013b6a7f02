//! A broker that is killed and comes back. It is the broker of all tests, so this one runs alone,
//! and only where it is told how to start it again.

use std::process::Command;

use super::support::{BOOKINGS, Deployment, ROOMS, SHARDS, command, eventually, owned, shard};
use super::*;

/// The variable that names a program, which takes `kill kafka` and `up kafka`.
const SERVICES: &str = "COUNTERFOIL_TEST_SERVICES";

fn services(program: &str, order: &str) {
    let output = Command::new(program)
        .args([order, "kafka"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "kills Kafka, so it runs alone: COUNTERFOIL_TEST_SERVICES"]
async fn all_goes_on_by_itself_when_a_broker_that_was_killed_is_back() {
    let Ok(program) = std::env::var(SERVICES) else {
        eprintln!("{SERVICES} is not set: nothing is killed");
        return;
    };
    let deployment = Deployment::new();
    let (rooms, at_rooms) = deployment.node("a", &[ROOMS]).await;
    let (bookings, _) = deployment.node("b", &[BOOKINGS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    let (from, to) = (shard(BOOKINGS, 1), shard(ROOMS, 2));
    bookings.carry(vec![Arc::new(command(from, 1, to))]);
    eventually(NEEDS, || at_rooms.messages().len() == 1).await;

    services(&program, "kill");
    // Nobody is confirmed without an answer, and nobody waits for long.
    let asked = Instant::now();
    assert!(!rooms.confirm(to).await);
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert!(bookings.ask(to, vec![7]), "what is sent meanwhile waits");

    services(&program, "up");
    let back = Instant::now();
    while !rooms.confirm(to).await {
        assert!(
            back.elapsed() < Duration::from_secs(30),
            "it is not confirmed again"
        );
        // Without its shards it is refused at once.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eprintln!(
        "a shard was confirmed {:?} after the broker was back",
        back.elapsed()
    );

    assert!(bookings.ask(to, vec![8]));
    bookings.carry(vec![Arc::new(command(from, 2, to))]);
    eventually(NEEDS, || {
        let (messages, questions) = (at_rooms.messages(), at_rooms.questions());
        messages.last().is_some_and(|message| message.sequence == 2)
            && questions
                .last()
                .is_some_and(|(_, question)| *question == [8])
    })
    .await;
    eprintln!("all goes on {:?} after the broker was back", back.elapsed());
    rooms.leave().await;
    bookings.leave().await;
}
