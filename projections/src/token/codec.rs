//! The binary form of a token inside its base64url text.
//!
//! ```text
//! 1                                          the form's version
//! 1 service uuid version                     an entity's version (any number of times)
//! 2 service count (shard-delta sequence)*    the positions of a service's shards, by ascending shard
//! 3 mark                                     the deployment that gave it out
//! ```
//!
//! The mark is the random half of the deployment's id: eight bytes are enough to tell deployments
//! apart, and keep tokens short. A token without a mark is of a release that wrote none.
//!
//! Numbers are unsigned LEB128. Tokens are not signed: who forges one makes only its own reads
//! wait.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sagas::{Service, ShardId};
use uuid::Uuid;

use super::ConsistencyToken;

const FORM: u8 = 1;
const ENTITY: u8 = 1;
const POSITIONS: u8 = 2;
const DEPLOYMENT: u8 = 3;

/// Why a text is no token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is not base64url")]
    NotBase64,
    #[error("it has the unknown form {0}")]
    UnknownForm(u8),
    #[error("it has an unknown part {0}")]
    UnknownPart(u8),
    #[error("it names an unknown service {0}")]
    UnknownService(u8),
    #[error("it ends too early")]
    TooShort,
    #[error("it has a number that is too large")]
    TooLarge,
    #[error("another deployment has given it out")]
    Foreign,
}

pub(super) fn encode(token: &ConsistencyToken, deployment: Uuid) -> String {
    let mut bytes = vec![FORM, DEPLOYMENT];
    bytes.extend(mark_of(deployment));

    for (service, entity, version) in token.entities() {
        bytes.extend([ENTITY, service.number()]);
        bytes.extend(entity.as_bytes());
        write_number(&mut bytes, version);
    }

    // By service, and by shard within it: that is how positions are sorted.
    let positions: Vec<_> = token.positions().iter().collect();
    for shards in positions.chunk_by(|(one, _), (next, _)| one.service == next.service) {
        let Some((first, _)) = shards.first() else {
            continue;
        };
        bytes.extend([POSITIONS, first.service.number()]);
        write_number(&mut bytes, u64::try_from(shards.len()).unwrap_or(u64::MAX));

        let mut before = 0;
        for (shard, sequence) in shards {
            write_number(&mut bytes, u64::from(shard.number - before));
            write_number(&mut bytes, **sequence);
            before = shard.number;
        }
    }

    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the token of a deployment.
pub(super) fn decode(text: &str, deployment: Uuid) -> Result<ConsistencyToken, Problem> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Problem::NotBase64)?;
    let mut bytes = bytes.as_slice();
    let mut token = ConsistencyToken::new();

    let form = read_byte(&mut bytes)?;
    if form != FORM {
        return Err(Problem::UnknownForm(form));
    }

    while !bytes.is_empty() {
        match read_byte(&mut bytes)? {
            ENTITY => {
                let service = read_service(&mut bytes)?;
                let (id, rest) = bytes.split_first_chunk::<16>().ok_or(Problem::TooShort)?;
                bytes = rest;
                token.see_entity(service, Uuid::from_bytes(*id), read_number(&mut bytes)?);
            }
            POSITIONS => read_positions(&mut bytes, &mut token)?,
            DEPLOYMENT => {
                let (mark, rest) = bytes.split_first_chunk().ok_or(Problem::TooShort)?;
                bytes = rest;
                if *mark != mark_of(deployment) {
                    return Err(Problem::Foreign);
                }
            }
            other => return Err(Problem::UnknownPart(other)),
        }
    }

    Ok(token)
}

fn mark_of(deployment: Uuid) -> [u8; 8] {
    let (_, random) = deployment.as_u64_pair();
    random.to_be_bytes()
}

fn read_positions(bytes: &mut &[u8], token: &mut ConsistencyToken) -> Result<(), Problem> {
    let service = read_service(bytes)?;
    let mut shard = 0u64;
    for _ in 0..read_number(bytes)? {
        shard = shard
            .checked_add(read_number(bytes)?)
            .ok_or(Problem::TooLarge)?;
        let number = u16::try_from(shard).map_err(|_| Problem::TooLarge)?;
        token.see_position(ShardId::new(service, number), read_number(bytes)?);
    }
    Ok(())
}

fn read_service(bytes: &mut &[u8]) -> Result<Service, Problem> {
    let number = read_byte(bytes)?;
    Service::from_number(number).ok_or(Problem::UnknownService(number))
}

fn read_byte(bytes: &mut &[u8]) -> Result<u8, Problem> {
    let (first, rest) = bytes.split_first().ok_or(Problem::TooShort)?;
    *bytes = rest;
    Ok(*first)
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        bytes.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    bytes.push(low);
}

fn read_number(bytes: &mut &[u8]) -> Result<u64, Problem> {
    let mut number = 0u64;

    for shift in (0..u64::BITS).step_by(7) {
        let byte = read_byte(bytes)?;
        let part = u64::from(byte & 0x7f);
        // Shifting out and back tells whether a bit fell off the top.
        if (part << shift) >> shift != part {
            return Err(Problem::TooLarge);
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }

    Err(Problem::TooLarge)
}
