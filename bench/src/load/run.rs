//! One run of a load.

use super::account::Account;
use super::arrivals::arrivals;
use super::echo;
use super::feeder::{BLOCK, BLOCK_TIME, Line, feed};
use super::stream::{Target, play};
use crate::live::conversation::Conversation;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;

/// Time before the first stream begins, so that everything is in place.
const PREPARATION: Duration = Duration::from_millis(200);

/// What to play, to whom, and when.
pub struct Load<'a> {
    /// The server.
    pub target: Target,
    /// What is said: the first stream plays the first, and so on, and from the beginning where they are fewer than streams.
    pub conversations: &'a [Conversation],
    /// Streams.
    pub streams: usize,
    /// Streams a second that arrive, by a Poisson process; without, all at once.
    pub rate: Option<f64>,
    /// Chooses the times of arrival.
    pub seed: u64,
    /// Whether an echo runs beside them.
    pub has_echo: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Loaded {
    /// What became of the streams.
    pub account: Account,
    /// From when a block was due to when its echo was back, in milliseconds.
    pub echo: Vec<f64>,
    /// How late blocks were given out, in milliseconds.
    pub lag: Vec<f64>,
    /// From the first arrival to the last word.
    pub span: Duration,
}

impl Load<'_> {
    /// Plays it, from a runtime's own threads and one that feeds.
    ///
    /// # Errors
    /// If the echo fails; what becomes of streams is no error.
    pub async fn run(&self) -> Result<Loaded> {
        let samples: Vec<_> =
            self.conversations.iter().map(|whole| Arc::new(whole.samples.clone())).collect();
        let address = if self.has_echo { Some(echo::serve().await?) } else { None };
        let begun = Instant::now() + PREPARATION;
        let times = arrivals(self.streams, self.rate, self.seed);
        let (mut lines, mut streams) = (Vec::new(), Vec::new());
        for (number, &start) in times.iter().enumerate() {
            let samples = Arc::clone(&samples[number % samples.len()]);
            let (sender, due) = unbounded_channel();
            lines.push(Line { start, blocks: samples.len().div_ceil(BLOCK), sender });
            streams.push(tokio::spawn(play(self.target.clone(), samples, due, begun + start)));
        }
        let echo = address.map(|address| {
            // Between the blocks of the streams, as long as any has some.
            let start = BLOCK_TIME / 2;
            let end = lines
                .iter()
                .map(|line| line.start + BLOCK_TIME * line.blocks as u32)
                .max()
                .unwrap_or_default();
            let blocks = end.saturating_sub(start).div_duration_f64(BLOCK_TIME) as usize;
            let (sender, due) = unbounded_channel();
            lines.push(Line { start, blocks, sender });
            tokio::spawn(echo::measure(address, due, start, begun))
        });
        let feeder = std::thread::Builder::new().name("feeder".into()).spawn(move || feed(lines, begun))?;
        let mut account = Account::default();
        for (number, stream) in streams.into_iter().enumerate() {
            let conversation = &self.conversations[number % self.conversations.len()];
            account.add(&stream.await.context("a stream's task failed")?, &conversation.utterances);
        }
        let span = begun.elapsed();
        let echo = match echo {
            Some(echo) => echo.await.context("the echo's task failed")??,
            None => Vec::new(),
        };
        // It has ended: all lines have.
        let lag = feeder.join().map_err(|_| anyhow::anyhow!("the feeder failed"))?;
        let lag = lag.into_iter().map(|seconds| seconds * 1e3).collect();
        Ok(Loaded { account, echo, lag, span })
    }
}
