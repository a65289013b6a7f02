//! Tells the supervisor of a view what is wrong with one of its generations. Whoever meets it
//! tells: the projector that feeds the generation, or a query that reads from it.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::ViewError;

/// What is wrong with a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is damaged, or not ours any more: only another one helps.
    Damaged(String),
    /// Its code, or that of its store, has panicked: it is to be examined.
    Suspect(String),
}

/// A finding about a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    /// The number of the generation.
    pub number: u32,
    /// What is wrong with it.
    pub finding: Finding,
}

/// The alarm of one generation. It is raised once, however many queries fail.
#[derive(Debug)]
pub(crate) struct Alarm {
    number: u32,
    is_damaged: AtomicBool,
    is_suspect: AtomicBool,
    supervisor: mpsc::UnboundedSender<Raised>,
}

impl Alarm {
    pub(crate) fn new(number: u32, supervisor: mpsc::UnboundedSender<Raised>) -> Self {
        Alarm {
            number,
            is_damaged: AtomicBool::new(false),
            is_suspect: AtomicBool::new(false),
            supervisor,
        }
    }

    /// The generation it belongs to.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Raises the alarm if an error is a reason for it.
    pub(crate) fn notice(&self, error: &ViewError) {
        match error {
            ViewError::Damaged { what, .. } | ViewError::Foreign { what, .. }
                if !self.is_damaged.swap(true, Ordering::Relaxed) =>
            {
                self.tell(Finding::Damaged(what.clone()));
            }
            ViewError::Panicked { what, .. } => self.suspect(what),
            _ => {}
        }
    }

    /// Something has panicked.
    pub(crate) fn suspect(&self, what: &str) {
        if !self.is_suspect.swap(true, Ordering::Relaxed) {
            self.tell(Finding::Suspect(what.to_owned()));
        }
    }

    /// It was examined; the next panic is another reason.
    pub(crate) fn examined(&self) {
        self.is_suspect.store(false, Ordering::Relaxed);
    }

    /// Whether the generation must not answer any more.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    fn tell(&self, finding: Finding) {
        let number = self.number;
        // Without a supervisor the view has ended.
        let _ = self.supervisor.send(Raised { number, finding });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged() -> ViewError {
        ViewError::Damaged {
            view: "view",
            what: "no file".to_owned(),
        }
    }

    #[test]
    fn a_thousand_queries_that_fail_tell_once_and_an_outage_tells_nothing() {
        let (supervisor, mut raised) = mpsc::unbounded_channel();
        let alarm = Alarm::new(3, supervisor);
        alarm.notice(&ViewError::NotReady { view: "view" });
        assert!(raised.try_recv().is_err());

        for _ in 0..1_000 {
            alarm.notice(&damaged());
        }
        let finding = Finding::Damaged("no file".to_owned());
        assert_eq!(raised.try_recv(), Ok(Raised { number: 3, finding }));
        assert!(raised.try_recv().is_err() && alarm.is_damaged());
    }

    #[test]
    fn a_panic_is_a_reason_to_examine_again_only_after_the_examination() {
        let (supervisor, mut raised) = mpsc::unbounded_channel();
        let alarm = Alarm::new(3, supervisor);
        alarm.suspect("one");
        alarm.suspect("two");
        assert!(raised.try_recv().is_ok() && raised.try_recv().is_err());

        alarm.examined();
        alarm.suspect("three");
        assert!(raised.try_recv().is_ok() && !alarm.is_damaged());
    }
}
