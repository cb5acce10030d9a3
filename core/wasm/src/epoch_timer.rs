//! The tick that stops guests: a thread moves the engine's epoch each millisecond while decisions are being made, and
//! sleeps when none are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a guest's clock is looked at.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Ticks without a decision after which the thread sleeps. Waking it costs a system call, so it stays awake for a while.
const IDLE_TICKS: u32 = 100;

/// The ticking thread. It ends with the last handle.
#[derive(Debug)]
pub(crate) struct EpochTimer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    running: AtomicUsize,
    awake: AtomicBool,
    over: AtomicBool,
}

/// While it lives, the engine ticks.
pub(crate) struct Running<'a>(&'a Shared);

impl EpochTimer {
    pub(crate) fn start(engine: wasmtime::Engine) -> std::io::Result<EpochTimer> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            awake: AtomicBool::new(true),
            over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("plugin-tick".to_owned())
            .spawn(move || of_thread.run(|| engine.increment_epoch()))?;
        Ok(EpochTimer { shared, thread: Some(thread) })
    }

    /// A decision begins.
    pub(crate) fn enter(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if !self.shared.awake.swap(true, SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Running(&self.shared)
    }
}

impl Shared {
    fn run(&self, tick: impl Fn()) {
        let mut idle = 0;
        while !self.over.load(SeqCst) {
            idle = if self.running.load(SeqCst) == 0 { idle + 1 } else { 0 };
            if idle > IDLE_TICKS {
                // First say that we sleep, then look again: a call that enters between the two wakes us.
                self.awake.store(false, SeqCst);
                if self.running.load(SeqCst) == 0 && !self.over.load(SeqCst) {
                    std::thread::park();
                }
                self.awake.store(true, SeqCst);
                idle = 0;
                continue;
            }
            std::thread::sleep(TICK);
            tick();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for EpochTimer {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
