//! Control arms: the same bytes without a store, as the limit that the machine sets.

use serde::{Deserialize, Serialize};

use crate::arm::{Outcome, Spec};
use crate::failure::{Failure, Result};
use crate::store::Durability;
use crate::works::{Kind, Pace, What, Work};

mod disk;
mod memory;

/// A way to do without a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Control {
    /// `pwrite` past the page cache, durable as it returns: `O_DIRECT` and `O_DSYNC`.
    Direct,
    /// `pwritev2` with `RWF_DSYNC`.
    Dsync,
    /// `pwrite` and `fdatasync`.
    Fdatasync,
    /// One `pwrite` into the page cache.
    Buffered,
    /// Memory, read from its beginning to its end.
    Scan,
}

pub(crate) const CONTROLS: [Control; 5] =
    [Control::Direct, Control::Dsync, Control::Fdatasync, Control::Buffered, Control::Scan];

impl Control {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Control::Direct => "disk, O_DIRECT|O_DSYNC",
            Control::Dsync => "disk, RWF_DSYNC",
            Control::Fdatasync => "disk, fdatasync",
            Control::Buffered => "disk, buffered pwrite",
            Control::Scan => "memory scan",
        }
    }
}

/// Bytes that a commit of Quipu with so many events of 256 bytes takes in the log: a header for the commit, and for
/// each event its header, id, names and padding.
pub(crate) fn commit_bytes(events: usize) -> usize {
    32 + events * 336
}

/// Events that go into one write: those of one commit, or, where threads append as fast as they can, of one commit of
/// each. So the control is what perfect grouping would reach with one write at a time.
fn events_a_write(work: &Work) -> usize {
    match work.kind {
        Kind::Append(shape) if shape.pace == Pace::Fixed => shape.by,
        Kind::Append(shape) => shape.by * shape.threads,
        Kind::Conditional { threads } => threads,
        _ => 1,
    }
}

/// Whether a control says something about a work.
pub(crate) fn takes_part(control: Control, work: &Work) -> bool {
    let writes =
        matches!(work.kind, Kind::Append(_) | Kind::Tickets { .. } | Kind::Conditional { .. });
    match (control, work.durability()) {
        (Control::Scan, _) => matches!(work.kind, Kind::Read { what: What::Everything(_), .. }),
        (Control::Buffered, durability) => writes && durability == Durability::Os,
        (_, durability) => writes && durability == Durability::Sync,
    }
}

/// Runs a control arm.
pub(crate) fn run(control: Control, work: &Work, spec: &Spec) -> Result<Outcome> {
    if !takes_part(control, work) {
        return Err(Failure::new(format!("{} is no control of {}", control.name(), work.name)));
    }
    match control {
        Control::Scan => memory::run(work, spec),
        _ => disk::run(control, events_a_write(work), work.unit, spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works::WORKS;

    fn controls(name: &str) -> Vec<Control> {
        let work = Work::named(name).unwrap();
        CONTROLS.into_iter().filter(|control| takes_part(*control, work)).collect()
    }

    #[test]
    fn each_work_that_writes_has_the_controls_of_its_durability() {
        let durable = [Control::Direct, Control::Dsync, Control::Fdatasync];
        assert_eq!(controls("durable-1"), durable);
        assert_eq!(controls("conditional-64"), durable);
        assert_eq!(controls("os-1"), [Control::Buffered]);
        assert_eq!(controls("replay"), [Control::Scan]);
        assert_eq!(controls("open"), []);
    }

    #[test]
    fn a_write_holds_one_commit_of_each_thread() {
        let events = |name| events_a_write(Work::named(name).unwrap());
        assert_eq!(events("durable-1"), 1);
        assert_eq!(events("durable-64"), 64);
        assert_eq!(events("durable-1-by-100"), 100);
        assert_eq!(events("durable-tickets"), 1);
        assert_eq!(events("durable-rate"), 1);
        assert!(WORKS.iter().all(|work| events_a_write(work) > 0));
    }
}
