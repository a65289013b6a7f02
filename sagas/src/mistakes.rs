//! Mistakes that can be switched on, one at a time, so that the simulator can be seen to find them.
//!
//! Each is one that somebody could make where it stands; several were made once. Without the
//! feature `mistakes`, which no release has, [`makes`] is `false` at compile time.

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A mistake, at one place in the code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($(#[$doc])* $name,)*
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Mistake] = &[$(Mistake::$name,)*];

            /// As the command line names it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mistake::$name => $text,)*
                }
            }
        }
    };
}

mistakes! {
    /// A message that was applied before is applied again.
    InboxCheckSkipped = "inbox-check-skipped",
    /// A message is applied although one before it is missing.
    GapIgnored = "gap-ignored",
    /// Nobody looks whether the last message of a source was lost.
    LastMessageNotLookedFor = "last-message-not-looked-for",
    /// What was lost is read from the beginning of the outbox.
    GapReadFromTheStart = "gap-read-from-the-start",
    /// The positions of messages move although what they are about could not be read.
    PositionBeforeEffect = "position-before-effect",
    /// After a reload the shard goes on from the positions it had in memory.
    PositionsNotReread = "positions-not-reread",
    /// After a reload the shard goes on with the sequence it had in memory.
    SequenceNotReread = "sequence-not-reread",
    /// A caller is answered when its unit is submitted.
    AnswerBeforeCommit = "answer-before-commit",
    /// An answer that writes nothing does not wait until what it rests on is durable.
    GroundNotAwaited = "ground-not-awaited",
    /// A question goes to another node without its key.
    KeyLeftBehind = "key-left-behind",
    /// Questions to other nodes are not told apart.
    QuestionsAlike = "questions-alike",
    /// A shard that another node has had meanwhile goes on with what it has in memory.
    MemoryKeptOnLeave = "memory-kept-on-leave",
    /// What other owners have noted of their outboxes is not read.
    NotesNotHeard = "notes-not-heard",
    /// The epoch of a unit is compared neither in memory nor in the store.
    EpochNotCompared = "epoch-not-compared",
    /// A shard that went away and came back goes on as if it had stayed: the number of its tenure
    /// is not compared.
    TenureNotCompared = "tenure-not-compared",
    /// A node takes over whatever it was told once, and asks nobody whether it is its own still.
    UnconfirmedTakenOver = "unconfirmed-taken-over",
    /// Of several updates of a row in one batch, the first one's state is written.
    FirstStateWritten = "first-state-written",
    /// A batch of which nobody knows whether it has happened is taken for done.
    UnknownTakenForDone = "unknown-taken-for-done",
    /// A batch over which the store has panicked is taken for done.
    PanicTakenForDone = "panic-taken-for-done",
    /// A shard whose unit was dropped goes on with what it has in memory.
    NoReload = "no-reload",
    /// An actor that has failed is asked again as it is.
    FailedActorKept = "failed-actor-kept",
    /// An actor leaves memory while its units are in flight.
    PassivatedInFlight = "passivated-in-flight",
    /// A reservation that was not read is taken for one that is not there.
    NotLoadedTakenForAbsent = "not-loaded-taken-for-absent",
    /// A message is applied although one of its entity waits.
    FollowerOvertakes = "follower-overtakes",
    /// What waits is not read when a shard opens.
    ParkedForgotten = "parked-forgotten",
    /// The timers are not read when a shard opens.
    TimersForgotten = "timers-forgotten",
    /// A saga's timer is not stored.
    TimerNotStored = "timer-not-stored",
    /// A time that the clock set before it stepped back stands.
    StepBackUnbounded = "step-back-unbounded",
    /// Any reply of its participant decides a saga.
    AnyReplyDecides = "any-reply-decides",
    /// A step whose outcome is unknown is not compensated.
    UnknownNotCompensated = "unknown-not-compensated",
    /// A saga that is given up says its last word to its own service alone.
    AbandonedWithoutRelease = "abandoned-without-release",
    /// A saga that is given up says its last word to other services alone.
    AbandonedKeepsLock = "abandoned-keeps-lock",
    /// An event counts as heard before the command is stored that a handler has made of it.
    PositionBeforeCommand = "position-before-command",
    /// Whether a handler has heard an event before is not looked at.
    EventHeardTwice = "event-heard-twice",
    /// An order that is given up in a choreography does not ask for the release of what it may
    /// hold.
    ReleaseNotAsked = "release-not-asked",
    /// An order that was given up in a choreography hears what comes too late.
    LateWordHeard = "late-word-heard",
    /// What a customer refuses in a choreography it tells nobody.
    RefusalNotTold = "refusal-not-told",
    /// An event that cannot be read is passed over by whoever hears its service.
    UnreadableEventPassedOver = "unreadable-event-passed-over",
    /// Who waits is told of what had ended before a reload, although their commands are to be done
    /// again.
    EndToldBeforeRepeat = "end-told-before-repeat",
    /// A command that changes nothing has no reply.
    RepeatWithoutReply = "repeat-without-reply",
    /// The row of a reservation is not written with its customer's.
    PartForgotten = "part-forgotten",
    /// A key is not remembered by what it has created.
    KeyForgotten = "key-forgotten",
    /// When a shard is claimed, the log does not learn how far its outbox goes.
    HeadsForgotten = "heads-forgotten",
    /// Commands are removed before they have been received.
    PrunedUnreceived = "pruned-unreceived",
    /// A store that has failed once is never taken for well again.
    StandsForEver = "stands-for-ever",
    /// A unit that could not be published is told to be durable, and its messages are not.
    PublishedOverAHole = "published-over-a-hole",
    /// A reader of a view is woken by what is not committed yet.
    ReaderWokenBeforeCommit = "reader-woken-before-commit",
    /// Another generation of a view answers before it has what the one before it has.
    SwapTooEarly = "swap-too-early",
    /// A view takes an event in although one before it is missing.
    ViewGapIgnored = "view-gap-ignored",
    /// Nobody looks whether the last event of a source was lost on the way to a view.
    LastEventNotLookedFor = "last-event-not-looked-for",
    /// After an error a view goes on from the positions that it had in memory.
    ViewPositionsNotReread = "view-positions-not-reread",
    /// The positions of a view that is copied from rows are read after the rows.
    HeadsReadAfterRows = "heads-read-after-rows",
    /// Which generations there are is saved over whatever another node has saved meanwhile.
    CatalogNotCompared = "catalog-not-compared",
    /// What answers no more is deleted although other nodes read from it still.
    FormerDeletedAtOnce = "former-deleted-at-once",
    /// Who follows a view turns to its next generation before that has what was shown.
    FollowerNotLevel = "follower-not-level",
    /// Who follows a view answers although it has not heard for long which generation is meant.
    FollowerUnsure = "follower-unsure",
    /// Who follows a view stays with the generation that it found first.
    FollowerStays = "follower-stays",
}

/// Whether this mistake is made.
#[cfg(not(feature = "mistakes"))]
#[must_use]
pub const fn makes(_: Mistake) -> bool {
    false
}

#[cfg(feature = "mistakes")]
mod made {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Mistake;

    /// The place of the one that is made among all; one beyond the last when none is.
    static MADE: AtomicUsize = AtomicUsize::new(usize::MAX);

    /// Has this mistake made from now on, by the whole process, and no other.
    pub fn make(mistake: Option<Mistake>) {
        let place = |made| Mistake::ALL.iter().position(|mistake| *mistake == made);
        MADE.store(
            mistake.and_then(place).unwrap_or(usize::MAX),
            Ordering::SeqCst,
        );
    }

    /// Whether this mistake is made.
    #[must_use]
    pub fn makes(mistake: Mistake) -> bool {
        Mistake::ALL.get(MADE.load(Ordering::Relaxed)) == Some(&mistake)
    }
}

#[cfg(feature = "mistakes")]
pub use made::{make, makes};
