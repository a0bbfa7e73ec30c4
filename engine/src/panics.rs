//! Panics, which must not keep anybody waiting.
//!
//! The threads of a store run code of others: a program's subscriber for its log, a disk, a task's waker. What
//! panics there has told the user already, through the program's panic hook; here it becomes an error, or nothing.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs this; its panic is caught and given as what it said. Whoever calls it sees to it that nothing that was
/// left half done is used again.
pub(crate) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let words = words(&*panic);
        // Dropping what somebody panicked with is code of others too.
        std::mem::forget(panic);
        words
    })
}

/// Runs code of others on the way to something that must be done, whatever becomes of that code.
pub(crate) fn undisturbed(act: impl FnOnce()) {
    // The panic hook has reported it.
    let _reported = caught(act);
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it does not say why".to_owned())
}

#[cfg(test)]
#[allow(clippy::panic, reason = "panics are what these tests are about")]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        let number = 7;
        assert_eq!(caught(|| number), Ok(7));
        assert_eq!(caught(|| -> u32 { panic!("fixed") }), Err("fixed".to_owned()));
        assert_eq!(caught(|| -> u32 { panic!("made of {number}") }), Err("made of 7".to_owned()));
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let bomb = caught(|| std::panic::panic_any(Bomb));
        assert_eq!(bomb, Err("it does not say why".to_owned()));
        let strange = caught(|| std::panic::panic_any(7_u8));
        assert_eq!(strange, Err("it does not say why".to_owned()));
    }
}
