//! Panics. One that a part's boundary catches costs that part, and the supervision table says what becomes of it. One
//! that nothing catches, in code that every call depends on, ends the process at once: what runs on without its media
//! thread or its store looks alive and is not, and systemd starts a fresh one within a second. Anywhere else (an HTTP
//! handler, a name being looked up) it costs the task that it happened in. Each is one line in the log.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    /// Boundaries around what runs now.
    static BOUNDARIES: Cell<u32> = const { Cell::new(0) };
    /// Is what runs now something that every call depends on?
    static VITAL: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics one line in the log, and those that would leave a cripple behind the end of the process.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        let why = words(info.payload());
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("without a name");
        let caught = BOUNDARIES.get() > 0;
        tracing::error!(thread, at, why, caught, "panic");
        if caught || !VITAL.get() {
            return;
        }
        tracing::error!(thread, "the exchange cannot run without this thread; the process exits");
        eprintln!("ringtrip: thread {thread} panicked at {at}: {why}\n{}", Backtrace::force_capture());
        std::process::abort();
    }));
}

/// Runs this inside a boundary. A panic becomes its words.
pub fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    let _inside = Set::new(&BOUNDARIES, BOUNDARIES.get() + 1);
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| words(&*panic))
}

/// Runs this as something that every call depends on.
pub fn vital<R>(work: impl FnOnce() -> R) -> R {
    let _vital = Set::new(&VITAL, true);
    work()
}

/// The same for a task.
pub fn vital_task<F: Future>(task: F) -> impl Future<Output = F::Output> {
    VitalTask(Box::pin(task))
}

struct VitalTask<F>(Pin<Box<F>>);

impl<F: Future> Future for VitalTask<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        vital(|| self.0.as_mut().poll(cx))
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}

/// Sets a cell and puts its value back when it goes, also by a panic.
struct Set<T: Copy + 'static> {
    cell: &'static std::thread::LocalKey<Cell<T>>,
    before: T,
}

impl<T: Copy> Set<T> {
    fn new(cell: &'static std::thread::LocalKey<Cell<T>>, value: T) -> Set<T> {
        let before = cell.get();
        cell.set(value);
        Set { cell, before }
    }
}

impl<T: Copy> Drop for Set<T> {
    fn drop(&mut self) {
        self.cell.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_a_boundary_becomes_its_words_and_leaves_no_trace() {
        let panic_text = caught(|| vital(|| -> u8 { panic!("the {} panicked", "line") }));
        assert_eq!(panic_text, Err("the line panicked".to_owned()));
        assert_eq!((BOUNDARIES.get(), VITAL.get()), (0, false));
        assert_eq!(caught(|| 7), Ok(7));
    }
}
