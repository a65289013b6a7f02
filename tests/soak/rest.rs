//! Coming to rest: an operator looks after what the faults have left, until nothing is open.

use std::time::Duration;

use serde_json::Value;
use tests::{Api, Cli, Response};

use crate::asking::answered;
use crate::checks;
use crate::world::World;

/// When the faults are over, everything has come to rest within this time: what is parked is tried
/// several times with growing delay, and sagas have their deadline.
const RESTS_WITHIN: Duration = Duration::from_secs(150);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// What is open is told of once in so many looks.
const TELLS_EVERY: u32 = 25;

/// An operator at work while faults happen: what is in quarantine or stuck is tried again now and
/// then.
pub async fn operator(world: &World) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(api) = world.api() {
            operate(world, &api).await;
        }
    }
}

/// Waits until nothing is open; tells what still is when it takes too long.
pub async fn comes_to_rest(world: &World, cli: &Cli) -> bool {
    let began = tokio::time::Instant::now();
    let mut looks = 0;

    loop {
        let open = match world.api() {
            Some(api) => what_is_open(world, &api, cli).await,
            None => Some("the node".to_owned()),
        };
        let Some(open) = open else {
            world.tell("everything is at rest");
            return true;
        };
        if began.elapsed() > RESTS_WITHIN {
            world.violated(&format!("it does not come to rest: {open}"));
            return false;
        }

        looks += 1;
        if looks % TELLS_EVERY == 0 {
            world.tell(&format!("still open: {open}"));
        }
        tokio::time::sleep(PAUSE).await;
        if let Some(api) = world.api() {
            operate(world, &api).await;
        }
    }
}

async fn items(world: &World, api: &Api, path: &str, list: &str) -> Option<Vec<Value>> {
    let answer = answered(world, path, api.get(path)).await?;
    answer.json[list].as_array().cloned()
}

/// Replays or drops what is in quarantine, and retries what is stuck.
async fn operate(world: &World, api: &Api) {
    let parked = items(world, api, "/quarantine", "quarantine").await;
    for entry in parked.unwrap_or_default() {
        let (id, what) = (text(&entry, "id"), text(&entry, "messageType"));
        let path = format!("/quarantine/{id}");
        let (call, done) = match world.discards() {
            true => (api.call(reqwest::Method::DELETE, &path), "drops"),
            false => (api.post(&format!("{path}/replay")), "replays"),
        };
        let answer = answered(world, &path, call).await;
        told(
            world,
            &format!("an operator {done} {what}"),
            answer,
            &[202, 204, 404],
        );
    }

    let stuck = items(world, api, "/sagas?state=STUCK", "sagas").await;
    for saga in stuck.unwrap_or_default() {
        let path = format!("/sagas/{}/retry", text(&saga, "sagaId"));
        let answer = answered(world, &path, api.post(&path)).await;
        told(world, "an operator retries a saga", answer, &[202, 409]);
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn told(world: &World, what: &str, answer: Option<Response>, may_be: &[u16]) {
    match answer {
        Some(answer) if !may_be.contains(&answer.status) => {
            world.violated(&format!("{what}: {} {}", answer.status, answer.text));
        }
        answer => {
            let status = answer.map(|answer| answer.status);
            world.tell(&format!("{what}: {status:?}"));
        }
    }
}

/// The first thing that is not at rest.
async fn what_is_open(world: &World, api: &Api, cli: &Cli) -> Option<String> {
    let ready = answered(world, "readiness", api.get("/health/ready")).await;
    let Some(ready) = ready.filter(|ready| ready.json.get("degraded").is_none()) else {
        return Some("the node is not ready".to_owned());
    };
    if ready.status != 200 {
        return Some(ready.text);
    }

    for (path, list) in [
        ("/sagas?state=RUNNING", "sagas"),
        ("/sagas?state=COMPENSATING", "sagas"),
        ("/sagas?state=STUCK", "sagas"),
        ("/quarantine", "quarantine"),
        ("/cluster", "shards"),
        ("/views", "views"),
    ] {
        let Some(items) = items(world, api, path, list).await else {
            return Some(format!("{path} does not answer"));
        };
        let is_open = |item: &Value| match list {
            "shards" => has_backlog(item),
            "views" => is_behind(item),
            // Whatever is listed.
            _ => true,
        };
        if let Some(open) = items.into_iter().find(is_open) {
            return Some(format!("{path}: {open}"));
        }
    }
    checks::what_is_in_flight(cli).await
}

fn has_backlog(shard: &Value) -> bool {
    let is_open = |name: &str| shard[name] != 0;
    is_open("outboxBacklog") || is_open("inboxBacklog") || shard.get("owner").is_none()
}

fn is_behind(view: &Value) -> bool {
    let is_well = view["state"] == "LIVE" && view["lag"] == 0;
    !is_well || view.get("quarantined").is_some()
}
