//! Nodes that are processes of their own, to be killed or to stand still: this test binary again,
//! which runs [`node`] alone. They are told what to do through their standard input, and say what
//! happens on their standard error.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::support::{Deployment, SHARDS, Taken, owned, shard};
use super::*;
use crate::testing::ROOMS;

/// The namespace, for the process that is to be a node of it.
const NAMESPACE: &str = "COUNTERFOIL_TEST_KAFKA_NAMESPACE";

/// What a process says begins with it.
const MARK: &str = "> ";

/// No test of its own: the other process. Without a namespace it does nothing.
#[tokio::test]
#[ignore = "what other tests start as processes of their own"]
async fn node() {
    let Ok(namespace) = std::env::var(NAMESPACE) else {
        return;
    };
    let deployment = Deployment::named(namespace);
    let settings = deployment.settings("process", &[ROOMS]);
    // The topics belong to the test.
    std::mem::forget(deployment);

    let node = Kafka::connect(settings).await.unwrap();
    node.begin(Arc::new(Taken::default()), false);
    let mut assigned = node.assigned();
    tokio::spawn(async move {
        while assigned.changed().await.is_ok() {
            let shards: Vec<_> = assigned.borrow().keys().map(|shard| shard.number).collect();
            eprintln!("{MARK}assigned {shards:?}");
        }
    });

    loop {
        let order = spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let order = order.await.unwrap().unwrap();
        let Some(number) = order.strip_prefix("confirm ") else {
            break;
        };
        let confirmed = node
            .confirm(shard(ROOMS, number.trim().parse().unwrap()))
            .await;
        eprintln!("{MARK}confirmed {confirmed}");
    }
    node.leave(NEEDS).await;
}

/// Such a process. It is killed when it is dropped.
struct Process {
    child: Child,
    said: Receiver<String>,
}

impl Process {
    fn start(deployment: &Deployment) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args([
                "--exact",
                "kafka::tests::processes::node",
                "--ignored",
                "--nocapture",
            ])
            .env(NAMESPACE, &deployment.namespace)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();

        let (say, said) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match line.strip_prefix(MARK) {
                    Some(line) => drop(say.send(line.to_owned())),
                    None => eprintln!("the other process: {line}"),
                }
            }
        });
        Process { child, said }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn order(&mut self, order: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// What it says next.
    fn says(&self) -> String {
        self.said.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// The shards that it owns, once it shares them with another node.
    fn half(&self) -> Vec<u16> {
        loop {
            let said = self.says();
            let shards = said.strip_prefix("assigned ").unwrap();
            let shards: Vec<u16> = serde_json::from_str(shards).unwrap();
            if shards.len() == usize::from(SHARDS) / 2 {
                return shards;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn the_shards_of_a_node_that_is_killed_are_soon_another_ones() {
    let deployment = Deployment::new();
    let (node, _) = deployment.quiet_node("node", &[ROOMS]).await;
    owned(&node, usize::from(SHARDS)).await;
    let mut process = Process::start(&deployment);
    owned(&node, usize::from(SHARDS) / 2).await;
    process.half();

    let killed = Instant::now();
    process.child.kill().unwrap();
    owned(&node, usize::from(SHARDS)).await;
    eprintln!(
        "its shards were assigned {:?} after it was killed",
        killed.elapsed()
    );
    assert!(killed.elapsed() < Duration::from_secs(10));
    node.leave(NEEDS).await;
}

#[tokio::test]
#[ignore = "needs Kafka: COUNTERFOIL_TEST_KAFKA_URL"]
async fn a_node_that_stood_still_and_was_thrown_out_is_not_confirmed() {
    let deployment = Deployment::new();
    let (node, _) = deployment.quiet_node("node", &[ROOMS]).await;
    owned(&node, usize::from(SHARDS)).await;
    let mut process = Process::start(&deployment);
    owned(&node, usize::from(SHARDS) / 2).await;
    let shards = process.half();

    process.order(&format!("confirm {}", shards[0]));
    assert_eq!(process.says(), "confirmed true");

    let stopped = Instant::now();
    process.signal(Signal::STOP);
    owned(&node, usize::from(SHARDS)).await;
    eprintln!(
        "its shards were assigned {:?} after it stood still",
        stopped.elapsed()
    );
    assert!(
        node.confirm(shard(ROOMS, shards[0])).await,
        "it has got them"
    );

    // The question is the first that it finds when it goes on.
    process.order(&format!("confirm {}", shards[0]));
    process.signal(Signal::CONT);
    let mut said = process.says();
    let heard_before = said.starts_with("assigned");
    while !said.starts_with("confirmed") {
        said = process.says();
    }
    eprintln!("it had heard before it was asked: {heard_before}");
    assert_eq!(said, "confirmed false");

    // It comes back as a new member.
    owned(&node, usize::from(SHARDS) / 2).await;
    process.half();
    process.order("leave");
    owned(&node, usize::from(SHARDS)).await;
    node.leave(NEEDS).await;
}
