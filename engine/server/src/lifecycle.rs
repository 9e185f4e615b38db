//! How far the end of a server has come.

use tokio_util::sync::CancellationToken;

/// The steps of a server's end, each of which tasks can wait for. A step implies those before it.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
    finishing: CancellationToken,
    ended: CancellationToken,
}

impl Lifecycle {
    /// First step: nobody new is let in, and whoever holds no slot is sent away. Streams go on.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Second step: streams are finished, so that all that was taken gets its final.
    pub fn finish(&self) {
        self.drain();
        self.finishing.cancel();
    }

    /// Last step: connections are cut.
    pub fn end(&self) {
        self.finish();
        self.ended.cancel();
    }

    /// Waits for the first step.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Waits for the second step.
    pub async fn finishing(&self) {
        self.finishing.cancelled().await;
    }

    /// Waits for the last step.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Returns whether the first step has come.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}
