//! Connections that say nothing.

use super::process::Usage;
use super::stream::{Target, connect, start};
use anyhow::{Result, ensure};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many connect at the same time.
const AT_ONCE: usize = 32;

/// What connections that say nothing cost the server.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// Connections that were opened.
    pub opened: usize,
    /// Connections that the server had closed by the end.
    pub closed: usize,
    /// The server before any of them, when all had been opened, and at the end.
    pub usage: Option<[Usage; 3]>,
    /// The time from when all had been opened to the end.
    pub span: Duration,
}

impl Idle {
    /// The share of a core that the server took while all were open.
    pub fn core_share(&self) -> Option<f64> {
        let [_, opened, end] = self.usage?;
        Some((end.processor.saturating_sub(opened.processor)).as_secs_f64() / self.span.as_secs_f64())
    }

    /// The memory that the server took more, in bytes, at the end.
    pub fn more_bytes(&self) -> Option<i64> {
        let [before, _, end] = self.usage?;
        Some(end.resident_bytes as i64 - before.resident_bytes as i64)
    }
}

/// Opens `count` streams that are started and send no audio, keeps them for `span`, and looks at the server `pid` meanwhile.
/// They answer the server's pings.
///
/// # Errors
/// If one cannot be opened.
pub async fn keep(target: &Target, count: usize, span: Duration, pid: Option<u32>) -> Result<Idle> {
    let usage = || pid.map(Usage::of).transpose();
    let before = usage()?;
    let closed = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    while tasks.len() < count {
        let some = AT_ONCE.min(count - tasks.len());
        let opening = (0..some).map(|_| async {
            let mut socket =
                connect(target).await?.map_err(|refusal| anyhow::anyhow!("refused: {}", refusal.reason))?;
            let started = start(&mut socket).await?;
            ensure!(started.is_ok(), "refused: {started:?}");
            Ok(socket)
        });
        for socket in futures_util::future::join_all(opening).await {
            let mut socket = socket?;
            let closed = Arc::clone(&closed);
            tasks.push(tokio::spawn(async move {
                while socket.next().await.is_some_and(|message| message.is_ok()) {}
                closed.fetch_add(1, Ordering::Relaxed);
            }));
        }
    }
    let (opened, begun) = (usage()?, Instant::now());
    tokio::time::sleep(span).await;
    let (end, span) = (usage()?, begun.elapsed());
    let closed = closed.load(Ordering::Relaxed);
    tasks.iter().for_each(|task| task.abort());
    let usage = before.zip(opened).zip(end).map(|((before, opened), end)| [before, opened, end]);
    Ok(Idle { opened: count, closed, usage, span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_time_when_all_are_open() {
        let usage = |megabytes: u64, seconds| Usage {
            resident_bytes: megabytes << 20,
            processor: Duration::from_secs(seconds),
        };
        let idle = Idle {
            opened: 10,
            closed: 0,
            usage: Some([usage(100, 1), usage(120, 5), usage(90, 6)]),
            span: Duration::from_secs(50),
        };
        assert_eq!((idle.core_share(), idle.more_bytes()), (Some(0.02), Some(-10 << 20)));
        assert_eq!(Idle { usage: None, ..idle }.core_share(), None);
    }
}
