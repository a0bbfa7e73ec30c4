//! A waker that panics.

use std::sync::Arc;
use std::task::{Wake, Waker};

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("a waker of somebody else");
    }
}

pub(crate) fn waker() -> Waker {
    Waker::from(Arc::new(Panicking))
}
