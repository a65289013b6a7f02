//! The contract of every commit store, as tests. An implementation joins with one line, in this
//! crate or in another (feature `testing`); `tests/contracts.rs` has one that is none of this
//! crate's:
//!
//! ```ignore
//! store::commit_store_contract!(mine, |runtime| {
//!     /* an empty database, and how its commit store is opened */
//! });
//! ```
//!
//! Tests that end a node in the middle of its work open the store again and again, and those in
//! which two nodes take themselves for the owner open it twice at once. A store that needs a server
//! gives a third argument, an attribute that leaves its tests out: `#[ignore = "needs …"]`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sagas::ShardId;
use sea_orm::EntityTrait;
use tokio::runtime::{Handle, Runtime};
use uuid::Uuid;

use super::{Batch, Claim, CommitStore, Failure, Prune, Pruned, Published};
use crate::faults::{FaultPlan, Faults};
use crate::journal::SETTING_OF_VERSIONS;
use crate::journal::standing::{Patience, Watch};
use crate::journal::testing::{outgoing, row, unit};
use crate::row_changes::RowChange;
use crate::tables::{parked, setting};
use crate::testing::BOOKINGS;
use crate::timers::{self, StoredTimer};
use crate::unit::Unit;
use crate::{Destination, Message, ServiceDatabase, SourceStream, StoreError, history, shards};

#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod batches;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod outcomes;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod ownership;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod pruning;
#[allow(missing_docs, reason = "a rule says by its name what it asks")]
pub mod replaying;

/// Opens the commit store of one place, as a process does that starts.
pub type Open = Box<dyn Fn(Faults) -> Box<dyn CommitStore>>;

/// Has a commit store keep the contract: a test for each rule.
#[macro_export]
macro_rules! commit_store_contract {
    (@rules $place:expr; $attributes:tt; $($area:ident: $rule:ident,)*) => {
        $($crate::commit_store_contract! { @rule $place; $attributes; $area $rule })*
    };
    (@rule $place:expr; [$(#[$attribute:meta])*]; $area:ident $rule:ident) => {
        #[test]
        $(#[$attribute])*
        fn $rule() {
            let place = $crate::journal::commit_store::contract::Place::new($place);
            $crate::journal::commit_store::contract::$area::$rule(place);
        }
    };
    ($store:ident, $place:expr $(, #[$attribute:meta])*) => {
        mod $store {
            $crate::commit_store_contract! { @rules $place; [$(#[$attribute])*];
                ownership: each_claim_raises_the_epoch_of_its_shard_and_of_no_other,
                ownership: a_shard_that_nobody_has_taken_over_since_is_claimed_again,
                ownership: a_shard_that_another_owner_has_is_not_claimed_again,
                ownership: an_owner_that_was_replaced_writes_nothing_any_more,
                ownership: a_unit_of_an_epoch_that_nobody_has_claimed_is_refused,
                ownership: the_next_owner_goes_on_where_the_outbox_ends,
                ownership: what_is_published_is_noted_for_the_next_owner,
                ownership: nothing_is_noted_for_an_owner_that_was_replaced,
                batches: a_batch_is_readable_as_soon_as_it_is_written,
                batches: nothing_of_a_batch_with_a_wrong_unit_is_written,
                batches: the_first_wrong_unit_of_a_shard_is_named,
                batches: without_its_culprit_a_batch_is_written,
                batches: a_row_that_many_units_change_is_left_in_its_last_state,
                batches: an_update_that_expects_another_version_is_refused,
                batches: an_update_that_does_not_follow_on_the_one_before_it_is_refused,
                batches: what_is_not_there_is_neither_updated_nor_removed,
                batches: what_is_there_is_not_inserted_again,
                batches: a_row_can_be_removed_and_inserted_anew_in_one_batch,
                batches: a_row_that_is_replaced_is_the_last_one_whatever_was_there,
                batches: a_sequence_is_given_once,
                batches: each_source_has_a_position_of_its_own_and_the_last_one_counts,
                batches: both_streams_of_a_source_have_positions_of_their_own,
                batches: a_timer_is_set_moved_and_removed_with_its_unit,
                batches: a_batch_may_hold_nothing_but_notes,
                batches: the_first_message_of_a_version_notes_it,
                outcomes: what_was_written_has_happened_and_what_was_refused_has_not,
                outcomes: a_commit_that_fails_leaves_nothing_behind,
                outcomes: after_a_panic_it_is_known_what_has_happened_and_all_goes_on,
                outcomes: everything_is_there_after_a_restart,
                outcomes: a_node_that_dies_in_a_batch_leaves_nothing_of_it,
                replaying: a_history_is_folded_whole_and_in_order,
                replaying: many_histories_are_read_at_once,
                replaying: a_history_with_a_hole_is_nobody_elses_business,
                replaying: a_snapshot_spares_what_is_before_it,
                replaying: a_snapshot_that_the_history_does_not_bear_out_is_not_used,
                replaying: what_is_pruned_is_no_part_of_a_history,
                pruning: commands_go_and_events_stay,
                pruning: what_is_beyond_the_bounds_stays,
                pruning: the_newest_row_stays_whatever_the_bounds_are,
                pruning: a_long_outbox_is_pruned_a_bounded_number_of_rows_at_once,
                pruning: an_owner_that_was_replaced_prunes_nothing,
            }
        }
    };
}

#[cfg(test)]
mod kept;

/// A database, and one node that writes to it.
pub struct Place {
    runtime: Runtime,
    database: ServiceDatabase,
    open: Open,
    node: Option<Node>,
}

/// What one node has of it.
pub struct Node {
    runtime: Handle,
    store: Box<dyn CommitStore>,
    watch: Arc<Watch>,
    tickets: u64,
}

impl Place {
    /// With one node, which has just started.
    pub fn new(make: impl FnOnce(&Runtime) -> (ServiceDatabase, Open)) -> Self {
        let runtime = Runtime::new().unwrap();
        let (database, open) = make(&runtime);
        let mut place = Place {
            runtime,
            database,
            open,
            node: None,
        };
        place.restart("");
        place
    }

    /// One more node that takes itself for the owner.
    fn another(&self, faults: &str) -> Node {
        let faults = Faults::new(faults.parse::<FaultPlan>().unwrap());
        let store = (self.open)(faults);
        Node {
            runtime: self.runtime.handle().clone(),
            watch: Watch::new(BOOKINGS, store.place()),
            store,
            tickets: 0,
        }
    }

    /// Ends the node where it is, and starts it anew.
    fn restart(&mut self, faults: &str) {
        drop(self.node.take());
        self.node = Some(self.another(faults));
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }

    fn claim(&mut self, shard: ShardId) -> Claim {
        self.node().claim(shard)
    }

    fn write(&mut self, units: &[Unit]) -> Result<(), Failure> {
        self.node().write(units, &[])
    }

    /// The version of a row, if it is there.
    fn version(&self, key: u128) -> Option<i64> {
        let row = parked::Entity::find_by_id(Uuid::from_u128(key)).one(&self.database.read);
        self.runtime.block_on(row).unwrap().map(|row| row.version)
    }

    /// Which version of a message is noted to have been written.
    fn noted(&self, message: &str) -> Option<String> {
        let noted = setting::Entity::find_by_id(format!("{SETTING_OF_VERSIONS}{message}"));
        let noted = self.runtime.block_on(noted.one(&self.database.read));
        noted.unwrap().map(|row| row.value)
    }

    fn position(&self, shard: ShardId, source: ShardId) -> Option<u64> {
        self.position_in(shard, SourceStream::messages(source))
    }

    fn position_in(&self, shard: ShardId, stream: SourceStream) -> Option<u64> {
        let positions = shards::positions(&self.database, shard);
        let positions = self.runtime.block_on(positions).unwrap();
        positions.get(&stream).copied()
    }

    fn timers(&self, shard: ShardId) -> Vec<StoredTimer> {
        let timers = timers::of_shard(&self.database, shard);
        self.runtime.block_on(timers).unwrap()
    }

    /// The sequences that can be read of what was sent to a destination.
    fn sequences(&self, source: ShardId, destination: Destination) -> Vec<u64> {
        let messages = history::messages(&self.database, source, destination, 0, 10_000);
        let read = self.runtime.block_on(messages).unwrap();
        read.messages
            .iter()
            .map(|message| message.sequence)
            .collect()
    }
}

impl Node {
    fn patience(&self) -> Patience {
        self.watch.begin("a test")
    }

    fn claim(&mut self, shard: ShardId) -> Claim {
        let patience = self.patience();
        let claim = self.store.claim(shard, "test", None, &patience);
        self.runtime.block_on(claim).unwrap()
    }

    fn claim_again(&mut self, held: &Claim) -> Result<Claim, StoreError> {
        let patience = self.patience();
        let epoch = Some(held.epoch);
        let claim = self.store.claim(held.shard, "test", epoch, &patience);
        self.runtime.block_on(claim)
    }

    fn write(&mut self, units: &[Unit], published: &[Published]) -> Result<(), Failure> {
        let patience = self.patience();
        let batch = Batch { units, published };
        self.runtime.block_on(self.store.write(&batch, &patience))
    }

    fn prune(&mut self, prune: Prune) -> Result<Pruned, StoreError> {
        let patience = self.patience();
        self.runtime.block_on(self.store.prune(&prune, &patience))
    }

    fn happened(&mut self) -> bool {
        let patience = self.patience();
        let happened = self.store.happened(&patience);
        self.runtime.block_on(happened).unwrap()
    }

    fn recover(&mut self) {
        self.runtime.block_on(self.store.recover()).unwrap();
    }

    /// A unit of a claimed shard.
    fn unit(&mut self, claim: &Claim, rows: Vec<RowChange>) -> Unit {
        self.tickets += 1;
        Unit {
            rows,
            ..unit(claim.shard, claim.epoch, self.tickets)
        }
    }

    fn inserting(&mut self, claim: &Claim, key: u128) -> Unit {
        self.unit(claim, vec![row(key, 1).insert()])
    }

    fn updating(&mut self, claim: &Claim, key: u128, from: u64) -> Unit {
        self.unit(claim, vec![row(key, from + 1).update_from(from)])
    }

    /// A unit with an event and a command to each of the shards; the claim goes on behind it.
    fn sending(&mut self, claim: &mut Claim, to: &[ShardId]) -> Unit {
        let outgoing = outgoing(claim.next_sequence, claim.next_sequence, to);
        claim.next_sequence += outgoing.count();
        Unit {
            outgoing: Some(outgoing),
            ..self.unit(claim, Vec::new())
        }
    }

    fn moving(&mut self, claim: &Claim, source: ShardId, position: u64) -> Unit {
        Unit {
            position: Some((SourceStream::messages(source), position)),
            ..self.unit(claim, Vec::new())
        }
    }
}

/// The unit that was found wrong.
fn culprit(written: Result<(), Failure>) -> usize {
    match written {
        Err(Failure::Unit { index, .. }) => index,
        other => panic!("no unit is named: {other:?}"),
    }
}
