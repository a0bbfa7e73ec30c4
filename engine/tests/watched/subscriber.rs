//! A subscriber that keeps what it is told, and panics at what it should.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use quipu_disk::threads::{Mutex, MutexGuard};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static KEPT: Mutex<Vec<Told>> = Mutex::new(Vec::new());
static DREADED: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
static ALONE: Mutex<()> = Mutex::new(());
static ACTING: Mutex<Option<Acting>> = Mutex::new(None);

/// What the subscriber does of its own as it is told this.
struct Acting {
    on: &'static str,
    act: Box<dyn FnOnce() + Send>,
}

/// An event, or a span as it begins.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) level: Level,
    /// The event's message, or the span's name.
    pub(crate) what: String,
    pub(crate) fields: BTreeMap<&'static str, String>,
}

impl Told {
    pub(crate) fn number(&self, field: &str) -> u64 {
        let text = self.fields.get(field).unwrap_or_else(|| panic!("no {field}: {self:?}"));
        text.parse().unwrap_or_else(|_| panic!("{field} is no number: {self:?}"))
    }
}

/// One test's time with the subscriber of the process.
pub(crate) struct Listening {
    _alone: MutexGuard<'static, ()>,
}

/// Keeps what is told from now on, with nobody else about.
pub(crate) fn listen() -> Listening {
    static SET: OnceLock<()> = OnceLock::new();
    let alone = ALONE.lock();
    SET.get_or_init(|| tracing::subscriber::set_global_default(Keeping).unwrap());
    KEPT.lock().clear();
    DREADED.lock().clear();
    Listening { _alone: alone }
}

impl Listening {
    /// Panics from now on in whatever thread tells of one of these.
    pub(crate) fn dread(&self, what: &[&'static str]) {
        *DREADED.lock() = what.to_vec();
    }

    /// Does this in whatever thread tells of that next, before it goes on.
    pub(crate) fn act(&self, on: &'static str, act: impl FnOnce() + Send + 'static) {
        *ACTING.lock() = Some(Acting { on, act: Box::new(act) });
    }

    pub(crate) fn all(&self) -> Vec<Told> {
        KEPT.lock().clone()
    }

    pub(crate) fn first(&self, what: &str) -> Option<Told> {
        self.all().into_iter().find(|told| told.what == what)
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|told| told.what == what).count()
    }

    /// What was told, which must have been.
    pub(crate) fn heard(&self, what: &str) -> Told {
        self.first(what).unwrap_or_else(|| panic!("{what:?} is not among {:#?}", self.all()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        DREADED.lock().clear();
        ACTING.lock().take();
    }
}

struct Keeping;

impl Subscriber for Keeping {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("quipu")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut fields = Fields::default();
        span.record(&mut fields);
        let metadata = span.metadata();
        keep(*metadata.level(), metadata.name().to_owned(), fields.0);
        Id::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let what = fields.0.remove("message").unwrap_or_default();
        keep(*event.metadata().level(), what, fields.0);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn keep(level: Level, what: String, fields: BTreeMap<&'static str, String>) {
    let dreaded = DREADED.lock().iter().any(|dreaded| what.contains(dreaded));
    let refusal = format!("a subscriber that cannot bear {what:?}");
    let acting = ACTING.lock().take_if(|acting| what.contains(acting.on));
    KEPT.lock().push(Told { level, what, fields });
    if let Some(acting) = acting {
        (acting.act)();
    }
    assert!(!dreaded, "{refusal}");
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").unwrap();
        self.0.insert(field.name(), text);
    }
}
