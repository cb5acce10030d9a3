//! The control thread answers telephones: it reads no file, compiles nothing and waits for nothing. What takes time says so
//! here, and a call of it from the control thread is an error in the log, which live tests look for.

use std::cell::Cell;

thread_local! {
    static IS_CONTROL: Cell<bool> = const { Cell::new(false) };
}

/// From now on this is the control thread, until what is given back is dropped: the exchange has started.
#[must_use]
pub fn begins() -> Running {
    IS_CONTROL.set(true);
    Running(())
}

/// The exchange runs.
pub struct Running(());

impl Drop for Running {
    fn drop(&mut self) {
        IS_CONTROL.set(false);
    }
}

/// What follows takes time: `what` for the log.
pub fn takes_time(what: &'static str) {
    if IS_CONTROL.get() {
        tracing::error!(what, "the control thread waits");
    }
}
