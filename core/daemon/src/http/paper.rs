//! Questions on paper: other people's texts, compiled and run. Each run has its own limits of time and memory; here few of
//! them run at once, so that many questions together cannot take what calls need.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::sync::Semaphore;

use super::{Problem, off_loop};

/// How long a question takes: a slow one must not keep a quick one waiting.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paper {
    /// One call, one text.
    Quick,
    /// Many calls: proofs, replays, who reaches whom.
    Long,
}

/// Questions of one kind.
struct Seats {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

/// Of each kind so many run at once.
const RUNNING: usize = 2;
/// So many more wait.
const WAITING: usize = 16;
/// Who waited so long is told to come back.
const PATIENCE: Duration = Duration::from_secs(30);

static QUICK: LazyLock<Seats> = LazyLock::new(Seats::new);
static LONG: LazyLock<Seats> = LazyLock::new(Seats::new);

/// Does this off the event loop, when it is its turn. The turn ends with the work, also when nobody waits for the answer
/// any more.
pub(super) async fn on_paper<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    paper: Paper,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let seats = match paper {
        Paper::Quick => &*QUICK,
        Paper::Long => &*LONG,
    };
    let turn = seats.turn().await?;
    off_loop(move || {
        let _turn = turn;
        work()
    })
    .await
}

impl Seats {
    fn new() -> Seats {
        Seats { running: Arc::new(Semaphore::new(RUNNING)), waiting: Semaphore::new(WAITING) }
    }

    async fn turn(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        if let Ok(turn) = self.running.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let busy = |_| {
            let what = format!(
                "{RUNNING} questions of this kind are being answered and others wait: ask again in a moment"
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", what).after(2)
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy(()))?;
        match tokio::time::timeout(PATIENCE, self.running.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(busy(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn few_run_some_wait_the_others_come_back() {
        let seats = Seats::new();
        let first = seats.turn().await.unwrap();
        let second = seats.turn().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(seats.turn())).collect();
        for one in &mut waiting {
            let soon = tokio::time::timeout(Duration::from_millis(1), one.as_mut());
            assert!(soon.await.is_err(), "both seats are taken");
        }
        let refused = seats.turn().await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after_s), (503, Some(2)), "{refused}");
        drop((first, second));
        for one in waiting.into_iter().take(RUNNING) {
            assert!(one.await.is_ok(), "who waited gets the seat");
        }
    }
}
