//! A broker that is killed and comes back: one of this test's own, which nobody else would miss.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use uuid::Uuid;

use super::support::{
    BOOKINGS, Deployment, ROOMS, SHARDS, command, confirmed, eventually, owned, shard,
};
use super::*;

/// A Kafka that ends with the value.
struct OwnKafka {
    folder: TempDir,
    port: u16,
}

impl OwnKafka {
    fn start() -> Self {
        // Where the whole run has its servers, if it has some: whoever ends the run ends this one.
        let parent = std::env::var_os("COUNTERFOIL_SERVICES_DIR");
        let folder = tempfile::Builder::new()
            .prefix("own-")
            .tempdir_in(parent.map_or_else(std::env::temp_dir, PathBuf::from))
            .unwrap();

        let kafka = OwnKafka {
            folder,
            port: free_port(),
        };
        kafka.order("up");
        kafka
    }

    fn order(&self, order: &str) {
        let log = std::fs::File::create(self.folder.path().join("script.log")).unwrap();
        let mut script = self.script(order);
        let ended = script.stdout(Stdio::null()).stderr(log).status().unwrap();
        assert!(ended.success(), "services {order} kafka");
    }

    fn script(&self, order: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/services/services");
        let mut command = Command::new(script);
        command
            .args([order, "kafka"])
            .env("COUNTERFOIL_SERVICES_DIR", self.folder.path())
            .env("KAFKA_PORT", self.port.to_string())
            .stdin(Stdio::null());
        command
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        let _ = self.script("reset").stdout(Stdio::null()).status();
    }
}

/// A port that nobody uses, nor the one above it, which Kafka takes as well.
fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let random = || 20_000 + u16::try_from(Uuid::now_v7().as_u128() % 12_000).unwrap();
    std::iter::repeat_with(random)
        .find(|port| free(*port) && free(port + 1))
        .unwrap()
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn all_goes_on_by_itself_when_a_broker_that_was_killed_is_back() {
    let kafka = OwnKafka::start();
    let deployment = Deployment::at(format!("127.0.0.1:{}", kafka.port));
    let (rooms, at_rooms) = deployment.node("a", &[ROOMS]).await;
    let (bookings, _) = deployment.node("b", &[BOOKINGS]).await;
    owned(&rooms, usize::from(SHARDS)).await;
    let (from, to) = (shard(BOOKINGS, 1), shard(ROOMS, 2));
    bookings.carry(vec![Arc::new(command(from, 1, to))]);
    eventually(NEEDS, || at_rooms.messages().len() == 1).await;

    kafka.order("kill");
    // Nobody is confirmed without an answer, and nobody waits for long.
    let asked = Instant::now();
    assert!(!rooms.confirm(to).await);
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "{:?}",
        asked.elapsed()
    );
    assert!(bookings.ask(to, vec![7]), "what is sent meanwhile waits");

    kafka.order("up");
    let back = Instant::now();
    confirmed(&rooms, to, Duration::from_secs(30)).await;
    eprintln!(
        "a shard was confirmed {:?} after the broker was back",
        back.elapsed()
    );

    // The other one is told at its own time that it takes part again. And where reading begins
    // anew is not known; what is sent once it has begun arrives.
    let mut sequence = 1;
    eventually(NEEDS, || {
        sequence += 1;
        bookings.carry(vec![Arc::new(command(from, sequence, to))]);
        bookings.ask(to, vec![8]);

        let (messages, questions) = (at_rooms.messages(), at_rooms.questions());
        messages.last().is_some_and(|message| message.sequence > 1)
            && questions
                .last()
                .is_some_and(|(_, question)| *question == [8])
    })
    .await;
    eprintln!("all goes on {:?} after the broker was back", back.elapsed());
    rooms.leave(NEEDS).await;
    bookings.leave(NEEDS).await;
    drop(deployment);
    drop(kafka);
}
