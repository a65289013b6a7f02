//! When databases do not belong together, in one line that names the files and what to do.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{Account, ShardName};

/// Why databases do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A database is missing beside one that a node has worked on.
    #[error(
        "{} is missing, and {} beside it is in use; \
         restore both from one backup (counterfoil restore), or start with an empty folder",
        file.display(), beside.display()
    )]
    Missing {
        /// Where it should be.
        file: PathBuf,
        /// The one that is in use.
        beside: PathBuf,
    },
    /// A database belongs to no deployment, and the others to one that was whole.
    #[error(
        "{} is new or from before it belonged to a deployment, and {} belongs to {deployment}; \
         restore both from one backup (counterfoil restore), or start with an empty folder",
        file.display(), beside.display()
    )]
    New {
        /// The one that belongs to none.
        file: PathBuf,
        /// One that does.
        beside: PathBuf,
        /// To which.
        deployment: Uuid,
    },
    /// Databases belong to different deployments.
    #[error(
        "{} belongs to deployment {deployment}, and {} to {other}; \
         restore both from one backup (counterfoil restore), or put back what belongs there",
        file.display(), beside.display()
    )]
    Foreign {
        /// One of them.
        file: PathBuf,
        /// Where it belongs.
        deployment: Uuid,
        /// Another.
        beside: PathBuf,
        /// Where that belongs.
        other: Uuid,
    },
    /// A database lacks what another has seen of it.
    #[error(
        "{} is older than {} knows it: shard {shard} ends at {end}, and has been seen at {seen}; \
         restore both from one backup (counterfoil restore), or put the newer file back",
        file.display(), beside.display()
    )]
    Older {
        /// The one that is older.
        file: PathBuf,
        /// The one that has seen more of it.
        beside: PathBuf,
        /// A shard that shows it.
        shard: ShardName,
        /// The newest sequence that is there.
        end: u64,
        /// The sequence that has been seen.
        seen: u64,
    },
}

/// Whether databases, all of one moment or of no node at work, belong together.
///
/// # Errors
/// The first thing that says they do not.
pub fn compare(accounts: &[Account]) -> Result<(), Misfit> {
    same_deployment(accounts)?;
    for observer in accounts {
        none_is_older(observer, accounts)?;
    }
    Ok(())
}

/// Refuses to make a database anew beside others that a node has worked on.
pub(super) fn refuse_missing(file: &Path, present: &[Account]) -> Result<(), Misfit> {
    match present
        .iter()
        .find(|account| account.used || account.complete)
    {
        Some(beside) => Err(Misfit::Missing {
            file: file.to_owned(),
            beside: beside.file.clone(),
        }),
        None => Ok(()),
    }
}

fn same_deployment(accounts: &[Account]) -> Result<(), Misfit> {
    let identified = accounts
        .iter()
        .filter_map(|account| Some((account, account.deployment?)));
    // What one knows that all have, counts for all.
    let Some((first, deployment)) = identified
        .clone()
        .max_by_key(|(account, _)| account.complete)
    else {
        return Ok(());
    };

    for (account, other) in identified {
        if other != deployment {
            return Err(Misfit::Foreign {
                file: account.file.clone(),
                deployment: other,
                beside: first.file.clone(),
                other: deployment,
            });
        }
    }

    match accounts.iter().find(|account| account.deployment.is_none()) {
        Some(new) if first.complete => Err(Misfit::New {
            file: new.file.clone(),
            beside: first.file.clone(),
            deployment,
        }),
        _ => Ok(()),
    }
}

/// Nobody has seen more of another than there is.
fn none_is_older(observer: &Account, accounts: &[Account]) -> Result<(), Misfit> {
    let received = observer
        .received
        .iter()
        .map(|(_, shard, position)| (shard, *position));
    let seen = observer.seen.iter().map(|(shard, end)| (shard, *end));

    for (shard, seen) in received.chain(seen) {
        let of = accounts
            .iter()
            .find(|account| account.service == shard.service);
        if let Some(account) = of
            && account.end(shard.number) < seen
        {
            return Err(Misfit::Older {
                file: account.file.clone(),
                beside: observer.file.clone(),
                shard: shard.clone(),
                end: account.end(shard.number),
                seen,
            });
        }
    }

    Ok(())
}
