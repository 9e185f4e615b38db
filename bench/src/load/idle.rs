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
    /// The server at the beginning, before any of them, when all had been opened, and at the end.
    pub usage: Option<[Usage; 4]>,
    /// The time without any, and the time with all of them.
    pub spans: [Duration; 2],
}

impl Idle {
    /// The shares of a core that the server took without any of them, and with all.
    pub fn core_shares(&self) -> Option<[f64; 2]> {
        let [begin, before, opened, end] = self.usage?;
        let share = |from: Usage, to: Usage, span: Duration| {
            to.processor.saturating_sub(from.processor).as_secs_f64() / span.as_secs_f64()
        };
        Some([share(begin, before, self.spans[0]), share(opened, end, self.spans[1])])
    }

    /// The memory that the server took more, in bytes, at the end.
    pub fn more_bytes(&self) -> Option<i64> {
        let [_, before, _, end] = self.usage?;
        Some(end.resident_bytes as i64 - before.resident_bytes as i64)
    }
}

/// Looks at the server `pid` for `span`, then opens `count` streams that are started and send no audio, and looks at it for as
/// long again. They answer the server's pings.
///
/// # Errors
/// If one cannot be opened.
pub async fn keep(target: &Target, count: usize, span: Duration, pid: Option<u32>) -> Result<Idle> {
    let usage = || pid.map(Usage::of).transpose();
    let (begin, begun) = (usage()?, Instant::now());
    if pid.is_some() {
        tokio::time::sleep(span).await;
    }
    let (before, quiet) = (usage()?, begun.elapsed());
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
    let (end, busy) = (usage()?, begun.elapsed());
    let closed = closed.load(Ordering::Relaxed);
    tasks.iter().for_each(|task| task.abort());
    let usage = match [begin, before, opened, end] {
        [Some(begin), Some(before), Some(opened), Some(end)] => Some([begin, before, opened, end]),
        _ => None,
    };
    Ok(Idle { opened: count, closed, usage, spans: [quiet, busy] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_their_own_times() {
        let usage = |megabytes: u64, seconds| Usage {
            resident_bytes: megabytes << 20,
            processor: Duration::from_secs(seconds),
        };
        let idle = Idle {
            opened: 10,
            closed: 0,
            usage: Some([usage(100, 0), usage(100, 1), usage(120, 5), usage(90, 6)]),
            spans: [Duration::from_secs(100), Duration::from_secs(50)],
        };
        assert_eq!((idle.core_shares(), idle.more_bytes()), (Some([0.01, 0.02]), Some(-10 << 20)));
        assert_eq!(Idle { usage: None, ..idle }.core_shares(), None);
    }
}
