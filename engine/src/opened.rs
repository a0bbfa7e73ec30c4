//! What opening a store has to say to the program's log.

use std::time::Duration;

use crate::recovery::{Recovered, Survey, Tip};
use crate::{Mode, Store};

/// Says how an opening went, and what whoever runs the store should look at.
pub(crate) fn report(store: &Store, mode: Mode, took: Duration) {
    let opening = store.opening();
    for lost in &opening.lost {
        let (file, positions) = (lost.file.display(), &lost.positions);
        tracing::warn!(%file, ?positions, what = lost.what, "what is lost, as far as opening has met it");
    }
    if !opening.strangers.is_empty() {
        let files = &opening.strangers;
        tracing::warn!(?files, "the directory holds files that are none of the store's");
    }
    let view = store.segments().view();
    let mode = match mode {
        Mode::Create | Mode::Existing => "write",
        Mode::ReadOnly => "read",
    };
    tracing::info!(
        mode,
        positions = view.visible_position.0,
        segments = view.table.segments.len(),
        created = opening.created,
        recovered = opening.recovered.is_some(),
        dropped_bytes = opening.recovered.as_ref().map_or(0, |recovered| recovered.dropped_bytes),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "opened"
    );
}

/// Says what a recovery found and did.
pub(crate) fn report_recovery(recovered: Option<&Recovered>) {
    let Some(found) = recovered else {
        tracing::warn!(
            "the store was not closed properly, and nothing had been written: recovered"
        );
        return;
    };
    tracing::warn!(
        segment = found.segment,
        valid_to = found.valid_to,
        durable_to = found.durable_to,
        carried_events = found.carried_events,
        dropped_bytes = found.dropped_bytes,
        "the store was not closed properly: recovered"
    );
}

/// Says of a store that is only read, and that nobody writes, how its last writer has left it.
pub(crate) fn report_unclean(survey: &Survey) {
    if let (Tip::Unclean { durable, dropped_bytes }, Some(last)) =
        (&survey.tip, survey.parts.last())
    {
        tracing::warn!(
            segment = last.segment.id.0,
            valid_to = last.end.0,
            durable_to = durable.0,
            dropped_bytes,
            "the store was not closed properly: shown is what a recovery would find"
        );
    }
}
