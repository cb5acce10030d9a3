//! Dry runs: user-supplied scripts and plans, compiled and run without effect. Each run has its own time and memory
//! limits; this module limits how many run at once, so that they cannot take the CPU time that calls need.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::sync::Semaphore;

use super::{Problem, off_loop};

/// Short and long dry runs have separate queues, so that a long one does not delay a short one.
#[derive(Debug, Clone, Copy)]
pub(super) enum DryRunKind {
    /// One call, one text.
    Quick,
    /// Many calls: proofs, replays, reverse lookups.
    Long,
}

/// The slots of one kind.
struct Slots {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

/// Concurrent dry runs of each kind.
const RUNNING: usize = 2;
/// Further requests that may wait.
const WAITING: usize = 16;
/// How long a request waits before it is answered with 503.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

static QUICK: LazyLock<Slots> = LazyLock::new(Slots::new);
static LONG: LazyLock<Slots> = LazyLock::new(Slots::new);

/// Runs `work` off the event loop when a slot is free. The slot is released when the work ends, even if the client has
/// disconnected.
pub(super) async fn dry_run<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    kind: DryRunKind,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let slots = match kind {
        DryRunKind::Quick => &*QUICK,
        DryRunKind::Long => &*LONG,
    };
    let permit = slots.acquire().await?;
    off_loop(move || {
        let _permit = permit;
        work()
    })
    .await
}

impl Slots {
    fn new() -> Slots {
        Slots { running: Arc::new(Semaphore::new(RUNNING)), waiting: Semaphore::new(WAITING) }
    }

    async fn acquire(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let busy = |_| {
            let what = format!(
                "the exchange is busy: {RUNNING} dry runs are in progress and {WAITING} are waiting; retry in a moment"
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", what).after(2)
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy(()))?;
        match tokio::time::timeout(QUEUE_TIMEOUT, self.running.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn few_run_some_wait_the_others_come_back() {
        let slots = Slots::new();
        let first = slots.acquire().await.unwrap();
        let second = slots.acquire().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(slots.acquire())).collect();
        for one in &mut waiting {
            let soon = tokio::time::timeout(Duration::from_millis(1), one.as_mut());
            assert!(soon.await.is_err(), "both seats are taken");
        }
        let refused = slots.acquire().await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (503, Some(2)), "{refused}");
        drop((first, second));
        for one in waiting.into_iter().take(RUNNING) {
            assert!(one.await.is_ok(), "who waited gets the seat");
        }
    }
}
