//! The world around a saga, as a model.

use crate::nested::{NestedCommand, NestedReply, NoDetails, SagaCompensated};
use crate::{Address, Reason, Run, SagaData};

/// Everybody a saga speaks to, and its own service, as models that a test can look into.
pub trait World<D: SagaData>: Clone {
    /// The saga's own service carries out a local effect, or refuses.
    ///
    /// # Errors
    /// The reason of the refusal.
    fn local(&mut self, local: D::Local, run: &Run<D>) -> Result<(), Reason>;

    /// A participant carries out a command and replies; `None` when the command is a notice.
    fn command(&mut self, to: Address, command: &D::Command) -> Option<D::Reply>;

    /// A participant refuses a command with the reply of this wire name, and changes nothing.
    fn refuse(&mut self, to: Address, command: &D::Command, reply: &'static str) -> D::Reply;

    /// A nested saga is begun or undone, and has come to its end.
    fn nested(&mut self, _to: Address, command: &NestedCommand) -> NestedReply {
        match command {
            NestedCommand::Begin(_) => NestedReply::Completed(NoDetails {}),
            NestedCommand::Undo(_) => NestedReply::Compensated(SagaCompensated::default()),
        }
    }

    /// Something unrelated happens, such as another saga at work on the same entities. The number
    /// decides what.
    fn disturb(&mut self, _number: u64) {}

    /// The saga has ended. Asked then, and once more when everything it ever sent has arrived; of
    /// one that was given up only the second time.
    ///
    /// # Panics
    /// When something does not fit the saga's end.
    fn check(&self, run: &Run<D>);
}
